/* Files as physical and logical lines, with the way back from each byte of a logical line to its place. */
#include <stdlib.h>

#include "base/mem.h"
#include "lint/private.h"

#define TEXT_MAX	((size_t)4 << 20)

static void
find_lines(struct source *s)
{
	unsigned n = 0, cap = 0;
	uint32_t at = 0;

	for (;;) {
		if (n + 1 >= cap)
			s->starts = mem_grow(s->starts, cap = cap * 2 + 64, sizeof *s->starts);
		s->starts[n] = at;
		if (at >= s->bytes.len)
			break;
		n++;
		at += (uint32_t)span_find(span_skip(buf_view(&s->bytes), at), '\n') + 1;
	}
	s->line_count = n;
}

struct span
source_line(const struct source *s, unsigned line)
{
	if (line == 0 || line > s->line_count)
		return SPAN_NONE;
	uint32_t from = s->starts[line - 1], to = s->starts[line];
	struct span all = span_head(span_skip(buf_view(&s->bytes), from), to - from);
	return span_ends(all, "\n") ? span_head(all, all.len - 1) : all;
}

unsigned
source_line_of(const struct source *s, uint32_t offset)
{
	unsigned low = 0, high = s->line_count;

	while (low + 1 < high) {
		unsigned mid = (low + high) / 2;
		if (s->starts[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return s->line_count == 0 ? 0 : low + 1;
}

static bool
is_silent(struct span line)
{
	line = span_trim(line);
	return line.len == 0 || line.ptr[0] == '#';
}

/* As conf/lines.c joins them, but an indented line with nothing before it is a logical line of its own here. */
static bool
begins(struct span line)
{
	return !span_has(SPAN(LINT_BLANKS), line.ptr[0]);
}

static void
add_logical(struct lint *l, struct source *s, unsigned first, unsigned last)
{
	size_t len = s->starts[last] - s->starts[first - 1], n = 0;
	char *text = arena_new(&l->arena, len + 1);
	uint32_t *at = arena_new(&l->arena, (len + 1) * sizeof *at);
	struct logical *g;

	if (text == NULL || at == NULL)
		return;
	for (unsigned i = first; i <= last; i++) {
		struct span one = source_line(s, i);
		if (is_silent(one))
			continue;
		for (size_t k = 0; k < one.len; k++) {
			text[n] = one.ptr[k];
			at[n++] = s->starts[i - 1] + (uint32_t)k;
		}
	}
	n = span_rtrim(span_of(text, n)).len;
	at[n] = n == 0 ? s->starts[first - 1] : at[n - 1] + 1;
	text[n] = '\0';
	s->logicals = mem_grow(s->logicals, s->count + 1, sizeof *s->logicals);
	g = &s->logicals[s->count++];
	*g = (struct logical){ s, span_of(text, n), at, first, last };
}

static void
join_lines(struct lint *l, struct source *s)
{
	unsigned first = 0, last = 0;

	for (unsigned i = 1; i <= s->line_count; i++) {
		struct span one = source_line(s, i);
		if (is_silent(one))
			continue;
		if (first != 0 && begins(one)) {
			add_logical(l, s, first, last);
			first = 0;
		}
		if (first == 0)
			first = i;
		last = i;
	}
	if (first != 0)
		add_logical(l, s, first, last);
	/* Rules keep pointers to logical lines: they move no more. */
	for (size_t i = 0; i < s->count; i++)
		s->logicals[i].src = s;
}

void
source_read(struct lint *l, struct source *s, const char *path)
{
	struct lint_stat st;
	struct err err = { ERR_NONE, "" };

	s->path = mem_str(path);
	s->bytes = BUF_INIT(TEXT_MAX);
	s->there = l->host->stat(l->host->arg, path, true, &st);
	s->readable = s->there && st.type == 'f' && l->host->read(l->host->arg, path, &s->bytes, &err) &&
	    !s->bytes.over;
	if (!s->readable)
		buf_reset(&s->bytes);
	find_lines(s);
	join_lines(l, s);
}

void
source_use(struct lint *l, struct source *s, struct span text)
{
	buf_reset(&s->bytes);
	buf_span(&s->bytes, text);
	free(s->starts);
	free(s->logicals);
	s->starts = NULL;
	s->logicals = NULL;
	s->count = 0;
	find_lines(s);
	join_lines(l, s);
}

void
source_clear(struct source *s)
{
	free(s->path);
	free(s->starts);
	free(s->logicals);
	buf_clear(&s->bytes);
	*s = (struct source){ .path = NULL };
}

struct place
at_span(const struct logical *g, struct span within)
{
	size_t from = (size_t)(within.ptr - g->text.ptr), to = from + within.len;
	uint32_t start = g->at[from], end = within.len == 0 ? start : g->at[to - 1] + 1;

	/* A text that goes on in the next physical line is marked to the end of its first. */
	unsigned line = source_line_of(g->src, start);
	uint32_t line_end = g->src->starts[line - 1] + (uint32_t)source_line(g->src, line).len;
	return (struct place){ g->src, NULL, start, end > line_end ? line_end : end, 0 };
}

struct place
at_column(const struct source *s, unsigned line, size_t from, size_t len)
{
	if (line == 0 || line > s->line_count)
		return at_file(s);
	uint32_t start = s->starts[line - 1] + (uint32_t)from;
	return (struct place){ s, NULL, start, start + (uint32_t)len, 0 };
}

struct place
at_line(const struct source *s, unsigned line)
{
	struct span all = source_line(s, line), text = span_trim(all);
	return text.len == 0 ? at_column(s, line, 0, 0) :
	    at_column(s, line, (size_t)(text.ptr - all.ptr), text.len);
}

struct place
at_file(const struct source *s)
{
	return (struct place){ NULL, s->path, 0, 0, 0 };
}

struct place
at_path(const char *path)
{
	return (struct place){ NULL, path, 0, 0, 0 };
}
