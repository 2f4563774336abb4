/* Whatever happens in whatever order, the doctor finds nothing; and nothing is lost when the role dies at any record of its journal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/queue/world.h"

#include "base/clock.h"
#include "base/ipc.h"
#include "mail/notice.h"

static struct world w;

static const char *const domains[] = {
	"a.test", "b.test", "c.test", "dead.test", "error.test", "retry.test", "discard.test", "slow.test", "pipe.test",
};
#define DOMAINS	(sizeof domains / sizeof *domains)

static uint64_t
pick(uint64_t n)
{
	return clock_random() % n;
}

static struct entry *
some_entry(void)
{
	if (w.q.index.count == 0)
		return NULL;
	struct entry *e = index_after(&w.q.index, QID_NONE);
	for (uint64_t n = pick(w.q.index.count < 40 ? w.q.index.count : 40); n > 0; n--)
		e = index_after(&w.q.index, e->id);
	return e;
}

static void
random_answer(void)
{
	if (w.lease_count == 0)
		return;
	size_t at = pick(w.lease_count);
	const struct lease *l = lease_find(&w.q, w.leases[at]);
	assert_non_null(l);
	if (strcmp(l->job->dest->nexthop, "dead.test") == 0 && pick(8) != 0) {
		world_answer(&w, at, OUTCOME_DEFERRED, SCOPE_DESTINATION, "connect: refused");
		return;
	}
	static const uint8_t statuses[] = { OUTCOME_SENT, OUTCOME_RELAYED, OUTCOME_DEFERRED, OUTCOME_DEFERRED,
		OUTCOME_BOUNCED };
	world_answer(&w, at, statuses[pick(5)], (uint8_t)pick(3), "some reply 421");
}

static void
lose_worker(void)
{
	uint32_t slot = (uint32_t)pick(2);
	size_t kept = 0;

	for (size_t i = 0; i < w.lease_count; i++)
		if (lease_find(&w.q, w.leases[i])->slot != slot)
			w.leases[kept++] = w.leases[i];
	w.lease_count = kept;
	worker_gone(&w.q, ROLE_SEND, slot);
	worker_get(&w.q, ROLE_SEND, slot)->up = true;
}

static void
operator_acts(void)
{
	struct entry *e = some_entry();

	if (e == NULL)
		return;
	switch (pick(7)) {
	case 0:
		queue_hold(&w.q, e, ROOT, SPAN("test"));
		break;
	case 1:
	case 2:
		queue_release(&w.q, e, ROOT);
		break;
	case 3:
		queue_requeue(&w.q, e, ROOT);
		break;
	case 4:
		queue_flush(&w.q, e, ROOT);
		break;
	case 5:
		if (pick(3) == 0)
			queue_delete(&w.q, e, ROOT, SPAN_NONE);
		break;
	default:
		queue_undelete(&w.q, e, ROOT);
		break;
	}
}

static void
suspends(void)
{
	struct span dest = pick(3) == 0 ? SPAN("smtp:b.test") : pick(2) == 0 ? SPAN("dead.test") : SPAN("A.test");
	int64_t until = pick(2) == 0 ? 0 : queue_wall(&w.q, queue_now(&w.q)) + (int64_t)pick(5000) * SECOND;

	if (pick(3) == 0)
		(void)queue_suspend(&w.q, dest, SPAN("root"), SPAN("test"), until, NULL);
	else
		(void)queue_resume(&w.q, dest, SPAN("root"), SPAN_NONE, NULL);
}

static void
random_event(void)
{
	switch (pick(17)) {
	case 0:
	case 1:
	case 2:
		w.routing_slow = pick(2) == 0;
		world_mail(&w, pick(5) == 0 ? "" : pick(2) == 0 ? "a@x.test" : "b@x.test", domains[pick(DOMAINS)],
		    (uint32_t)(pick(10) == 0 ? 1 + pick(300) : 1 + pick(3)));
		break;
	case 3:
		operator_acts();
		break;
	case 4:
		if (pick(20) == 0)
			lose_worker();
		break;
	case 5:
		if (pick(4) == 0)
			clock_advance((int64_t)pick(3000) * SECOND);
		break;
	case 6:
		world_make_notice(&w);
		break;
	case 7:
		w.append_fails = pick(3) == 0;
		break;
	case 8:
		if (pick(30) == 0)
			queue_reconfigured(&w.q);
		break;
	case 9:
		for (size_t i = 0; i < w.mail_count && i < 50; i++)
			queue_routed(&w.q, w.mails[w.mail_count - 1 - i].id);
		break;
	case 10:
		if (pick(40) == 0)
			clock_step_wall((int64_t)pick(10 * DAY) - 5 * DAY);
		break;
	case 11:
		if (pick(4) == 0)
			suspends();
		break;
	default:
		random_answer();
		break;
	}
}

static void
test_invariant(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		world_init(&w);
		clock_seed(seed);
		w.q.conf.delay_warning = seed % 2 == 0 ? HOUR : 0;
		w.q.conf.active_limit = seed % 3 == 0 ? 10 : 20000;
		for (int i = 0; i < 1500; i++) {
			random_event();
			if (pick(3) == 0)
				world_settle(&w);
			world_check(&w);
		}
		w.append_fails = false;
		world_clear(&w);
	}
}

/* Everything that is left is let go and answered, until nothing is there. */
static void
drain(void)
{
	while (w.q.suspensions != NULL) {
		struct buf name = BUF_INIT(0);
		suspension_name(w.q.suspensions, &name);
		assert_int_not_equal(queue_resume(&w.q, buf_view(&name), SPAN("root"), SPAN_NONE, NULL), 0);
		buf_clear(&name);
	}
	for (int round = 0; round < 400 && w.q.index.count > 0; round++) {
		struct qid at = QID_NONE;
		for (struct entry *e; (e = index_after(&w.q.index, at)) != NULL;) {
			at = e->id;
			if (e->flags & ENTRY_TRASHED)
				queue_undelete(&w.q, e, ROOT);
			else if (e->flags & ENTRY_HELD)
				queue_release(&w.q, e, ROOT);
		}
		world_settle(&w);
		for (size_t i = 0; i < w.mail_count; i++)
			queue_routed(&w.q, w.mails[i].id);
		world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		while (world_make_notice(&w))
			;
		world_pass(&w, HOUR);
	}
	assert_int_equal(w.q.index.count, 0);
}

static void
test_drains(void **state)
{
	(void)state;
	for (uint64_t seed = 100; seed < 110; seed++) {
		world_init(&w);
		clock_seed(seed);
		for (int i = 0; i < 1000; i++) {
			random_event();
			if (pick(2) == 0)
				world_settle(&w);
		}
		w.append_fails = false;
		drain();
		world_clear(&w);
	}
}

/* The role dies, and only the first part of its journal reached the disk. Every message is there or has its end among those records. */
static void
test_prefixes(void **state)
{
	(void)state;
	for (uint64_t seed = 200; seed < 230; seed++) {
		world_init(&w);
		clock_seed(seed);
		for (int i = 0; i < 400; i++) {
			random_event();
			world_settle(&w);
		}
		w.append_fails = false;
		world_settle(&w);
		size_t cut = seed % 3 == 0 ? w.record_count : pick(w.record_count + 1);
		world_restart(&w, cut);
		world_check(&w);
		size_t known = w.q.index.count;
		assert_true(known <= w.mail_count);
		drain();
		world_check(&w);
		world_clear(&w);
	}
}

/* Nothing is delivered twice where every result was written and acknowledged. */
static void
test_no_repeat(void **state)
{
	(void)state;
	world_init(&w);
	clock_seed(77);
	for (int i = 0; i < 300; i++)
		world_mail(&w, "a@x.test", domains[pick(3)], 1);
	for (int round = 0; round < 10; round++) {
		world_settle(&w);
		for (int i = 0; i < 30 && w.lease_count > 0; i++) {
			world_answer(&w, pick(w.lease_count), OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
			world_settle(&w);
		}
		world_restart(&w, w.record_count);
		world_check(&w);
	}
	drain();
	for (size_t i = 1; i <= 300; i++)
		assert_int_equal(w.delivered[i], 1);
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_invariant), cmocka_unit_test(test_drains), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_no_repeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
