#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "spool/event.h"
#include "spool/store.h"
#include "spool/trail.h"
#include "spool/writer.h"

#include "unit/spool/util.h"

#define MESSAGES	400u	/* some journals full */

static const struct store_config config = { .segment_size = SEGMENT_MIN, .reserve = 4, .spills = 1 };
static const struct segment_grant journal = { SEGMENT_JOURNAL, 0, 1 };

static struct site {
	char		 path[64];
	int		 dir;
	struct store	*store;
	struct spool_writer *writer;
	struct loc	 last[MESSAGES];
	uint32_t	 journals;
	int64_t		 now;
} site;

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
	fail_msg("%s", text);
}

static void
on_done(void *arg, uint32_t segment, uint64_t end)
{
	(void)arg;
	store_seal(site.store, segment, end);
}

static const struct store_ops store_ops = { on_ready, on_failed };
static const struct spool_writer_ops writer_ops = { on_done, on_ready, NULL };

static void
written(void *arg, bool ok, struct loc loc)
{
	assert_true(ok);
	*(struct loc *)arg = loc;
	loop_stop(0);
}

static struct qid
id_of(uint32_t n)
{
	return (struct qid){ 1700000000000000u + n * (uint64_t)MINUTE, 65 };
}

static void
grant(void)
{
	struct store_segment s;
	int fd;

	while (!store_grant(site.store, &journal, &s, &fd))
		util_spin();
	store_pin(site.store, s.number, true);
	spool_writer_grant(site.writer, s.number, s.nonce, s.size, fd);
	site.journals++;
}

/* One event as one record, behind the message's one before. */
static void
put(uint32_t n, const struct spool_event *ev)
{
	struct buf b = BUF_INIT(0);

	event_record_begin(&b, id_of(n), site.last[n]);
	event_pack(&b, ev);
	struct iovec iov = { b.ptr, b.len };
	while (!spool_append(site.writer, RECORD_EVENT, &iov, 1, -1, written, &site.last[n]))
		grant();
	util_spin();
	buf_clear(&b);
}

/* Message n is deferred when it comes, and (n even) ends when message n + 50 comes. */
static void
fill(void)
{
	static const char padding[900];
	uint64_t number = 0;

	for (uint32_t n = 0; n < MESSAGES + 50; n++) {
		int64_t time = (int64_t)id_of(n).usec + SECOND;
		if (n < MESSAGES)
			put(n, &(struct spool_event){ .kind = EVENT_HOLD, .time = time, .number = ++number,
			    .text = span_of(padding, sizeof padding) });
		if (n >= 50 && n % 2 == 0)
			put(n - 50, &(struct spool_event){ .kind = EVENT_END, .time = time + SECOND, .number = ++number,
			    .state = SPAN("its envelope") });
	}
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	site.dir = util_mkdir(site.path);
	site.store = store_open(site.dir, STORE_OWN, &config, &err);
	assert_non_null(site.store);
	store_start(site.store, &store_ops, NULL);
	site.writer = spool_writer_new(&writer_ops, NULL, 0);
	grant();
	fill();
	assert_true(site.journals > 4);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	spool_writer_free(site.writer);
	store_close(site.store);
	util_rmdir(site.dir, site.path);
	return 0;
}

static void
expect(struct trail *t, const uint8_t *kinds, size_t n)
{
	struct event_reader r;
	struct spool_event ev;
	struct span payload;

	assert_int_equal(t->count, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(trail_record(t, i, &payload));
		assert_true(event_reader_init(&r, payload, NULL) && event_next(&r, &ev));
		assert_int_equal(ev.kind, kinds[i]);
	}
	assert_false(t->cut);
	trail_clear(t);
}

static const uint8_t both[] = { EVENT_HOLD, EVENT_END };

static void
queued(void **state)
{
	struct trail t;

	(void)state;
	for (uint32_t n = 0; n < MESSAGES; n += 37) {
		trail_of_queued(&t, site.store, id_of(n), site.last[n]);
		assert_true(trail_slice(&t, INT64_MAX));
		expect(&t, both, n % 2 == 0 ? 2 : 1);
	}
	/* Another message's place is not its own. */
	trail_of_queued(&t, site.store, id_of(1), site.last[3]);
	assert_true(trail_slice(&t, INT64_MAX));
	assert_true(t.cut && t.count == 0);
	trail_clear(&t);
}

static void
finished(void **state)
{
	struct trail t;

	(void)state;
	for (uint32_t n = 0; n < MESSAGES; n += 38) {
		trail_of_finished(&t, site.store, id_of(n));
		unsigned slices = 1;
		while (!trail_slice(&t, 0))	/* no time at all: still a piece each */
			slices++;
		assert_true(slices > 1);
		assert_true(span_eqs(buf_view(&t.envelope), "its envelope"));
		expect(&t, both, 2);
	}
	trail_of_finished(&t, site.store, (struct qid){ id_of(5).usec, 66 });
	assert_true(trail_slice(&t, INT64_MAX));
	expect(&t, both, 0);
}

/* Without the first journal a message's history begins where it is still on record, and says so. */
static void
cut(void **state)
{
	struct trail t;
	uint32_t first = site.last[1].segment;

	(void)state;
	assert_true(site.last[0].segment >= first);
	store_pin(site.store, first, false);
	store_release(site.store, first);
	trail_of_queued(&t, site.store, id_of(1), site.last[1]);
	assert_true(trail_slice(&t, INT64_MAX));
	assert_true(t.cut && t.count == 0);
	trail_clear(&t);
	trail_of_finished(&t, site.store, id_of(MESSAGES - 2));
	assert_true(trail_slice(&t, INT64_MAX));
	expect(&t, both, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(queued), cmocka_unit_test(finished), cmocka_unit_test(cut) };

	loop_init();
	return cmocka_run_group_tests(tests, setup, teardown);
}
