#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/instance.h"
#include "unit/master/scratch.h"

static char path_buf[200];

static const char *
path(const char *below)
{
	(void)snprintf(path_buf, sizeof path_buf, "%s/queue/%s", scratch_dir, below);
	return path_buf;
}

static void
test_places(void **state)
{
	static const struct {
		const char *name;
		unsigned mode;
	} rows[] = { { "pid", 0755 }, { "public", 0755 }, { "private", 0700 }, { "spool", 0700 }, { "maildrop", 0700 } };
	struct conf *conf = scratch_conf("", "");
	struct instance in;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	/* The second time everything is there already. */
	for (int round = 0; round < 2; round++) {
		if (!instance_open(&in, conf, false, &err))
			fail_msg("%s", err.text);
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			assert_int_equal(stat(path(rows[i].name), &st), 0);
			assert_int_equal(st.st_mode & 07777, rows[i].mode);
		}
		assert_string_equal(in.empty, "");
		assert_int_equal(access(path("pid/master.pid"), F_OK), 0);
		instance_close(&in);
		assert_int_equal(access(path("pid/master.pid"), F_OK), -1);
		assert_int_equal(chmod(path("spool"), 0777), 0);
	}
	conf_unref(conf);
}

static void
test_one_only(void **state)
{
	struct conf *conf = scratch_conf("", "");
	struct instance first, second;
	struct err err = { 0 };

	(void)state;
	assert_true(instance_open(&first, conf, false, &err));
	assert_false(instance_open(&second, conf, false, &err));
	assert_int_equal(err.kind, ERR_TEMP);
	assert_non_null(strstr(err.text, "already running (pid "));
	assert_int_equal(mkdir(path("active"), 0700) | mkdir(path("deferred"), 0700), 0);
	assert_false(instance_open(&second, conf, false, &err));
	assert_non_null(strstr(err.text, "the queue of a running Postfix"));
	instance_close(&first);
	assert_true(instance_open(&second, conf, false, &err));
	instance_close(&second);
	conf_unref(conf);
}

static void
test_epoch(void **state)
{
	struct conf *conf = scratch_conf("", "");
	struct instance in;
	struct err err = { 0 };

	(void)state;
	assert_true(instance_open(&in, conf, false, &err));
	uint32_t first = instance_next_epoch(&in);
	assert_true(first > 0);
	assert_int_equal(instance_next_epoch(&in), first + 1);
	instance_close(&in);
	assert_true(instance_open(&in, conf, false, &err));
	assert_int_equal(instance_next_epoch(&in), first + 2);
	FILE *f = fopen(path("pid/epoch"), "w");
	fprintf(f, "rubbish that is no number\n");
	fclose(f);
	assert_int_equal(instance_next_epoch(&in), 1);
	instance_close(&in);
	conf_unref(conf);
}

static void
refuse(const char *main_cf, const char *why)
{
	struct conf *conf = scratch_conf(main_cf, "");
	struct instance in;
	struct err err = { 0 };

	assert_non_null(conf);
	assert_false(instance_open(&in, conf, false, &err));
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	conf_unref(conf);
}

static void
test_refusals(void **state)
{
	(void)state;
	refuse("queue_directory = relative/path\n", "must be an absolute path");
	refuse("queue_directory = /nonexistent/a/b\n", "No such file or directory");
	assert_int_equal(chmod(path(""), 0777), 0);
	refuse("", "may be written to by others");
	assert_int_equal(chmod(path(""), 0755), 0);
	assert_int_equal(rmdir(path("public")), 0);
	char elsewhere[100];
	(void)snprintf(elsewhere, sizeof elsewhere, "%s", scratch_dir);
	assert_int_equal(symlink(elsewhere, path("public")), 0);
	refuse("", "public");
	assert_int_equal(unlink(path("public")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places), cmocka_unit_test(test_one_only), cmocka_unit_test(test_epoch), cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
