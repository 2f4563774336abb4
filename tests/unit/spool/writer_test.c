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
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "spool/copy.h"
#include "spool/fileops.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/segment.h"
#include "spool/writer.h"

#define SEGMENT_SIZE	((uint64_t)128 << 10)

/* -- a writer with segments of its own, in unlinked files ------------------------------------ */

struct world {
	struct spool_writer *w;
	int		 fd[64];	/* a second descriptor of each segment, by number */
	uint64_t	 end[64];
	uint32_t	 granted, done, failures;
	bool		 room;
	bool		 grant_more;
	int		 wanted;	/* callbacks to wait for */
	int		 ok, bad;
	struct loc	 locs[4096];
};

static uint64_t
nonce_of(uint32_t segment)
{
	return UINT64_C(0x1122334455667788) * (segment + 1);
}

static int
temp_file(void)
{
	char name[] = "/tmp/mtad-spool-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	return fd;
}

static void
grant(struct world *x)
{
	uint32_t n = ++x->granted;
	struct err err;

	assert_true(n < 64);
	x->fd[n] = temp_file();
	assert_int_equal(ftruncate(x->fd[n], (off_t)SEGMENT_SIZE), 0);
	struct segment_header h = { .number = n, .nonce = nonce_of(n), .size = SEGMENT_SIZE };
	assert_true(segment_header_write(x->fd[n], &h, &err));
	spool_writer_grant(x->w, n, nonce_of(n), SEGMENT_SIZE, dup(x->fd[n]));
}

static void
on_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct world *x = arg;

	x->done++;
	x->end[segment] = end;
	if (x->grant_more)
		grant(x);
}

static void
on_room(void *arg)
{
	((struct world *)arg)->room = true;
	loop_stop(0);
}

static void
on_failed(void *arg, uint32_t segment, const char *text)
{
	(void)segment;
	assert_non_null(strchr(text, ':'));
	((struct world *)arg)->failures++;
}

static const struct spool_writer_ops ops = { on_segment_done, on_room, on_failed };

static void
on_append(void *arg, bool ok, struct loc loc)
{
	struct world *x = arg;

	if (ok)
		x->locs[x->ok++] = loc;
	else
		x->bad++;
	if (--x->wanted == 0)
		loop_stop(0);
}


static void
too_long(void *arg)
{
	(void)arg;
	fail_msg("the writer did not call back");
}

/* Runs the loop until something stops it. */
static void
spin(void)
{
	struct loop_timer guard;

	loop_timer_init(&guard, too_long, NULL);
	loop_timer_set(&guard, 20 * SECOND);
	(void)loop_run();
	loop_timer_stop(&guard);
}

static void
wait_all(struct world *x)
{
	if (x->wanted > 0)
		spin();
	assert_int_equal(x->wanted, 0);
}

static void
begin(struct world *x, int64_t lazy, int segments)
{
	memset(x, 0, sizeof *x);
	x->w = spool_writer_new(&ops, x, lazy);
	while (segments-- > 0)
		grant(x);
}

static void
finish(struct world *x)
{
	spool_writer_free(x->w);
	for (uint32_t n = 1; n <= x->granted; n++)
		close(x->fd[n]);
}

static bool
put(struct world *x, const char *bytes, size_t n)
{
	struct iovec iov[2] = { { (char *)(uintptr_t)bytes, n / 2 }, { (char *)(uintptr_t)(bytes + n / 2), n - n / 2 } };

	if (!spool_append(x->w, RECORD_EVENT, iov, 2, -1, on_append, x))
		return false;
	x->wanted++;
	return true;
}

/* Everything in segment n, by the scan: how many records; each must be `size` bytes of its first one. */
static int
scan_count(struct world *x, uint32_t n, uint64_t end, struct scan *s)
{
	struct scan_record r;
	enum scan_result got;
	struct err err;
	int count = 0;

	assert_true(scan_open(s, x->fd[n], n, nonce_of(n), SEGMENT_SIZE, 0, end, &err));
	while ((got = scan_next(s, &r)) != SCAN_END) {
		assert_int_equal(got, SCAN_RECORD);
		for (size_t i = 1; i < r.payload.len; i++)
			assert_int_equal(r.payload.ptr[i], r.payload.ptr[0]);
		count++;
	}
	scan_close(s);
	return count;
}

/* -- tests ------------------------------------------------------------------------------- */

static void
test_one_round_is_one_batch(void **state)
{
	struct world x;
	struct scan s;
	char bytes[300];

	(void)state;
	begin(&x, 0, 2);
	for (int i = 0; i < 50; i++) {
		memset(bytes, i, sizeof bytes);
		assert_true(put(&x, bytes, 1 + (size_t)i * 5));
	}
	assert_true(spool_writer_pending(x.w) > 0);
	wait_all(&x);
	assert_int_equal(x.ok, 50);
	assert_int_equal(spool_writer_pending(x.w), 0);
	for (int i = 1; i < 50; i++)
		assert_true(loc_offset(x.locs[i]) == loc_end(x.locs[i - 1]));
	assert_int_equal(scan_count(&x, 1, 0, &s), 50);
	assert_int_equal(s.batches, 1);
	assert_int_equal(s.torn, 0);
	finish(&x);
}

static void
test_segments_follow_each_other(void **state)
{
	static char bytes[9000];
	struct world x;
	struct scan s;
	int found = 0;

	(void)state;
	begin(&x, 0, 2);
	x.grant_more = true;
	for (int i = 0; i < 120; i++) {
		memset(bytes, i, sizeof bytes);
		if (!put(&x, bytes, sizeof bytes)) {
			x.room = false;
			wait_all(&x);
			if (!x.room)
				spin();
			assert_true(put(&x, bytes, sizeof bytes));
		}
		if (i % 7 == 0)
			wait_all(&x);
	}
	wait_all(&x);
	assert_int_equal(x.ok, 120);
	assert_true(x.done >= 8);
	for (uint32_t n = 1; n <= x.granted; n++)
		found += scan_count(&x, n, x.end[n], &s);
	assert_int_equal(found, 120);
	/* A sealed end is where the scan sees it too. */
	(void)scan_count(&x, 1, 0, &s);
	assert_int_equal(s.end, x.end[1]);
	finish(&x);
}

static void
test_no_segment_and_too_large(void **state)
{
	static char bytes[SEGMENT_SIZE];
	struct world x;

	(void)state;
	begin(&x, 0, 0);
	assert_false(put(&x, bytes, 10));
	grant(&x);
	spin();
	assert_true(x.room);
	assert_int_equal(spool_writer_segments(x.w), 1);
	assert_false(put(&x, bytes, sizeof bytes));
	assert_int_equal(spool_writer_segments(x.w), 1);
	assert_true(put(&x, bytes, sizeof bytes - 4096 - 64 - 64));
	wait_all(&x);
	/* Full now: it is ended though there is no other. */
	assert_false(put(&x, bytes, 100));
	x.room = false;
	grant(&x);
	spin();
	assert_true(x.room);
	assert_int_equal(x.done, 1);
	assert_int_equal(x.end[1], SEGMENT_SIZE);
	finish(&x);
}

static void
test_lazy(void **state)
{
	struct world x;
	struct scan s;
	char bytes[100];

	(void)state;
	begin(&x, 50 * 1000, 1);
	for (int round = 0; round < 20; round++) {
		memset(bytes, round, sizeof bytes);
		assert_true(put(&x, bytes, sizeof bytes));
		wait_all(&x);
	}
	assert_int_equal(scan_count(&x, 1, 0, &s), 20);
	assert_int_equal(s.batches, 20);
	assert_true(put(&x, bytes, sizeof bytes));
	x.wanted++;
	spool_writer_sync(x.w, on_append, &x);
	wait_all(&x);
	assert_int_equal(x.ok, 22);
	spool_writer_end(x.w);
	x.wanted++;
	spool_writer_sync(x.w, on_append, &x);
	wait_all(&x);
	assert_int_equal(spool_writer_segments(x.w), 0);
	finish(&x);
}

static void
test_free_writes_what_is_pending(void **state)
{
	for (int64_t lazy = 0; lazy <= SECOND; lazy += SECOND) {
		struct world x;
		struct scan s;

		(void)state;
		begin(&x, lazy, 1);
		assert_true(put(&x, "aaaa", 4));
		spool_writer_free(x.w);
		assert_int_equal(x.ok + x.bad, 0);
		assert_int_equal(scan_count(&x, 1, 0, &s), 1);
		close(x.fd[1]);
	}
}

static void
test_copy_raises_the_generation(void **state)
{
	struct world x;
	struct scan s;
	struct scan_record r;
	struct buf scratch = BUF_INIT(0);
	struct err err;
	bool full;

	(void)state;
	begin(&x, 0, 1);
	assert_true(put(&x, "cccccccc", 8));
	wait_all(&x);
	x.wanted++;
	assert_true(spool_copy(x.w, x.fd[1], nonce_of(1), x.locs[0], &scratch, on_append, &x, &full, &err));
	wait_all(&x);
	x.wanted++;
	assert_true(spool_copy(x.w, x.fd[1], nonce_of(1), x.locs[1], &scratch, on_append, &x, &full, &err));
	wait_all(&x);
	assert_true(scan_open(&s, x.fd[1], 1, nonce_of(1), SEGMENT_SIZE, loc_offset(x.locs[2]), 0, &err));
	assert_int_equal(scan_next(&s, &r), SCAN_RECORD);
	assert_int_equal(r.generation, 2);
	assert_true(span_eqs(r.payload, "cccccccc"));
	scan_close(&s);
	/* A place where nothing is. */
	struct loc wrong = loc_make(1, loc_offset(x.locs[0]) + SPOOL_BLOCK * 100, 40);
	assert_false(spool_copy(x.w, x.fd[1], nonce_of(1), wrong, &scratch, on_append, &x, &full, &err));
	assert_int_equal(err.kind, ERR_PERM);
	assert_false(full);
	buf_clear(&scratch);
	finish(&x);
}

/* -- failures: a layer that says no --------------------------------------------------------- */

static int syncs_until_failure, writes_until_failure;

static int
failing_sync(int fd)
{
	if (__atomic_sub_fetch(&syncs_until_failure, 1, __ATOMIC_SEQ_CST) == 0) {
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static ssize_t
failing_write(int fd, const void *p, size_t n, off_t at)
{
	if (__atomic_sub_fetch(&writes_until_failure, 1, __ATOMIC_SEQ_CST) == 0) {
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, p, n, at);
}

static void
test_failure_retires_the_segment(void **state)
{
	static const struct {
		const char *name;
		int64_t lazy;
		int syncs, writes;
		int ok, bad;
	} rows[] = {
		{ "sync", 0, 2, -1, 2, 1 },
		{ "write", 0, -1, 2, 2, 1 },
		{ "lazy write", SECOND, -1, 2, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fileops failing = fileops_kernel;
		struct world x;
		struct scan s;

		begin(&x, rows[i].lazy, 2);
		syncs_until_failure = rows[i].syncs;
		writes_until_failure = rows[i].writes;
		failing.fdatasync = failing_sync;
		failing.pwrite = failing_write;
		fileops = &failing;
		for (int n = 0; n < 3; n++) {
			assert_true(put(&x, "dddddd", 6));
			wait_all(&x);
		}
		x.wanted++;
		spool_writer_sync(x.w, on_append, &x);
		wait_all(&x);
		fileops = &fileops_kernel;
		assert_int_equal(x.ok, rows[i].ok + 1);
		assert_int_equal(x.bad, rows[i].bad);
		assert_int_equal(x.failures, 1);
		assert_int_equal(x.done, 1);
		assert_int_equal(x.end[1], SEGMENT_DATA + 128);
		/* Unsealed, the failed batch is not found either. */
		assert_int_equal(scan_count(&x, 1, 0, &s), 1);
		assert_int_equal(scan_count(&x, 2, 0, &s), 1);
		finish(&x);
	}
}

static void
test_lazy_sync_failure_is_told(void **state)
{
	struct fileops failing = fileops_kernel;
	struct world x;

	(void)state;
	begin(&x, SECOND, 2);
	syncs_until_failure = 1;
	failing.fdatasync = failing_sync;
	fileops = &failing;
	assert_true(put(&x, "eeee", 4));
	wait_all(&x);
	assert_int_equal(x.ok, 1);
	x.wanted++;
	spool_writer_sync(x.w, on_append, &x);
	wait_all(&x);
	fileops = &fileops_kernel;
	assert_int_equal(x.bad, 1);
	assert_int_equal(x.failures, 1);
	assert_true(put(&x, "ffff", 4));
	wait_all(&x);
	assert_int_equal(x.locs[1].segment, 2);
	finish(&x);
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
		cmocka_unit_test(test_one_round_is_one_batch),
		cmocka_unit_test(test_segments_follow_each_other),
		cmocka_unit_test(test_no_segment_and_too_large),
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_free_writes_what_is_pending),
		cmocka_unit_test(test_copy_raises_the_generation),
		cmocka_unit_test(test_failure_retires_the_segment),
		cmocka_unit_test(test_lazy_sync_failure_is_told),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
