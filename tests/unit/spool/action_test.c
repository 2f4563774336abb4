#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "spool/index.h"

#define ID	((struct qid){ 1700000000000001u, 65 })

static struct action *
fill(struct actions *as, uint32_t number, enum action_effect effect)
{
	struct action *a = actions_add(as, number);

	a->time = 1000 + a->number;
	a->event = a->number * 10u;
	a->effect = (uint8_t)effect;
	a->messages = a->reversible = 7;
	free(a->command);
	free(a->who);
	a->command = mem_str("delete");
	a->who = mem_str("root");
	return a;
}

static void
test_table(void **state)
{
	struct actions as = { 0 }, copy = { 0 };
	struct buf b = BUF_INIT(0), again = BUF_INIT(0);

	(void)state;
	fill(&as, 0, EFFECT_DELETE)->selector = mem_str("sender = \"\"");
	fill(&as, 0, EFFECT_SUSPEND)->argument = mem_str("smtp:example.com");
	fill(&as, 9, EFFECT_NONE)->flags = ACTION_OPEN;
	fill(&as, 5, EFFECT_HOLD)->undone_by = 9;	/* recovery may meet them in another order */
	assert_int_equal(as.last, 9);
	assert_int_equal(as.list[2]->number, 5);
	assert_null(actions_find(&as, 3));
	actions_encode(&as, &b);
	assert_true(actions_decode(&copy, buf_view(&b)));
	actions_encode(&copy, &again);
	assert_true(span_eq(buf_view(&b), buf_view(&again)));
	assert_string_equal(actions_find(&copy, 2)->argument, "smtp:example.com");
	for (size_t n = 0; n < b.len; n++) {
		char *cut = span_dup(span_of(b.ptr, n));
		actions_clear(&copy);
		assert_false(actions_decode(&copy, span_of(cut, n)));
		free(cut);
	}
	actions_forget(&as, 9);
	assert_int_equal(as.last, 8);
	actions_forget(&as, 9);
	assert_int_equal(as.count, 3);
	actions_clear(&as);
	actions_clear(&copy);
	buf_clear(&b);
	buf_clear(&again);
}

/* What cannot be taken back goes first, what is kept or under way never. */
static void
test_bound(void **state)
{
	struct actions as = { 0 };

	(void)state;
	fill(&as, 0, EFFECT_DELETE);
	fill(&as, 0, EFFECT_SUSPEND)->flags = ACTION_KEPT;
	fill(&as, 0, EFFECT_DELETE)->flags = ACTION_OPEN;
	for (unsigned i = 3; i < ACTIONS_MAX; i++)
		fill(&as, 0, i % 2 == 0 ? EFFECT_NONE : EFFECT_HOLD);
	for (unsigned i = 0; i < ACTIONS_MAX; i++)
		fill(&as, 0, EFFECT_HOLD);
	assert_int_equal(as.count, ACTIONS_MAX);
	assert_int_equal(as.last, 2 * ACTIONS_MAX);
	assert_null(actions_find(&as, 1));
	assert_non_null(actions_find(&as, 2));
	assert_non_null(actions_find(&as, 3));
	assert_null(actions_find(&as, 5));
	assert_non_null(actions_find(&as, 2 * ACTIONS_MAX - 1));
	fill(&as, 0, EFFECT_NONE);
	fill(&as, 0, EFFECT_HOLD);
	assert_null(actions_find(&as, 2 * ACTIONS_MAX + 1));
	actions_clear(&as);
}

static void
record(struct index *ix, const struct action *a, uint64_t number, struct loc at)
{
	struct buf b = BUF_INIT(0), whole = BUF_INIT(0);

	event_record_begin(&b, QID_NONE, (struct loc){ 0 });
	action_pack(&whole, a);
	event_pack(&b, &(struct spool_event){ .kind = EVENT_ACTION, .number = number, .attempt = a->number,
	    .state = buf_view(&whole) });
	assert_true(index_apply_record(ix, buf_view(&b), at, NULL));
	buf_clear(&b);
	buf_clear(&whole);
}

static void
test_records(void **state)
{
	struct action a = { .number = 4, .effect = EFFECT_HOLD, .messages = 3, .command = mem_str("hold") };
	struct index ix;

	(void)state;
	index_init(&ix);
	record(&ix, &a, 20, (struct loc){ 7, 1, 1 });
	assert_int_equal(ix.last_event, 20);
	assert_int_equal(actions_find(&ix.actions, 4)->segment, 7);
	a.messages = 5;
	record(&ix, &a, 22, (struct loc){ 8, 1, 1 });
	a.messages = 4;
	record(&ix, &a, 21, (struct loc){ 9, 1, 1 });	/* older: a checkpoint knew the newer one */
	assert_int_equal(actions_find(&ix.actions, 4)->messages, 5);
	assert_int_equal(actions_find(&ix.actions, 4)->segment, 8);
	a.effect = 200;		/* of a later version */
	record(&ix, &a, 23, (struct loc){ 9, 1, 1 });
	assert_int_equal(actions_find(&ix.actions, 4)->effect, EFFECT_NONE);
	free(a.command);
	index_clear(&ix);
}

static struct entry *
add(struct index *ix)
{
	struct buf list = BUF_INIT(0);

	recipient_pack(&list, &(struct recipient){ .address = SPAN("a@b.test") });
	struct envelope env = { .id = ID, .arrival = 5, .size = 10, .sender = SPAN("s@t.test"), .recipient_count = 1,
		.recipients = buf_view(&list) };
	struct entry *e = index_add(ix, &env, (struct loc){ 1, 64, 200 });
	buf_clear(&list);
	return e;
}

static enum index_applied
apply(struct index *ix, struct entry *e, enum event_kind kind, uint64_t of, const char *who)
{
	return index_apply(ix, e, &(struct spool_event){ .kind = kind, .number = ix->last_event + 1, .of = of, .time = 77,
	    .actor = span_str(who) }, (struct loc){ 0 });
}

/* The events name their action, the entry remembers it, and an action whose record is lost is known all the same. */
static void
test_entry(void **state)
{
	struct index ix, other;
	struct buf b = BUF_INIT(0);

	(void)state;
	index_init(&ix);
	index_init(&other);
	struct entry *e = add(&ix);
	assert_int_equal(apply(&ix, e, EVENT_HOLD, 3, "ann"), INDEX_APPLIED);
	assert_int_equal(apply(&ix, e, EVENT_DELETE, 4, "bob"), INDEX_APPLIED);
	assert_int_equal(e->action, 4);
	assert_string_equal(e->extra->actor, "ann");	/* who holds it */
	assert_true(span_eqs(entry_deleted_by(&ix, e), "bob"));
	const struct action *stub = actions_find(&ix.actions, 3);
	assert_non_null(stub);
	assert_int_equal(stub->effect, EFFECT_HOLD);
	assert_int_equal(stub->flags, ACTION_OPEN | ACTION_PARTED);
	assert_string_equal(stub->who, "ann");
	/* A notice's intent is no action; an action's record is no message's event. */
	assert_int_equal(apply(&ix, e, EVENT_NOTICE, 99, ""), INDEX_APPLIED);
	assert_int_equal(apply(&ix, e, EVENT_ACTION, 0, ""), INDEX_REFUSED);
	assert_int_equal(e->action, 4);
	assert_int_equal(ix.actions.last, 4);
	index_encode(&ix, e, &b);
	struct unpack u = { .left = buf_view(&b) };
	struct entry *copy = index_decode(&other, &u);
	assert_non_null(copy);
	assert_int_equal(copy->action, 4);
	/* A snapshot stands for all that was before. */
	buf_reset(&b);
	index_encode_state(&ix, e, &b);
	index_remove(&other, copy);
	copy = add(&other);
	assert_int_equal(index_apply(&other, copy, &(struct spool_event){ .kind = EVENT_SNAPSHOT, .number = 50,
	    .state = buf_view(&b) }, (struct loc){ 2, 1, 1 }), INDEX_APPLIED);
	assert_int_equal(copy->action, 4);
	assert_int_equal(copy->state, ENTRY_TRASH);
	index_clear(&ix);
	index_clear(&other);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table), cmocka_unit_test(test_bound), cmocka_unit_test(test_records),
		cmocka_unit_test(test_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
