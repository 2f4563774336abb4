#include "tui/text.h"

#include <stdlib.h>

#include "base/mem.h"

#define TAB	8

void
text_clear(struct text *t)
{
	buf_clear(&t->content);
	free(t->lines);
	free(t->wanted);
	*t = (struct text){ .width = 0 };
}

void
text_take(struct text *t, struct buf *content)
{
	buf_clear(&t->content);
	t->content = *content;
	*content = BUF_INIT(content->max);
	t->width = 0;
}

/* -- wrapping ------------------------------------------------------------- */

static void
add_line(struct text *t, size_t at, size_t len, enum style style, bool broken)
{
	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 256 : t->cap * 2;
		t->lines = mem_grow(t->lines, t->cap, sizeof *t->lines);
	}
	t->lines[t->count++] = (struct text_line){ at, len, style, broken };
}

/* The bytes of `line` that fit: up to a blank where there is one in the second half. */
static size_t
fitting(struct span line, int width)
{
	size_t at = 0, blank = 0;
	int used = 0;

	while (at < line.len) {
		int w;
		size_t n = paint_char(span_skip(line, at), &w);
		if (line.ptr[at] == '\t')
			w = TAB - used % TAB;
		if (used + w > width)
			return blank > 0 ? blank : at > 0 ? at : n;
		used += w;
		at += n;
		if (line.ptr[at - 1] == ' ' && used > width / 2)
			blank = at;
	}
	return at;
}

static enum style
style_after(struct span s, enum style style)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\033')
			style = paint_code(span_skip(s, i));
	return style;
}

void
text_wrap(struct text *t, int width)
{
	struct span rest = buf_view(&t->content), line;
	enum style style = STYLE_PLAIN;

	if (t->width == width || width <= 0)
		return;
	t->width = width;
	t->count = 0;
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		do {
			size_t n = fitting(line, width);
			add_line(t, (size_t)(line.ptr - t->content.ptr), n, style, n < line.len);
			style = style_after(span_head(line, n), style);
			line = span_skip(line, n);
		} while (line.len > 0);
	}
	if (t->top >= t->count)
		t->top = t->count == 0 ? 0 : t->count - 1;
}

/* -- drawing -------------------------------------------------------------- */

static void
draw_line(const struct text *t, const struct text_line *tl, int y, bool marked)
{
	struct span rest = span_of(t->content.ptr + tl->at, tl->len), piece;
	enum style style = tl->style;
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, marked);
	while (span_cut(&rest, '\t', &piece)) {
		line_ansi(&l, &style, piece);
		if (rest.ptr != NULL)
			l.x += TAB - l.x % TAB;
	}
}

void
text_draw(struct text *t, int y, int height, int width)
{
	struct line l;

	t->height = height > 0 ? (size_t)height : 1;
	text_wrap(t, width);
	if (t->count <= t->height)
		t->top = 0;
	else if (t->top > t->count - t->height)
		t->top = t->count - t->height;
	for (int i = 0; i < height; i++) {
		size_t n = t->top + (size_t)i;
		if (n < t->count)
			draw_line(t, &t->lines[n], y + i, t->hit && n == t->found);
		else
			line_begin(&l, y + i, STYLE_PLAIN, false);
	}
}

void
text_move(struct text *t, enum list_move how)
{
	size_t page = t->height > 1 ? t->height - 1 : 1;
	size_t last = t->count > t->height ? t->count - t->height : 0;

	switch (how) {
	case MOVE_UP:
		t->top -= t->top > 0 ? 1 : 0;
		break;
	case MOVE_DOWN:
		t->top++;
		break;
	case MOVE_PAGE_UP:
		t->top -= t->top > page ? page : t->top;
		break;
	case MOVE_PAGE_DOWN:
		t->top += page;
		break;
	case MOVE_FIRST:
		t->top = 0;
		break;
	case MOVE_LAST:
		t->top = last;
		break;
	}
	if (t->top > last)
		t->top = last;
}

/* -- searching ------------------------------------------------------------ */

bool
text_has(struct span s, struct span wanted)
{
	if (wanted.len == 0)
		return false;
	for (size_t i = 0; i + wanted.len <= s.len; i++)
		if (span_caseeq(span_head(span_skip(s, i), wanted.len), wanted))
			return true;
	return false;
}

bool
text_search(struct text *t, struct span wanted, bool backwards)
{
	size_t from = t->hit ? t->found : backwards ? t->top : t->top + t->count - 1;

	if (t->wanted == NULL || !span_eqs(wanted, t->wanted)) {
		char *copy = span_dup(wanted);
		free(t->wanted);
		t->wanted = copy;
	}
	t->hit = false;
	for (size_t i = 1; i <= t->count; i++) {
		size_t n = (from + (backwards ? t->count - i : i)) % t->count;
		if (!text_has(span_of(t->content.ptr + t->lines[n].at, t->lines[n].len), span_str(t->wanted)))
			continue;
		t->hit = true;
		t->found = n;
		if (n < t->top || n >= t->top + t->height)
			t->top = n > t->height / 3 ? n - t->height / 3 : 0;
		return true;
	}
	return false;
}
