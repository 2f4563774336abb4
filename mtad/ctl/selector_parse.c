/*
 * The grammar of selectors, by descent; only "not" and "(" go deeper, and both are counted.
 *
 *	either	= both { "or" both }
 *	both	= one { "and" one }
 *	one	= "not" one | "(" either ")" | short { short } | field op value | field [ "not" ] "in" "(" value { "," value } ")"
 */
#include "ctl/selector_code.h"

#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "ctl/selector_words.h"

#define REGEX_MAX	1000

static bool	parse_either(struct parser *);

/* -- code ----------------------------------------------------------------- */

static void *
grown(void *array, uint32_t count, uint32_t *cap, size_t size)
{
	if (count < *cap)
		return array;
	*cap = *cap == 0 ? 8 : *cap * 2;
	return mem_grow(array, *cap, size);
}

static uint32_t
emit(struct selector *sel, enum code_op op, uint32_t arg)
{
	sel->code = grown(sel->code, sel->code_count, &sel->code_cap, sizeof *sel->code);
	sel->code[sel->code_count] = (struct code){ op, arg };
	return sel->code_count++;
}

static struct test *
emit_test(struct parser *p, enum selector_field field, enum test_op op)
{
	struct selector *sel = p->sel;

	if (sel->test_count == SELECTOR_TERMS) {
		parser_fail(p, "more than %d tests", SELECTOR_TERMS);
		return NULL;
	}
	sel->tests = grown(sel->tests, sel->test_count, &sel->test_cap, sizeof *sel->tests);
	struct test *t = &sel->tests[sel->test_count];
	*t = (struct test){ .field = field, .op = op, .value = sel->value_count };
	emit(sel, CODE_TEST, sel->test_count++);
	return t;
}

static bool
add_value(struct parser *p, struct test *t, struct value v)
{
	struct selector *sel = p->sel;

	if (sel->value_count >= SELECTOR_TERMS * 4)
		return parser_fail(p, "more than %d values", SELECTOR_TERMS * 4);
	v.text = arena_span(&sel->arena, v.text);
	if (v.text.ptr == NULL)
		return parser_fail(p, "the selector is too long");
	sel->values = grown(sel->values, sel->value_count, &sel->value_cap, sizeof *sel->values);
	sel->values[sel->value_count++] = v;
	t->count++;
	return true;
}

/* -- values --------------------------------------------------------------- */

static const char *const states[] = { "incoming", "active", "deferred", "hold", "corrupt", "trash" };

static const char *const severities[] = { "info", "warning", "error", "fatal", "panic" };
#define COUNT(array)	(sizeof (array) / sizeof (array)[0])

static bool
is_among(struct span word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_caseeqs(word, words[i]))
			return true;
	return false;
}

static bool
is_state(struct span word)
{
	return is_among(word, states, COUNT(states));
}

static bool
check_word(struct parser *p, struct span text, const char *what, const char *const *words, size_t n)
{
	struct near near = { .word = text };
	struct buf list = BUF_INIT(200);

	if (is_among(text, words, n))
		return true;
	for (size_t i = 0; i < n; i++) {
		near_try(&near, words[i]);
		buf_printf(&list, "%s%s", i == 0 ? "" : ", ", words[i]);
	}
	parser_fail(p, "\"%.*s\" is no %s%s%s%s: %s", SPAN_ARG(span_head(text, 40)), what,
	    near.best != NULL ? "; did you mean \"" : "", near.best != NULL ? near.best : "",
	    near.best != NULL ? "\"?" : "", list.ptr);
	buf_clear(&list);
	return false;
}

static bool
check_text(struct parser *p, enum selector_field field, struct span text)
{
	if (field == SEL_STATE)
		return check_word(p, text, "state", states, COUNT(states));
	if (field == SEL_SEVERITY)
		return check_word(p, text, "severity", severities, COUNT(severities));
	return true;
}

static bool
add_typed_value(struct parser *p, struct test *t, struct span text)
{
	enum selector_type type = selector_field_row(t->field)->type;
	struct value v = { .text = text };

	if (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN)
		return check_text(p, t->field, text) && add_value(p, t, v);
	return parser_number(p, type, text, &v.number) && add_value(p, t, v);
}

static bool
compile_regex(struct parser *p, struct test *t, struct span text)
{
	int code;
	PCRE2_SIZE where;
	PCRE2_UCHAR why[120];

	if (text.len > REGEX_MAX)
		return parser_fail(p, "a regular expression longer than %d bytes", REGEX_MAX);
	t->regex = pcre2_compile((PCRE2_SPTR)text.ptr, text.len, PCRE2_CASELESS | PCRE2_NEVER_UTF
	    | PCRE2_NEVER_BACKSLASH_C, &code, &where, NULL);
	if (t->regex != NULL)
		return true;
	pcre2_get_error_message(code, why, sizeof why);
	return parser_fail(p, "the regular expression is wrong at its byte %zu: %s", where, (const char *)why);
}

/* -- tests ---------------------------------------------------------------- */

static bool
allowed(struct parser *p, enum selector_field field, enum test_op op)
{
	const struct selector_field_row *row = selector_field_row(field);
	bool text = row->type == SELECTOR_TEXT || row->type == SELECTOR_DOMAIN;
	bool order = op == TEST_LT || op == TEST_LE || op == TEST_GT || op == TEST_GE;

	if (text && order)
		return parser_fail(p, "%s is a text: it takes = != ~ !~ and in", row->name);
	if (!text && (op == TEST_LIKE || op == TEST_UNLIKE))
		return parser_fail(p, "%s is a number: it takes = != < <= > >= and in", row->name);
	return true;
}

static bool
parse_in(struct parser *p, enum selector_field field)
{
	struct test *t = emit_test(p, field, TEST_IN);
	struct span value;

	if (t == NULL)
		return false;
	if (!parser_take_char(p, '('))
		return parser_fail(p, "\"in\" needs a list: in (a, b)");
	do {
		if (!parser_take_value(p, &value) || !add_typed_value(p, t, value))
			return false;
	} while (parser_take_char(p, ','));
	return parser_take_char(p, ')') || parser_fail(p, "\")\" is missing");
}

static bool
parse_comparison(struct parser *p, enum selector_field field, enum test_op op)
{
	struct span value;

	if (!allowed(p, field, op) || !parser_take_value(p, &value))
		return false;
	struct test *t = emit_test(p, field, op);
	if (t == NULL)
		return false;
	if (op == TEST_LIKE || op == TEST_UNLIKE)
		return compile_regex(p, t, value);
	return add_typed_value(p, t, value);
}

/* "NAME op", "NAME in", "NAME not in" make a comparison of what stands here; *matched false: they do not. */
static bool
parse_field_test(struct parser *p, bool *matched)
{
	struct span name = parser_peek_name(p);
	size_t start = p->pos;
	enum selector_field field;
	enum test_op op = TEST_IN;
	bool negated;

	*matched = false;
	if (name.len == 0)
		return true;
	p->pos += name.len;
	bool compared = parser_take_operator(p, &op);
	negated = !compared && parser_take_keyword(p, "not");
	if (!compared && !parser_take_keyword(p, "in")) {
		p->pos = start;
		return true;
	}
	*matched = true;
	if (!selector_field_find_in(p->sel->kind, name, &field)) {
		const char *near = selector_field_nearest_in(p->sel->kind, name);
		p->pos = start;
		return parser_fail(p, "there is no field \"%.*s\"%s%s%s", SPAN_ARG(span_head(name, 40)),
		    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		    near != NULL ? "\"?" : "");
	}
	if (compared)
		return parse_comparison(p, field, op);
	if (!parse_in(p, field))
		return false;
	if (negated)
		emit(p->sel, CODE_NOT, 0);
	return true;
}

/* -- short forms ---------------------------------------------------------- */

static bool
emit_equal(struct parser *p, enum selector_field field, struct span text)
{
	struct test *t = emit_test(p, field, TEST_EQ);

	return t != NULL && add_value(p, t, (struct value){ .text = text });
}

static bool
emit_address(struct parser *p, struct span text)
{
	if (!emit_equal(p, SEL_RCPT, text))
		return false;
	uint32_t jump = emit(p->sel, CODE_JUMP_TRUE, 0);
	if (!emit_equal(p, SEL_SENDER, text))
		return false;
	p->sel->code[jump].arg = p->sel->code_count;
	return true;
}

static bool
emit_short(struct parser *p, struct span word)
{
	struct qid id;
	const char *near = selector_field_nearest_in(p->sel->kind, word);

	if (span_eqs(word, "*"))
		return emit_test(p, SEL_ID, TEST_ALL) != NULL;
	if (p->sel->kind == SELECTOR_QUEUE && is_state(word))
		return emit_equal(p, SEL_STATE, word);
	if (word.len > 1 && *word.ptr == '@')
		return emit_equal(p, SEL_RCPT_DOMAIN, span_skip(word, 1));
	if (span_has(word, '@'))
		return emit_address(p, word);
	if (qid_parse(word, &id))
		return emit_equal(p, SEL_ID, word);
	if (span_has(word, '.'))
		return emit_equal(p, SEL_RCPT_DOMAIN, word);
	if (near != NULL && span_caseeqs(word, near))
		return parser_fail(p, "\"%s\" needs a comparison behind it", near);
	return parser_fail(p, "\"%.*s\" is neither a queue ID, an address, @domain, a state nor a comparison",
	    SPAN_ARG(span_head(word, 40)));
}

static bool
begins_short(struct parser *p)
{
	if (parser_at_end(p))
		return false;
	struct span word = parser_peek_word(p);
	if (word.len == 0)
		return p->text.ptr[p->pos] == '"';
	return !span_caseeqs(word, "and") && !span_caseeqs(word, "or") && !span_caseeqs(word, "not");
}

/* Side by side they mean any of them, up to the first comparison, which cannot follow without and or or. */
static bool
parse_shorts(struct parser *p)
{
	struct selector *sel = p->sel;
	uint32_t first = UINT32_MAX;	/* the jumps still to be aimed, each naming the one before */
	struct span word;

	for (;;) {
		size_t start = p->pos;
		if (!parser_take_value(p, &word))
			return false;
		size_t end = p->pos;
		p->pos = start;		/* for the place in a message */
		if (!emit_short(p, word))
			return false;
		p->pos = end;
		if (!begins_short(p))
			break;
		first = emit(sel, CODE_JUMP_TRUE, first);
	}
	while (first != UINT32_MAX) {
		uint32_t before = sel->code[first].arg;
		sel->code[first].arg = sel->code_count;
		first = before;
	}
	return true;
}

/* -- expressions ---------------------------------------------------------- */

static bool
parse_deeper(struct parser *p, bool (*parse)(struct parser *))
{
	if (p->depth == SELECTOR_DEPTH)
		return parser_fail(p, "nested deeper than %d", SELECTOR_DEPTH);
	p->depth++;
	bool ok = parse(p);
	p->depth--;
	return ok;
}

static bool
parse_one(struct parser *p)
{
	bool matched;

	if (parser_at_end(p))
		return parser_fail(p, "something is missing");
	if (parser_take_keyword(p, "not")) {
		if (!parse_deeper(p, parse_one))
			return false;
		emit(p->sel, CODE_NOT, 0);
		return true;
	}
	if (parser_take_char(p, '('))
		return parse_deeper(p, parse_either) && (parser_take_char(p, ')') || parser_fail(p, "\")\" is missing"));
	if (!parse_field_test(p, &matched))
		return false;
	return matched || parse_shorts(p);
}

/* A chain of the same operator: each jump leads to the next one's test of the same kind, so to the end. */
static bool
parse_chain(struct parser *p, bool (*part)(struct parser *), const char *word, enum code_op jump)
{
	struct selector *sel = p->sel;
	struct code_part parts[CODE_PARTS] = { { .from = sel->code_count } };
	uint32_t first = UINT32_MAX;
	unsigned n = 1;

	if (!part(p))
		return false;
	parts[0].to = sel->code_count;
	while (parser_take_keyword(p, word)) {
		first = emit(sel, jump, first);
		uint32_t from = sel->code_count;
		if (!part(p))
			return false;
		if (n < CODE_PARTS)
			parts[n] = (struct code_part){ .from = from, .to = sel->code_count };
		n++;
	}
	while (first != UINT32_MAX) {
		uint32_t before = sel->code[first].arg;
		sel->code[first].arg = sel->code_count;
		first = before;
	}
	if (n > 1 && n <= CODE_PARTS)
		selector_order(sel, parts, n, jump);
	return true;
}

static bool
parse_both(struct parser *p)
{
	return parse_chain(p, parse_one, "and", CODE_JUMP_FALSE);
}

static bool
parse_either(struct parser *p)
{
	return parse_chain(p, parse_both, "or", CODE_JUMP_TRUE);
}

bool
selector_parse(struct selector *sel, struct span text, struct err *err)
{
	struct parser p = { .sel = sel, .text = text, .err = err };

	if (text.len > SELECTOR_MAX) {
		err_set(err, ERR_PERM, "the selector is longer than %zu bytes", SELECTOR_MAX);
		return false;
	}
	if (parser_at_end(&p))
		return true;
	if (!parse_either(&p))
		return false;
	return parser_at_end(&p) || parser_fail(&p, "\"%.*s\" was not expected", SPAN_ARG(span_head(parser_rest(&p), 20)));
}
