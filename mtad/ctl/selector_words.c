/*
 * The words of selectors: names, operators, strings, numbers with units.
 */
#include "ctl/selector_words.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "ctl/commands.h"
#include "ctl/selector_code.h"

bool
parser_fail(struct parser *p, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(p->err, ERR_PERM, "selector, column %zu: %s", p->pos + 1, text);
	return false;
}

struct span
parser_rest(const struct parser *p)
{
	return span_skip(p->text, p->pos);
}

static void
skip_space(struct parser *p)
{
	while (p->pos < p->text.len && isspace((unsigned char)p->text.ptr[p->pos]))
		p->pos++;
}

bool
parser_at_end(struct parser *p)
{
	skip_space(p);
	return p->pos == p->text.len;
}

bool
parser_take_char(struct parser *p, char c)
{
	if (parser_at_end(p) || p->text.ptr[p->pos] != c)
		return false;
	p->pos++;
	return true;
}

static bool
ends_word(char c)
{
	return isspace((unsigned char)c) || c == '(' || c == ')' || c == ',' || c == '"';
}

struct span
parser_peek_word(struct parser *p)
{
	size_t n = 0;

	skip_space(p);
	struct span s = parser_rest(p);
	while (n < s.len && !ends_word(s.ptr[n]))
		n++;
	return span_head(s, n);
}

bool
parser_take_keyword(struct parser *p, const char *word)
{
	struct span w = parser_peek_word(p);

	if (!span_caseeqs(w, word))
		return false;
	p->pos += w.len;
	return true;
}

/* A name of letters, digits, "." "_" "-". */
struct span
parser_peek_name(struct parser *p)
{
	size_t n = 0;

	skip_space(p);
	struct span s = parser_rest(p);
	while (n < s.len && (isalnum((unsigned char)s.ptr[n]) || strchr("._-", s.ptr[n]) != NULL)
	    && s.ptr[n] != '\0')
		n++;
	return span_head(s, n);
}

bool
parser_take_operator(struct parser *p, enum test_op *op)
{
	static const struct {
		const char	*text;
		enum test_op	 op;
	} ops[] = {		/* a longer one before its beginning */
		{ "==", TEST_EQ }, { "!=", TEST_NE }, { "<>", TEST_NE }, { "<=", TEST_LE }, { ">=", TEST_GE },
		{ "!~", TEST_UNLIKE }, { "=", TEST_EQ }, { "<", TEST_LT }, { ">", TEST_GT }, { "~", TEST_LIKE },
	};

	skip_space(p);
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		if (!span_starts(parser_rest(p), ops[i].text))
			continue;
		p->pos += strlen(ops[i].text);
		*op = ops[i].op;
		return true;
	}
	return false;
}

/* Bytes up to the closing quote, or to the end where there is none. */
static size_t
quoted_len(struct span s, char quote)
{
	size_t i = 0;

	while (i < s.len && s.ptr[i] != quote)
		i += s.ptr[i] == '\\' && i + 1 < s.len && s.ptr[i + 1] == quote ? 2 : 1;
	return i;
}

/* A string in double or single quotes: a backslash before the quote stands for the quote, any other stays. */
static bool
take_quoted(struct parser *p, struct span *out)
{
	char quote = p->text.ptr[p->pos];
	size_t from = p->pos + 1, n = 0;
	char *copy = arena_new(&p->sel->arena, quoted_len(span_skip(p->text, from), quote) + 1);

	if (copy == NULL)
		return parser_fail(p, "the selector is too long");
	for (size_t i = from; i < p->text.len; i++) {
		char c = p->text.ptr[i];
		if (c == quote) {
			p->pos = i + 1;
			*out = span_of(copy, n);
			return true;
		}
		if (c == '\\' && i + 1 < p->text.len && p->text.ptr[i + 1] == quote)
			c = p->text.ptr[++i];
		copy[n++] = c;
	}
	return parser_fail(p, "this string has no end");
}

bool
parser_take_value(struct parser *p, struct span *out)
{
	if (parser_at_end(p))
		return parser_fail(p, "a value is missing");
	if (p->text.ptr[p->pos] == '"' || p->text.ptr[p->pos] == '\'')
		return take_quoted(p, out);
	*out = parser_peek_word(p);
	if (out->len == 0)
		return parser_fail(p, "a value is missing");
	p->pos += out->len;
	return true;
}

static int64_t
size_unit(char c)
{
	switch (tolower((unsigned char)c)) {
	case 'k':
		return 1024;
	case 'm':
		return 1024 * 1024;
	case 'g':
		return (int64_t)1024 * 1024 * 1024;
	default:
		return 0;
	}
}

static int64_t
time_unit(char c)
{
	switch (tolower((unsigned char)c)) {
	case 's':
		return SECOND;
	case 'm':
		return MINUTE;
	case 'h':
		return HOUR;
	case 'd':
		return DAY;
	case 'w':
		return 7 * DAY;
	default:
		return 0;
	}
}

/* One or more of digits and a unit: "10k", "1h30m"; a last number without one counts `plain`. */
static bool
parse_units(struct span s, int64_t (*unit_of)(char), int64_t plain, int64_t *out)
{
	int64_t sum = 0;

	if (s.len == 0)
		return false;
	while (s.len > 0) {
		size_t n = 0;
		uint64_t v;
		while (n < s.len && isdigit((unsigned char)s.ptr[n]))
			n++;
		if (!num_u64(span_head(s, n), &v) || v > INT64_MAX)
			return false;
		int64_t unit = n == s.len ? plain : unit_of(s.ptr[n]);
		int64_t part;
		if (unit == 0 || __builtin_mul_overflow((int64_t)v, unit, &part)
		    || __builtin_add_overflow(sum, part, &sum))
			return false;
		s = span_skip(s, n == s.len ? n : n + 1);
	}
	*out = sum;
	return true;
}

static int64_t
no_unit(char c)
{
	(void)c;
	return 0;
}

bool
parser_number(struct parser *p, enum selector_type type, struct span text, int64_t *out)
{
	struct span shown = span_head(text, 40);

	if (type == SELECTOR_SIZE)
		return parse_units(text, size_unit, 1, out)
		    || parser_fail(p, "\"%.*s\" is not a size (10k, 5M)", SPAN_ARG(shown));
	if (type == SELECTOR_DURATION)
		return parse_units(text, time_unit, SECOND, out)
		    || parser_fail(p, "\"%.*s\" is not a time (90s, 30m, 2h, 5d)", SPAN_ARG(shown));
	return parse_units(text, no_unit, 1, out) || parser_fail(p, "\"%.*s\" is not a number", SPAN_ARG(shown));
}

bool
duration_parse(struct span text, int64_t *out)
{
	return parse_units(text, time_unit, SECOND, out);
}
