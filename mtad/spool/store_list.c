/*
 * Segments by number: hundreds, rarely changed, looked up with every message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/store_private.h"

/* The place of the first one with that number or a higher one. */
static uint32_t
place(const struct kept_list *l, uint32_t number)
{
	uint32_t low = 0, high = l->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (l->at[mid]->s.number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
kept_add(struct kept_list *l, struct kept *k)
{
	uint32_t at = place(l, k->s.number);

	if (l->count == l->room) {
		l->room = l->room == 0 ? 16 : l->room * 2;
		l->at = mem_grow(l->at, l->room, sizeof *l->at);
	}
	memmove(l->at + at + 1, l->at + at, (l->count - at) * sizeof *l->at);
	l->at[at] = k;
	l->count++;
}

struct kept *
kept_get(const struct kept_list *l, uint32_t number)
{
	uint32_t at = place(l, number);

	return at < l->count && l->at[at]->s.number == number ? l->at[at] : NULL;
}

struct kept *
kept_remove(struct kept_list *l, uint32_t number)
{
	uint32_t at = place(l, number);

	if (at == l->count || l->at[at]->s.number != number)
		return NULL;
	struct kept *k = l->at[at];
	l->count--;
	memmove(l->at + at, l->at + at + 1, (l->count - at) * sizeof *l->at);
	return k;
}

void
kept_free(struct kept_list *l)
{
	for (uint32_t i = 0; i < l->count; i++) {
		if (l->at[i]->fd >= 0)
			close(l->at[i]->fd);
		free(l->at[i]);
	}
	free(l->at);
	*l = (struct kept_list){ 0 };
}
