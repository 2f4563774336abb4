/* What is known of the screener's clients: records as text, which one counts, when it goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "state/screened.h"

static void
test_records(void **state)
{
	static const struct { const char *text; bool good; const char *again; } cases[] = {
		{ "1700000000;1700000001;0;1;1", true, "1700000000;1700000001;0;1;1" }, { "5;6", true, "5;6;1;1;1" }, { "5", true, "5;1;1;1;1" },
		{ "", false, NULL }, { ";", false, NULL }, { "1;2;3;4;5;6", false, NULL }, { "1;2;3;4;", false, NULL }, { "x", false, NULL },
		{ "1;-2", false, NULL }, { "99999999999999", false, NULL }, { "1 ;2", false, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct screen_record r;
		char text[SCREEN_RECORD_TEXT];
		assert_int_equal(screen_record_parse(span_str(cases[i].text), &r), cases[i].good);
		if (!cases[i].good)
			continue;
		screen_record_print(&r, text);
		assert_string_equal(text, cases[i].again);
	}
}

static unsigned kept, gone;

static void
keep(void *arg, struct span address, const char *record)
{
	(void)arg;
	assert_true(address.len > 0);
	kept += record != NULL;
	gone += record == NULL;
}

static void
test_clients(void **state)
{
	struct screened_clients s;

	(void)state;
	screened_init(&s);
	s.keep = keep;
	assert_null(screened_get(&s, SPAN("192.0.2.1")));
	assert_true(screened_put(&s, SPAN("192.0.2.1"), SPAN("100;200;1;1;1"), 50));
	assert_true(screened_put(&s, SPAN("192.0.2.1"), SPAN("150;200;1;1;1"), 60));
	assert_false(screened_put(&s, SPAN("192.0.2.2"), SPAN("no"), 60));
	assert_false(screened_put(&s, SPAN(""), SPAN("1;1"), 60));
	assert_true(screened_load(&s, SPAN("2001:db8::1"), SPAN("300;1;1;1;1")));
	assert_int_equal(kept, 2);
	assert_int_equal(screened_get(&s, SPAN("192.0.2.1"))->until[SCREEN_GREET], 150);
	screened_expire(&s, 210, 10);
	assert_int_equal(s.map.count, 2);
	screened_expire(&s, 211, 10);
	assert_int_equal(s.map.count, 1);
	assert_int_equal(gone, 1);
	assert_true(screened_drop(&s, SPAN("2001:db8::1")));
	assert_false(screened_drop(&s, SPAN("2001:db8::1")));
	screened_clear(&s);
}

/* A full cache makes room only of what has ended. */
static void
test_full(void **state)
{
	struct screened_clients s;
	char address[32];

	(void)state;
	screened_init(&s);
	for (unsigned i = 0; i < SCREENED_MAX; i++) {
		(void)snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(screened_load(&s, span_str(address), i % 2 == 0 ? SPAN("100;1;1;1;1") : SPAN("900;1;1;1;1")));
	}
	assert_false(screened_load(&s, SPAN("192.0.2.1"), SPAN("900")));
	assert_false(screened_put(&s, SPAN("192.0.2.1"), SPAN("900"), 50));
	assert_true(screened_put(&s, SPAN("192.0.2.1"), SPAN("900"), 500));
	assert_int_equal(s.map.count, SCREENED_MAX / 2 + 1);
	screened_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_records), cmocka_unit_test(test_clients), cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
