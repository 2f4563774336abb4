#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "mail/notice.h"
#include "spool/index.h"

static struct qid
id_of(uint64_t n)
{
	return (struct qid){ 1700000000000000u + n, 65 };
}

static struct entry *
add(struct index *ix, uint64_t n, uint32_t rcpts)
{
	struct buf list = BUF_INIT(0);
	char addr[64], from[64];

	for (uint32_t i = 0; i < rcpts; i++) {
		(void)snprintf(addr, sizeof addr, "user%u.%u@example.com", (unsigned)n, i);
		recipient_pack(&list, &(struct recipient){ .number = i, .address = span_str(addr) });
	}
	(void)snprintf(from, sizeof from, "sender%u@example.org", (unsigned)n);
	struct envelope env = { .id = id_of(n), .arrival = (int64_t)n, .size = 1000, .sender = span_str(from),
		.recipient_count = rcpts, .recipients = buf_view(&list), .service = SPAN("smtp"),
		.client_name = n % 2 == 0 ? SPAN_NONE : SPAN("mx.example.net"), .client_addr = n % 2 == 0 ? SPAN_NONE : SPAN("192.0.2.1") };
	struct entry *e = index_add(ix, &env, (struct loc){ 1, (uint32_t)n, 500 });
	buf_clear(&list);
	return e;
}

static enum index_applied
outcome(struct index *ix, struct entry *e, uint32_t rcpt, uint8_t status, const char *text)
{
	struct buf b = BUF_INIT(0);

	outcome_pack(&b, &(struct outcome){ .number = rcpt, .status = status, .text = span_str(text) });
	enum index_applied got = index_apply(ix, e, &(struct spool_event){ .kind = EVENT_OUTCOMES, .attempt = 1,
	    .number = ix->last_event + 1, .next = 99, .outcomes = buf_view(&b) }, (struct loc){ 0 });
	buf_clear(&b);
	return got;
}

static enum index_applied
simple(struct index *ix, struct entry *e, enum event_kind kind)
{
	return index_apply(ix, e, &(struct spool_event){ .kind = kind, .number = ix->last_event + 1,
	    .text = SPAN("why") }, (struct loc){ 0 });
}

static void
test_order(void **state)
{
	struct index ix;
	uint64_t seen = 0;

	(void)state;
	clock_seed(3);
	index_init(&ix);
	for (int i = 0; i < 20000; i++) {
		uint64_t n = clock_random() % 30000 + 1;
		struct entry *e = index_find(&ix, id_of(n));
		if (e == NULL)
			assert_non_null(add(&ix, n, 1));
		else if (clock_random() % 2 == 0)
			index_remove(&ix, e);
		else
			assert_null(add(&ix, n, 1));
	}
	struct qid at = QID_NONE;
	for (const struct entry *e; (e = index_after(&ix, at)) != NULL; seen++) {
		assert_true(qid_cmp(at, e->id) < 0);
		assert_ptr_equal(index_find(&ix, e->id), e);
		at = e->id;
	}
	assert_int_equal(seen, ix.count);
	assert_int_equal(seen, ix.tally[ENTRY_INCOMING].messages);
	/* Drained to a tenth, out of order: still whole. */
	for (uint64_t n = 1; n <= 30000; n++)
		if (n % 10 != 0 && index_find(&ix, id_of(n)) != NULL)
			index_remove(&ix, index_find(&ix, id_of(n)));
	for (seen = 0, at = QID_NONE; index_after(&ix, at) != NULL; seen++)
		at = index_after(&ix, at)->id;
	assert_int_equal(seen, ix.count);
	index_clear(&ix);
}

static void
test_states(void **state)
{
	struct index ix;

	(void)state;
	index_init(&ix);
	struct entry *e = add(&ix, 1, 2);
	assert_int_equal(e->state, ENTRY_INCOMING);
	assert_int_equal(outcome(&ix, e, 0, OUTCOME_DEFERRED, "421 4.7.0 try later"), INDEX_APPLIED);
	assert_int_equal(e->state, ENTRY_DEFERRED);
	assert_int_equal(e->rcpts[0].next, 99);
	assert_int_equal(index_cause_count(&ix, e->rcpts[0].cause), 1);
	assert_int_equal(simple(&ix, e, EVENT_HOLD), INDEX_APPLIED);
	assert_int_equal(ix.tally[ENTRY_HOLD].messages, 1);
	assert_int_equal(ix.tally[ENTRY_HOLD].recipients, 2);
	assert_string_equal(e->extra->reason, "why");
	assert_int_equal(simple(&ix, e, EVENT_DELETE), INDEX_APPLIED);
	assert_int_equal(e->state, ENTRY_TRASH);
	assert_int_equal(simple(&ix, e, EVENT_HOLD), INDEX_REFUSED);
	assert_int_equal(simple(&ix, e, EVENT_DELETE), INDEX_REFUSED);
	assert_int_equal(simple(&ix, e, EVENT_UNDELETE), INDEX_APPLIED);
	assert_int_equal(e->state, ENTRY_HOLD);
	assert_int_equal(simple(&ix, e, EVENT_RELEASE), INDEX_APPLIED);
	assert_int_equal(e->state, ENTRY_DEFERRED);
	outcome(&ix, e, 1, OUTCOME_SENT, "250 ok");
	assert_int_equal(e->open, 1);
	outcome(&ix, e, 1, OUTCOME_DEFERRED, "again");	/* a final recipient stays final */
	assert_int_equal(e->rcpts[1].status, RCPT_SENT);
	assert_int_equal(ix.tally[ENTRY_DEFERRED].recipients, 1);
	outcome(&ix, e, 9, OUTCOME_SENT, "no such recipient");
	assert_int_equal(simple(&ix, e, EVENT_EXPIRED), INDEX_APPLIED);
	assert_int_equal(e->rcpts[0].status, RCPT_FAILED);
	assert_int_equal(simple(&ix, e, EVENT_END), INDEX_GONE);
	index_remove(&ix, e);
	for (int i = 0; i < ENTRY_STATES; i++)
		assert_true(ix.tally[i].messages == 0 && ix.tally[i].bytes == 0 && ix.tally[i].recipients == 0);
	index_clear(&ix);
}

static void
test_intent(void **state)
{
	struct index ix;

	(void)state;
	index_init(&ix);
	struct entry *e = add(&ix, 1, 1);
	outcome(&ix, e, 0, OUTCOME_BOUNCED, "550 no");
	uint64_t number = ix.last_event + 1;
	struct spool_event ev = { .kind = EVENT_INTENT, .number = number, .notice = NOTICE_BOUNCE, .recipient = SPAN("s@x"),
		.numbers = SPAN("\0\0\0\0") };
	index_apply(&ix, e, &ev, (struct loc){ 0 });
	assert_non_null(e->extra->intents);
	assert_true(e->rcpts[0].flags & RCPT_INTENT);
	index_apply(&ix, e, &(struct spool_event){ .kind = EVENT_NOTICE, .number = number + 1, .of = number,
	    .other = id_of(7) }, (struct loc){ 0 });
	assert_null(e->extra->intents);
	assert_int_equal(e->rcpts[0].flags, RCPT_SETTLED);
	struct buf out = BUF_INIT(0), rec = BUF_INIT(0);
	outcome_pack(&out, &(struct outcome){ .number = 0 });
	event_pack(&rec, &(struct spool_event){ .kind = EVENT_OUTCOMES, .outcomes = buf_view(&out) });
	index_written(e, buf_view(&rec), (struct loc){ 9, 9, 9 });
	buf_clear(&out);
	buf_clear(&rec);
	assert_int_equal(e->rcpts[0].reply.segment, 9);
	index_clear(&ix);
}

static void
test_code(void **state)
{
	struct index a, b;
	struct buf out = BUF_INIT(0), again = BUF_INIT(0);

	(void)state;
	index_init(&a);
	index_init(&b);
	struct entry *e = add(&a, 5, 3);
	outcome(&a, e, 1, OUTCOME_DEFERRED, "451 4.3.0 mailbox of bob@example.com is full");
	outcome(&a, e, 2, OUTCOME_BOUNCED, "550 5.1.1 unknown");
	index_apply(&a, e, &(struct spool_event){ .kind = EVENT_INTENT, .number = 70, .notice = 1, .recipient = SPAN("x@y"),
	    .numbers = SPAN("\2\0\0\0") }, (struct loc){ 0 });
	simple(&a, e, EVENT_HOLD);
	index_written(e, SPAN_NONE, (struct loc){ 2, 3, 4 });
	index_encode(&a, e, &out);
	struct unpack u = { .left = buf_view(&out) };
	struct entry *copy = index_decode(&b, &u);
	assert_non_null(copy);
	assert_true(unpack_end(&u));
	index_encode(&b, copy, &again);
	assert_true(span_eq(buf_view(&out), buf_view(&again)));
	assert_int_equal(copy->state, ENTRY_HOLD);
	assert_int_equal(copy->open, 2);
	assert_true(span_eqs(index_cause_text(&b, copy->rcpts[1].cause), "451 4.3.0 mailbox of ADDRESS is full"));
	assert_true(span_eqs(entry_client(&b, copy), "mx.example.net[192.0.2.1]"));
	index_remove(&b, copy);
	size_t second = out.len - 4 - entry_client(&a, e).len;
	u = (struct unpack){ .left = span_head(buf_view(&out), second) };
	copy = index_decode(&b, &u);	/* the second format had no clients */
	assert_non_null(copy);
	assert_int_equal(entry_client(&b, copy).len, 0);
	index_remove(&b, copy);
	for (size_t n = 0; n < out.len; n += n + 1 == second ? 2 : 1) {	/* every other cut is refused, and leaves nothing */
		char *cut = span_dup(span_of(out.ptr, n));
		u = (struct unpack){ .left = span_of(cut, n) };
		assert_null(index_decode(&b, &u));
		free(cut);
	}
	assert_int_equal(b.count, 0);
	index_clear(&a);
	index_clear(&b);
	buf_clear(&out);
	buf_clear(&again);
}

/* Events met twice change nothing: a checkpoint may be newer than the tail that is read behind it. */
static void
test_twice(void **state)
{
	struct index ix;
	struct buf out = BUF_INIT(0), rec = BUF_INIT(0);

	(void)state;
	index_init(&ix);
	add(&ix, 1, 1);
	outcome_pack(&out, &(struct outcome){ .status = OUTCOME_DEFERRED, .text = SPAN("451 no") });
	event_record_begin(&rec, id_of(1), (struct loc){ 0 });
	event_pack(&rec, &(struct spool_event){ .kind = EVENT_OUTCOMES, .number = 4, .attempt = 1, .outcomes = buf_view(&out) });
	for (int i = 0; i < 3; i++)
		assert_true(index_apply_record(&ix, buf_view(&rec), (struct loc){ 2, 1, 90 }, NULL));
	assert_int_equal(index_find(&ix, id_of(1))->rcpts[0].attempts, 1);
	assert_int_equal(index_find(&ix, id_of(1))->last.segment, 2);
	event_pack(&rec, &(struct spool_event){ .kind = EVENT_END, .number = 5 });
	assert_true(index_apply_record(&ix, buf_view(&rec), (struct loc){ 2, 3, 90 }, NULL));
	assert_int_equal(ix.count, 0);
	assert_true(index_apply_record(&ix, buf_view(&rec), (struct loc){ 2, 3, 90 }, NULL));
	assert_false(index_apply_record(&ix, SPAN("\1nonsense"), (struct loc){ 2, 3, 90 }, NULL));
	buf_clear(&out);
	buf_clear(&rec);
	index_clear(&ix);
}

/* Each client is kept once; where each message has one of its own, only as many as there is room for. */
static void
test_clients(void **state)
{
	struct index ix;
	char name[64];
	unsigned known = 0;

	(void)state;
	index_init(&ix);
	struct entry *one = add(&ix, 1, 1), *two = add(&ix, 2, 1), *three = add(&ix, 3, 1);
	assert_true(span_eqs(entry_client(&ix, two), "[]"));	/* submitted here */
	assert_int_equal(one->client, three->client);
	assert_int_equal(ix.clients.map.count, 2);
	index_remove(&ix, one);
	assert_true(span_eqs(entry_client(&ix, three), "mx.example.net[192.0.2.1]"));
	index_remove(&ix, three);
	assert_int_equal(ix.clients.map.count, 1);
	for (uint64_t n = 10; n < 30010; n++) {
		(void)snprintf(name, sizeof name, "client%u.example.com", (unsigned)n);
		known += index_add(&ix, &(struct envelope){ .id = id_of(n), .service = SPAN("smtp"), .client_name = span_str(name) },
		    (struct loc){ 1, (uint32_t)n, 500 })->client != 0;
	}
	assert_in_range(known, 9000, 15000);
	assert_true(ix.clients.bytes <= ((size_t)1 << 20) + 4 * ix.count);
	index_clear(&ix);
}

static const struct {
	const char *text, *print;
} prints[] = {
	{ "host mx1.example.com[192.0.2.7] said: 421 4.7.1 too many connections from 198.51.100.3 (in reply to MAIL)",
	  "host HOST[HOST] said: 421 4.7.1 too many connections from HOST (in reply to MAIL)" },
	{ "450 4.2.0 <bob@example.net>: Recipient address rejected: Greylisted for 287 seconds",
	  "450 4.2.0 <ADDRESS>: Recipient address rejected: Greylisted for 287 seconds" },
	{ "connect to [2001:db8::1]:25: Connection refused", "connect to [HOST]:N: Connection refused" },
	{ "id=4Xk2pQ1z9aB queued 12 deep", "ID queued N deep" },
	{ "", "" },
};

static void
test_fingerprint(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof prints / sizeof *prints; i++) {
		struct buf b = BUF_INIT(0);
		index_fingerprint(span_str(prints[i].text), &b);
		buf_str(&b, "");
		if (strcmp(b.ptr, prints[i].print) != 0)
			fail_msg("%s\n  gave %s", prints[i].text, b.ptr);
		buf_clear(&b);
	}
}

#ifndef MTAD_SANITIZED
static size_t
resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, rss = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &size, &rss), 2);
	(void)fclose(f);
	return rss * (size_t)sysconf(_SC_PAGESIZE);
}

static void
test_memory(void **state)
{
	enum { N = 300000 };
	struct index ix;
	struct heap timers = { 0 };

	(void)state;
	index_init(&ix);
	size_t before = resident();
	for (uint64_t n = 1; n <= N; n++) {
		struct entry *e = add(&ix, n, 1);
		outcome(&ix, e, 0, OUTCOME_DEFERRED, "connect to mx.example.com[192.0.2.1]:25: Connection refused");
		heap_set(&timers, &e->timer, (int64_t)(n * 7919 % 100003));
	}
	size_t each = (resident() - before) / N;
	print_message("%zu bytes resident a deferred message\n", each);
	assert_true(each <= 320);	/* leaves room for a job behind a dead destination */
	heap_clear(&timers);
	index_clear(&ix);
	malloc_trim(0);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_states), cmocka_unit_test(test_intent),
		cmocka_unit_test(test_code), cmocka_unit_test(test_twice), cmocka_unit_test(test_fingerprint),
		cmocka_unit_test(test_clients),
#ifndef MTAD_SANITIZED
		cmocka_unit_test(test_memory),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
