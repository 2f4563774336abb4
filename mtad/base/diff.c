#include "base/diff.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

#define STEPS_MAX	1000	/* lines taken out and put in; the way back needs steps * steps * 4 bytes */

/* The lines between the common head and tail. */
struct side {
	struct span	 text;
	size_t		*starts;	/* count + 1 */
	uint64_t	*hashes;
	int		 count;
};

struct parts {
	struct diff_part *items;
	size_t		 count;
};

static size_t
line_end(struct span s, size_t at)
{
	struct span rest = span_skip(s, at);
	size_t n = span_find(rest, '\n');
	return at + (n < rest.len ? n + 1 : n);
}

static void
split(struct side *s, size_t from, size_t to)
{
	size_t n = 0, at;

	for (at = from; at < to; at = line_end(s->text, at))
		n++;
	s->starts = mem_array(n + 1, sizeof *s->starts);
	s->hashes = mem_array(n + 1, sizeof *s->hashes);
	s->count = (int)n;
	n = 0;
	for (at = from; at < to; n++) {
		size_t end = line_end(s->text, at);
		s->starts[n] = at;
		s->hashes[n] = map_hash(span_of(s->text.ptr + at, end - at));
		at = end;
	}
	s->starts[n] = to;
}

static bool
same(const struct side *a, int i, const struct side *b, int k)
{
	if (a->hashes[i] != b->hashes[k])
		return false;
	return span_eq(span_of(a->text.ptr + a->starts[i], a->starts[i + 1] - a->starts[i]),
	    span_of(b->text.ptr + b->starts[k], b->starts[k + 1] - b->starts[k]));
}

/* Found from the end to the start. A part that touches the one found before is the same part. */
static void
add_part(struct parts *p, const struct side *a, int a_from, int a_to, const struct side *b, int b_from, int b_to)
{
	struct diff_part *last = p->count > 0 ? &p->items[p->count - 1] : NULL;

	if (last != NULL && last->a_from == a->starts[a_to] && last->b_from == b->starts[b_to]) {
		last->a_from = a->starts[a_from];
		last->b_from = b->starts[b_from];
		return;
	}
	p->items = mem_grow(p->items, p->count + 1, sizeof *p->items);
	p->items[p->count++] = (struct diff_part){ a->starts[a_from], a->starts[a_to], b->starts[b_from], b->starts[b_to] };
}

/* Whether diagonal k is reached from k + 1 (a line put in) rather than from k - 1 (one taken out). */
static bool
goes_down(const int *v, int k, int d)
{
	return k == -d || (k != d && v[k - 1] < v[k + 1]);
}

/* trail[d] holds where each diagonal ended before step d. */
static void
walk_back(struct parts *p, const struct side *a, const struct side *b, int **trail, int steps)
{
	int x = a->count, y = b->count;

	for (int d = steps; d > 0; d--) {
		const int *v = trail[d] + d;
		bool down = goes_down(v, x - y, d);
		int from = x - y + (down ? 1 : -1);
		int px = v[from], py = px - from;
		if (down)
			add_part(p, a, px, px, b, py, py + 1);
		else
			add_part(p, a, px, px + 1, b, py, py);
		x = px;
		y = py;
	}
}

/* False where more than STEPS_MAX lines would have to change. */
static bool
search(struct parts *p, const struct side *a, const struct side *b)
{
	int limit = a->count + b->count < STEPS_MAX ? a->count + b->count : STEPS_MAX;
	int **trail = mem_array((size_t)limit + 2, sizeof *trail);
	int *room = mem_array((size_t)limit * 2 + 3, sizeof *room), *v = room + limit + 1, d;
	bool found = false;

	for (d = 0; !found && d <= limit; d++) {
		trail[d] = mem_array((size_t)d * 2 + 1, sizeof **trail);
		memcpy(trail[d], v - d, ((size_t)d * 2 + 1) * sizeof *v);
		for (int k = -d; !found && k <= d; k += 2) {
			int x = d == 0 ? 0 : goes_down(v, k, d) ? v[k + 1] : v[k - 1] + 1;
			while (x < a->count && x - k < b->count && same(a, x, b, x - k))
				x++;
			v[k] = x;
			found = x >= a->count && x - k >= b->count;
		}
	}
	if (found)
		walk_back(p, a, b, trail, d - 1);
	for (int i = 0; i < d; i++)
		free(trail[i]);
	free(trail);
	free(room);
	return found;
}

static void
reverse(struct parts *p)
{
	for (size_t i = 0; i < p->count / 2; i++) {
		struct diff_part swap = p->items[i];
		p->items[i] = p->items[p->count - 1 - i];
		p->items[p->count - 1 - i] = swap;
	}
}

/* How long the common head is; whole lines. */
static size_t
common_head(struct span a, struct span b)
{
	size_t n = 0, line = 0, max = a.len < b.len ? a.len : b.len;

	while (n < max && a.ptr[n] == b.ptr[n])
		if (a.ptr[n++] == '\n')
			line = n;
	return n == a.len && n == b.len ? n : line;
}

static size_t
common_tail(struct span a, struct span b)
{
	size_t n = 0, line = 0, max = a.len < b.len ? a.len : b.len;

	for (; n < max && a.ptr[a.len - 1 - n] == b.ptr[b.len - 1 - n]; n++)
		if (a.ptr[a.len - 1 - n] == '\n')
			line = n;
	/* All of the shorter one may be the end of the other, if a line begins there. */
	if (n == max && n > 0 && (a.len == n || a.ptr[a.len - 1 - n] == '\n') && (b.len == n || b.ptr[b.len - 1 - n] == '\n'))
		line = n;
	return line;
}

size_t
diff_lines(struct span a, struct span b, struct diff_part **parts)
{
	struct parts p = { NULL, 0 };
	struct side from = { .text = a }, to = { .text = b };
	size_t head = common_head(a, b), tail = common_tail(span_skip(a, head), span_skip(b, head));

	if (head < a.len || head < b.len) {
		split(&from, head, a.len - tail);
		split(&to, head, b.len - tail);
		if (!search(&p, &from, &to))
			add_part(&p, &from, 0, from.count, &to, 0, to.count);
		reverse(&p);
		free(from.starts);
		free(from.hashes);
		free(to.starts);
		free(to.hashes);
	}
	*parts = p.items;
	return p.count;
}
