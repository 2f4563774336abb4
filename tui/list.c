#include "tui/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
list_rows_add(struct list_rows *r, struct span key, struct span text)
{
	if (r->count == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->items = mem_grow(r->items, r->cap, sizeof *r->items);
	}
	r->items[r->count++] = (struct list_row){ span_dup(key), span_dup(text), text.len };
}

void
list_rows_clear(struct list_rows *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i].key);
		free(r->items[i].text);
	}
	free(r->items);
	*r = (struct list_rows){ .count = 0 };
}

void
list_clear(struct list *l)
{
	list_rows_clear(&l->rows);
	free(l->key);
	l->key = NULL;
	l->first = l->total = l->cursor = l->top = 0;
}

const struct list_row *
list_at(const struct list *l, size_t place)
{
	if (place < l->first || place - l->first >= l->rows.count)
		return NULL;
	return &l->rows.items[place - l->first];
}

const struct list_row *
list_current(const struct list *l)
{
	return list_at(l, l->cursor);
}

/* The cursor inside the rows, the screen's part around the cursor and full where it can be. */
static void
settle(struct list *l)
{
	size_t height = l->height == 0 ? 1 : l->height;

	if (l->cursor >= l->total)
		l->cursor = l->total == 0 ? 0 : l->total - 1;
	if (l->top > l->cursor)
		l->top = l->cursor;
	if (l->cursor - l->top >= height)
		l->top = l->cursor - height + 1;
	if (l->total <= height)
		l->top = 0;
	else if (l->top > l->total - height)
		l->top = l->total - height;
}

/* The row under the cursor is the one that the cursor stays with. */
static void
remember(struct list *l)
{
	const struct list_row *row = list_current(l);

	free(l->key);
	l->key = row == NULL ? NULL : mem_str(row->key);
}

void
list_set_height(struct list *l, size_t height)
{
	l->height = height == 0 ? 1 : height;
	settle(l);
}

static bool
find_key(const struct list *l, size_t *place)
{
	for (size_t i = 0; l->key != NULL && i < l->rows.count; i++) {
		if (strcmp(l->rows.items[i].key, l->key) != 0)
			continue;
		*place = l->first + i;
		return true;
	}
	return false;
}

void
list_take(struct list *l, struct list_rows *rows, size_t first, size_t total)
{
	size_t place, above = l->cursor - l->top;

	list_rows_clear(&l->rows);
	l->rows = *rows;
	*rows = (struct list_rows){ .count = 0 };
	l->first = first;
	l->total = total;
	if (find_key(l, &place)) {
		l->cursor = place;
		l->top = place > above ? place - above : 0;
	}
	settle(l);
	remember(l);
}

/* A quarter at a time, so that appending is not a move of all rows each time. */
static void
drop_first(struct list *l, size_t n)
{
	struct list_rows *r = &l->rows;

	for (size_t i = 0; i < n; i++) {
		free(r->items[i].key);
		free(r->items[i].text);
	}
	r->count -= n;
	memmove(r->items, r->items + n, r->count * sizeof *r->items);
	l->total = r->count;
	l->cursor -= l->cursor < n ? l->cursor : n;
	l->top -= l->top < n ? l->top : n;
}

void
list_append(struct list *l, struct span key, struct span text, size_t most)
{
	list_rows_add(&l->rows, key, text);
	l->total = l->rows.count;
	if (l->total > most + most / 4)
		drop_first(l, l->total - most);
	settle(l);
	remember(l);
}

void
list_go(struct list *l, size_t place)
{
	l->cursor = place;
	settle(l);
	remember(l);
}

void
list_move(struct list *l, enum list_move how)
{
	size_t page = l->height > 1 ? l->height - 1 : 1, to = l->cursor;

	if (l->total == 0)
		return;
	switch (how) {
	case MOVE_UP:
		to -= to > 0 ? 1 : 0;
		break;
	case MOVE_DOWN:
		to++;
		break;
	case MOVE_PAGE_UP:
		to -= to > page ? page : to;
		l->top -= l->top > page ? page : l->top;
		break;
	case MOVE_PAGE_DOWN:
		to += page;
		l->top += page;
		break;
	case MOVE_FIRST:
		to = 0;
		break;
	case MOVE_LAST:
		to = l->total - 1;
		break;
	}
	list_go(l, to < l->total ? to : l->total - 1);
}

bool
list_covered(const struct list *l)
{
	size_t end = l->top + l->height;

	if (end > l->total)
		end = l->total;
	return l->total == 0 || (l->top >= l->first && end <= l->first + l->rows.count);
}
