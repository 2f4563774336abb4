#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"
#include "spool/event.h"

#define Q1 ((struct qid){ 1700000000000001u, 65 })

static const struct spool_event rows[] = {
	{ .kind = EVENT_END, .time = 5, .number = 9 },
	{ .kind = EVENT_HOLD, .time = 5, .number = 1, .actor = SPAN("uid 1000"), .text = SPAN("looks odd\0x") },
	{ .kind = EVENT_OUTCOMES, .time = 7, .number = 2, .next = -1, .attempt = 3, .scope = 2,
	  .transport = SPAN("smtp"), .nexthop = SPAN("example.com"), .outcomes = SPAN("abc") },
	{ .kind = EVENT_INTENT, .time = 8, .number = UINT64_MAX, .notice = 2, .recipient = SPAN("a@b"),
	  .numbers = SPAN("\1\0\0\0") },
	{ .kind = EVENT_NOTICE, .time = 8, .number = 4, .of = 3, .other = { 77, 8 } },
	{ .kind = EVENT_MOVED, .time = 8, .number = 5, .loc = { 4, 5, 6 } },
	{ .kind = EVENT_SNAPSHOT, .time = 8, .number = 6, .state = SPAN("state") },
};
#define ROWS (sizeof rows / sizeof *rows)

static void
same(const struct spool_event *a, const struct spool_event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->time, b->time);
	assert_int_equal(a->number, b->number);
	assert_int_equal(a->next, b->next);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->scope, b->scope);
	assert_int_equal(a->notice, b->notice);
	assert_int_equal(a->of, b->of);
	assert_true(qid_eq(a->other, b->other));
	assert_int_equal(a->loc.segment, b->loc.segment);
	assert_int_equal(a->loc.length, b->loc.length);
	assert_true(span_eq(a->actor, b->actor) && span_eq(a->text, b->text));
	assert_true(span_eq(a->transport, b->transport) && span_eq(a->nexthop, b->nexthop));
	assert_true(span_eq(a->outcomes, b->outcomes) && span_eq(a->recipient, b->recipient));
	assert_true(span_eq(a->numbers, b->numbers) && span_eq(a->state, b->state));
}

static void
build(struct buf *b)
{
	event_record_begin(b, Q1, (struct loc){ 3, 2, 1 });
	for (size_t i = 0; i < ROWS; i++)
		event_pack(b, &rows[i]);
}

static void
test_round_trip(void **state)
{
	struct buf b = BUF_INIT(0);
	struct event_reader r;
	struct spool_event e;

	(void)state;
	build(&b);
	assert_true(event_reader_init(&r, buf_view(&b), NULL));
	assert_true(qid_eq(r.id, Q1));
	assert_int_equal(r.previous.segment, 3);
	for (size_t i = 0; i < ROWS; i++) {
		assert_true(event_next(&r, &e));
		same(&e, &rows[i]);
	}
	assert_false(event_next(&r, &e));
	assert_false(event_fault(&r));
	buf_clear(&b);
}

/* Every cut is either a fault or a shorter list; no cut is read past its end (the sanitizer watches). */
static void
test_cuts(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	build(&b);
	for (size_t n = 0; n < b.len; n++) {
		char *copy = span_dup(span_of(b.ptr, n));
		struct event_reader r;
		struct spool_event e;
		size_t got = 0;
		if (event_reader_init(&r, span_of(copy, n), NULL))
			while (event_next(&r, &e))
				got++;
		assert_true(got < ROWS);
		free(copy);
	}
	buf_clear(&b);
}

static void
test_noise(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	clock_seed(7);
	for (int round = 0; round < 20000; round++) {
		struct event_reader r;
		struct spool_event e;
		buf_reset(&b);
		build(&b);
		for (int k = 0; k < 3; k++)
			b.ptr[clock_random() % b.len] = (char)clock_random();
		if (event_reader_init(&r, buf_view(&b), NULL))
			while (event_next(&r, &e))
				assert_true(e.kind > 0 && e.kind < EVENT_KINDS);
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
