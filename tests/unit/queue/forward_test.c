/* Messages that a delivery asks for, and notices: what becomes of those that are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/queue/world.h"

#include "base/clock.h"
#include "mail/forward.h"
#include "mail/notice.h"
#include "mail/outcome.h"

#define HOPS	SPAN("554 5.4.0 Error: too many hops")

static struct world w;
static struct buf list;

static int
setup(void **state)
{
	(void)state;
	world_init(&w);
	list = BUF_INIT(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_check(&w);
	world_clear(&w);
	buf_clear(&list);
	return 0;
}

static void
put_forward(uint32_t rcpt)
{
	struct buf addresses = BUF_INIT(0), one = BUF_INIT(0);

	pack_span(&addresses, SPAN("far@far.test"));
	forward_pack(&one, &(struct forward){ .sender = SPAN("a@b.test"), .delivered = SPAN("x@c.test"), .count = 1,
	    .addresses = buf_view(&addresses) });
	pack_u32(&list, rcpt);
	pack_span(&list, buf_view(&one));
	buf_clear(&addresses);
	buf_clear(&one);
}

/* A message of two recipients; the first is forwarded `n` times, and that is asked for. */
static struct qid
forwarded(const char *sender, unsigned n)
{
	struct qid id = world_mail(&w, sender, "c.test", 2);

	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	for (unsigned i = 0; i < n; i++)
		put_forward(0);
	w.forwards = buf_view(&list);
	world_answer(&w, 0, OUTCOME_SENT, SCOPE_RECIPIENT, "forwarded");
	world_settle(&w);
	assert_int_equal(w.notice_count, n);
	assert_int_equal(w.notice_kinds[0], NOTICE_FORWARD);
	return id;
}

static void
refuse(struct span reply)
{
	uint64_t number = w.notices[0];

	w.notice_count--;
	memmove(w.notices, w.notices + 1, w.notice_count * sizeof *w.notices);
	memmove(w.notice_kinds, w.notice_kinds + 1, w.notice_count);
	queue_notice_refused(&w.q, number, reply);
	world_settle(&w);
}

static void
test_later(void **state)
{
	(void)state;
	struct qid id = forwarded("a@b.test", 1);
	for (int i = 0; i < 12; i++) {
		queue_notice_made(&w.q, w.notices[0], false, QID_NONE);
		w.notice_count = 0;
		world_pass(&w, 4 * SECOND);
		assert_int_equal(w.notice_count, 0);
		world_pass(&w, 320 * SECOND);
		assert_int_equal(w.notice_count, 1);
		assert_non_null(world_entry(&w, id));
	}
	world_make_notice(&w);
	assert_null(world_entry(&w, id));
}

static void
test_for_good(void **state)
{
	(void)state;
	struct qid id = forwarded("a@b.test", 1);
	refuse(HOPS);
	struct entry *e = world_entry(&w, id);
	assert_non_null(e);
	assert_int_equal(e->rcpts[0].status, RCPT_FAILED);
	assert_int_equal(e->rcpts[1].status, RCPT_SENT);
	assert_int_equal(e->open, 0);
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_BOUNCE);
	assert_int_equal(e->extra->intents->count, 1);
	assert_int_equal(e->extra->intents->numbers[0], 0);
	/* It is in the journal so. */
	world_restart(&w, w.record_count);
	world_pass(&w, SECOND);
	e = world_entry(&w, id);
	assert_int_equal(e->rcpts[0].status, RCPT_FAILED);
	assert_int_equal(e->open, 0);
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_BOUNCE);
	/* The bounce is refused too: that is the end of it. */
	refuse(SPAN("550 5.7.1 no"));
	assert_null(world_entry(&w, id));
	world_pass(&w, HOUR);
	assert_int_equal(w.notice_count, 0);
	assert_int_equal(w.q.index.count, 0);
}

static void
test_twice(void **state)
{
	(void)state;
	struct qid id = forwarded("a@b.test", 3);
	refuse(HOPS);
	refuse(SPAN("550"));
	assert_int_equal(w.notice_count, 2);
	assert_int_equal(w.notice_kinds[0], NOTICE_FORWARD);
	assert_int_equal(w.notice_kinds[1], NOTICE_BOUNCE);	/* one for all */
	world_make_notice(&w);
	assert_non_null(world_entry(&w, id));
	world_make_notice(&w);
	assert_null(world_entry(&w, id));
}

static void
test_null_sender(void **state)
{
	(void)state;
	struct qid id = forwarded("", 1);
	refuse(HOPS);
	assert_int_equal(w.notice_count, 0);
	assert_null(world_entry(&w, id));
}

static void
test_soft_bounce(void **state)
{
	(void)state;
	struct qid id = forwarded("a@b.test", 1);
	w.q.conf.soft_bounce = true;
	refuse(HOPS);
	assert_non_null(world_entry(&w, id));
	world_pass(&w, MINUTE);
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_FORWARD);
}

/* Nobody knows of it any more. */
static void
test_unknown(void **state)
{
	(void)state;
	queue_notice_refused(&w.q, 4711, HOPS);
	struct qid id = forwarded("a@b.test", 1);
	uint64_t number = w.notices[0];
	refuse(HOPS);
	queue_notice_refused(&w.q, number, HOPS);
	world_settle(&w);
	assert_int_equal(w.notice_count, 1);
	assert_non_null(world_entry(&w, id));
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_later), T(test_for_good), T(test_twice), T(test_null_sender), T(test_soft_bounce), T(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
