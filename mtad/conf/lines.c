#include "conf/lines.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* A line that says nothing: empty, blank, or a comment. */
static bool
is_silent(struct span line)
{
	line = span_trim(line);
	return line.len == 0 || line.ptr[0] == '#';
}

/* The physical line at the front of rest, without its newline, and where the next begins. */
static struct span
peek(struct span rest, struct span *after)
{
	size_t n = span_find(rest, '\n');
	*after = span_skip(rest, n + 1);
	return span_head(rest, n);
}

bool
conf_lines_next(struct conf_lines *l, struct span *text, unsigned *line)
{
	struct span after, one;
	bool begun = false;

	buf_reset(&l->text);
	while (l->rest.len > 0) {
		one = peek(l->rest, &after);
		bool silent = is_silent(one);
		/* Only a line that says something and begins at the margin ends the one before. */
		if (begun && !silent && !is_blank(one.ptr[0]))
			break;
		if (!silent && !begun) {
			*line = l->next;
			l->raw.ptr = one.ptr;
			begun = true;
		}
		if (!silent) {
			buf_span(&l->text, one);
			l->raw.len = (size_t)(one.ptr - l->raw.ptr) + (l->rest.len - after.len);
			l->last = l->next;
		}
		l->rest = after;
		l->next++;
	}
	*text = begun ? span_rtrim(buf_view(&l->text)) : SPAN_NONE;
	return begun;
}
