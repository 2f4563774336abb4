/*
 * A configuration from strings, for tests: written to a directory of its own, loaded, and the directory removed.
 */
#ifndef TEST_CONF_HELPER_H
#define TEST_CONF_HELPER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

static void
test_write(const char *dir, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	if (f == NULL)
		abort();
	fputs(text, f);
	fclose(f);
}

/* NULL for a file that is to be missing. "%" in main.cf stands for the directory. */
static struct conf *
test_conf(const char *main_cf, const char *master_cf, const char *extra, struct conf_problems *problems)
{
	char dir[] = "/tmp/mtad-conf-XXXXXX", path[512];
	struct buf text = BUF_INIT(0);

	if (mkdtemp(dir) == NULL)
		abort();
	for (const char *p = main_cf == NULL ? "" : main_cf; *p != '\0'; p++)
		if (*p == '%')
			buf_str(&text, dir);
		else
			buf_char(&text, *p);
	if (main_cf != NULL)
		test_write(dir, "main.cf", text.ptr == NULL ? "" : text.ptr);
	if (master_cf != NULL)
		test_write(dir, "master.cf", master_cf);
	if (extra != NULL)
		test_write(dir, "extra", extra);
	struct conf *c = conf_load(dir, NULL, 0, problems);
	static const char *const names[] = { "main.cf", "master.cf", "extra" };
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	buf_clear(&text);
	return c;
}

/* Must load. */
static inline struct conf *
test_conf_good(const char *main_cf, const char *extra)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct conf *c = test_conf(main_cf, NULL, extra, &problems);
	if (c == NULL) {
		struct buf b = BUF_INIT(0);
		conf_problems_print(&problems, &b);
		fputs(b.ptr, stderr);
		abort();
	}
	conf_problems_clear(&problems);
	return c;
}

#endif
