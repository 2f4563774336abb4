/* The text of aliases(5), :include: and .forward, and whose rights read it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "local/alias_text.h"
#include "local/expand.h"

static void
test_items(void **state)
{
	static const char *const letters = "AUCFI!";	/* as enum alias_kind */
	static const struct {
		const char *text, *items;	/* each "K:text;" */
	} cases[] = {
		{ "", "" }, { " , \n,", "" }, { "# all of it", "" }, { "a\n# b, c\nd", "A:a;A:d;" },
		{ "ann, bob@x.test\n\tcarl", "A:ann;A:bob@x.test;A:carl;" },
		{ "\\ann, \"|prog a, b\", /var/x, :include:/l", "U:ann;C:prog a, b;F:/var/x;I:/l;" },
		{ "Ann Lee <ann@x.test> (her, own)", "A:ann@x.test;" }, { ":INCLUDE:/x", "I:/x;" },
		{ "\"a b\"@x.test", "A:a b@x.test;" }, { "\"|say \\\"x\\\"\"", "C:say \"x\";" },
		{ "|", "!:;" }, { "<>", "!:<>;" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span rest = span_str(cases[i].text);
		struct buf one = BUF_INIT(0), all = BUF_INIT(0);
		enum alias_kind kind;
		while (alias_next(&rest, &kind, &one))
			buf_printf(&all, "%c:%.*s;", letters[kind], SPAN_ARG(buf_view(&one)));
		buf_char(&all, '\0');
		assert_string_equal(all.ptr, cases[i].items);
		buf_clear(&one);
		buf_clear(&all);
	}
}

/* A file that only another group of this process may read is none that the user may read. */
static void
test_rights(void **state)
{
	char path[] = "/tmp/mtad-local-XXXXXX";
	struct actor nobody = { .uid = 65534, .gid = 65534 };
	struct buf out = BUF_INIT(0);
	gid_t other = 4711;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && write(fd, "ann\n", 4) == 4);
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 0, other), 0);
		assert_int_equal(fchmod(fd, 0640), 0);
		assert_int_equal(setgroups(1, &other), 0);
		assert_false(expand_slurp(&nobody, path, &out));
		assert_int_equal(errno, EACCES);
		assert_int_equal(geteuid(), 0);
		assert_int_equal(getegid(), 0);
		nobody.gid = other;
	}
	assert_true(expand_slurp(&nobody, path, &out));
	assert_int_equal(out.len, 4);
	close(fd);
	unlink(path);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_items), cmocka_unit_test(test_rights) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
