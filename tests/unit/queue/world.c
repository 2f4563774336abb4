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
#include "base/log.h"
#include "base/mem.h"
#include "mail/notice.h"

#define BEGIN_USEC	((uint64_t)1700000000 * 1000000)

static bool
transport(void *arg, struct span name, struct transport_limits *out)
{
	const struct world *w = arg;

	*out = (struct transport_limits){ .kind = TRANSPORT_SEND, .maxproc = 100, .initial = 5, .limit = 20,
		.positive = 1, .negative = 1, .cohorts = 1, .recipients = 50,
		.rate_delay = w->rate_delay, .pace = w->pace, .deferred = w->deferred };
	if (span_eqs(name, "error") || span_eqs(name, "retry"))
		out->kind = TRANSPORT_ERROR;
	else if (span_eqs(name, "discard"))
		out->kind = TRANSPORT_DISCARD;
	else if (span_eqs(name, "local"))
		out->kind = TRANSPORT_LOCAL;
	else if (!span_eqs(name, "smtp"))
		return false;
	return true;
}

static enum routed
route(void *arg, const struct entry *e, uint32_t rcpt, struct queue_route *to)
{
	struct world *w = arg;
	struct span a = entry_address(e, rcpt), domain = span_skip(a, span_rfind(a, '@') + 1);

	if (w->routing_slow && span_eqs(domain, "slow.test")) {
		w->routing_slow = false;
		return ROUTED_LATER;
	}
	if (span_eqs(domain, "table.test")) {
		to->dsn = SPAN("4.3.0");
		to->text = SPAN("table is broken");
		return ROUTED_DEFER;
	}
	to->transport = SPAN("smtp");
	to->nexthop = domain;
	if (span_eqs(domain, "error.test")) {
		to->transport = SPAN("error");
		to->nexthop = SPAN("5.1.1 nobody here");
	} else if (span_eqs(domain, "retry.test")) {
		to->transport = SPAN("retry");
		to->nexthop = SPAN("4.7.0 come back");
	} else if (span_eqs(domain, "discard.test")) {
		to->transport = SPAN("discard");
		to->nexthop = SPAN("");
	} else if (span_eqs(domain, "pipe.test")) {
		to->transport = SPAN("dovecot");
	}
	return ROUTED_TO;
}

static void
deliver(void *arg, const struct lease *l)
{
	struct world *w = arg;

	assert_true(w->lease_count < LEASES_MAX);
	w->leases[w->lease_count++] = l->id;
	w->given++;
}

static bool
append(void *arg, const struct iovec *iov, int n, struct pending *p)
{
	struct world *w = arg;
	struct record *r;

	if (w->append_fails)
		return false;
	if (w->record_count == w->record_cap) {
		w->record_cap = w->record_cap == 0 ? 256 : w->record_cap * 2;
		w->records = mem_grow(w->records, w->record_cap, sizeof *w->records);
	}
	r = &w->records[w->record_count];
	*r = (struct record){ .at = { 900, (uint32_t)w->record_count + 1, 0 } };
	for (int i = 0; i < n; i++)
		r->len += iov[i].iov_len;
	r->payload = mem_new(r->len);
	r->at.length = (uint32_t)r->len;
	for (int i = 0, at = 0; i < n; at += (int)iov[i].iov_len, i++)
		memcpy(r->payload + at, iov[i].iov_base, iov[i].iov_len);
	w->record_count++;
	w->appending[w->append_count++] = p;
	return true;
}

static bool
notice(void *arg, struct notice_job *n, const struct entry *e, const struct entry_intent *in, int64_t expires)
{
	struct world *w = arg;

	(void)e;
	(void)expires;
	if (w->notice_refused)
		return false;
	w->notice_kinds[w->notice_count] = in->kind;
	w->notices[w->notice_count++] = n->number;
	return true;
}

static void
wake(void *arg)
{
	(void)arg;
}

static void
spill_done(void *arg, uint64_t spill)
{
	(void)arg;
	(void)spill;
}

static const struct queue_ops ops = { .transport = transport, .route = route, .deliver = deliver, .append = append,
	.notice = notice, .wake = wake, .spill_done = spill_done };

static void
configure(struct queue *q)
{
	q->conf = (struct queue_conf){ .minimal_backoff = 300 * SECOND, .maximal_backoff = 4000 * SECOND,
		.maximal_lifetime = 5 * DAY, .bounce_lifetime = 5 * DAY, .trash_time = DAY, .active_limit = 20000,
		.recipient_limit = 20000, .generation = 1, .double_bounce = mem_str("double-bounce") };
}

static void
workers(struct queue *q)
{
	worker_get(q, ROLE_SEND, 0)->up = true;
	worker_get(q, ROLE_SEND, 1)->up = true;
	worker_get(q, ROLE_LOCAL, 0)->up = true;
}

static void
quiet(enum log_level level, const char *program, const char *text)
{
	(void)level;
	(void)program;
	(void)text;
}

void
world_init(struct world *w)
{
	static int null = -1;

	memset(w, 0, sizeof *w);
	clock_virtual((int64_t)BEGIN_USEC);
	clock_seed(11);
	if (null < 0) {
		FILE *f = fopen("/dev/null", "w");
		assert_non_null(f);
		null = fileno(f);
	}
	log_open(LOG_SINK_FILE, null, "", "mtad");
	log_watch = quiet;
	queue_init(&w->q, &ops, w);
	configure(&w->q);
	workers(&w->q);
	queue_open(&w->q);
}

void
world_clear(struct world *w)
{
	w->append_fails = false;
	world_settle(w);
	queue_clear(&w->q);
	for (size_t i = 0; i < w->record_count; i++)
		free(w->records[i].payload);
	for (size_t i = 0; i < w->mail_count; i++) {
		free(w->mails[i].sender);
		buf_clear(&w->mails[i].rcpts);
	}
	free(w->records);
	free(w->mails);
}

static bool
submit(struct world *w, const struct mail *m)
{
	struct envelope env = { .id = m->id, .arrival = m->arrival, .size = 1234, .sender = span_str(m->sender),
		.recipient_count = m->count, .recipients = buf_view(&m->rcpts), .origin = m->origin,
		.origin_event = m->origin_event, .flags = m->flags };

	return queue_submit(&w->q, &env, (struct loc){ 1, (uint32_t)(m - w->mails) + 1, 2000 });
}

static struct mail *
mail_new(struct world *w, const char *sender)
{
	if (w->mail_count == w->mail_cap) {
		w->mail_cap = w->mail_cap == 0 ? 64 : w->mail_cap * 2;
		w->mails = mem_grow(w->mails, w->mail_cap, sizeof *w->mails);
	}
	struct mail *m = &w->mails[w->mail_count++];
	*m = (struct mail){ .id = { BEGIN_USEC + ++w->next_id, 65 }, .sender = mem_str(sender),
		.arrival = clock_wall() };
	return m;
}

struct qid
world_mail(struct world *w, const char *sender, const char *to, uint32_t n)
{
	struct mail *m = mail_new(w, sender);
	char addr[128];

	for (uint32_t i = 0; i < n; i++) {
		
		if (strchr(to, '@') != NULL)
			(void)snprintf(addr, sizeof addr, "%s", to);
		else
			(void)snprintf(addr, sizeof addr, "u%u@%s", i, to);
		recipient_pack(&m->rcpts, &(struct recipient){ .number = i, .address = span_str(addr) });
	}
	m->count = n;
	struct qid id = m->id;
	assert_true(submit(w, m));
	return id;
}

static bool
finish_appends(struct world *w)
{
	size_t n = w->append_count;
	struct pending **all = mem_array(n + 1, sizeof *all);

	memcpy(all, w->appending, n * sizeof *all);
	w->append_count = 0;
	for (size_t i = 0; i < n; i++)
		queue_appended(&w->q, all[i], true, w->records[w->record_count - n + i].at);
	free(all);
	return n > 0;
}

void
world_settle(struct world *w)
{
	for (int i = 0; i < 100000; i++) {
		int64_t in = queue_run(&w->q);
		bool wrote = finish_appends(w);
		if (in != 0 && !wrote)
			return;
	}
	fail_msg("the scheduler does not come to rest");
}

void
world_pass(struct world *w, int64_t by)
{
	int64_t end = clock_mono() + by;

	world_settle(w);
	while (clock_mono() < end) {
		int64_t in = queue_run(&w->q), left = end - clock_mono();
		clock_advance(in < 0 || in > left ? left : in == 0 ? 1 : in);
		world_settle(w);
	}
}

void
world_pass_answering(struct world *w, int64_t by, uint8_t status, uint8_t scope, const char *text)
{
	int64_t end = clock_mono() + by;

	world_settle(w);
	world_answer_all(w, status, scope, text);
	while (clock_mono() < end) {
		int64_t in = queue_run(&w->q), left = end - clock_mono();
		clock_advance(in < 0 || in > left ? left : in == 0 ? 1 : in);
		world_settle(w);
		world_answer_all(w, status, scope, text);
	}
}

static void
acked(struct queue *q, uint64_t a, uint64_t b)
{
	struct world *w = q->arg;

	(void)a;
	(void)b;
	w->acks++;
}

void
world_answer(struct world *w, size_t at, uint8_t status, uint8_t scope, const char *text)
{
	struct lease *l = lease_find(&w->q, w->leases[at]);
	struct buf b = BUF_INIT(0);
	uint64_t id = w->leases[at];

	w->leases[at] = w->leases[--w->lease_count];
	assert_non_null(l);
	struct qid qid = l->job->entry->id;
	for (uint32_t i = 0; i < l->count; i++) {
		outcome_pack(&b, &(struct outcome){ .number = l->rcpts[i], .status = status, .text = span_str(text),
		    .dsn = status == OUTCOME_DEFERRED ? SPAN("4.4.1") : status == OUTCOME_BOUNCED ? SPAN("5.1.1") :
		    SPAN("2.0.0"), .relay = SPAN("mx[192.0.2.1]:25") });
		if (status <= OUTCOME_EXPANDED)
			w->delivered[qid.usec - BEGIN_USEC]++;
	}
	queue_result(&w->q, id, qid, true, scope, buf_view(&b), w->forwards, acked, id, 0);
	w->forwards = SPAN_NONE;
	buf_clear(&b);
}

void
world_answer_all(struct world *w, uint8_t status, uint8_t scope, const char *text)
{
	for (int i = 0; w->lease_count > 0 && i < 1000000; i++) {
		world_answer(w, 0, status, scope, text);
		world_settle(w);
	}
}

bool
world_make_notice(struct world *w)
{
	if (w->notice_count == 0)
		return false;
	uint64_t number = w->notices[0];
	memmove(w->notices, w->notices + 1, --w->notice_count * sizeof *w->notices);
	memmove(w->notice_kinds, w->notice_kinds + 1, w->notice_count);
	struct notice_job *n = map_get(&w->q.notices, span_of(&number, sizeof number));
	if (n == NULL)
		return true;
	struct mail *m = mail_new(w, "");
	m->origin = n->id;
	m->origin_event = number;
	m->flags = ENVELOPE_INTERNAL;
	m->count = 1;
	recipient_pack(&m->rcpts, &(struct recipient){ .address = SPAN("sender@origin.test") });
	struct qid id = m->id;
	(void)submit(w, m);
	queue_notice_made(&w->q, number, true, id);
	world_settle(w);
	return true;
}

struct entry *
world_entry(struct world *w, struct qid id)
{
	return index_find(&w->q.index, id);
}

static void
violation(void *arg, const struct entry *e, uint32_t rcpt, const char *text)
{
	char id[QID_TEXT];

	(void)arg;
	print_error("%s recipient %u: %s\n", e == NULL ? "-" : qid_text(e->id, id), rcpt, text);
}

void
world_check(struct world *w)
{
	assert_int_equal(doctor_all(&w->q, violation, w), 0);
}

void
world_restart(struct world *w, size_t records)
{
	while (w->append_count > 0)
		finish_appends(w);
	for (int i = 0; i < 10 && w->q.dirty != NULL; i++) {
		journal_flush(&w->q);
		finish_appends(w);
	}
	queue_clear(&w->q);
	w->lease_count = w->notice_count = 0;
	for (size_t i = records; i < w->record_count; i++)
		free(w->records[i].payload);
	if (records < w->record_count)
		w->record_count = records;
	queue_init(&w->q, &ops, w);
	configure(&w->q);
	for (size_t i = 0; i < w->mail_count; i++) {
		const struct mail *m = &w->mails[i];
		struct envelope env = { .id = m->id, .arrival = m->arrival, .size = 1234, .sender = span_str(m->sender),
			.recipient_count = m->count, .recipients = buf_view(&m->rcpts), .origin = m->origin,
			.origin_event = m->origin_event, .flags = m->flags };
		assert_non_null(index_add(&w->q.index, &env, (struct loc){ 1, (uint32_t)i + 1, 2000 }));
	}
	for (size_t i = 0; i < w->record_count; i++)
		assert_true(index_apply_record(&w->q.index, span_of(w->records[i].payload, w->records[i].len),
		    w->records[i].at, NULL));
	queue_recovered(&w->q);
	workers(&w->q);
	queue_open(&w->q);
	world_settle(w);
}

struct dest *
world_dest(struct world *w, const char *transport_name, const char *nexthop)
{
	return dest_get(&w->q, transport_get(&w->q, span_str(transport_name)), span_str(nexthop));
}
