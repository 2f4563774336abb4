#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/config_text.h"

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
remove_all(const char *dir)
{
	static const char *const names[] = { "main.cf", "master.cf" };

	for (size_t i = 0; i < 2; i++) {
		char path[256];
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

/* Findings stand below their lines, the cursor's place survives lines that come and go. */
static void
rows(void **state)
{
	char dir[] = "/tmp/config_text_XXXXXX";
	struct config_text t;
	size_t at = 0;
	unsigned start = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "main.cf", "# one\nmail_name = a\nnonsense\n  # in between\nmynetworks =\n  127.0.0.0/8,\n  [::1]/128\n");
	write_file(dir, "master.cf", "smtp inet n - y - - smtpd\n");
	config_text_init(&t, dir);
	config_text_read(&t);
	assert_false(config_text_stale(&t));
	config_text_lint(&t, NULL, 0);
	config_text_lay(&t, 60);
	while (at < t.count && !(t.rows[at].kind == ROW_LINE && t.rows[at].line == 3))
		at++;
	assert_true(at + 1 < t.count);
	assert_int_equal(t.rows[at + 1].kind, ROW_FINDING);
	assert_string_equal(lint_rule(config_text_finding(&t, &t.rows[at])->code)->code, "P101");
	size_t next;
	assert_true(config_text_next(&t, at, false, &next));
	assert_int_equal(next, at + 1);

	struct config_row was = { .kind = ROW_LINE, .file = 0, .line = 7 };
	assert_true(span_eqs(config_text_name(&t, &was, &start), "mynetworks"));
	assert_int_equal(start, 5);
	was.line = 1;
	assert_int_equal(config_text_name(&t, &was, &start).len, 0);

	was.line = 2;
	write_file(dir, "main.cf", "# zero\n# one\n\nmail_name = a\n");
	assert_true(config_text_stale(&t));
	config_text_read(&t);
	config_text_lay(&t, 60);
	size_t place = config_text_place(&t, &was, SPAN("mail_name = a"));
	assert_int_equal(t.rows[place].line, 4);
	remove_all(dir);
	assert_true(config_text_stale(&t));
	config_text_read(&t);
	config_text_lay(&t, 10);
	assert_int_equal(t.count, 2);
	assert_int_equal(config_text_place(&t, &was, SPAN("mail_name = a")), 0);
	config_text_clear(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
