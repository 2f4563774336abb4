#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "unit/queue/world.h"

#include "base/clock.h"
#include "mail/notice.h"
#include "queue/actions.h"

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

static uint32_t
suspend(const char *dest, int64_t by)
{
	struct err err = { 0 };
	int64_t until = by == 0 ? 0 : queue_wall(&w.q, queue_now(&w.q)) + by;
	uint32_t n = queue_suspend(&w.q, span_str(dest), ROOT.who, SPAN("broken there"), until, &err);

	if (n == 0)
		fail_msg("%s: %s", dest, err.text);
	world_settle(&w);
	return n;
}

static uint32_t
resume(const char *dest)
{
	uint32_t n = queue_resume(&w.q, span_str(dest), ROOT.who, SPAN_NONE, NULL);

	world_settle(&w);
	return n;
}

static bool
says(struct qid id, const char *words)
{
	struct why y;

	queue_why(&w.q, world_entry(&w, id), 0, &y);
	return strstr(y.blocker, words) != NULL;
}

static void
names(void **state)
{
	static const struct { const char *dest, *transport, *nexthop; } cases[] = {
		{ "smtp:example.com", "smtp", "example.com" }, { "example.com", "", "example.com" },
		{ "[192.0.2.1]:25", "", "[192.0.2.1]:25" }, { "example.com:2525", "", "example.com:2525" },
		{ "localhost:2525", "", "localhost:2525" }, { "smtp:[::1]:25", "smtp", "[::1]:25" },
		{ "local:example.com", "local", "example.com" },
		{ "smpt:example.com", NULL, NULL }, { "smtp:", NULL, NULL }, { "", NULL, NULL }, { "a b", NULL, NULL },
		{ "a\nb", NULL, NULL },
	};
	struct span transport, nexthop;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool ok = suspend_name(&w.q, span_str(cases[i].dest), &transport, &nexthop, NULL);
		assert_int_equal(ok, cases[i].nexthop != NULL);
		if (ok && (!span_eqs(transport, cases[i].transport) || !span_eqs(nexthop, cases[i].nexthop)))
			fail_msg("%s: %.*s %.*s", cases[i].dest, SPAN_ARG(transport), SPAN_ARG(nexthop));
	}
}

/* New mail, mail in its queue, mail that waits for a time: none is tried, each says why; one under way goes on. */
static void
blocks(void **state)
{
	(void)state;
	struct qid tried = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	world_settle(&w);
	struct qid running = world_mail(&w, "a@b.test", "y@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	uint32_t n = suspend("C.test", 0);
	assert_true(says(tried, "smtp:c.test is suspended by root until it is resumed: broken there"));
	struct qid fresh = world_mail(&w, "a@b.test", "z@c.test", 1), other = world_mail(&w, "a@b.test", "z@d.test", 1);
	world_settle(&w);
	assert_true(says(fresh, "is suspended by root"));
	assert_int_equal(world_entry(&w, fresh)->state, ENTRY_DEFERRED);
	assert_int_equal(world_entry(&w, fresh)->rcpts[0].attempts, 0);
	assert_int_equal(w.lease_count, 2);
	world_check(&w);
	assert_true(suspend_blocks(&w.q, world_entry(&w, fresh)) != NULL);
	assert_false(queue_flush(&w.q, world_entry(&w, fresh), ROOT));
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_null(world_entry(&w, running));
	assert_null(world_entry(&w, other));
	world_pass(&w, 9 * DAY);		/* it costs no mail */
	assert_int_equal(w.lease_count, 0);
	assert_int_equal(w.notice_count, 0);
	assert_non_null(world_entry(&w, tried));
	world_check(&w);
	assert_true(action_can_undo(action_find(&w.q, n)));
	assert_true(resume("smtp:c.test") == 0);	/* it is of every transport */
	assert_int_not_equal(resume("c.test"), 0);
	assert_int_equal(resume("c.test"), 0);
	assert_int_equal(w.lease_count, 2);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

static void
ends_by_itself(void **state)
{
	(void)state;
	suspend("smtp:c.test", HOUR);
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	world_pass(&w, HOUR - SECOND);
	assert_int_equal(w.lease_count, 0);
	assert_true(says(id, "until "));
	world_pass(&w, 2 * SECOND);
	assert_int_equal(w.lease_count, 1);
	assert_null(w.q.suspensions);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
}

/* What waited comes back as the destination bears it, not all at once. */
static void
is_paced(void **state)
{
	(void)state;
	suspend("c.test", 0);
	for (int i = 0; i < 500; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	world_check(&w);
	resume("c.test");
	assert_int_equal(w.lease_count, 5);
	assert_true(w.q.active < 30);
	for (int i = 0; i < 300 && w.q.index.count > 0; i++) {
		world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
		world_check(&w);
	}
	assert_int_equal(w.q.index.count, 0);
}

static void
survives(void **state)
{
	(void)state;
	uint32_t n = suspend("c.test", 0), over = suspend("d.test", HOUR), lifted = suspend("e.test", 0);
	resume("e.test");
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	clock_advance(2 * HOUR);
	world_restart(&w, w.record_count);
	assert_non_null(w.q.suspensions);
	assert_null(w.q.suspensions->next);
	assert_int_equal(w.q.suspensions->action, n);
	assert_int_equal(w.lease_count, 0);
	assert_true(says(id, "is suspended by root until it is resumed: broken there"));
	world_check(&w);
	queue_reconfigured(&w.q);
	world_settle(&w);
	assert_int_equal(w.lease_count, 0);
	world_check(&w);
	world_restart(&w, w.record_count);
	resume("c.test");
	assert_int_equal(w.lease_count, 1);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	(void)over;
	(void)lifted;
}

static bool
take_back(uint32_t number)
{
	struct err err = { 0 };
	const struct action *what = action_find(&w.q, number);
	struct action *by = action_begin(&w.q, &(struct action_new){ .effect = action_inverse(what->effect), .command = SPAN("undo"),
	    .who = ROOT.who, .argument = span_str(what->argument), .undoes = number });
	uint32_t n = by->number;
	bool ok = action_undo_other(&w.q, action_find(&w.q, number), by, &err);

	if (ok)
		action_end(&w.q, action_find(&w.q, n));
	else
		action_cancel(&w.q, action_find(&w.q, n));
	world_settle(&w);
	return ok;
}

/* Each is taken back to what it found, also after a restart; what was changed since is not. */
static void
undone(void **state)
{
	(void)state;
	uint32_t first = suspend("c.test", 0), second = suspend("c.test", 3 * HOUR);
	assert_int_equal(w.q.suspension_count, 1);
	assert_false(take_back(first));
	assert_true(take_back(second));
	assert_int_equal(w.q.suspensions->until, 0);
	uint32_t end = resume("c.test");
	assert_null(w.q.suspensions);
	assert_true(take_back(end));
	assert_non_null(w.q.suspensions);
	assert_string_equal(w.q.suspensions->reason, "broken there");
	world_restart(&w, w.record_count);
	assert_int_equal(w.q.suspension_count, 1);
	assert_int_not_equal(resume("c.test"), 0);
}

/* One that failed and is suspended by an operator, too: no probe, and resuming it tries it. */
static void
dead_one(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_DESTINATION, "refused");
	world_check(&w);
	assert_true(world_dest(&w, "smtp", "c.test")->suspended);
	assert_true(queue_retry(&w.q, SPAN("c.test")));
	world_settle(&w);
	assert_true(w.lease_count > 1);
	world_answer_all(&w, OUTCOME_DEFERRED, SCOPE_DESTINATION, "refused");
	suspend("c.test", 0);
	world_check(&w);
	uint64_t given = w.given;
	world_pass(&w, DAY);
	assert_int_equal(w.given, given);
	world_check(&w);
	resume("c.test");
	assert_int_equal(w.lease_count, 5);
	for (int i = 0; i < 10; i++)
		world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	world_pass_answering(&w, 2 * HOUR, OUTCOME_SENT, SCOPE_RECIPIENT, "ok");
	assert_int_equal(w.q.index.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(is_paced, setup, teardown),
		cmocka_unit_test_setup_teardown(survives, setup, teardown),
		cmocka_unit_test_setup_teardown(undone, setup, teardown),
		cmocka_unit_test_setup_teardown(dead_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
