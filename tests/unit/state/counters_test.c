#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "state/counters.h"

#define UNIT	MINUTE

enum what { CONNECT, DISCONNECT, GONE, EXPIRE };

static void
test_story(void **state)
{
	static const struct {
		enum what what;
		int64_t at;		/* seconds */
		const char *client;
		uint32_t slot;
		uint32_t open, rate;	/* of CONNECT */
		size_t left;		/* entries after it */
	} rows[] = {
		{ CONNECT, 0, "192.0.2.1", 0, 1, 1, 1 },
		{ CONNECT, 1, "192.0.2.1", 1, 2, 2, 1 },
		{ CONNECT, 2, "192.0.2.2", 1, 1, 1, 2 },
		{ DISCONNECT, 3, "192.0.2.1", 0, 0, 0, 2 },
		{ DISCONNECT, 3, "192.0.2.1", 0, 0, 0, 2 },	/* once too often: that slot has none */
		{ DISCONNECT, 3, "192.0.2.9", 0, 0, 0, 2 },	/* never seen */
		{ CONNECT, 4, "192.0.2.1", 0, 2, 3, 2 },
		{ GONE, 5, "", 1, 0, 0, 2 },
		{ CONNECT, 6, "192.0.2.1", 1, 2, 4, 2 },
		{ EXPIRE, 59, "", 0, 0, 0, 2 },
		{ EXPIRE, 62, "", 0, 0, 0, 1 },			/* 192.0.2.2 has nothing open */
		{ CONNECT, 63, "192.0.2.1", 0, 3, 1, 1 },		/* a new unit, the open ones are still there */
		{ GONE, 64, "", 0, 0, 0, 1 },
		{ EXPIRE, 200, "", 0, 0, 0, 1 },
		{ DISCONNECT, 201, "192.0.2.1", 1, 0, 0, 0 },	/* the last one, after its unit */
		{ EXPIRE, 300, "", 0, 0, 0, 0 },
	};
	struct counters cs;
	uint32_t open, rate;

	(void)state;
	counters_init(&cs, UNIT);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span client = span_str(rows[i].client), service = SPAN("smtp");
		int64_t now = rows[i].at * SECOND;
		switch (rows[i].what) {
		case CONNECT:
			counters_connect(&cs, service, client, rows[i].slot, now, &open, &rate);
			assert_int_equal(open, rows[i].open);
			assert_int_equal(rate, rows[i].rate);
			break;
		case DISCONNECT:
			counters_disconnect(&cs, service, client, rows[i].slot, now);
			break;
		case GONE:
			counters_slot_gone(&cs, rows[i].slot, now);
			break;
		case EXPIRE:
			(void)counters_expire(&cs, now);
			break;
		}
		assert_int_equal(cs.map.count, rows[i].left);
	}
	counters_clear(&cs);
}

static void
test_keys(void **state)
{
	struct counters cs;
	uint32_t open, rate;
	static char longest[5000];

	(void)state;
	counters_init(&cs, UNIT);
	counters_connect(&cs, SPAN("a"), SPAN("bc"), 0, 0, &open, &rate);
	counters_connect(&cs, SPAN("ab"), SPAN("c"), 0, 0, &open, &rate);
	assert_int_equal(rate, 1);
	memset(longest, 'x', sizeof longest);
	counters_connect(&cs, span_of(longest, sizeof longest), span_of(longest, sizeof longest), 99, 0, &open, &rate);
	assert_int_equal(rate, 1);
	assert_int_equal(open, 0);
	assert_int_equal(cs.map.count, 3);
	counters_slot_gone(&cs, 99, 0);
	counters_clear(&cs);
}

/* Many clients come and go: nothing stays. */
static void
test_forgets(void **state)
{
	struct counters cs;
	uint32_t open, rate;
	char name[32];

	(void)state;
	counters_init(&cs, UNIT);
	for (int i = 0; i < 20000; i++) {
		int n = snprintf(name, sizeof name, "client-%d", i);
		counters_connect(&cs, SPAN("smtp"), span_of(name, (size_t)n), (uint32_t)i % 4, i * 1000, &open, &rate);
		counters_disconnect(&cs, SPAN("smtp"), span_of(name, (size_t)n), (uint32_t)i % 4, i * 1000);
	}
	assert_int_equal(cs.map.count, 20000);
	int64_t next = counters_expire(&cs, UNIT + 10 * SECOND);
	assert_true(next > UNIT + 10 * SECOND);
	assert_int_equal(cs.map.count, 9999);
	assert_true(counters_expire(&cs, 2 * UNIT) == -1);
	assert_int_equal(cs.map.count, 0);
	counters_clear(&cs);
}

static void
test_events(void **state)
{
	struct counters cs;
	uint32_t open, rate;
	char name[32];

	(void)state;
	counters_init(&cs, UNIT);
	assert_int_equal(counters_event(&cs, COUNT_MAIL, 0, SPAN("smtp"), SPAN("192.0.2.1"), 0), 1);
	assert_int_equal(counters_event(&cs, COUNT_MAIL, 0, SPAN("smtp"), SPAN("192.0.2.1"), 1), 2);
	assert_int_equal(counters_event(&cs, COUNT_RCPT, 0, SPAN("smtp"), SPAN("192.0.2.1"), 2), 1);
	/* A sender that looks like a client, and one of another kind. */
	assert_int_equal(counters_event(&cs, COUNT_MAIL, 2, SPAN_NONE, SPAN("192.0.2.1"), 2), 1);
	assert_int_equal(counters_event(&cs, COUNT_MAIL, 3, SPAN_NONE, SPAN("192.0.2.1"), 2), 1);
	counters_connect(&cs, SPAN("smtp"), SPAN("192.0.2.1"), 0, 3, &open, &rate);
	assert_int_equal(rate, 1);
	assert_int_equal(cs.map.count, 3);
	assert_int_equal(cs.rates[COUNT_MAIL].n, 2);
	assert_string_equal(cs.rates[COUNT_MAIL].whose, "smtp:192.0.2.1");
	/* A new unit begins for all of it. */
	assert_int_equal(counters_event(&cs, COUNT_RCPT, 0, SPAN("smtp"), SPAN("192.0.2.1"), UNIT + 1), 1);
	assert_int_equal(counters_event(&cs, COUNT_MAIL, 0, SPAN("smtp"), SPAN("192.0.2.1"), UNIT + 2), 1);
	for (int i = 0; i < 2 * COUNTERS_MAX; i++) {
		int n = snprintf(name, sizeof name, "sender-%d", i);
		(void)counters_event(&cs, COUNT_MAIL, 2, SPAN_NONE, span_of(name, (size_t)n), UNIT + 3);
	}
	assert_int_equal(cs.map.count, COUNTERS_MAX);
	counters_connect(&cs, SPAN("smtp"), SPAN("192.0.2.99"), 0, UNIT + 4, &open, &rate);
	assert_int_equal(rate, 0);
	counters_disconnect(&cs, SPAN("smtp"), SPAN("192.0.2.99"), 0, UNIT + 5);
	counters_clear(&cs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_story), cmocka_unit_test(test_keys), cmocka_unit_test(test_events), cmocka_unit_test(test_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
