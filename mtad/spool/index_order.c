#include "spool/index_private.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

/* The last chunk whose first ID is not above `id`, or 0. */
static size_t
find_chunk(const struct index *ix, struct qid id)
{
	size_t lo = 0, hi = ix->chunk_count;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (qid_cmp(ix->chunks[mid]->first, id) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* The first place in the chunk whose ID is not below `id`. */
static uint32_t
find_place(const struct index_chunk *c, struct qid id)
{
	uint32_t lo = 0, hi = c->count;

	if (hi > 0 && qid_cmp(c->entries[hi - 1]->id, id) < 0)
		return hi;	/* IDs come in order: mostly this */
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (qid_cmp(c->entries[mid]->id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
add_chunk(struct index *ix, size_t at, struct index_chunk *c)
{
	if (ix->chunk_count == ix->chunk_cap) {
		ix->chunk_cap = ix->chunk_cap == 0 ? 16 : ix->chunk_cap * 2;
		ix->chunks = mem_grow(ix->chunks, ix->chunk_cap, sizeof *ix->chunks);
	}
	memmove(ix->chunks + at + 1, ix->chunks + at, (ix->chunk_count - at) * sizeof *ix->chunks);
	ix->chunks[at] = c;
	ix->chunk_count++;
}

/* A full chunk gives way: at its end by a new one (IDs in order fill chunks whole), else by halves. */
static struct index_chunk *
make_room(struct index *ix, size_t at, uint32_t *place)
{
	struct index_chunk *c = ix->chunks[at], *next;

	MEM_NEW(next);
	add_chunk(ix, at + 1, next);
	if (*place == CHUNK_MAX) {
		*place = 0;
		return next;
	}
	uint32_t half = CHUNK_MAX / 2;
	next->count = CHUNK_MAX - half;
	memcpy(next->entries, c->entries + half, next->count * sizeof *c->entries);
	next->first = next->entries[0]->id;
	c->count = half;
	if (*place <= half)
		return c;
	*place -= half;
	return next;
}

bool
order_insert(struct index *ix, struct entry *e)
{
	if (ix->chunk_count == 0) {
		struct index_chunk *first;
		MEM_NEW(first);
		add_chunk(ix, 0, first);
	}
	size_t at = find_chunk(ix, e->id);
	struct index_chunk *c = ix->chunks[at];
	uint32_t place = find_place(c, e->id);
	if (place < c->count && qid_eq(c->entries[place]->id, e->id))
		return false;
	if (c->count == CHUNK_MAX)
		c = make_room(ix, at, &place);
	memmove(c->entries + place + 1, c->entries + place, (c->count - place) * sizeof *c->entries);
	c->entries[place] = e;
	c->count++;
	if (place == 0)
		c->first = e->id;
	ix->count++;
	return true;
}

static void
drop_chunk(struct index *ix, size_t at)
{
	free(ix->chunks[at]);
	ix->chunk_count--;
	memmove(ix->chunks + at, ix->chunks + at + 1, (ix->chunk_count - at) * sizeof *ix->chunks);
}

/* A queue that drains leaves sparse chunks: two that fill a half together become one. */
static void
merge_next(struct index *ix, size_t at)
{
	struct index_chunk *c = ix->chunks[at];
	const struct index_chunk *next = ix->chunks[at + 1];

	if (c->count + next->count > CHUNK_MAX / 2)
		return;
	memcpy(c->entries + c->count, next->entries, next->count * sizeof *c->entries);
	c->count += next->count;
	drop_chunk(ix, at + 1);
}

void
order_delete(struct index *ix, const struct entry *e)
{
	if (ix->chunk_count == 0)
		panic("index: an entry that is not in it");
	size_t at = find_chunk(ix, e->id);
	struct index_chunk *c = ix->chunks[at];
	uint32_t place = find_place(c, e->id);

	if (place >= c->count || c->entries[place] != e)
		panic("index: an entry that is not in it");
	c->count--;
	memmove(c->entries + place, c->entries + place + 1, (c->count - place) * sizeof *c->entries);
	ix->count--;
	if (c->count == 0)
		drop_chunk(ix, at);
	else if (c->count < CHUNK_MAX / 4 && at + 1 < ix->chunk_count)
		merge_next(ix, at);
}

struct entry *
index_find(const struct index *ix, struct qid id)
{
	if (ix->chunk_count == 0)
		return NULL;
	const struct index_chunk *c = ix->chunks[find_chunk(ix, id)];
	uint32_t place = find_place(c, id);
	return place < c->count && qid_eq(c->entries[place]->id, id) ? c->entries[place] : NULL;
}

struct entry *
index_after(const struct index *ix, struct qid id)
{
	uint32_t hint = UINT32_MAX;

	return index_next(ix, id, &hint);
}

/* -- with a hint: chunk and place in one number ------------------------------------------------------------ */

static bool
hint_holds(const struct index *ix, uint32_t hint, struct qid id)
{
	uint32_t at = hint / CHUNK_MAX, place = hint % CHUNK_MAX;

	return at < ix->chunk_count && place < ix->chunks[at]->count && qid_eq(ix->chunks[at]->entries[place]->id, id);
}

void
index_soon(const struct index *ix, uint32_t hint)
{
	uint32_t at = hint / CHUNK_MAX, place = hint % CHUNK_MAX;

	if (at >= ix->chunk_count || place >= ix->chunks[at]->count)
		return;
	const char *e = (const char *)ix->chunks[at]->entries[place];
	for (size_t line = 0; line < sizeof(struct entry) + sizeof(struct entry_rcpt); line += 64)
		__builtin_prefetch(e + line);
}

void
index_place_soon(const struct index *ix, uint32_t hint)
{
	uint32_t at = hint / CHUNK_MAX;

	if (at >= ix->chunk_count)
		return;
	__builtin_prefetch(ix->chunks[at]);
	__builtin_prefetch(&ix->chunks[at]->entries[hint % CHUNK_MAX]);
}

struct entry *
index_find_at(const struct index *ix, struct qid id, uint32_t hint)
{
	return hint_holds(ix, hint, id) ? ix->chunks[hint / CHUNK_MAX]->entries[hint % CHUNK_MAX] : index_find(ix, id);
}

struct entry *
index_next(const struct index *ix, struct qid id, uint32_t *hint)
{
	size_t at = *hint / CHUNK_MAX;
	uint32_t place = *hint % CHUNK_MAX;

	if (ix->chunk_count == 0)
		return NULL;
	if (!hint_holds(ix, *hint, id)) {
		at = find_chunk(ix, id);
		place = find_place(ix->chunks[at], id);
	}
	if (place < ix->chunks[at]->count && qid_eq(ix->chunks[at]->entries[place]->id, id))
		place++;
	if (place == ix->chunks[at]->count) {
		if (++at == ix->chunk_count)
			return NULL;
		place = 0;
	}
	*hint = (uint32_t)at * CHUNK_MAX + place;
	index_soon(ix, *hint + 2);
	return ix->chunks[at]->entries[place];
}
