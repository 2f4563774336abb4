#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "ctl/selector.h"

/* -- two messages to select from ------------------------------------------ */

struct rcpt {
	const char	*address, *domain, *reason;
	int64_t		 attempts, next;	/* next 0: none */
};

struct row {
	const char	*id, *state, *sender, *sender_domain;
	int64_t		 age, size;
	uint32_t	 n;
	struct rcpt	 rcpts[3];
};

static const struct row rows[] = {
	{ "4SVLCh0000z3m", "deferred", "Joe@Example.com", "example.com", 3 * HOUR, 12000, 2, {
	    { "a@yahoo.com", "yahoo.com", "host mx said: 421 4.7.0 try later", 3, 10 * MINUTE },
	    { "b@aol.com", "aol.com", "connection refused", 1, 0 } } },
	{ "4SVLCh0001z3m", "hold", "", "", 5 * MINUTE, 500, 1, {
	    { "c@sub.yahoo.com", "sub.yahoo.com", NULL, 0, 0 } } },
	{ "4SVLCh0002z3m", "active", "x=y@verp.example.org", "verp.example.org", 0, 11 * 1024 * 1024, 0, { { 0 } } },
};

static uint32_t
recipients(const void *row)
{
	return ((const struct row *)row)->n;
}

static bool
text(const void *arg, enum selector_field field, uint32_t i, struct span *out)
{
	const struct row *row = arg;
	const struct rcpt *r = &row->rcpts[i];
	const char *s = NULL;

	switch (field) {
	case SEL_ID: s = row->id; break;
	case SEL_STATE: s = row->state; break;
	case SEL_SENDER: s = row->sender; break;
	case SEL_SENDER_DOMAIN: s = row->sender_domain; break;
	case SEL_RCPT: s = r->address; break;
	case SEL_RCPT_DOMAIN: s = r->domain; break;
	case SEL_REASON: s = r->reason; break;
	default: break;
	}
	*out = span_str(s);
	return s != NULL;
}

static bool
number(const void *arg, enum selector_field field, uint32_t i, int64_t *out)
{
	const struct row *row = arg;
	const struct rcpt *r = &row->rcpts[i];

	switch (field) {
	case SEL_AGE: *out = row->age; return true;
	case SEL_SIZE: *out = row->size; return true;
	case SEL_NRCPT: *out = row->n; return true;
	case SEL_ATTEMPTS: *out = r->attempts; return row->n > 0;
	case SEL_NEXT: *out = r->next; return r->next != 0;
	default: return false;
	}
}

static const struct selector_row_ops ops = { recipients, text, number };

/* -- what matches --------------------------------------------------------- */

static void
matches(void **state)
{
	/* Bit n: row n matches. */
	static const struct { const char *text; unsigned want; } cases[] = {
		{ "", 7 }, { "  ", 7 }, { "*", 7 }, { "not *", 0 },
		{ "state = deferred", 1 }, { "deferred", 1 }, { "deferred hold", 3 }, { "STATE = Deferred", 1 },
		{ "state != deferred", 6 }, { "state in (hold, active)", 6 }, { "state not in (hold, active)", 1 },
		{ "4SVLCh0000z3m", 1 }, { "4SVLCh0000z3m 4SVLCh0002z3m", 5 }, { "id = 4svlch0000z3m", 0 },
		{ "@yahoo.com", 1 }, { "yahoo.com", 1 }, { "@.yahoo.com", 2 }, { "rcpt.domain = .yahoo.com", 2 },
		{ "a@yahoo.com", 1 }, { "joe@example.com", 1 },
		{ "\"x=y@verp.example.org\"", 4 }, { "sender = x=y@verp.example.org", 4 }, { "sender=x=y@verp.example.org", 4 },
		{ "sender = \"\"", 2 }, { "sender != \"\"", 5 }, { "reason = ''", 6 },
		{ "age > 2h", 1 }, { "age<=300", 6 }, { "age = 5m", 2 }, { "age >= 1h30m and age < 4h", 1 },
		{ "size > 10k", 5 }, { "size >= 11M", 4 }, { "size = 500", 2 }, { "nrcpt = 0", 4 }, { "nrcpt in (1, 2)", 3 },
		{ "attempts > 2", 1 }, { "next < 15m", 1 }, { "next != 1s", 7 }, { "next = 0", 0 },
		{ "reason ~ \"421|4\\.7\"", 1 }, { "reason ~ REFUSED", 1 }, { "reason !~ 421", 7 }, { "reason ~ ^$", 6 },
		/* One recipient at a time. */
		{ "rcpt.domain = yahoo.com and reason ~ refused", 0 }, { "rcpt.domain = aol.com and reason ~ refused", 1 },
		{ "rcpt.domain = yahoo.com and rcpt.domain = aol.com", 0 },
		{ "not rcpt.domain = yahoo.com", 7 },
		/* and binds more than or, not more than and. */
		{ "state = hold or state = active and age > 1h", 2 }, { "(state = hold or state = active) and age > 1h", 0 },
		{ "not state = hold and size < 1k", 0 }, { "not (state = hold and size < 1k)", 5 },
		{ "not not state = hold", 2 }, { "hold or deferred and not active", 3 },
		{ "4SVLCh0000z3m 4SVLCh0001z3m and age < 1h", 2 },
		{ "state=deferred and(age>1h)", 1 }, { "sender.domain in (example.com,.example.org)", 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err = { .kind = ERR_NONE };
		struct selector *sel = selector_new(span_str(cases[i].text), &err);
		unsigned got = 0;
		if (sel == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		for (unsigned k = 0; k < 3; k++)
			got |= (unsigned)selector_match(sel, &ops, &rows[k]) << k;
		if (got != cases[i].want)
			fail_msg("%s: got %u, want %u", cases[i].text, got, cases[i].want);
		selector_free(sel);
	}
}

static void
faults(void **state)
{
	static const struct { const char *text, *say; } cases[] = {
		{ "rcpt.domian = x.org", "did you mean \"rcpt.domain\"" },
		{ "nonsense = 1", "there is no field" },
		{ "x=y@verp.example.org", "there is no field" },	/* in quotes it is an address */
		{ "age > soon", "is not a time" },
		{ "size > 5x", "is not a size" },
		{ "nrcpt = many", "is not a number" },
		{ "size > 99999999999999999999", "is not a size" },
		{ "size > 9999999999999G", "is not a size" },
		{ "sender < a@b", "is a text" },
		{ "age ~ 5", "is a number" },
		{ "state = defered", "did you mean \"deferred\"" },
		{ "reason ~ \"(\"", "regular expression" },
		{ "reason ~ \"abc", "has no end" },
		{ "state =", "a value is missing" },
		{ "state = hold and", "something is missing" },
		{ "(state = hold", "\")\" is missing" },
		{ "state in hold", "needs a list" },
		{ "state in (hold", "\")\" is missing" },
		{ "state = hold)", "was not expected" },
		{ "state = hold age > 2h", "was not expected" },
		{ "what", "neither" },
		{ "age", "needs a comparison" },
		{ "and", "neither" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err = { .kind = ERR_NONE };
		struct selector *sel = selector_new(span_str(cases[i].text), &err);
		if (sel != NULL)
			fail_msg("%s: was taken", cases[i].text);
		assert_int_equal(err.kind, ERR_PERM);
		if (strstr(err.text, cases[i].say) == NULL)
			fail_msg("%s: said \"%s\", want \"%s\"", cases[i].text, err.text, cases[i].say);
	}
}

static struct selector *
repeated(const char *head, const char *part, size_t n, const char *tail, struct err *err)
{
	struct buf b = BUF_INIT(0);

	buf_str(&b, head);
	for (size_t i = 0; i < n; i++)
		buf_str(&b, part);
	buf_str(&b, tail);
	struct selector *sel = selector_new(buf_view(&b), err);
	buf_clear(&b);
	return sel;
}

static void
bounds(void **state)
{
	struct err err;
	struct selector *sel;

	(void)state;
	assert_null(repeated("", "(", 1000, "*", &err));
	assert_non_null(strstr(err.text, "nested deeper"));
	assert_null(repeated("", "not ", 1000, "*", &err));
	sel = repeated("", "(", 40, "*))))))))))))))))))))))))))))))))))))))))", &err);
	assert_non_null(sel);
	selector_free(sel);
	assert_null(repeated("*", " or hold", 3000, "", &err));
	assert_non_null(strstr(err.text, "more than 2000 tests"));
	sel = repeated("active", " or hold", 1900, "", &err);
	assert_non_null(sel);
	assert_true(selector_match(sel, &ops, &rows[1]));
	assert_false(selector_match(sel, &ops, &rows[0]));
	selector_free(sel);
	assert_null(repeated("id in (a", ",b", 20000, ")", &err));
	/* An expression made to run for ever ends, and does not match. */
	sel = selector_new(SPAN("rcpt ~ \"^(([a-z])+.)+[A-Z]([a-z])+$\" or reason ~ \"(a+)+$x\""), &err);
	assert_non_null(sel);
	struct row evil = rows[0];
	static char many[4000];
	memset(many, 'a', sizeof many - 1);
	evil.rcpts[0].reason = many;
	evil.rcpts[0].address = many;
	(void)selector_match(sel, &ops, &evil);
	selector_free(sel);
}

static void
direct_ids(void **state)
{
	static const struct { const char *text; bool direct; size_t count; } cases[] = {
		{ "4SVLCh0000z3m", true, 1 }, { "4SVLCh0000z3m 4SVLCh0001z3m", true, 2 },
		{ "id in (4SVLCh0000z3m, 4SVLCh0001z3m) or 4SVLCh0002z3m", true, 3 },
		{ "4SVLCh0000z3m and age > 1h", false, 0 }, { "*", false, 0 }, { "", false, 0 }, { "not 4SVLCh0000z3m", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct qid ids[4];
		size_t n = 0;
		struct selector *sel = selector_new(span_str(cases[i].text), NULL);
		assert_non_null(sel);
		if (selector_ids(sel, ids, 4, &n) != cases[i].direct || (cases[i].direct && n != cases[i].count))
			fail_msg("%s: %zu", cases[i].text, n);
		assert_int_equal(selector_all(sel), cases[i].text[0] == '\0' || cases[i].text[0] == '*');
		selector_free(sel);
	}
}

/* As many queue IDs as have room, in quotes and without, plain and in a list. */
static void
many_ids(void **state)
{
	static const struct { const char *head, *part, *tail; unsigned times; } cases[] = {
		{ "id in (\"4SVLCh0000z3m\"", ", \"4SVLCh0000z3m\"", ")", 1900 },
		{ "id in ('4SVLCh0000z3m'", ", '4SVLCh0000z3m'", ") and state in (deferred, hold)", 1900 },
		{ "4SVLCh0000z3m", " 4SVLCh0000z3m", "", 1999 },
		{ "\"4SVLCh0000z3m\"", " \"4SVLCh0000z3m\"", "", 1800 },
	};
	struct err err = { .kind = ERR_NONE };
	static struct qid ids[2000];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n = 0;
		struct selector *sel = repeated(cases[i].head, cases[i].part, cases[i].times, cases[i].tail, &err);
		if (sel == NULL)
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(selector_ids(sel, ids, 2000, &n), i != 1);
		if (i != 1)
			assert_int_equal(n, cases[i].times + 1);
		selector_free(sel);
	}
}

/* -- the order of evaluation ----------------------------------------------- */

static unsigned reasons_asked;

static bool
counting_text(const void *arg, enum selector_field field, uint32_t i, struct span *out)
{
	reasons_asked += field == SEL_REASON;
	return text(arg, field, i, out);
}

/* What is dear to answer is asked last, and only where it still matters. */
static void
order(void **state)
{
	static const struct selector_row_ops counting = { recipients, counting_text, number };
	static const struct { const char *text; unsigned want, asked; } cases[] = {	/* of all three rows */
		{ "reason ~ 421", 1, 3 },
		{ "reason ~ 421 and state = hold", 0, 1 },
		{ "reason ~ 421 and sender ~ nobody and size = 1", 0, 0 },
		{ "(reason ~ 421 or reason ~ refused) and age > 2h", 1, 1 },
		{ "reason ~ 421 or state = deferred", 1, 2 },
		{ "not (reason ~ 421 and nrcpt = 2) and not state = deferred", 6, 0 },
		{ "reason ~ nothing and subject ~ x or nrcpt >= 0", 7, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err = { .kind = ERR_NONE };
		struct selector *sel = selector_new(span_str(cases[i].text), &err);
		unsigned got = 0;
		if (sel == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		reasons_asked = 0;
		for (unsigned k = 0; k < 3; k++)
			got |= (unsigned)selector_match(sel, &counting, &rows[k]) << k;
		if (got != cases[i].want || reasons_asked != cases[i].asked)
			fail_msg("%s: got %u with %u reasons, want %u with %u", cases[i].text, got, reasons_asked, cases[i].want, cases[i].asked);
		selector_free(sel);
	}
}

static const char *const atoms[] = {
	"state = deferred", "reason ~ refused", "reason !~ 421", "dest = x.org", "subject ~ x", "age > 1h", "sender ~ joe", "nrcpt = 2", "*",
	"rcpt.domain = aol.com", "user = ''", "attempts > 2",
};
#define ATOMS	(sizeof atoms / sizeof atoms[0])

static bool atom_truth[ATOMS];

/* Appends an expression made by chance; returns its truth as it stands there. */
static bool
by_chance(struct buf *b, unsigned depth)
{
	unsigned parts = 1 + (unsigned)rand() % 4;
	bool all = rand() % 2, truth = all;

	if (depth == 0 || rand() % 4 == 0) {
		size_t n = (size_t)rand() % ATOMS;
		buf_str(b, atoms[n]);
		return atom_truth[n];
	}
	bool negated = rand() % 4 == 0;
	buf_str(b, negated ? "not (" : "(");
	for (unsigned i = 0; i < parts; i++) {
		buf_str(b, i == 0 ? "" : all ? " and " : " or ");
		bool one = by_chance(b, depth - 1);
		truth = all ? truth && one : truth || one;
	}
	buf_char(b, ')');
	return truth != negated;
}

static void
order_and_truth(void **state)
{
	struct err err = { .kind = ERR_NONE };
	struct buf b = BUF_INIT(0);

	(void)state;
	srand(1);
	for (unsigned k = 0; k < 2; k++) {
		for (size_t i = 0; i < ATOMS; i++) {
			struct selector *sel = selector_new(span_str(atoms[i]), &err);
			assert_non_null(sel);
			atom_truth[i] = selector_match_recipient(sel, &ops, &rows[k], 0);
			selector_free(sel);
		}
		for (unsigned i = 0; i < 20000; i++) {
			buf_reset(&b);
			bool want = by_chance(&b, 4);
			struct selector *sel = b.len > SELECTOR_MAX ? NULL : selector_new(buf_view(&b), &err);
			if (sel != NULL && selector_match_recipient(sel, &ops, &rows[k], 0) != want)
				fail_msg("row %u, want %d: %s", k, want, b.ptr);
			selector_free(sel);
		}
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches), cmocka_unit_test(faults), cmocka_unit_test(bounds), cmocka_unit_test(direct_ids), cmocka_unit_test(many_ids),
		cmocka_unit_test(order), cmocka_unit_test(order_and_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
