/*
 * A binary heap of timed items: the earliest first. The node is embedded in
 * the item (container_of by the caller); the heap owns nothing but its array.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t		 at;
	uint32_t	 index;		/* place + 1; 0: in no heap */
};

struct heap {
	struct heap_node **nodes;
	size_t		 count;
	size_t		 cap;
};

void	heap_clear(struct heap *);
/* Inserts, or moves where it is in already. */
void	heap_set(struct heap *, struct heap_node *, int64_t at);
/* No-op where it is in no heap. */
void	heap_del(struct heap *, struct heap_node *);
struct heap_node *heap_first(const struct heap *);	/* NULL when empty */

#define HEAP_ITEM(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
