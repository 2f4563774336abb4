#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "conf/users.h"

static const struct {
	const char	*list;
	uid_t		 uid;
	bool		 has;
} rows[] = {
	{ "", 0, false },
	{ "static:anyone", 12345, true },
	{ "root", 0, true },
	{ "root", 1, false },
	{ "!root, static:anyone", 0, false },
	{ "!root, static:anyone", 1, true },
	{ "static:anyone, !root", 0, true },	/* the first that fits */
	{ "4242", 4242, true },
	{ "no-such-user-here", 0, false },
	{ "!no-such-user-here", 0, false },
	{ "root,4242\n 17", 17, true },
};

static void
test_lists(void **state)
{
	struct user_names names;
	struct user_list list = { .count = 0 };

	(void)state;
	user_names_read(&names);
	assert_true(names.count > 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		user_list_make(&list, &names, "authorized_submit_users", rows[i].list);
		if (user_list_has(&list, rows[i].uid) != rows[i].has)
			fail_msg("\"%s\" and %u", rows[i].list, (unsigned)rows[i].uid);
	}
	user_list_clear(&list);
	user_names_clear(&names);
}

static void
test_names(void **state)
{
	struct user_names names;
	struct buf text = BUF_INIT(0);

	(void)state;
	user_names_read(&names);
	user_names_text(&names, 0, &text);
	assert_string_equal(text.ptr, "root");
	buf_reset(&text);
	user_names_text(&names, 4242424, &text);
	assert_string_equal(text.ptr, "uid 4242424");
	buf_clear(&text);
	user_names_clear(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lists), cmocka_unit_test(test_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
