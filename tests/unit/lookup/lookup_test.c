#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "lookup/lookup.h"
#include "table/table.h"

static void
test_rows(void **state)
{
	static const struct {
		const char *table, *key;
		enum lookup_status status;
		const char *starts;
	} rows[] = {
		{ "unix:passwd.byname", "root", LOOKUP_FOUND, "root:x:0:0:" },
		{ "unix:group.byname", "root", LOOKUP_FOUND, "root:x:0:" },
		{ "unix:passwd.byname", "no-such-user-here", LOOKUP_NOT_THERE, "" },
		{ "unix:group.byname", "no-such-group-here", LOOKUP_NOT_THERE, "" },
		{ "unix:passwd.byname", "", LOOKUP_NOT_THERE, "" },
		{ "unix:passwd.byname", "root:x", LOOKUP_NOT_THERE, "" },
		{ "unix:passwd.byname", "root\n", LOOKUP_NOT_THERE, "" },
		{ "unix:passwd.byuid", "root", LOOKUP_FAILED, "table unix:passwd.byuid is not known" },
		{ "tcp:127.0.0.1:25", "root", LOOKUP_FAILED, "table tcp:127.0.0.1:25 is not known" },
		{ "", "root", LOOKUP_FAILED, "table " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf out = BUF_INIT(0);
		assert_int_equal(lookup_table(span_str(rows[i].table), span_str(rows[i].key), &out), rows[i].status);
		assert_true(span_starts(buf_view(&out), rows[i].starts));
		if (rows[i].starts[0] == '\0')
			assert_int_equal(out.len, 0);
		buf_clear(&out);
	}
}

/* A passwd line has seven fields, whatever the user. */
static void
test_fields(void **state)
{
	const struct passwd *pw = getpwuid(0);
	struct buf out = BUF_INIT(0);

	(void)state;
	assert_int_equal(lookup_table(SPAN("unix:passwd.byname"), span_str(pw->pw_name), &out), LOOKUP_FOUND);
	struct span rest = buf_view(&out), field;
	int n = 0;
	while (span_cut(&rest, ':', &field)) {
		n++;
		if (n == 6)
			assert_true(span_eqs(field, pw->pw_dir));
	}
	assert_int_equal(n, 7);
	buf_clear(&out);
}

static void
test_hostile_keys(void **state)
{
	static char long_key[100000];
	struct buf out = BUF_INIT(0);

	(void)state;
	memset(long_key, 'a', sizeof long_key);
	assert_int_equal(lookup_table(SPAN("unix:passwd.byname"), span_of(long_key, sizeof long_key), &out), LOOKUP_NOT_THERE);
	assert_int_equal(lookup_table(SPAN("unix:passwd.byname"), SPAN("root\0x"), &out), LOOKUP_NOT_THERE);
	assert_int_equal(out.len, 0);
	assert_int_equal(lookup_table(span_of(long_key, sizeof long_key), SPAN("x"), &out), LOOKUP_FAILED);
	assert_true(out.len < 300);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_fields), cmocka_unit_test(test_hostile_keys),
	};

	table_use(&(struct table_env){ .blocks = true });
	return cmocka_run_group_tests(tests, NULL, NULL);
}
