#include "queue/sorter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RUN	4096u		/* sorted in half a millisecond */

struct sort_run {
	size_t	 at, end;	/* in items */
};

static int
compare_forward(const struct sort_item *a, const struct sort_item *b, size_t size)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	int by = size == sizeof *a ? memcmp(a->text, b->text, sizeof a->text) : 0;
	return by != 0 ? by : qid_cmp(sort_item_id(a), sort_item_id(b));
}

static int
compare(const struct sorter *s, const struct sort_item *a, const struct sort_item *b)
{
	return s->reverse ? compare_forward(b, a, s->size) : compare_forward(a, b, s->size);
}

static int
compare_for_qsort(const void *a, const void *b, void *sorter)
{
	return compare(sorter, a, b);
}

/* Items without a text are cut off before it. */
static struct sort_item *
item(const struct sorter *s, size_t n)
{
	void *p = s->items + n * s->size;

	return p;
}

void
sorter_begin(struct sorter *s, bool text, bool reverse)
{
	*s = (struct sorter){ .size = text ? sizeof(struct sort_item) : offsetof(struct sort_item, text),
		.reverse = reverse, .ordered = true };
}

static void
sort_run(struct sorter *s, size_t from)
{
	qsort_r(item(s, from), s->count - from, s->size, compare_for_qsort, s);
}

void
sorter_add(struct sorter *s, const struct sort_item *new)
{
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? 256 : s->cap * 2;
		s->items = mem_grow(s->items, s->cap, s->size);
	}
	memcpy(item(s, s->count), new, s->size);
	/* What came in order up to here is made of ordered runs. */
	if (s->ordered && s->count > 0 && compare(s, item(s, s->count - 1), item(s, s->count)) > 0)
		s->ordered = false;
	s->count++;
	if (!s->ordered && s->count % RUN == 0)
		sort_run(s, s->count - RUN);
}

/* -- the runs' heap: the one whose next item comes first is on top ----------------------------------------- */

static bool
before(const struct sorter *s, const struct sort_run *a, const struct sort_run *b)
{
	return compare(s, item(s, a->at), item(s, b->at)) < 0;
}

static void
sift_down(struct sorter *s, size_t n)
{
	struct sort_run moved = s->runs[n];

	for (size_t child; (child = 2 * n + 1) < s->run_count; n = child) {
		if (child + 1 < s->run_count && before(s, &s->runs[child + 1], &s->runs[child]))
			child++;
		if (!before(s, &s->runs[child], &moved))
			break;
		s->runs[n] = s->runs[child];
	}
	s->runs[n] = moved;
}

void
sorter_end(struct sorter *s)
{
	if (s->ordered || s->count == 0)
		return;
	if (s->count % RUN != 0)
		sort_run(s, s->count / RUN * RUN);
	s->run_count = (s->count + RUN - 1) / RUN;
	s->runs = mem_new(s->run_count * sizeof *s->runs);
	for (size_t i = 0; i < s->run_count; i++)
		s->runs[i] = (struct sort_run){ i * RUN, (i + 1) * RUN < s->count ? (i + 1) * RUN : s->count };
	for (size_t i = s->run_count / 2; i > 0; i--)
		sift_down(s, i - 1);
}

const struct sort_item *
sorter_next(struct sorter *s)
{
	if (s->ordered)
		return s->taken < s->count ? item(s, s->taken++) : NULL;
	if (s->run_count == 0)
		return NULL;
	struct sort_run *first = &s->runs[0];
	const struct sort_item *found = item(s, first->at++);
	if (first->at == first->end)
		*first = s->runs[--s->run_count];
	if (s->run_count > 0)
		sift_down(s, 0);
	return found;
}

const struct sort_item *
sorter_peek(const struct sorter *s)
{
	if (s->ordered)
		return s->taken < s->count ? item(s, s->taken) : NULL;
	return s->run_count == 0 ? NULL : item(s, s->runs[0].at);
}

static size_t
rank_in(const struct sorter *s, size_t lo, size_t hi, const struct sort_item *of)
{
	size_t from = lo;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (compare(s, item(s, mid), of) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - from;
}

size_t
sorter_rank(const struct sorter *s, const struct sort_item *of)
{
	size_t rank = 0;

	if (s->ordered)
		return rank_in(s, 0, s->count, of);
	for (size_t i = 0; i < s->run_count; i++)
		rank += rank_in(s, s->runs[i].at, s->runs[i].end, of);
	return rank;
}

void
sorter_clear(struct sorter *s)
{
	free(s->items);
	free(s->runs);
	*s = (struct sorter){ 0 };
}
