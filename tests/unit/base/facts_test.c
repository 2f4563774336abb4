#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/facts.h"

static void
asked_once(void **state)
{
	struct facts *f = facts_new();
	struct fact_want w;
	struct span v;

	(void)state;
	facts_reset(f, 42);
	assert_true(facts_now(f) == 42);
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v), FACT_PENDING);
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v), FACT_PENDING);
	facts_hint(f, SPAN("dns"), SPAN("b"));
	assert_true(facts_wanted(f, &w));
	assert_true(span_eqs(w.source, "dns") && span_eqs(w.key, "a") && w.place == FACT_PURE);
	uint64_t a = w.id;
	assert_true(facts_wanted(f, &w));
	assert_true(span_eqs(w.key, "b"));
	uint64_t b = w.id;
	assert_false(facts_wanted(f, &w));
	assert_int_equal(facts_open(f), 2);
	assert_true(facts_answer(f, b, FACT_ABSENT, SPAN_NONE));
	assert_true(facts_answer(f, a, FACT_KNOWN, SPAN("1.2.3.4")));
	assert_false(facts_answer(f, a, FACT_KNOWN, SPAN("5.6.7.8")));	/* only the first counts */
	assert_int_equal(facts_open(f), 0);
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v), FACT_KNOWN);
	assert_true(span_eqs(v, "1.2.3.4"));
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("b"), &v), FACT_ABSENT);
	facts_free(f);
}

/* Source and key are told apart, and places of effectful facts too. */
static void
keys(void **state)
{
	struct facts *f = facts_new();
	struct fact_want w;
	struct span v;
	int n = 0;

	(void)state;
	facts_get(f, FACT_PURE, SPAN("ab"), SPAN("c"), &v);
	facts_get(f, FACT_PURE, SPAN("a"), SPAN("bc"), &v);
	facts_get(f, FACT_PLACE(1, 0), SPAN("a"), SPAN("bc"), &v);
	facts_get(f, FACT_PLACE(1, 1), SPAN("a"), SPAN("bc"), &v);
	facts_get(f, FACT_PURE, SPAN(""), SPAN(""), &v);
	while (facts_wanted(f, &w))
		n++;
	assert_int_equal(n, 5);
	facts_free(f);
}

static void
late_answers(void **state)
{
	struct facts *f = facts_new();
	struct fact_want w;
	struct span v;

	(void)state;
	facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v);
	assert_true(facts_wanted(f, &w));
	facts_reset(f, 1);
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v), FACT_PENDING);
	assert_false(facts_answer(f, w.id, FACT_KNOWN, SPAN("old")));
	assert_false(facts_answer(f, 0, FACT_KNOWN, SPAN("x")));
	assert_false(facts_answer(f, UINT64_MAX, FACT_KNOWN, SPAN("x")));
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("dns"), SPAN("a"), &v), FACT_PENDING);
	facts_free(f);
}

static void
bounds(void **state)
{
	struct facts *f = facts_new();
	struct span v;
	char key[32];
	int n;

	(void)state;
	for (n = 0; n < 2 * FACTS_MAX; n++) {
		snprintf(key, sizeof key, "%d", n);
		if (facts_get(f, FACT_PURE, SPAN("s"), span_str(key), &v) == FACT_FAILED)
			break;
	}
	assert_true(n > 1000 && n <= FACTS_MAX);
	assert_true(facts_over(f));
	facts_reset(f, 0);
	assert_false(facts_over(f));

	/* An answer that does not fit is a failure, not a truth cut short. */
	static char big[FACTS_BYTES_MAX];
	struct fact_want w;
	facts_get(f, FACT_PURE, SPAN("s"), SPAN("k"), &v);
	assert_true(facts_wanted(f, &w));
	assert_true(facts_answer(f, w.id, FACT_KNOWN, span_of(big, sizeof big)));
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("s"), SPAN("k"), &v), FACT_FAILED);
	assert_int_equal(facts_get(f, FACT_PURE, SPAN("s"), span_of(big, sizeof big), &v), FACT_FAILED);
	assert_int_equal(facts_get(NULL, FACT_PURE, SPAN("s"), SPAN("k"), &v), FACT_FAILED);
	facts_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked_once), cmocka_unit_test(keys), cmocka_unit_test(late_answers), cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
