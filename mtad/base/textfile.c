/* The text in memory: edits, and what they change. The file itself is in textfile_disk.c. */
#include "base/textfile_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/diff.h"
#include "base/mem.h"

#define CONTEXT	3	/* unchanged lines around a change */

struct span
textfile_text(const struct textfile *t)
{
	return span_of(t->text.len == 0 ? "" : t->text.ptr, t->text.len);
}

const char *
textfile_path(const struct textfile *t)
{
	return t->path;
}

bool
textfile_edited(const struct textfile *t)
{
	return t->count > 0;
}

void
text_edits_clear(struct textfile *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->edits[i].old);
	free(t->edits);
	t->edits = NULL;
	t->count = 0;
}

static struct span
part(const struct textfile *t, size_t from, size_t to)
{
	return span_of(t->text.ptr + from, to - from);
}

/* -- edits -------------------------------------------------------------------------------- */

/* What stood in [from, to) before the edits i up to `end`, which lie in it. */
static void
old_text(const struct textfile *t, size_t from, size_t to, size_t i, size_t end, struct buf *old)
{
	for (; i < end; i++) {
		const struct text_edit *e = &t->edits[i];
		buf_span(old, part(t, from, e->at));
		buf_put(old, e->old, e->old_len);
		from = e->at + e->len;
	}
	buf_span(old, part(t, from, to));
}

static void
replace_bytes(struct buf *b, size_t from, size_t to, struct span with)
{
	size_t tail = b->len - to, removed = to - from;

	if (with.len > removed && buf_room(b, with.len - removed) == NULL)
		panic("a text over its bound");
	if (tail > 0)
		memmove(b->ptr + from + with.len, b->ptr + to, tail);
	if (with.len > 0)
		memcpy(b->ptr + from, with.ptr, with.len);
	b->len = from + with.len + tail;
	if (b->ptr != NULL)
		b->ptr[b->len] = '\0';
}

/* The edits from `first` up to `end` become this one; those behind move by as much as the text grew. */
static void
put_edit(struct textfile *t, size_t first, size_t end, struct text_edit e, size_t grown, size_t shrunk)
{
	for (size_t i = first; i < end; i++)
		free(t->edits[i].old);
	if (end == first)
		t->edits = mem_grow(t->edits, t->count + 1, sizeof *t->edits);
	memmove(t->edits + first + 1, t->edits + end, (t->count - end) * sizeof *t->edits);
	t->count = t->count + 1 - (end - first);
	t->edits[first] = e;
	for (size_t i = first + 1; i < t->count; i++)
		t->edits[i].at = t->edits[i].at + grown - shrunk;
}

static void
drop_edit(struct textfile *t, size_t i)
{
	free(t->edits[i].old);
	t->count--;
	memmove(t->edits + i, t->edits + i + 1, (t->count - i) * sizeof *t->edits);
}

/* [from, to) are whole lines. Edits that it touches become one with it. */
static void
splice_lines(struct textfile *t, size_t from, size_t to, struct span with)
{
	struct buf old = BUF_INIT(0);
	size_t first = 0, end, lo = from, hi = to;

	while (first < t->count && t->edits[first].at + t->edits[first].len < from)
		first++;
	for (end = first; end < t->count && t->edits[end].at <= to; end++)
		;
	if (end > first) {
		const struct text_edit *a = &t->edits[first], *z = &t->edits[end - 1];
		lo = a->at < from ? a->at : from;
		hi = z->at + z->len > to ? z->at + z->len : to;
	}
	old_text(t, lo, hi, first, end, &old);
	struct text_edit e = { lo, (from - lo) + with.len + (hi - to), NULL, old.len };
	e.old = buf_take(&old);
	replace_bytes(&t->text, from, to, with);
	put_edit(t, first, end, e, with.len, to - from);
	if (span_eq(span_of(e.old, e.old_len), part(t, e.at, e.at + e.len)))
		drop_edit(t, first);
}

void
textfile_splice(struct textfile *t, size_t from, size_t to, struct span with)
{
	struct buf lines = BUF_INIT(0);
	size_t start = from, end = to;

	while (start > 0 && t->text.ptr[start - 1] != '\n')
		start--;
	while (end > start && end < t->text.len && t->text.ptr[end - 1] != '\n')
		end++;
	buf_span(&lines, part(t, start, from));
	buf_span(&lines, with);
	buf_span(&lines, part(t, to, end));
	splice_lines(t, start, end, buf_view(&lines));
	buf_clear(&lines);
}

static void
revert(struct textfile *t)
{
	for (size_t i = t->count; i-- > 0; ) {
		const struct text_edit *e = &t->edits[i];
		replace_bytes(&t->text, e->at, e->at + e->len, span_of(e->old, e->old_len));
	}
	text_edits_clear(t);
}

void
textfile_set(struct textfile *t, struct span text)
{
	struct diff_part *parts;

	revert(t);
	size_t n = diff_lines(textfile_text(t), text, &parts);
	t->edits = n > 0 ? mem_array(n, sizeof *t->edits) : NULL;
	for (t->count = 0; t->count < n; t->count++) {
		const struct diff_part *p = &parts[t->count];
		t->edits[t->count] = (struct text_edit){ p->b_from, p->b_to - p->b_from,
		    span_dup(part(t, p->a_from, p->a_to)), p->a_to - p->a_from };
	}
	free(parts);
	buf_reset(&t->text);
	buf_span(&t->text, text);
}

/* -- the difference ----------------------------------------------------------------------- */

static size_t
count_lines(struct span s)
{
	size_t n = 0, at = 0;

	for (; at < s.len; at += span_find(span_skip(s, at), '\n') + 1)
		n++;
	return n;
}

static void
put_lines(struct buf *out, char sign, struct span s)
{
	struct span line;

	for (size_t at = 0; at < s.len; at += line.len + 1) {
		line = span_skip(s, at);
		line.len = span_find(line, '\n');
		buf_char(out, sign);
		buf_span(out, line);
		buf_str(out, at + line.len < s.len ? "\n" : "\n\\ No newline at end of file\n");
	}
}

/* Up to CONTEXT lines back from `at`, not before `least`. */
static size_t
lines_back(const struct textfile *t, size_t at, size_t least)
{
	for (unsigned i = 0; i < CONTEXT && at > least; i++)
		for (at--; at > least && t->text.ptr[at - 1] != '\n'; at--)
			;
	return at;
}

static size_t
lines_on(const struct textfile *t, size_t at, size_t most)
{
	for (unsigned i = 0; i < CONTEXT && at < most; i++) {
		size_t n = span_find(span_of(t->text.ptr + at, most - at), '\n');
		at = at + n < most ? at + n + 1 : most;
	}
	return at;
}

static size_t
edit_end(const struct textfile *t, size_t i)
{
	return t->edits[i].at + t->edits[i].len;
}

/* The edits from i on that are near enough to each other for one hunk. */
static size_t
hunk_end(const struct textfile *t, size_t i)
{
	for (i++; i < t->count; i++)
		if (count_lines(part(t, edit_end(t, i - 1), t->edits[i].at)) > CONTEXT * 2)
			break;
	return i;
}

struct hunk {
	size_t		 from, to;	/* in the text as it is */
	size_t		 new_line, old_line;	/* lines before it */
	size_t		 news, olds;
	struct buf	 body;
};

static void
fill_hunk(const struct textfile *t, struct hunk *h, size_t i, size_t end)
{
	size_t at = h->from;

	for (; i < end; i++) {
		const struct text_edit *e = &t->edits[i];
		struct span old = span_of(e->old, e->old_len), new = part(t, e->at, edit_end(t, i));
		put_lines(&h->body, ' ', part(t, at, e->at));
		put_lines(&h->body, '-', old);
		put_lines(&h->body, '+', new);
		h->news += count_lines(part(t, at, e->at)) + count_lines(new);
		h->olds += count_lines(part(t, at, e->at)) + count_lines(old);
		at = edit_end(t, i);
	}
	put_lines(&h->body, ' ', part(t, at, h->to));
	h->news += count_lines(part(t, at, h->to));
	h->olds += count_lines(part(t, at, h->to));
}

/* "-l,n": of no lines, the line before. */
static void
put_range(struct buf *out, char sign, size_t before, size_t n)
{
	buf_printf(out, "%c%zu", sign, n == 0 ? before : before + 1);
	if (n != 1)
		buf_printf(out, ",%zu", n);
}

void
textfile_diff(const struct textfile *t, struct buf *out)
{
	size_t i = 0, done = 0, new_line = 0, old_line = 0;

	if (t->count > 0)
		buf_printf(out, "--- %s\n+++ %s\n", t->path, t->path);
	while (i < t->count) {
		size_t end = hunk_end(t, i);
		struct hunk h = { .body = BUF_INIT(0) };
		h.from = lines_back(t, t->edits[i].at, done);
		h.to = lines_on(t, edit_end(t, end - 1), end < t->count ? t->edits[end].at : t->text.len);
		new_line += count_lines(part(t, done, h.from));
		old_line += count_lines(part(t, done, h.from));
		fill_hunk(t, &h, i, end);
		buf_str(out, "@@ ");
		put_range(out, '-', old_line, h.olds);
		buf_char(out, ' ');
		put_range(out, '+', new_line, h.news);
		buf_str(out, " @@\n");
		buf_span(out, buf_view(&h.body));
		buf_clear(&h.body);
		new_line += h.news;
		old_line += h.olds;
		done = h.to;
		i = end;
	}
}
