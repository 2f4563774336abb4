#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
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

static struct action *
begin(enum action_effect effect, const char *command)
{
	return action_begin(&w.q, &(struct action_new){ .effect = effect, .command = span_str(command), .who = SPAN("root"),
	    .selector = SPAN("*") });
}

static uint64_t
count(uint32_t action, uint8_t flag)
{
	struct qid at = QID_NONE;
	uint64_t n = 0;

	for (const struct entry *e; (e = index_after(&w.q.index, at)) != NULL; at = e->id)
		n += e->action == action && (e->flags & flag);
	return n;
}

static void
delete_all(struct action *a)
{
	struct qid at = QID_NONE;

	for (struct entry *e; (e = index_after(&w.q.index, at)) != NULL;) {
		at = e->id;
		assert_true(queue_delete(&w.q, e, (struct by){ SPAN("root"), a->number }, SPAN("junk")));
		a->messages++;
		a->reversible++;
	}
	action_end(&w.q, a);
}

/* Killed behind each record: the action is there when anything of it is, and says what was done. */
static void
test_crash(void **state)
{
	enum { N = 12 };

	(void)state;
	for (int i = 0; i < N; i++)
		world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	while (w.lease_count > 0)
		world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	world_settle(&w);
	size_t before = w.record_count;
	delete_all(begin(EFFECT_DELETE, "delete"));
	world_settle(&w);
	assert_true(w.record_count > before + N + 1);
	for (size_t records = w.record_count; records >= before; records--) {
		world_restart(&w, records);
		struct action *a = action_before(&w.q, 0);
		assert_int_equal(a == NULL, records == before);
		if (a == NULL)
			break;
		uint64_t trashed = count(1, ENTRY_TRASHED);
		assert_int_equal(w.q.index.tally[ENTRY_TRASH].messages, trashed);
		assert_int_equal(a->messages, trashed);
		assert_int_equal(action_can_undo(a), trashed > 0);
		assert_int_equal(a->flags & ACTION_OPEN, 0);
		assert_string_equal(a->command, "delete");
		world_check(&w);
	}
}

/* When the journal that tells of an action goes, it was told again before. */
static void
test_rescue(void **state)
{
	(void)state;
	struct action *a = begin(EFFECT_SUSPEND, "dest suspend");
	a->argument = span_dup(SPAN("smtp:c.test"));
	action_keep(&w.q, a, true);
	action_end(&w.q, a);
	world_settle(&w);
	assert_int_equal(a->segment, 900);
	size_t before = w.record_count;
	actions_rescue(&w.q, 899);
	world_settle(&w);
	assert_int_equal(w.record_count, before);
	actions_rescue(&w.q, 900);
	world_settle(&w);
	assert_int_equal(w.record_count, before + 1);
	struct index ix;
	index_init(&ix);
	const struct record *r = &w.records[before];
	assert_true(index_apply_record(&ix, span_of(r->payload, r->len), r->at, NULL));
	assert_int_equal(ix.actions.count, 1);
	assert_string_equal(ix.actions.list[0]->argument, "smtp:c.test");
	assert_int_equal(ix.actions.list[0]->flags, ACTION_KEPT);
	index_clear(&ix);
}

/* `undo` without a number goes back step by step; an undo of an undo is a doing again. */
static void
test_last_undoable(void **state)
{
	(void)state;
	assert_null(action_last_undoable(&w.q));
	begin(EFFECT_NONE, "flush")->messages = 1;
	for (int i = 0; i < 3; i++) {
		struct action *a = begin(EFFECT_HOLD, "hold");
		assert_false(action_can_undo(a));	/* under way */
		a->messages = a->reversible = (uint64_t)i;
		action_end(&w.q, a);
	}
	assert_int_equal(action_last_undoable(&w.q)->number, 4);
	struct action *undo = action_number(&w.q, &(struct action_new){ .effect = EFFECT_RELEASE, .undoes = 4 });
	undo->reversible = 1;
	action_start(&w.q, undo);
	action_end(&w.q, undo);
	assert_int_equal(action_find(&w.q, 4)->undone_by, 5);
	assert_int_equal(action_last_undoable(&w.q)->number, 3);	/* number 2 did nothing */
	struct action *redo = action_begin(&w.q, &(struct action_new){ .effect = EFFECT_HOLD, .undoes = 5 });
	redo->reversible = 1;
	action_end(&w.q, redo);
	assert_int_equal(action_last_undoable(&w.q)->number, 6);
	struct action *none = action_number(&w.q, &(struct action_new){ .effect = EFFECT_HOLD });
	assert_int_equal(none->number, 7);
	action_cancel(&w.q, none);
	assert_null(action_find(&w.q, 7));
	assert_int_equal(action_before(&w.q, 6)->number, 5);
	assert_null(action_before(&w.q, 1));
	struct err err = { .kind = ERR_NONE };
	assert_false(action_undo_other(&w.q, action_find(&w.q, 1), redo, &err));
	world_settle(&w);
}

/* What waits fails, what is in delivery goes on; then the sender is told once of all. */
static void
test_bounce(void **state)
{
	uint32_t leased;

	(void)state;
	struct qid id = world_mail(&w, "a@b.test", "x@c.test", 1);
	world_settle(&w);
	assert_int_equal(w.lease_count, 1);
	assert_false(queue_bounce(&w.q, world_entry(&w, id), ROOT, SPAN("no"), &leased));
	assert_int_equal(leased, 1);
	world_answer(&w, 0, OUTCOME_DEFERRED, SCOPE_RECIPIENT, "450 later");
	world_settle(&w);
	assert_true(queue_hold(&w.q, world_entry(&w, id), ROOT, SPAN("held")));
	assert_true(queue_bounce(&w.q, world_entry(&w, id), (struct by){ SPAN("root"), 3 }, SPAN("no"), &leased));
	assert_int_equal(leased, 0);
	assert_int_equal(world_entry(&w, id)->open, 0);
	assert_int_equal(world_entry(&w, id)->action, 3);
	world_settle(&w);
	assert_int_equal(w.notice_count, 1);
	assert_int_equal(w.notice_kinds[0], NOTICE_BOUNCE);
	assert_true(world_make_notice(&w));
	world_settle(&w);
	assert_null(world_entry(&w, id));
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "250 ok");
	world_settle(&w);
	/* In the trash it is nobody's. */
	id = world_mail(&w, "a@b.test", "x@d.test", 1);
	assert_true(queue_delete(&w.q, world_entry(&w, id), ROOT, SPAN_NONE));
	assert_false(queue_bounce(&w.q, world_entry(&w, id), ROOT, SPAN("no"), &leased));
}

/* Some recipients in delivery, some not. */
static void
test_bounce_some(void **state)
{
	uint32_t leased;

	(void)state;
	w.routing_slow = true;
	struct qid id = world_mail(&w, "a@b.test", "x@slow.test", 1);
	world_settle(&w);
	struct entry *e = world_entry(&w, id);
	assert_int_equal(e->rcpts[0].place, PLACE_ROUTING);
	assert_true(queue_bounce(&w.q, e, ROOT, SPAN("no"), &leased));
	world_settle(&w);
	assert_int_equal(w.notice_count, 1);
	id = world_mail(&w, "a@b.test", "u@many.test", 120);	/* 50 a delivery, 5 deliveries */
	world_settle(&w);
	e = world_entry(&w, id);
	size_t running = w.lease_count;
	assert_true(running > 0);
	bool any = queue_bounce(&w.q, e, ROOT, SPAN("no"), &leased);
	assert_int_equal(any, leased < 120);
	world_check(&w);
	world_answer_all(&w, OUTCOME_SENT, SCOPE_RECIPIENT, "250 ok");
	world_settle(&w);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_crash), T(test_rescue), T(test_last_undoable), T(test_bounce), T(test_bounce_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
