#include "ctl/selector.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/near.h"
#include "ctl/selector_code.h"

/* What one expression may cost on one text: ordinary ones take a few dozen steps. */
#define MATCH_LIMIT	20000
#define DEPTH_LIMIT	500
#define HEAP_LIMIT	512	/* KiB */

static const struct selector_field_row rows[SELECTOR_FIELDS] = {
#define SELECTOR_FIELD(ident, name, type, per_recipient, summary) \
	[SEL_##ident] = { name, type, per_recipient, summary },
#include "ctl/selector.def"
#undef SELECTOR_FIELD
};

const struct selector_field_row *
selector_field_row(enum selector_field field)
{
	return &rows[field];
}

bool
selector_field_in(enum selector_field field, enum selector_kind kind)
{
	if (kind == SELECTOR_QUEUE)
		return field < SEL_PROGRAM;
	switch (field) {
	case SEL_ID:
	case SEL_SENDER:
	case SEL_SENDER_DOMAIN:
	case SEL_RCPT:
	case SEL_RCPT_DOMAIN:
	case SEL_CLIENT:
	case SEL_REASON:
		return true;
	default:
		return field >= SEL_PROGRAM;
	}
}

bool
selector_field_find_in(enum selector_kind kind, struct span name, enum selector_field *out)
{
	for (unsigned i = 0; i < SELECTOR_FIELDS; i++) {
		if (!selector_field_in((enum selector_field)i, kind) || !span_caseeqs(name, rows[i].name))
			continue;
		*out = (enum selector_field)i;
		return true;
	}
	return false;
}

bool
selector_field_find(struct span name, enum selector_field *out)
{
	return selector_field_find_in(SELECTOR_QUEUE, name, out);
}

const char *
selector_field_nearest_in(enum selector_kind kind, struct span name)
{
	struct near near = { .word = name };

	for (unsigned i = 0; i < SELECTOR_FIELDS; i++)
		if (selector_field_in((enum selector_field)i, kind))
			near_try(&near, rows[i].name);
	return near.best;
}

const char *
selector_field_nearest(struct span name)
{
	return selector_field_nearest_in(SELECTOR_QUEUE, name);
}

static bool
prepare_matching(struct selector *sel, struct err *err)
{
	for (uint32_t i = 0; i < sel->test_count; i++) {
		if (sel->tests[i].regex == NULL || sel->match != NULL)
			continue;
		sel->match = pcre2_match_data_create(1, NULL);
		sel->limits = pcre2_match_context_create(NULL);
		if (sel->match == NULL || sel->limits == NULL) {
			err_set(err, ERR_SYS, "no memory for a regular expression");
			return false;
		}
		pcre2_set_match_limit(sel->limits, MATCH_LIMIT);
		pcre2_set_depth_limit(sel->limits, DEPTH_LIMIT);
		pcre2_set_heap_limit(sel->limits, HEAP_LIMIT);
	}
	return true;
}

struct selector *
selector_new(struct span text, struct err *err)
{
	return selector_new_in(SELECTOR_QUEUE, text, err);
}

struct selector *
selector_new_in(enum selector_kind kind, struct span text, struct err *err)
{
	struct selector *sel = mem_new(sizeof *sel);

	sel->kind = kind;
	sel->arena = ARENA_INIT(SELECTOR_MAX * 4);
	if (!selector_parse(sel, text, err) || !prepare_matching(sel, err)) {
		selector_free(sel);
		return NULL;
	}
	for (uint32_t i = 0; i < sel->test_count; i++)
		if (sel->tests[i].op != TEST_ALL && rows[sel->tests[i].field].per_recipient)
			sel->per_recipient = true;
	return sel;
}

void
selector_free(struct selector *sel)
{
	if (sel == NULL)
		return;
	for (uint32_t i = 0; i < sel->test_count; i++)
		pcre2_code_free(sel->tests[i].regex);
	pcre2_match_data_free(sel->match);
	pcre2_match_context_free(sel->limits);
	arena_clear(&sel->arena);
	free(sel->tests);
	free(sel->values);
	free(sel->code);
	free(sel);
}

/* -- evaluation ----------------------------------------------------------- */

struct at {
	const struct selector *sel;
	const struct selector_row_ops *ops;
	const void	*row;
	uint32_t	 rcpt;
};

/* Queue IDs differ in case only; a domain with a dot in front stands for its subdomains. */
static bool
text_equals(enum selector_field field, struct span have, struct span want)
{
	if (field == SEL_ID)
		return span_eq(have, want);
	if (rows[field].type == SELECTOR_DOMAIN && want.len > 1 && *want.ptr == '.')
		return have.len > want.len && span_caseeq(span_skip(have, have.len - want.len), want);
	return span_caseeq(have, want);
}

static bool
regex_matches(const struct selector *sel, const pcre2_code *regex, struct span text)
{
	if (text.ptr == NULL)
		text = SPAN("");
	return pcre2_match(regex, (PCRE2_SPTR)text.ptr, text.len, 0, 0, sel->match, sel->limits) >= 0;
}

static bool
any_text(const struct at *at, const struct test *t, struct span have)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (text_equals(t->field, have, at->sel->values[t->value + i].text))
			return true;
	return false;
}

static bool
test_text(const struct at *at, const struct test *t)
{
	struct span have = SPAN("");

	if (!at->ops->text(at->row, t->field, at->rcpt, &have))
		have = SPAN("");
	switch (t->op) {
	case TEST_LIKE:
		return regex_matches(at->sel, t->regex, have);
	case TEST_UNLIKE:
		return !regex_matches(at->sel, t->regex, have);
	case TEST_NE:
		return !any_text(at, t, have);
	default:
		return any_text(at, t, have);
	}
}

static bool
any_number(const struct at *at, const struct test *t, int64_t have)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (at->sel->values[t->value + i].number == have)
			return true;
	return false;
}

static bool
test_number(const struct at *at, const struct test *t)
{
	int64_t have, want = at->sel->values[t->value].number;

	if (!at->ops->number(at->row, t->field, at->rcpt, &have))
		return t->op == TEST_NE;
	switch (t->op) {
	case TEST_LT:
		return have < want;
	case TEST_LE:
		return have <= want;
	case TEST_GT:
		return have > want;
	case TEST_GE:
		return have >= want;
	case TEST_NE:
		return have != want;
	default:
		return any_number(at, t, have);
	}
}

static bool
run_test(const struct at *at, const struct test *t)
{
	if (t->op == TEST_ALL)
		return true;
	enum selector_type type = rows[t->field].type;
	if (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN)
		return test_text(at, t);
	return test_number(at, t);
}

bool
selector_match_recipient(const struct selector *sel, const struct selector_row_ops *ops, const void *row,
    uint32_t rcpt)
{
	struct at at = { sel, ops, row, rcpt };
	bool truth = true;

	for (uint32_t i = 0; i < sel->code_count; i++) {
		const struct code *c = &sel->code[i];
		switch (c->op) {
		case CODE_TEST:
			truth = run_test(&at, &sel->tests[c->arg]);
			break;
		case CODE_NOT:
			truth = !truth;
			break;
		case CODE_JUMP_FALSE:
			if (!truth)
				i = c->arg - 1;
			break;
		case CODE_JUMP_TRUE:
			if (truth)
				i = c->arg - 1;
			break;
		}
	}
	return truth;
}

/* A message without recipients (all are done) still has one row to be read for. */
bool
selector_match(const struct selector *sel, const struct selector_row_ops *ops, const void *row)
{
	uint32_t n = sel->per_recipient ? ops->recipients(row) : 1;

	for (uint32_t i = 0; i < (n == 0 ? 1 : n); i++)
		if (selector_match_recipient(sel, ops, row, i))
			return true;
	return false;
}

bool
selector_all(const struct selector *sel)
{
	return sel->code_count == 0 || (sel->code_count == 1 && sel->code[0].op == CODE_TEST
	    && sel->tests[sel->code[0].arg].op == TEST_ALL);
}

bool
selector_ids(const struct selector *sel, struct qid *ids, size_t max, size_t *count)
{
	*count = 0;
	if (sel->code_count == 0)
		return false;
	for (uint32_t i = 0; i < sel->code_count; i++) {
		const struct code *c = &sel->code[i];
		if (c->op == CODE_JUMP_TRUE)
			continue;
		if (c->op != CODE_TEST)
			return false;
		const struct test *t = &sel->tests[c->arg];
		if (t->field != SEL_ID || (t->op != TEST_EQ && t->op != TEST_IN))
			return false;
		for (uint32_t k = 0; k < t->count; k++) {
			if (*count == max)
				return false;
			if (qid_parse(sel->values[t->value + k].text, &ids[*count]))
				(*count)++;
		}
	}
	return true;
}

bool
selector_per_recipient(const struct selector *sel)
{
	return sel->per_recipient;
}

bool
selector_reads(const struct selector *sel, enum selector_field field)
{
	for (uint32_t i = 0; i < sel->test_count; i++)
		if (sel->tests[i].op != TEST_ALL && sel->tests[i].field == field)
			return true;
	return false;
}

bool
selector_begins(const struct selector *sel, enum selector_field field)
{
	if (sel->code_count == 0 || sel->code[0].op != CODE_TEST)
		return false;
	const struct test *t = &sel->tests[sel->code[0].arg];
	return t->op != TEST_ALL && t->field == field;
}
