#include "table/build_text.h"

#define BLANKS	" \t\r\n\f\v"

/* The length of what stands at the front: one byte, an escaped one, or a whole "quoted string" (to the end where it is not closed). */
static size_t
token(struct span s)
{
	size_t n = 1;

	if (s.ptr[0] == '\\')
		return s.len > 1 ? 2 : 1;
	if (s.ptr[0] != '"')
		return 1;
	while (n < s.len && s.ptr[n] != '"')
		n += s.ptr[n] == '\\' && n + 1 < s.len ? 2 : 1;
	return n < s.len ? n + 1 : s.len;
}

/* Up to a byte of `ends` that is neither quoted nor escaped, nor inside (a comment). */
static struct span
upto(struct span s, const char *ends)
{
	size_t n = 0, depth = 0;

	while (n < s.len && (depth > 0 || !span_has(span_str(ends), s.ptr[n]))) {
		if (s.ptr[n] == '(')
			depth++;
		else if (s.ptr[n] == ')' && depth > 0)
			depth--;
		n += token(span_skip(s, n));
	}
	return span_head(s, n);
}

static void
put_unquoted(struct buf *out, struct span s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		buf_char(out, s.ptr[i]);
	}
}

/* White space outside quotes becomes one space, and what a backslash stands before is taken as it is. */
static void
put_part(struct buf *out, struct span s)
{
	while (s.len > 0) {
		if (span_has(SPAN(BLANKS), s.ptr[0])) {
			buf_char(out, ' ');
			while (s.len > 0 && span_has(SPAN(BLANKS), s.ptr[0]))
				s = span_skip(s, 1);
			continue;
		}
		size_t n = token(s), from = s.ptr[0] == '\\' && n == 2 ? 1 : 0;
		buf_span(out, span_of(s.ptr + from, n - from));
		s = span_skip(s, n);
	}
}

bool
build_alias_line(struct span line, struct buf *name, struct buf *value, const char **why)
{
	struct span left = upto(line, ":"), rest = span_skip(line, left.len);

	*why = "need name:value pair";
	buf_reset(name);
	buf_reset(value);
	put_unquoted(name, span_trim(left));
	if (rest.len == 0 || name->len == 0)
		return false;
	for (rest = span_skip(rest, 1); rest.len > 0; ) {
		struct span part = upto(rest, ",");
		rest = span_skip(rest, part.len + 1);
		part = span_trim(part);
		if (part.len == 0)
			continue;
		if (value->len > 0)
			buf_str(value, ", ");
		put_part(value, part);
	}
	if (value->len == 0)
		return false;
	*why = "name must be local";
	return upto(left, "@").len == left.len;
}
