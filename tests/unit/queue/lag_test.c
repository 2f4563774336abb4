#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "queue/role.h"

/* New mail that waits for a place for five seconds is a lag, until the oldest waits less than one. */
static void
lags(void **state)
{
	static const struct { int64_t late; bool open, lagging; } cases[] = {
		{ 0, true, false }, { 4 * SECOND, true, false }, { 6 * SECOND, false, false }, { 6 * SECOND, true, true },
		{ 3 * SECOND, true, true }, { SECOND / 2, true, false }, { -HOUR, true, false }, { 9 * SECOND, true, true },
	};
	struct role_queue rq = { 0 };
	struct heap_node node = { 0 };

	(void)state;
	clock_virtual(1700000000 * SECOND);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		heap_set(&rq.q.fresh, &node, queue_now(&rq.q) - cases[i].late);
		rq.q.open = cases[i].open;
		lag_watch(&rq);
		if (rq.lagging != cases[i].lagging)
			fail_msg("case %zu", i);
	}
	heap_del(&rq.q.fresh, &node);	/* nothing waits */
	lag_watch(&rq);
	assert_false(rq.lagging);
	heap_clear(&rq.q.fresh);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lags) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
