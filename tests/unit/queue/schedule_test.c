#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "unit/queue/world.h"

#include "base/clock.h"
#include "base/ipc.h"
#include "mail/notice.h"

static struct world w;

static int
setup(void **state)
{
	(void)state;
	world_init(&w);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_check(&w);
	world_clear(&w);
	return 0;
}

static void
test_delivered(void **state)
{
	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	assert_int_equal(world_entry(&w, id)->state, ENTRY_ACTIVE);
	world_answer(&w, 0, OUTCOME_RELAYED, SCOPE_RECIPIENT, "250 ok");
	assert_int_equal(w.acks, 0);	/* not before it is written */
	world_settle(&w);
	assert_int_equal(w.acks, 1);
	assert_null(world_entry(&w, id));
	assert_int_equal(w.record_count, 1);	/* outcome and end in one record */
	assert_int_equal(w.q.active, 0);
}

/* The n-th attempt comes when Postfix's would: 300 s, then as long as it waited, at most 4000 s. */
static void
test_backoff(void **state)
{
	static const int64_t gaps[] = { 300, 300, 600, 1200, 2400, 4000, 4000 };

	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
		world_settle(&w);
		assert_int_equal(w.lease_count, 1);
		world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 4.2.0 greylisted");
		world_settle(&w);
		assert_int_equal(world_entry(&w, id)->state, ENTRY_DEFERRED);
		world_check(&w);
		clock_advance(gaps[i] * SECOND - 1);
		world_settle(&w);
		assert_int_equal(w.lease_count, 0);
		clock_advance(1);
	}
	world_settle(&w);
	assert_int_equal(world_entry(&w, id)->rcpts[0].attempts, 7);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

static void
test_expiry(void **state)
{
	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_pass_answering(&w, 5 * DAY - HOUR, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 no");
	assert_int_equal(w.notice_count, 0);
	assert_int_equal(world_entry(&w, id)->open, 1);
	world_pass_answering(&w, 3 * HOUR, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 no");
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_BOUNCE);
	assert_int_equal(world_entry(&w, id)->open, 0);
	world_check(&w);
	world_make_notice(&w);
	assert_null(world_entry(&w, id));
	/* The notice itself can't be delivered: no bounce of a bounce. */
	world_pass_answering(&w, 6 * DAY, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 no");
	assert_int_equal(w.notice_count, 0);
	assert_int_equal(w.q.index.count, 0);
}

static void
test_bounce(void **state)
{
	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "c.test", 3);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);	/* three recipients, one delivery */
	world_answer(&w, 0, OUTCOME_BOUNCED, SCOPE_RECIPIENT, "550 unknown");
	w.notice_refused = true;
	world_settle(&w);
	world_check(&w);
	assert_int_equal(w.notice_count, 0);
	w.notice_refused = false;
	world_pass(&w, 2 * SECOND);
	assert_int_equal(w.notice_count, 1);	/* one for all three */
	queue_notice_made(&w.q, w.notices[0], false, QID_NONE);
	w.notice_count = 0;
	world_pass(&w, 10 * SECOND);
	assert_int_equal(w.notice_count, 1);
	world_make_notice(&w);
	assert_null(world_entry(&w, id));
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
test_here(void **state)
{
	(void)state;
	world_mail(&w, "a@b.test", "x@discard.test", 1);
	world_settle(&w);
	assert_int_equal(w.q.index.count, 0);
	struct qid retry = world_mail(&w, "a@b.test", "x@retry.test", 1);
	struct qid pipe = world_mail(&w, "a@b.test", "x@pipe.test", 1);
	struct qid table = world_mail(&w, "a@b.test", "x@table.test", 1);
	world_settle(&w);
	assert_int_equal(world_entry(&w, retry)->state, ENTRY_DEFERRED);
	assert_int_equal(world_entry(&w, pipe)->state, ENTRY_DEFERRED);
	assert_int_equal(world_entry(&w, table)->state, ENTRY_DEFERRED);
	world_mail(&w, "a@b.test", "x@error.test", 1);
	world_settle(&w);
	assert_int_equal(w.notice_count, 1);
	world_mail(&w, "", "x@error.test", 1);
	world_settle(&w);
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.q.index.count, 4);
	world_check(&w);
}

static void
test_concurrency(void **state)
{
	(void)state;
	for (int i = 0; i < 400; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 5);	/* initial_destination_concurrency */
	for (int i = 0; i < 60; i++) {
		world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_settle(&w);
	}
	assert_int_equal(w.lease_count, 20);	/* default_destination_concurrency_limit */
	world_check(&w);
	for (int i = 0; i < 30; i++)
		for (int d = 0; d < 26; d++) {
			char to[] = "x@?.test";
			to[2] = (char)('a' + d);
			world_mail(&w, "a@b.test", to, 1);
		}
	world_settle(&w);
	assert_int_equal(w.lease_count, 100);	/* the transport's process limit */
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
test_fair_senders(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		world_mail(&w, "bulk@b.test", "x@c.test", 1);
	world_settle(&w);
	struct qid single = world_mail(&w, "single@b.test", "y@c.test", 1);
	world_settle(&w);
	int n = 0;
	for (; world_entry(&w, single)->rcpts[0].place != PLACE_LEASED && n < 1000; n++) {
		world_answer(&w, w.lease_count - 1, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_settle(&w);
	}
	assert_true(n < 15);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

/* A message with very many recipients takes turns with others of the same sender. */
static void
test_fair_messages(void **state)
{
	(void)state;
	world_mail(&w, "a@b.test", "c.test", 3000);
	world_settle(&w);
	struct qid small = world_mail(&w, "a@b.test", "y@c.test", 1);
	world_settle(&w);
	int n = 0;
	for (; world_entry(&w, small)->rcpts[0].place != PLACE_LEASED && n < 100; n++) {
		world_answer(&w, w.lease_count - 1, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_settle(&w);
		world_check(&w);
	}
	assert_true(n < 15);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
test_dead(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++)
		world_mail(&w, "a@b.test", "x@dead.test", 1);
	world_settle(&w);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_DESTINATION, "connect to dead.test: Connection refused");
	struct dest *d = world_dest(&w, "smtp", "dead.test");
	assert_true(d->suspended);
	assert_true(w.given <= 12);
	assert_true(d->blocked_rcpts > 480);
	world_check(&w);
	uint64_t before = w.given;
	world_pass_answering(&w, 2 * HOUR, OUTCOME_DEFERRED, SCOPE_DESTINATION, "connect to dead.test: refused");
	assert_true(w.given - before < 10);	/* one probe at a time, by back-off */
	world_check(&w);
	/* New mail waits with the others. */
	struct qid late = world_mail(&w, "z@b.test", "y@dead.test", 1);
	world_settle(&w);
	assert_int_equal(world_entry(&w, late)->state, ENTRY_DEFERRED);
	assert_int_equal(world_entry(&w, late)->rcpts[0].place, PLACE_BLOCKED);
	/* It comes back: the first success lets the rest go, paced. */
	size_t most = 0;
	int64_t end = clock_mono() + 2 * HOUR;
	while (w.q.index.count > 0 && clock_mono() < end) {
		world_settle(&w);
		most = w.lease_count > most ? w.lease_count : most;
		if (w.lease_count > 0)
			world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "250 ok");
		else
			clock_advance(SECOND);
	}
	assert_int_equal(w.q.index.count, 0);
	assert_true(most <= 20);
}

static void
test_dead_expires(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		world_mail(&w, "a@b.test", "x@dead.test", 1);
	world_pass_answering(&w, 5 * DAY + 3 * HOUR, OUTCOME_DEFERRED, SCOPE_DESTINATION, "refused");
	assert_int_equal(w.notice_count, 50);
	world_check(&w);
	while (world_make_notice(&w))
		;
}

static void
test_flush_dead(void **state)
{
	(void)state;
	struct qid id = QID_NONE;
	for (int i = 0; i < 20; i++)
		id = world_mail(&w, "a@b.test", "x@dead.test", 1);
	world_settle(&w);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_DESTINATION, "refused");
	assert_true(queue_flush(&w.q, world_entry(&w, id), ROOT));
	world_settle(&w);
	assert_true(w.lease_count > 0);
	world_check(&w);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	world_pass_answering(&w, HOUR, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
test_admin(void **state)
{
	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	assert_true(queue_hold(&w.q, world_entry(&w, id), ROOT, SPAN("odd")));
	world_settle(&w);
	assert_int_equal(w.lease_count, 0);
	world_check(&w);
	assert_false(queue_hold(&w.q, world_entry(&w, id), ROOT, SPAN("odd")));
	struct why why;
	queue_why(&w.q, world_entry(&w, id), 0, &why);
	assert_string_equal(why.blocker, "held by root: odd");
	assert_true(queue_release(&w.q, world_entry(&w, id), ROOT));
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	/* Held while it is delivered: the delivery ends first. */
	assert_true(queue_hold(&w.q, world_entry(&w, id), ROOT, SPAN("odd")));
	world_settle(&w);
	world_check(&w);
	world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	world_pass(&w, HOUR);
	assert_int_equal(w.lease_count, 0);
	assert_true(queue_delete(&w.q, world_entry(&w, id), ROOT, SPAN_NONE));
	world_settle(&w);
	world_check(&w);
	assert_true(queue_undelete(&w.q, world_entry(&w, id), ROOT));
	assert_true(queue_requeue(&w.q, world_entry(&w, id), ROOT));
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_true(queue_delete(&w.q, world_entry(&w, id), ROOT, SPAN_NONE));
	world_pass(&w, DAY + SECOND);
	assert_null(world_entry(&w, id));	/* purged */
	assert_int_equal(w.notice_count, 0);
}

static void
test_worker_gone(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 4);
	worker_gone(&w.q, ROLE_SEND, 0);
	worker_gone(&w.q, ROLE_SEND, 1);
	w.lease_count = 0;
	world_settle(&w);
	world_check(&w);
	assert_int_equal(w.lease_count, 0);
	world_pass(&w, 2 * SECOND);
	struct why why;
	queue_why(&w.q, index_after(&w.q.index, QID_NONE), 0, &why);
	assert_string_equal(why.blocker, "no send process is running");
	worker_get(&w.q, ROLE_SEND, 1)->up = true;
	world_settle(&w);
	assert_int_equal(w.lease_count, 4);
	assert_int_equal(index_after(&w.q.index, QID_NONE)->rcpts[0].attempts, 0);	/* no penalty */
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
test_clock(void **state)
{
	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	clock_step_wall(365 * DAY);
	world_settle(&w);
	assert_int_equal(w.lease_count, 0);	/* not due because somebody set the clock */
	world_pass(&w, 300 * SECOND);
	assert_int_equal(w.lease_count, 1);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(world_entry(&w, id)->open, 1);	/* and not a year old */
	clock_step_wall(-366 * DAY);
	struct qid young = world_mail(&w, "a@b.test", "x@d.test", 1);
	world_pass_answering(&w, 4 * DAY, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(world_entry(&w, id)->open, 1);
	assert_int_equal(world_entry(&w, young)->open, 1);
	world_pass_answering(&w, 3 * DAY, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(w.notice_count, 2);
}

static void
test_routing_waits(void **state)
{
	(void)state;
	w.routing_slow = true;
	struct qid id = world_mail(&w, "a@b.test", "x@slow.test", 1);
	world_settle(&w);
	assert_int_equal(world_entry(&w, id)->rcpts[0].place, PLACE_ROUTING);
	world_check(&w);
	queue_routed(&w.q, id);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

static void
test_reload(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	w.q.conf.generation++;
	queue_reconfigured(&w.q);
	world_check(&w);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	world_settle(&w);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
	for (int i = 1; i <= 50; i++)
		assert_int_equal(w.delivered[i], 1);
}

static void
test_delay_warning(void **state)
{
	(void)state;
	w.q.conf.delay_warning = 4 * HOUR;
	world_mail(&w, "a@b.test", "x@c.test", 1);
	world_mail(&w, "", "x@c.test", 1);
	world_pass_answering(&w, 3 * HOUR, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(w.notice_count, 0);
	world_pass_answering(&w, 5 * HOUR, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_DELAY);
	world_make_notice(&w);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	world_pass_answering(&w, 20 * HOUR, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	assert_int_equal(w.notice_count, 0);	/* once */
}

static void
test_delay_warning_dead(void **state)
{
	(void)state;
	w.q.conf.delay_warning = 4 * HOUR;
	for (int i = 0; i < 30; i++)
		world_mail(&w, "a@b.test", "x@dead.test", 1);
	world_pass_answering(&w, 6 * HOUR, OUTCOME_DEFERRED, SCOPE_DESTINATION, "refused");
	assert_int_equal(w.notice_count, 30);
}

static void
test_rate_delay(void **state)
{
	(void)state;
	w.rate_delay = 10 * SECOND;
	w.q.conf.generation++;
	for (int i = 0; i < 5; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	for (int i = 0; i < 4; i++) {
		world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_settle(&w);
		world_check(&w);
		world_pass(&w, 10 * SECOND - 1000);
		assert_int_equal(w.lease_count, 0);
		world_pass(&w, 2000);
		assert_int_equal(w.lease_count, 1);
	}
	world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

/* One delivery at a time by the whole transport, whatever the destinations, and a pause behind each. */
static void
test_pace(void **state)
{
	static const char *const to[] = { "x@c.test", "x@d.test", "x@c.test", "x@e.test" };

	(void)state;
	w.pace = 10 * SECOND;
	w.q.conf.generation++;
	for (size_t i = 0; i < 4; i++)
		world_mail(&w, "a@b.test", to[i], 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	for (int i = 0; i < 3; i++) {
		world_pass(&w, MINUTE);
		assert_int_equal(w.lease_count, 1);
		world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_settle(&w);
		world_check(&w);
		world_pass(&w, 10 * SECOND - 1000);
		assert_int_equal(w.lease_count, 0);
		world_pass(&w, 2000);
		assert_int_equal(w.lease_count, 1);
	}
	world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

/* Mail of a deferred transport waits as long as nobody flushes it. */
static void
test_deferred_transport(void **state)
{
	(void)state;
	w.deferred = true;
	w.q.conf.generation++;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.given, 0);
	world_pass(&w, 6 * HOUR);
	assert_int_equal(w.given, 0);
	world_check(&w);
	assert_true(queue_flush(&w.q, world_entry(&w, id), ROOT));
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_delivered), T(test_backoff), T(test_expiry), T(test_bounce), T(test_here), T(test_concurrency),
		T(test_fair_senders), T(test_fair_messages), T(test_dead), T(test_dead_expires), T(test_flush_dead),
		T(test_admin), T(test_worker_gone), T(test_clock), T(test_routing_waits), T(test_reload),
		T(test_delay_warning), T(test_delay_warning_dead), T(test_rate_delay), T(test_pace), T(test_deferred_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
