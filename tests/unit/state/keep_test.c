/* A cache's file: what is put is there after a restart, what is damaged is moved aside, and nothing of it ends the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "state/keep.h"

/* What GDBM had of a damaged file when it failed is left where it is (keep.c). */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libgdbm\n";
}

static char where[] = "/tmp/mtad-keep.XXXXXX";
static int dir;

struct cache {
	size_t		 loaded, refused, all;
};

/* "bad..." is no pair of this cache, nor what was overwritten in place. */
static bool
load(void *arg, struct span key, struct span value)
{
	struct cache *c = arg;
	char want[80];

	snprintf(want, sizeof want, "value of %.*s", SPAN_ARG(span_head(key, 20)));
	bool good = !span_starts(key, "bad") && span_eqs(value, want);
	c->loaded += good;
	c->refused += !good;
	return good;
}

static void
all(void *arg, struct keep *k)
{
	((struct cache *)arg)->all++;
	keep_put(k, SPAN("k1"), "value of k1");
}

static const struct keep_ops ops = { .load = load, .all = all };

static struct keep *
reopen(struct keep *k, struct cache *c)
{
	keep_close(k);
	*c = (struct cache){ 0 };
	return keep_open(dir, "cache_map", "btree:/var/lib/x/cache", &ops, c);
}

static void
put(struct keep *k, unsigned from, unsigned to)
{
	char key[16], value[40];

	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof key, "k%u", i);
		snprintf(value, sizeof value, "value of %s", key);
		keep_put(k, span_str(key), value);
	}
}

static void
test_round(void **state)
{
	struct cache c;
	struct keep *k = reopen(NULL, &c);

	(void)state;
	assert_non_null(k);
	assert_true(keep_is(k, "btree:/var/lib/x/cache") && !keep_is(k, "btree:/var/lib/x/other"));
	put(k, 0, 3000);
	assert_int_equal(keep_waiting(k), 3000);
	put(k, 0, 10);
	assert_int_equal(keep_waiting(k), 3000);
	keep_put(k, SPAN("k7"), NULL);
	keep_put(k, SPAN("bad1"), "x");
	k = reopen(k, &c);
	assert_int_equal(c.loaded, 2999);
	assert_int_equal(c.refused, 1);
	/* What was no pair is gone by now. */
	k = reopen(k, &c);
	assert_int_equal(c.refused, 0);
	keep_put(k, SPAN("k8"), NULL);
	keep_put(k, SPAN("never there"), NULL);
	k = reopen(k, &c);
	assert_int_equal(c.loaded, 2998);
	keep_close(k);
}

static bool
there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void
test_damaged(void **state)
{
	struct cache c;
	struct stat st;

	(void)state;
	/* Cut, overwritten at every few places, no GDBM file at all, empty. */
	for (unsigned i = 0; i < 40; i++) {
		struct keep *k = reopen(NULL, &c);
		put(k, 0, 500);
		keep_close(k);
		int fd = openat(dir, "cache.gdbm", O_RDWR);
		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		if (i == 0)
			assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
		else if (i == 1)
			assert_true(ftruncate(fd, 0) == 0 && pwrite(fd, "not a database, but some text that stands here", 40, 0) == 40);
		else if (i == 2)
			assert_int_equal(ftruncate(fd, 0), 0);
		else
			assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, st.st_size / 40 * i), 8);
		close(fd);
		k = reopen(NULL, &c);
		assert_non_null(k);
		if (i < 2)
			assert_true(there("cache.gdbm.damaged") && c.all == 1);
		put(k, 0, 500);
		k = reopen(k, &c);
		assert_int_equal(c.loaded, 500);
		keep_close(k);
		(void)unlinkat(dir, "cache.gdbm.damaged", 0);
		(void)unlinkat(dir, "cache.gdbm", 0);
	}
}

static void
test_refused(void **state)
{
	struct cache c = { 0 };

	(void)state;
	assert_null(keep_open(-1, "cache_map", "btree:/x/cache", &ops, &c));
	assert_null(keep_open(dir, "cache_map", "", &ops, &c));
	assert_null(keep_open(dir, "cache_map", "btree:/x/", &ops, &c));
	assert_null(keep_open(dir, "cache_map", "btree:/x/..", &ops, &c));
	assert_int_equal(symlinkat("/etc/passwd", dir, "link.gdbm"), 0);
	assert_null(keep_open(dir, "cache_map", "btree:/x/link", &ops, &c));
	/* Another instance has it. */
	struct keep *k = keep_open(dir, "cache_map", "proxy:btree:cache", &ops, &c);
	assert_non_null(k);
	assert_null(keep_open(dir, "cache_map", "hash:cache", &ops, &c));
	keep_close(k);
	keep_put(NULL, SPAN("k"), "v");
	keep_close(NULL);
}

static int
setup(void **state)
{
	(void)state;
	loop_init();
	assert_non_null(mkdtemp(where));
	dir = open(where, O_RDONLY | O_DIRECTORY);
	return dir < 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlinkat(dir, "cache.gdbm", 0);
	(void)unlinkat(dir, "link.gdbm", 0);
	close(dir);
	return rmdir(where);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round), cmocka_unit_test(test_damaged), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
