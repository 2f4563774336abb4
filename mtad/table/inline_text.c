/* pcre:{ {/pattern/ result}, {/other/ result} }: the lines of a table where its name stands, as Postfix has it since 3.7 for regexp, pcre and cidr. */
#include "table/type.h"

#define SEPS	"\t\r\n ,"

/* What stands within the braces at the front, blanks at its ends off; *rest is behind them. False with the err, in Postfix's words. */
static bool
take_braced(const char *type, struct span s, struct span *inside, struct span *rest, struct err *err)
{
	size_t n = 0, depth = 0;

	if (!span_starts(s, "{")) {
		err_set(err, ERR_SYS, "%s map: no '{' at start of text in \"%.*s\"", type, SPAN_ARG(span_head(s, 100)));
		return false;
	}
	do {
		depth += s.ptr[n] == '{';
		depth -= s.ptr[n] == '}';
	} while (++n < s.len && depth > 0);
	if (depth > 0) {
		err_set(err, ERR_SYS, "%s map: missing '}' in \"%.*s\"", type, SPAN_ARG(span_head(s, 100)));
		return false;
	}
	*inside = span_trim(span_of(s.ptr + 1, n - 2));
	*rest = span_skip(s, n);
	return true;
}

bool
table_inline_text(const char *type, struct span name, struct buf *out, struct err *err)
{
	struct span lines, line, rest, word;

	name = span_trim(name);
	if (!take_braced(type, name, &lines, &rest, err))
		return false;
	if (rest.len > 0) {
		err_set(err, ERR_SYS, "%s map: syntax error after '}' in \"%.*s\"", type, SPAN_ARG(span_head(name, 100)));
		return false;
	}
	while (table_word(&lines, &word)) {
		if (!take_braced(type, word, &line, &rest, err))
			return false;
		if (rest.len > 0) {
			err_set(err, ERR_SYS, "%s map: syntax error after '}' in \"%.*s\"", type, SPAN_ARG(span_head(word, 100)));
			return false;
		}
		buf_span(out, line);
		buf_char(out, '\n');
	}
	return !out->over;
}
