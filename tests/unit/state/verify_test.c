/* What is known of addresses: when it holds, when it is asked anew, what takes whose place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "state/verify.h"

static const struct verify_times times = { .positive_expire = 100 * SECOND, .positive_refresh = 50 * SECOND, .negative_expire = 30 * SECOND,
	.negative_refresh = 10 * SECOND, .negative = true, .pending_limit = 2 };

/* A second, what is asked or learnt then ("?": asked), and what it comes to: status, and whether a probe begins. */
struct step {
	int		 at;
	const char	*address;	/* asked; NULL: a result */
	enum verify_status status;	/* of the result, or expected */
	bool		 probe;
};

static void
run(const struct verify_times *t, const struct step *steps, size_t n)
{
	struct verified v;
	uint64_t probe = 0, number;
	const char *text;

	verify_init(&v, t);
	for (size_t i = 0; i < n; i++) {
		int64_t now = (1000000 + steps[i].at) * SECOND;
		if (steps[i].address == NULL) {
			assert_true(verify_probed(&v, probe, steps[i].status, SPAN("said so"), now));
			continue;
		}
		assert_int_equal(verify_ask(&v, span_str(steps[i].address), now, &text, &number), steps[i].status);
		assert_int_equal(number != 0, steps[i].probe);
		assert_string_equal(text, steps[i].status == VERIFY_TODO ? "Address verification in progress" : "said so");
		if (number != 0)
			probe = number;
	}
	verify_clear(&v);
}

static void
test_times(void **state)
{
	static const struct step good[] = {
		{ 0, "a@b", VERIFY_TODO, true }, { 1, "A@B", VERIFY_TODO, false }, { 2, NULL, VERIFY_OK, false }, { 3, "a@b", VERIFY_OK, false },
		{ 52, "a@b", VERIFY_OK, false }, { 53, "a@b", VERIFY_OK, true }, { 54, "a@b", VERIFY_OK, false },
		/* A failure does not take its place while it holds, and is asked anew. */
		{ 55, NULL, VERIFY_BOUNCE, false }, { 56, "a@b", VERIFY_OK, true }, { 57, NULL, VERIFY_DEFER, false },
		{ 103, "a@b", VERIFY_TODO, true }, { 104, NULL, VERIFY_BOUNCE, false }, { 105, "a@b", VERIFY_BOUNCE, false },
	};
	static const struct step bad[] = {
		{ 0, "a@b", VERIFY_TODO, true }, { 1, NULL, VERIFY_BOUNCE, false }, { 11, "a@b", VERIFY_BOUNCE, false }, { 12, "a@b", VERIFY_BOUNCE, true },
		{ 13, NULL, VERIFY_OK, false }, { 14, "a@b", VERIFY_OK, false }, { 114, "a@b", VERIFY_TODO, true },
		/* Lost: nothing came for a thousand seconds. */
		{ 1114, "a@b", VERIFY_TODO, false }, { 1115, "a@b", VERIFY_TODO, true },
	};
	static const struct step limit[] = {
		{ 0, "a@b", VERIFY_TODO, true }, { 0, "c@b", VERIFY_TODO, true }, { 0, "d@b", VERIFY_TODO, false }, { 1, NULL, VERIFY_OK, false },
		{ 2, "d@b", VERIFY_TODO, true },
	};
	struct verify_times not_kept = times;
	static const struct step unkept[] = {
		{ 0, "a@b", VERIFY_TODO, true }, { 1, NULL, VERIFY_BOUNCE, false }, { 1, "a@b", VERIFY_TODO, true }, { 2, NULL, VERIFY_OK, false },
		{ 3, "a@b", VERIFY_OK, false },
	};

	(void)state;
	run(&times, good, sizeof good / sizeof *good);
	run(&times, bad, sizeof bad / sizeof *bad);
	run(&times, limit, sizeof limit / sizeof *limit);
	not_kept.negative = false;
	run(&not_kept, unkept, sizeof unkept / sizeof *unkept);
}

static void
test_expire_and_load(void **state)
{
	static const char *const broken[] = { "", "1", "0:1", "0:1:2", "9:1:2:x", "0:x:2:x", "0:1:99999999999999999999:x", "-1:0:0:x" };
	struct verified v;
	const char *text;
	uint64_t probe;

	(void)state;
	verify_init(&v, &times);
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
		assert_false(verify_load(&v, SPAN("x@y"), span_str(broken[i])));
	assert_true(verify_load(&v, SPAN("X@y"), SPAN("0:5:1000:250 2.1.5 Ok: more")));
	assert_true(verify_load(&v, SPAN("n@y"), SPAN("2:5:1000:no")));
	assert_int_equal(verify_ask(&v, SPAN("x@Y"), 1010 * SECOND, &text, &probe), VERIFY_OK);
	assert_string_equal(text, "250 2.1.5 Ok: more");
	verify_expire(&v, 1031 * SECOND);
	assert_int_equal(v.map.count, 1);
	verify_expire(&v, 1101 * SECOND);
	assert_int_equal(v.map.count, 0);
	assert_false(verify_probed(&v, 99, VERIFY_OK, SPAN_NONE, 0));
	verify_clear(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_times), cmocka_unit_test(test_expire_and_load) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
