/*
 * Sorts what comes in by and by and gives it back in order, in small steps: runs of a few thousand are sorted as they fill up, and merged only as
 * far as somebody asks. So no step takes longer than a slice of a question may, and the first screen of a million does not wait for the rest.
 */
#ifndef QUEUE_SORTER_H
#define QUEUE_SORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mail/queue_id.h"

#define SORTER_TEXT	24u

/* By the number, then the text, then the queue ID (whose parts stand apart to leave no gap). */
struct sort_item {
	uint64_t	 usec;
	uint32_t	 writer;
	uint32_t	 hint;		/* of the index, index_find_at */
	int64_t		 number;
	char		 text[SORTER_TEXT];	/* only where the sorter was told so */
};

struct sorter {			/* zeroed is empty */
	size_t		 size;		/* of an item: without its text, or with it */
	bool		 reverse;
	char		*items;
	size_t		 count, cap;
	bool		 ordered;	/* all came in order: nothing to sort or to merge */
	size_t		 taken;		/* of those */
	struct sort_run	*runs;		/* a heap, from sorter_end on */
	size_t		 run_count;
};

static inline struct qid
sort_item_id(const struct sort_item *item)
{
	return (struct qid){ item->usec, item->writer };
}

void	sorter_begin(struct sorter *, bool text, bool reverse);
void	sorter_add(struct sorter *, const struct sort_item *);
void	sorter_end(struct sorter *);		/* no more come */
/* The next in order; NULL at the end. Only what the sorter keeps of an item may be read. Until sorter_clear. */
const struct sort_item *sorter_next(struct sorter *);
/* The one that sorter_next will give, left where it is. */
const struct sort_item *sorter_peek(const struct sorter *);
/* Between sorter_end and the first sorter_next: how many come before this one. */
size_t	sorter_rank(const struct sorter *, const struct sort_item *);
void	sorter_clear(struct sorter *);

#endif
