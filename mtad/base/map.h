/*
 * A hash map from byte strings to items that the caller owns; an item carries
 * its own key. The hash is keyed with a random number a process (outsiders choose the keys). Memory: 12 bytes
 * a slot, at most 8/10 of the slots in use.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct map {
	struct span	(*key)(const void *item);	/* the item's key; valid while the item is */
	void		**items;
	uint32_t	*hashes;
	size_t		 slots;			/* 0 or a power of two */
	size_t		 count;
};

#define MAP_INIT(key_of)	((struct map){ .key = (key_of) })

void	 map_clear(struct map *);		/* frees the table, never the items */
void	*map_get(const struct map *, struct span key);
/* Adds an item whose key must not be there yet (panic). */
void	 map_add(struct map *, void *item);
/* Takes the item out and returns it, or NULL. */
void	*map_del(struct map *, struct span key);
/* Walks in no order: start with *at = 0; NULL at the end. The map must not change meanwhile. */
void	*map_next(const struct map *, size_t *at);
void	 map_reserve(struct map *, size_t count);

/* The keyed hash itself (64 bits). */
uint64_t map_hash(struct span);

#endif
