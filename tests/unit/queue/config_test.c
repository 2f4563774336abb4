/* What a transport's own parameters and the defaults make of its limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/clock.h"
#include "queue/role.h"

static const char master[] =
    "smtp unix - - n - - smtp\nown unix - - n - 7 smtp\nother unix - - n - - smtp\n";

static void
show(const struct transport_limits *l, char *out, size_t size)
{
	static const char *const by[] = { "", "/c", "/root" };

	(void)snprintf(out, size, "limit %g initial %g rcpts %u cohorts %g positive %g%s negative %g%s delay %lld pace %lld%s", l->limit, l->initial,
	    l->recipients, l->cohorts, l->positive, by[l->positive_by], l->negative, by[l->negative_by], (long long)(l->rate_delay / SECOND),
	    (long long)(l->pace / SECOND), l->deferred ? " deferred" : "");
}

static void
limits(void **state)
{
	static const struct { const char *main, *own, *other; } rows[] = {
		{ "", "limit 20 initial 5 rcpts 50 cohorts 1 positive 1 negative 1 delay 0 pace 0",
		    "limit 20 initial 5 rcpts 50 cohorts 1 positive 1 negative 1 delay 0 pace 0" },
		{ "own_destination_concurrency_limit = 9\nown_initial_destination_concurrency = 3\n"
		  "own_destination_recipient_limit = 2\nown_destination_concurrency_failed_cohort_limit = 4\n"
		  "own_destination_concurrency_positive_feedback = 0.5 / sqrt_concurrency\n"
		  "own_destination_concurrency_negative_feedback = 0.25\nown_destination_rate_delay = 3s\n"
		  "own_transport_rate_delay = 1m\ndefer_transports = some, own\n",
		    "limit 9 initial 3 rcpts 2 cohorts 4 positive 0.5/root negative 0.25 delay 3 pace 60 deferred",
		    "limit 20 initial 5 rcpts 50 cohorts 1 positive 1 negative 1 delay 0 pace 0" },
		{ "default_destination_concurrency_limit = 9\ninitial_destination_concurrency = 30\n"
		  "default_destination_recipient_limit = 2\ndefault_destination_concurrency_failed_cohort_limit = 4\n"
		  "default_destination_concurrency_positive_feedback = 7\ndefault_destination_concurrency_negative_feedback = 0.25/concurrency\n"
		  "default_destination_rate_delay = 3s\ndefault_transport_rate_delay = 4s\nown_transport_rate_delay = 0\n"
		  "own_destination_concurrency_limit = 50\nown_destination_rate_delay = $own_transport_rate_delay\n",
		    "limit 50 initial 30 rcpts 2 cohorts 4 positive 1 negative 0.25/c delay 0 pace 0",
		    "limit 9 initial 9 rcpts 2 cohorts 4 positive 1 negative 0.25/c delay 3 pace 4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf_problems problems = { 0 };
		struct role_queue rq = { .conf = conf_parse("/nonexistent", span_str(rows[i].main), span_str(master), &problems) };
		struct transport_limits l;
		char got[300];

		assert_non_null(rq.conf);
		assert_true(config_transport(&rq, SPAN("own"), &l));
		assert_int_equal(l.maxproc, 7);
		show(&l, got, sizeof got);
		assert_string_equal(got, rows[i].own);
		assert_true(config_transport(&rq, SPAN("other"), &l));
		show(&l, got, sizeof got);
		assert_string_equal(got, rows[i].other);
		assert_false(config_transport(&rq, SPAN("none"), &l));
		conf_problems_clear(&problems);
		conf_unref(rq.conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
