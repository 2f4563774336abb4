#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "conf/params.h"

/* param_find searches by halves, so the rows have to be in order. */
static void
rows_are_sorted(void **state)
{
	(void)state;
	for (int i = 1; i < PARAM_COUNT; i++)
		if (strcmp(param_row((enum param)(i - 1))->name, param_row((enum param)i)->name) >= 0)
			fail_msg("%s stands behind its place", param_row((enum param)i)->name);
}

static void
rows_are_whole(void **state)
{
	(void)state;
	for (int i = 0; i < PARAM_COUNT; i++) {
		const struct param_row *r = param_row((enum param)i);
		enum param p;
		assert_true(param_find(span_str(r->name), &p));
		assert_int_equal(p, i);
		if (r->summary[0] == '\0' || r->summary[strlen(r->summary) - 1] != '.' || strlen(r->summary) > 150)
			fail_msg("%s: no summary, or none that is a short sentence", r->name);
		if (r->max != 0 && r->max < r->min)
			fail_msg("%s: range", r->name);
	}
}

static void
nearest(void **state)
{
	static const struct { const char *name, *near; } cases[] = {
		{ "relay_domain", "relay_domains" },
		{ "mydestinaton", "mydestination" },
		{ "mydesitnation", "mydestination" },
		{ "smtpd_relay_restriction", "smtpd_relay_restrictions" },
		{ "myhostname", "myhostname" },
		{ "something_else_entirely", NULL },
		{ "", NULL },
		{ "x", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *near = param_nearest(span_str(cases[i].name));
		if (cases[i].near == NULL)
			assert_null(near);
		else
			assert_string_equal(near, cases[i].near);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sorted), cmocka_unit_test(rows_are_whole), cmocka_unit_test(nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
