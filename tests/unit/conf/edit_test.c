#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/edit.h"

static char dir[64];

static struct conf_edit *
open_text(const char *text)
{
	struct err err = { ERR_NONE, "" };
	char path[128];

	snprintf(path, sizeof path, "%s/main.cf", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	struct conf_edit *e = conf_edit_open(dir, &err);
	assert_non_null(e);
	return e;
}

static int
make(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/mtad-edit.XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
drop(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static const char sample[] =
	"# who we are\n"
	"myhostname=mx.example.com\n"
	"mydestination = $myhostname,\n"
	"# the old name\n"
	"    old.example.com\n"
	"\n"
	"relayhost =\n"
	"relayhost   =   [a]\n";

static void
test_set_and_unset(void **state)
{
	static const struct {
		const char *name, *param, *value, *want;	/* value NULL: unset; want NULL: refused */
	} rows[] = {
		{ "its blanks stay", "myhostname", "b", "# who we are\nmyhostname=b\nmydestination = $myhostname,\n# the old name\n    old.example.com\n"
		  "\nrelayhost =\nrelayhost   =   [a]\n" },
		{ "so does a comment within", "mydestination", "x", "# who we are\nmyhostname=mx.example.com\nmydestination = x\n# the old name\n"
		  "\nrelayhost =\nrelayhost   =   [a]\n" },
		{ "the last counts", "relayhost", "[b]", "# who we are\nmyhostname=mx.example.com\nmydestination = $myhostname,\n# the old name\n"
		  "    old.example.com\n\nrelayhost =\nrelayhost   =   [b]\n" },
		{ "empty", "relayhost", "", "# who we are\nmyhostname=mx.example.com\nmydestination = $myhostname,\n# the old name\n"
		  "    old.example.com\n\nrelayhost =\nrelayhost   =\n" },
		{ "all of them out", "relayhost", NULL, "# who we are\nmyhostname=mx.example.com\nmydestination = $myhostname,\n# the old name\n"
		  "    old.example.com\n\n" },
		{ "its comment stays", "mydestination", NULL, "# who we are\nmyhostname=mx.example.com\n# the old name\n"
		  "\nrelayhost =\nrelayhost   =   [a]\n" },
		{ "not set", "mynetworks", NULL, NULL },
		{ "no name", "my networks", "x", NULL },
		{ "comment in a value", "mynetworks", "x\n# y", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct conf_edit *e = open_text(sample);
		struct err err = { ERR_NONE, "" };
		bool ok = rows[i].value != NULL ? conf_edit_set(e, span_str(rows[i].param), span_str(rows[i].value), &err) :
		    conf_edit_unset(e, span_str(rows[i].param), &err);
		const char *want = rows[i].want != NULL ? rows[i].want : sample;
		if (ok != (rows[i].want != NULL) || !span_eqs(conf_edit_text(e), want))
			fail_msg("%s: %s\n%.*s", rows[i].name, err.text, SPAN_ARG(conf_edit_text(e)));
		assert_true(conf_edit_commit(e, &err));
		conf_edit_free(e);
		if (!ok)
			continue;
		assert_true(conf_edit_undo(dir, NULL, &err));
		e = conf_edit_open(dir, &err);
		assert_true(span_eqs(conf_edit_text(e), sample));
		conf_edit_free(e);
	}
}

static void
test_append(void **state)
{
	struct err err = { ERR_NONE, "" };
	struct conf_edit *e = open_text("a = b");
	struct conf_edit_setting s;
	size_t at;

	(void)state;
	assert_true(conf_edit_set(e, SPAN("mynetworks"), SPAN("127.0.0.0/8,\n192.0.2.0/24"), &err));
	assert_true(conf_edit_set(e, SPAN("relayhost"), SPAN(""), &err));
	assert_true(span_eqs(conf_edit_text(e), "a = b\nmynetworks = 127.0.0.0/8,\n    192.0.2.0/24\nrelayhost =\n"));
	assert_true(conf_edit_find(e, SPAN("mynetworks"), &at));
	assert_true(conf_edit_setting(e, at, &s));
	assert_true(s.counts && s.line == 2 && s.last == 3 && span_eqs(s.value, "127.0.0.0/8,    192.0.2.0/24"));
	/* A value that the setting gave, of the same text. */
	assert_true(conf_edit_set(e, s.name, s.value, &err));
	assert_true(span_eqs(conf_edit_text(e), "a = b\nmynetworks = 127.0.0.0/8,    192.0.2.0/24\nrelayhost =\n"));
	conf_edit_free(e);
}

static void
test_check(void **state)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct err err = { ERR_NONE, "" };
	struct conf_edit *e = open_text("mail_name = x\n");

	(void)state;
	assert_true(conf_edit_set(e, SPAN("message_size_limit"), SPAN("many"), &err));
	assert_null(conf_edit_check(e, &problems));
	assert_int_equal(problems.items[0].line, 2);
	conf_problems_clear(&problems);
	assert_true(conf_edit_set(e, SPAN("message_size_limit"), SPAN("1000"), &err));
	struct conf *c = conf_edit_check(e, &problems);
	assert_non_null(c);
	assert_int_equal(conf_int(conf_main(c), P_message_size_limit), 1000);
	conf_unref(c);
	conf_problems_clear(&problems);
	conf_edit_free(e);
}

static void
test_comment(void **state)
{
	struct conf_edit *e = open_text(sample);
	struct err err = { ERR_NONE, "" };

	(void)state;
	assert_true(conf_edit_comment(e, SPAN("mydestination"), &err));
	assert_true(conf_edit_comment(e, SPAN("relayhost"), &err));
	assert_true(span_eqs(conf_edit_text(e), "# who we are\nmyhostname=mx.example.com\n#mydestination = $myhostname,\n# the old name\n"
	    "#    old.example.com\n\n#relayhost =\n#relayhost   =   [a]\n"));
	assert_false(conf_edit_comment(e, SPAN("relayhost"), &err));
	conf_edit_free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_and_unset, make, drop),
		cmocka_unit_test_setup_teardown(test_append, make, drop),
		cmocka_unit_test_setup_teardown(test_comment, make, drop),
		cmocka_unit_test_setup_teardown(test_check, make, drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
