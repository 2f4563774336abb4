/*
 * The upkeep of the spool on a real one in a directory: segments with little alive are emptied and used again, old journals are dropped, and what
 * is in the queue is the same after that, in memory and read anew from the files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/acting.h"
#include "queue/role.h"
#include "spool/index_load.h"
#include "spool/message.h"
#include "spool/record.h"

#define MAILS	60u
#define BODY	3000u

static struct site {
	char		 path[64];
	struct role_queue rq;
	struct spool_writer *mail;	/* what a receive role would have */
	struct store_segment segment;	/* that it writes to */
	uint32_t	 first;		/* that it began with */
	unsigned	 segments;
	uint64_t	 answered;
	struct loop_timer timer;
} site;

/* -- the scheduler's other side: nothing is delivered ------------------------------------------------------- */

static bool
transport(void *arg, struct span name, struct transport_limits *out)
{
	(void)arg;
	(void)name;
	(void)out;
	return false;
}

static void
deliver(void *arg, const struct lease *l)
{
	(void)arg;
	(void)l;
}

static void
wake(void *arg)
{
	queue_role_wake(arg);
}

static void
round_of_work(void *arg)
{
	struct role_queue *rq = arg;

	journal_flush(&rq->q);
}

static const struct queue_ops ops = { .transport = transport, .route = routing_route, .deliver = deliver, .append = spooling_append,
	.wake = wake, .spill_done = spooling_spill_done };

/* -- a receive role's log ---------------------------------------------------------------------------------- */

static bool
grant(void)
{
	static const struct segment_grant use = { .use = SEGMENT_MAIL, .slot = 0, .epoch = 1 };
	int fd;

	if (!store_grant(site.rq.store, &use, &site.segment, &fd))
		return false;
	if (site.segments++ == 0)
		site.first = site.segment.number;
	spool_writer_grant(site.mail, site.segment.number, site.segment.nonce, site.segment.size, fd);
	return true;
}

static void
on_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	(void)arg;
	store_seal(site.rq.store, segment, end);
}

static void
on_room(void *arg)
{
	(void)arg;
}

static void
on_failed(void *arg, uint32_t segment, const char *text)
{
	(void)arg;
	fail_msg("segment %08x: %s", segment, text);
}

static struct qid
id_of(uint64_t n)
{
	return (struct qid){ 1000000 + n, qid_writer(0, 1) };
}

static void
envelope_of(uint64_t n, struct envelope *e, struct buf *rcpts)
{
	*e = (struct envelope){ .id = id_of(n), .arrival = clock_wall(), .size = BODY, .sender = SPAN("a@site.test"), .recipient_count = 1,
		.flags = ENVELOPE_HOLD, .hold_reason = SPAN("a test") };
	recipient_pack(rcpts, &(struct recipient){ .address = SPAN("b@good.test") });
	e->recipients = buf_view(rcpts);
}

static void
on_mail(void *arg, bool ok, struct loc loc)
{
	uint64_t *n = arg;
	struct buf rcpts = BUF_INIT(0);
	struct envelope e;

	assert_true(ok);
	envelope_of(*n, &e, &rcpts);
	assert_true(queue_submit(&site.rq.q, &e, loc));
	spooling_submitted(&site.rq, loc);
	site.answered++;
	free(n);
	buf_clear(&rcpts);
}

static void
fill_body(struct buf *body, uint64_t n)
{
	buf_reset(body);
	while (body->len < BODY)
		buf_printf(body, "line of message %llu\n", (unsigned long long)n);
}

static void
mail(uint64_t n)
{
	struct buf head = BUF_INIT(0), rcpts = BUF_INIT(0), body = BUF_INIT(0);
	struct iovec iov[MESSAGE_IOV];
	struct envelope e;
	uint64_t *number;

	MEM_NEW(number);
	*number = n;
	envelope_of(n, &e, &rcpts);
	fill_body(&body, n);
	int parts = message_layout(&head, &e, SPAN("Subject: x\n\n"), buf_view(&body), 0, iov);
	assert_true(spool_append(site.mail, RECORD_MESSAGE, iov, parts, -1, on_mail, number));
	buf_clear(&head);
	buf_clear(&rcpts);
	buf_clear(&body);
}

/* -- time ---------------------------------------------------------------------------------------------------- */

static void
on_time(void *arg)
{
	(void)arg;
	loop_stop(0);
}

static void
turn(void)
{
	loop_timer_set(&site.timer, 5000);
	(void)loop_run();
}

#define UNTIL(what) do { \
		unsigned turns = 0; \
		while (!(what)) { \
			turn(); \
			if (++turns > 2000) \
				fail_msg("in vain: %s", #what); \
		} \
	} while (0)

/* -- a spool of its own ------------------------------------------------------------------------------------- */

static int
remove_one(const char *path, const struct stat *sb, int flag, struct FTW *f)
{
	(void)sb;
	(void)flag;
	(void)f;
	return remove(path);
}

static int
setup(void **state)
{
	static const struct spool_writer_ops writer_ops = { on_segment_done, on_room, on_failed };
	struct conf_problems problems = { 0 };
	struct err err = { 0 };

	(void)state;
	site = (struct site){ .path = "/tmp/mtad-upkeep-XXXXXX" };
	assert_non_null(mkdtemp(site.path));
	loop_timer_init(&site.timer, on_time, NULL);
	struct role_queue *rq = &site.rq;
	rq->conf = conf_parse("/nonexistent", SPAN("mtad_segment_size = 65536\nmtad_receive_workers = 1\n"), SPAN(""), &problems);
	assert_non_null(rq->conf);
	queue_init(&rq->q, &ops, rq);
	rq->q.open = true;
	rq->round = (struct loop_task){ .fn = round_of_work, .arg = rq };
	rq->segment_size = 65536;
	rq->history_time = 3600 * SECOND;
	rq->dir = open(site.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!spooling_start(rq, &err))
		fail_msg("%s", err.text);
	maintain_start(rq);
	site.mail = spool_writer_new(&writer_ops, NULL, 0);
	UNTIL(spool_writer_segments(rq->journal) == 2);
	return 0;
}

static int
teardown(void **state)
{
	struct role_queue *rq = &site.rq;

	(void)state;
	rq->stopping = true;
	UNTIL(!rq->syncing && rq->q.appends == 0 && rq->copies_open == 0);
	loop_timer_stop(&rq->upkeep);
	loop_timer_stop(&site.timer);
	spool_writer_free(site.mail);
	spool_writer_free(rq->journal);
	spool_writer_free(rq->copies);
	queue_clear(&rq->q);
	reader_clear(rq);
	plans_clear(rq);
	buf_clear(&rq->scratch);
	free(rq->positions);
	store_close(rq->store);
	conf_unref(rq->conf);
	close(rq->dir);
	(void)nftw(site.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void
bring(uint64_t count)
{
	for (uint64_t n = 0; n < count; n++) {
		UNTIL(spool_writer_segments(site.mail) == 2 || (grant(), false));
		mail(n);
		UNTIL(site.answered == n + 1);
	}
}

static void
check_message(const struct index *ix, uint64_t n)
{
	const struct entry *e = index_find(ix, id_of(n));
	struct message m = { .record = BUF_INIT(0) };
	struct buf body = BUF_INIT(0);
	struct err err = { 0 };

	assert_non_null(e);
	const struct store_segment *s = store_get(site.rq.store, e->loc.segment);
	assert_non_null(s);
	if (!message_read(store_fd(site.rq.store, s->number, &err), s->nonce, e->loc, &m, &err))
		fail_msg("message %llu: %s", (unsigned long long)n, err.text);
	fill_body(&body, n);
	assert_true(qid_eq(m.envelope.id, e->id));
	assert_true(span_eq(m.body, buf_view(&body)));
	assert_string_equal(e->extra->reason, "a test");
	message_clear(&m);
	buf_clear(&body);
}

/* What a new queue role would find. */
static void
read_anew(struct index *ix)
{
	struct index_load loaded;
	struct err err = { 0 };

	index_init(ix);
	if (!index_load(ix, site.rq.store, site.rq.dir, NULL, NULL, &loaded, &err))
		fail_msg("%s", err.text);
	assert_int_equal(loaded.corrupt + loaded.bad, 0);
}

static void
purge(uint64_t n)
{
	struct entry *e = index_find(&site.rq.q.index, id_of(n));

	assert_non_null(e);
	queue_purge(&site.rq.q, e);
}

/* -- tests ------------------------------------------------------------------------------------------------- */

static bool
in_first(uint64_t n)
{
	const struct entry *e = index_find(&site.rq.q.index, id_of(n));

	return e != NULL && e->loc.segment == site.first;
}

/* One message of those in the first segment stays: it moves, and the segment's place is used again. */
static void
test_compaction(void **state)
{
	struct index anew;

	(void)state;
	bring(MAILS);
	assert_true(in_first(0) && !in_first(MAILS - 1));
	for (uint64_t n = 1; n < MAILS && in_first(n); n++)
		purge(n);
	UNTIL(!in_first(0));
	assert_int_equal(index_find(&site.rq.q.index, id_of(0))->generation, 1);
	UNTIL(store_get(site.rq.store, site.first) == NULL);
	check_message(&site.rq.q.index, 0);
	check_message(&site.rq.q.index, MAILS - 1);
	read_anew(&anew);
	assert_int_equal(anew.count, site.rq.q.index.count);
	check_message(&anew, 0);
	check_message(&anew, MAILS - 1);
	index_clear(&anew);
}

/* A segment that is well filled stays as it is. */
static void
test_no_compaction(void **state)
{
	(void)state;
	bring(MAILS);
	purge(1);
	for (int i = 0; i < 100; i++)
		turn();
	assert_true(in_first(0));
	assert_int_equal(index_find(&site.rq.q.index, id_of(0))->generation, 0);
	assert_int_equal(site.rq.copying, 0);
}

static uint32_t oldest;

static bool
note_oldest(void *arg, const struct store_segment *s)
{
	unsigned *journals = arg;

	if (s->grant.use == SEGMENT_JOURNAL && (*journals)++ == 0)
		oldest = s->number;
	return true;
}

static unsigned
journals(void)
{
	unsigned n = 0;

	oldest = 0;
	store_each(site.rq.store, note_oldest, &n);
	return n;
}

static void
defer(uint64_t n, const char *text)
{
	struct entry *e = index_find(&site.rq.q.index, id_of(n));
	struct buf outcomes = BUF_INIT(0);

	outcome_pack(&outcomes, &(struct outcome){ .status = OUTCOME_DEFERRED, .dsn = SPAN("4.2.0"), .text = span_str(text), .relay = SPAN("none") });
	struct spool_event ev = { .kind = EVENT_OUTCOMES, .next = clock_wall() + DAY, .attempt = 1, .scope = SCOPE_RECIPIENT,
		.transport = SPAN("smtp"), .nexthop = SPAN("good.test"), .outcomes = buf_view(&outcomes) };
	assert_false(journal_add(&site.rq.q, e, &ev));
	buf_clear(&outcomes);
}

static void
check_reply(struct role_queue *rq, uint64_t n, const char *text)
{
	const struct entry *e = index_find(&rq->q.index, id_of(n));
	struct last_outcome last;

	assert_non_null(e);
	assert_true(reader_outcome(rq, e, 0, &last));
	assert_true(span_eqs(last.outcome.text, text));
}

/* The mail segment is sealed and young journals follow: as if it had been there for long. */
static void
age(const char *text)
{
	for (unsigned i = 0; journals() < 6; i++) {
		defer(1, text);
		turn();
		if (i > 20000)
			fail_msg("no more journals");
	}
}

/* Journals over the size go, the oldest first; a reply that stood in one of them can still be read. */
static void
test_history(void **state)
{
	struct role_queue *rq = &site.rq;
	char text[900];
	struct index anew;

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	bring(30);
	spool_writer_end(site.mail);
	UNTIL(store_get(rq->store, site.first)->sealed);
	defer(0, "450 the first reply");
	turn();
	age(text);
	(void)journals();
	uint32_t first = oldest;
	check_reply(rq, 0, "450 the first reply");
	assert_int_equal(index_find(&rq->q.index, id_of(0))->rcpts[0].reply.segment, first);
	rq->history_size = 1;
	UNTIL((rq->history_looked = 0, store_get(rq->store, first) == NULL));
	assert_true(index_find(&rq->q.index, id_of(0))->rcpts[0].reply.segment > first);
	check_reply(rq, 0, "450 the first reply");
	check_reply(rq, 1, text);
	check_message(&rq->q.index, 0);
	read_anew(&anew);
	assert_int_equal(anew.count, rq->q.index.count);
	const struct entry *e = index_find(&anew, id_of(0));
	assert_non_null(e);
	assert_int_equal(e->rcpts[0].status, RCPT_DEFERRED);
	assert_true(e->rcpts[0].reply.segment > first);
	index_clear(&anew);
}

/* Within its time and without a bound on its size it stays. */
static void
test_history_kept(void **state)
{
	char text[900];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	bring(30);
	age(text);
	(void)journals();
	uint32_t first = oldest;
	for (int i = 0; i < 50; i++) {
		site.rq.history_looked = 0;
		turn();
	}
	assert_non_null(store_get(site.rq.store, first));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_compaction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_compaction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history, setup, teardown),
		cmocka_unit_test_setup_teardown(test_history_kept, setup, teardown),
	};

	loop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
