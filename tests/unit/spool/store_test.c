#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/num.h"
#include "spool/checkpoint.h"
#include "spool/checkpoint_format.h"
#include "spool/fileops.h"
#include "spool/inspect.h"
#include "spool/record.h"
#include "spool/store_private.h"
#include "spool/writer.h"

#include "unit/spool/util.h"

static const struct store_config config = { .segment_size = SEGMENT_MIN, .reserve = 2, .spills = 3 };
static const struct segment_grant mail = { SEGMENT_MAIL, 4, 5 };

static int failures;

static void
on_ready(void *arg)
{
	(void)arg;
	loop_stop(0);
}

static void
on_failed(void *arg, const char *text)
{
	(void)arg;
	assert_true(strlen(text) > 0);
	failures++;
	loop_stop(0);
}

static const struct store_ops ops = { on_ready, on_failed };

static struct store *
open_store(int dir)
{
	struct err err;
	struct store *st = store_open(dir, STORE_OWN, &config, &err);

	if (st == NULL)
		fail_msg("%s", err.text);
	return st;
}

static void
must_grant(struct store *st, const struct segment_grant *g, struct store_segment *s, int *fd)
{
	for (int i = 0; i < 20; i++) {
		if (store_grant(st, g, s, fd))
			return;
		util_spin();
	}
	fail_msg("no segment was made");
}

static void
nudge(void *arg)
{
	(void)arg;
	loop_stop(0);
}

/* Until the helper has nothing left to do. */
static void
settle(struct store *st)
{
	struct loop_timer t;

	loop_timer_init(&t, nudge, NULL);
	while (jobs_waiting(st->jobs) + jobs_waiting(st->checkpoints) > 0) {
		loop_timer_set(&t, 1000);
		util_spin();
	}
	loop_timer_stop(&t);
}

static void
test_life_of_a_segment(void **state)
{
	struct store_segment s, first;
	char path[64];
	int fd, dir = util_mkdir(path);
	struct err err;

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	must_grant(st, &mail, &first, &fd);
	close(fd);
	assert_true(first.nonce != 0);
	assert_int_equal(first.number, 1);
	assert_int_equal(store_get(st, 1)->grant.epoch, 5);
	assert_true(store_fd(st, 1, &err) >= 0);
	assert_int_equal(fcntl(store_fd(st, 1, &err), F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_false(store_dead(st, 1));
	store_live(st, 1, 2, 300);
	store_seal(st, 1, 5000);
	assert_false(store_dead(st, 1));
	uint32_t numbers[4];
	assert_int_equal(store_pick_sparse(st, 10, numbers, 4), 1);
	store_live(st, 1, -2, -300);
	assert_int_equal(store_pick_sparse(st, 10, numbers, 4), 0);
	store_pin(st, 1, true);
	assert_int_equal(store_pick_dead(st, numbers, 4), 0);
	store_pin(st, 1, false);
	assert_int_equal(store_pick_dead(st, numbers, 4), 1);
	settle(st);
	/* The same file, under another number and nonce. */
	struct stat before, after;
	assert_int_equal(fstatat(st->segments, "00000001", &before, 0), 0);
	uint32_t next = st->next_segment;
	must_grant(st, &mail, &s, &fd);
	close(fd);
	store_release(st, 1);
	assert_null(store_get(st, 1));
	settle(st);
	assert_int_equal(fstatat(st->segments, "00000001", &after, 0), -1);
	bool found = false;
	for (uint32_t i = 0; i < st->ready.count; i++) {
		assert_true(st->ready.at[i]->s.nonce != first.nonce);
		assert_int_equal(fstat(st->ready.at[i]->fd, &after), 0);
		found = found || (after.st_ino == before.st_ino && st->ready.at[i]->s.number >= next);
	}
	assert_true(found || st->ready.count == 4);
	store_close(st);
	util_rmdir(dir, path);
}

static int
no_room(int fd, off_t size)
{
	(void)fd;
	(void)size;
	return ENOSPC;
}

static ssize_t
no_write(int fd, const void *p, size_t n, off_t at)
{
	(void)fd;
	(void)p;
	(void)n;
	(void)at;
	errno = ENOSPC;
	return -1;
}

static void
test_last_ones_are_kept(void **state)
{
	static const struct segment_grant journal = { SEGMENT_JOURNAL, 0, 1 }, compact = { SEGMENT_COMPACT, 0, 1 };
	struct fileops failing = fileops_kernel;
	struct store_segment s;
	char path[64];
	int fd, granted = 0, dir = util_mkdir(path);

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	settle(st);
	assert_int_equal(store_count(st, SEGMENT_FREE), 4);
	/* From now on the disk is full. */
	failing.fallocate = no_room;
	fileops = &failing;
	failures = 0;
	while (store_grant(st, &mail, &s, &fd)) {
		close(fd);
		granted++;
	}
	assert_int_equal(granted, 2);
	assert_true(store_grant(st, &journal, &s, &fd));
	close(fd);
	assert_true(store_get(st, s.number)->pinned);
	assert_false(store_grant(st, &journal, &s, &fd));
	assert_true(store_grant(st, &compact, &s, &fd));
	close(fd);
	assert_false(store_grant(st, &compact, &s, &fd));
	settle(st);
	assert_true(failures > 0);
	/* Deleting needs no room: what was released is ready again. */
	store_seal(st, 1, 4096);
	store_release(st, 1);
	settle(st);
	assert_int_equal(store_count(st, SEGMENT_FREE), 1);
	fileops = &fileops_kernel;
	store_close(st);
	util_rmdir(dir, path);
}

static bool
none_wanted(void *arg, uint64_t spill)
{
	return spill == *(uint64_t *)arg;
}

static void
test_again_after_a_stop(void **state)
{
	struct store_segment s[3];
	char path[64];
	int fd, dir = util_mkdir(path);
	uint64_t spill[2];
	struct err err;

	(void)state;
	struct store *st = open_store(dir);
	unsigned char uuid[SPOOL_UUID];
	memcpy(uuid, store_uuid(st), sizeof uuid);
	store_start(st, &ops, NULL);
	for (int i = 0; i < 3; i++) {
		must_grant(st, &mail, &s[i], &fd);
		close(fd);
	}
	settle(st);
	for (int i = 0; i < 2; i++) {
		assert_true(store_spill_take(st, &spill[i], &fd));
		assert_int_equal(write(fd, "body", 4), 4);
		close(fd);
	}
	store_seal(st, s[0].number, 8192);
	settle(st);
	uint32_t free_number = st->ready.at[0]->s.number, next = st->next_segment;
	uint64_t free_nonce = st->ready.at[0]->s.nonce, next_spill = st->next_spill;
	store_close(st);

	st = open_store(dir);
	assert_memory_equal(uuid, store_uuid(st), sizeof uuid);
	assert_int_equal(st->granted.count, 3);
	assert_true(store_get(st, s[0].number)->sealed);
	assert_int_equal(store_get(st, s[0].number)->end, 8192);
	assert_false(store_get(st, s[1].number)->sealed);
	assert_true(store_get(st, s[1].number)->nonce == s[1].nonce);
	/* Prepared ones are not granted as they are. */
	assert_true(st->leftover.count >= 1);
	assert_null(store_get(st, free_number));
	assert_true(st->next_segment >= next && st->next_spill >= next_spill);
	store_seal(st, s[1].number, 4096);
	store_start(st, &ops, NULL);
	settle(st);
	for (uint32_t i = 0; i < st->ready.count; i++)
		assert_true(st->ready.at[i]->s.number >= next && st->ready.at[i]->s.nonce != free_nonce);
	assert_true(store_spill_sweep(st, none_wanted, &spill[0]) >= 1);
	settle(st);
	fd = store_spill_open(st, spill[0], &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_spill_open(st, spill[1], &err), -1);
	store_close(st);
	util_rmdir(dir, path);
}

static void
test_lock_and_formats(void **state)
{
	char path[64], text[64];
	int dir = util_mkdir(path);
	struct err err;

	(void)state;
	assert_null(store_open(dir, STORE_READ, NULL, &err));
	assert_int_equal(err.kind, ERR_PERM);
	struct store *st = open_store(dir);
	assert_null(store_open(dir, STORE_OWN, &config, &err));
	assert_int_equal(err.kind, ERR_TEMP);
	(void)snprintf(text, sizeof text, "process %ld", (long)getpid());
	assert_non_null(strstr(err.text, text));
	struct store *reader = store_open(dir, STORE_READ, NULL, &err);
	assert_non_null(reader);
	store_close(reader);
	store_close(st);
	int fd = openat(dir, "uuid", O_WRONLY | O_TRUNC);
	const char *future = "mtad spool format 2\n0123\n";
	assert_int_equal(write(fd, future, strlen(future)), strlen(future));
	close(fd);
	assert_null(store_open(dir, STORE_OWN, &config, &err));
	assert_int_equal(err.kind, ERR_PERM);
	assert_non_null(strstr(err.text, "format 2"));
	util_rmdir(dir, path);
}

static void
count_damaged(void *arg, const char *name, const char *why)
{
	assert_string_equal(name, "00000001");
	assert_true(strlen(why) > 0);
	++*(int *)arg;
}

static void
test_a_damaged_segment_is_left_alone(void **state)
{
	struct store_segment s;
	char path[64], junk[4096];
	int fd, damaged = 0, dir = util_mkdir(path);

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	must_grant(st, &mail, &s, &fd);
	store_close(st);
	memset(junk, 'x', sizeof junk);
	assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
	close(fd);
	st = open_store(dir);
	store_each_damaged(st, count_damaged, &damaged);
	assert_int_equal(damaged, 1);
	assert_int_equal(st->granted.count, 0);
	assert_int_equal(faccessat(st->segments, "00000001", F_OK, 0), 0);
	struct err err;
	assert_true(store_set_aside(st, loc_make(1, 640, 10), SPAN("raw bytes"), &err));
	assert_true(store_set_aside(st, loc_make(1, 640, 10), SPAN("raw bytes"), &err));
	assert_int_equal(faccessat(dir, "corrupt/00000001.280", F_OK, 0), 0);
	struct inspect_totals t;
	assert_true(inspect_check(dir, &t, NULL, NULL, &err));
	assert_int_equal(t.damaged, 1);
	assert_int_equal(t.set_aside, 1);
	store_close(st);
	util_rmdir(dir, path);
}

/* -- checkpoint -------------------------------------------------------------------------------- */

static void
on_checkpoint(void *arg, bool ok, const char *text)
{
	if (!ok)
		print_message("%s\n", text);
	*(int *)arg = ok ? 1 : 2;
	loop_stop(0);
}

static int
write_checkpoint(struct store *st, uint32_t entries, size_t each)
{
	struct checkpoint_log logs[2] = { { 1, 2, 4096 }, { 3, 4, 8192 } };
	struct buf b = BUF_INIT(0);
	int done = 0;

	struct checkpoint *cp = checkpoint_begin(st, logs, 2, SPAN("extra"));
	for (uint32_t i = 0; i < entries; i++) {
		buf_reset(&b);
		buf_printf(&b, "%u ", i);
		while (b.len < each)
			buf_char(&b, 'z');
		checkpoint_put(cp, buf_view(&b));
	}
	checkpoint_commit(cp, on_checkpoint, &done);
	util_spin();
	buf_clear(&b);
	return done;
}

static enum checkpoint_result
read_checkpoint(int fd, const unsigned char *uuid, uint32_t *count)
{
	enum checkpoint_result got;
	struct span entry;
	struct err err;
	uint32_t logs;

	*count = 0;
	struct checkpoint_reader *r = checkpoint_open_fd(fd, uuid, &err);
	if (r == NULL)
		return CHECKPOINT_DAMAGED;
	const struct checkpoint_log *log = checkpoint_logs(r, &logs);
	assert_int_equal(logs, 2);
	assert_true(log[1].segment == 3 && log[1].nonce == 4 && log[1].offset == 8192);
	assert_true(span_eqs(checkpoint_extra(r), "extra"));
	while ((got = checkpoint_next(r, &entry)) == CHECKPOINT_ENTRY)
		++*count;
	checkpoint_close(r);
	return got;
}

static void
test_checkpoint(void **state)
{
	char path[64];
	int dir = util_mkdir(path);
	uint32_t count;
	bool found;
	struct err err;

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	assert_null(checkpoint_open(dir, store_uuid(st), &found, &err));
	assert_false(found);
	assert_int_equal(write_checkpoint(st, 100000, 40), 1);
	assert_int_equal(read_checkpoint(openat(dir, "checkpoint", O_RDONLY), store_uuid(st), &count), CHECKPOINT_END);
	assert_int_equal(count, 100000);
	assert_int_equal(read_checkpoint(openat(dir, "checkpoint", O_RDONLY), (const unsigned char *)"another one of16",
	    &count), CHECKPOINT_DAMAGED);
	/* One given up leaves the old one. */
	struct checkpoint *cp = checkpoint_begin(st, NULL, 0, SPAN_NONE);
	checkpoint_put(cp, SPAN("x"));
	checkpoint_drop(cp);
	settle(st);
	assert_int_equal(read_checkpoint(openat(dir, "checkpoint", O_RDONLY), NULL, &count), CHECKPOINT_END);
	/* Each byte of a small one, changed; and each length. */
	assert_int_equal(write_checkpoint(st, 4, 30), 1);
	settle(st);
	int fd = openat(dir, "checkpoint", O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	for (off_t at = 0; at < size; at++) {
		unsigned char c;
		assert_int_equal(pread(fd, &c, 1, at), 1);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		assert_int_equal(read_checkpoint(dup(fd), NULL, &count), CHECKPOINT_DAMAGED);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	while (size-- > 0) {
		assert_int_equal(ftruncate(fd, size), 0);
		assert_int_equal(read_checkpoint(dup(fd), NULL, &count), CHECKPOINT_DAMAGED);
	}
	close(fd);
	store_close(st);
	util_rmdir(dir, path);
}

static void
test_checkpoint_versions(void **state)
{
	unsigned char head[CP_BLOCK + 4096];
	char path[64];
	int dir = util_mkdir(path);
	uint32_t count;

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	assert_int_equal(write_checkpoint(st, 4, 30), 1);
	settle(st);
	int fd = openat(dir, "checkpoint", O_RDWR);
	assert_int_equal(pread(fd, head, CP_BLOCK, 0), CP_BLOCK);
	uint32_t n = num_get32(head + 8);
	assert_true(n <= 4096);
	assert_int_equal(pread(fd, head + CP_BLOCK, n, CP_BLOCK), n);
	for (uint32_t version = 0; version <= CP_VERSION + 1; version++) {
		num_put32(head + CP_BLOCK, version);
		num_put32(head + 12, cp_crc(0, head, head + CP_BLOCK, n));
		assert_int_equal(pwrite(fd, head, CP_BLOCK + n, 0), CP_BLOCK + n);
		assert_int_equal(read_checkpoint(dup(fd), NULL, &count),
		    version >= 1 && version <= CP_VERSION ? CHECKPOINT_END : CHECKPOINT_DAMAGED);
	}
	close(fd);
	store_close(st);
	util_rmdir(dir, path);
}

static void
test_checkpoint_on_a_full_disk(void **state)
{
	struct fileops failing = fileops_kernel;
	char path[64];
	int dir = util_mkdir(path);
	uint32_t count;

	(void)state;
	struct store *st = open_store(dir);
	store_start(st, &ops, NULL);
	assert_int_equal(write_checkpoint(st, 10, 40), 1);
	settle(st);
	failing.pwrite = no_write;
	fileops = &failing;
	assert_int_equal(write_checkpoint(st, 10, 40), 2);
	fileops = &fileops_kernel;
	settle(st);
	assert_int_equal(faccessat(dir, "checkpoint.new", F_OK, 0), -1);
	assert_int_equal(read_checkpoint(openat(dir, "checkpoint", O_RDONLY), NULL, &count), CHECKPOINT_END);
	assert_int_equal(count, 10);
	store_close(st);
	util_rmdir(dir, path);
}

static int
setup(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_of_a_segment),
		cmocka_unit_test(test_last_ones_are_kept),
		cmocka_unit_test(test_again_after_a_stop),
		cmocka_unit_test(test_lock_and_formats),
		cmocka_unit_test(test_a_damaged_segment_is_left_alone),
		cmocka_unit_test(test_checkpoint),
		cmocka_unit_test(test_checkpoint_versions),
		cmocka_unit_test(test_checkpoint_on_a_full_disk),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
