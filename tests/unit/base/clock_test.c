#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"

static void
test_real(void **state)
{
	(void)state;
	int64_t a = clock_mono(), w = clock_wall();
	assert_true(clock_mono() >= a);
	assert_true(w > 1700000000 * SECOND);
	assert_true(clock_random() != clock_random());
}

static void
test_seeded(void **state)
{
	unsigned char a[700], b[700];

	(void)state;
	clock_seed(3);
	clock_random_bytes(a, sizeof a);
	clock_seed(3);
	clock_random_bytes(b, sizeof b);
	assert_memory_equal(a, b, sizeof a);
	clock_seed(4);
	clock_random_bytes(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
}

static void
test_virtual(void **state)
{
	(void)state;
	clock_virtual(1000 * SECOND);
	assert_true(clock_mono() == 0 && clock_wall() == 1000 * SECOND);
	clock_advance(5 * DAY);
	assert_true(clock_mono() == 5 * DAY && clock_wall() == 1000 * SECOND + 5 * DAY);
	clock_step_wall(-HOUR);
	assert_true(clock_mono() == 5 * DAY && clock_wall() == 1000 * SECOND + 5 * DAY - HOUR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real), cmocka_unit_test(test_seeded), cmocka_unit_test(test_virtual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
