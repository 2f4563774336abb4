/*
 * Who is told of what: bounces, delay warnings, success notices. An intent is journalled first; when it is written, a receive role is
 * asked to make the notice; when that message is there, the intent is done.
 */
#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/forward.h"
#include "mail/notice.h"

static bool
is_double_bounce(const struct queue *q, const struct entry *e)
{
	struct span sender = entry_sender(e);
	struct span local = span_head(sender, span_rfind(sender, '@'));

	return q->conf.double_bounce != NULL && span_caseeqs(local, q->conf.double_bounce);
}

/* NULL: nothing is known of its intent any more. */
static const struct entry_intent *
job_find(const struct queue *q, const struct notice_job *n, struct entry **e)
{
	*e = index_find(&q->index, n->id);
	const struct entry_intent *in = *e == NULL || (*e)->extra == NULL ? NULL : (*e)->extra->intents;
	while (in != NULL && in->number != n->number)
		in = in->next;
	return in;
}

static void
ask(struct queue *q, struct notice_job *n)
{
	struct entry *e;
	const struct entry_intent *in = job_find(q, n, &e);

	if (in == NULL || n->asked)
		return;
	int64_t born = queue_wall(q, queue_now(q)) - queue_age(q, e);
	n->asked = true;
	heap_del(&q->notice_timers, &n->timer);
	if (q->ops->notice(q->arg, n, e, in, born + queue_lifetime(q, e)))
		return;
	n->asked = false;
	heap_set(&q->notice_timers, &n->timer, queue_now(q) + SECOND);
}

static void
intent_written(struct queue *q, uint64_t number, uint64_t unused)
{
	struct notice_job *n = map_get(&q->notices, span_of(&number, sizeof number));

	(void)unused;
	if (n == NULL)
		return;
	n->written = true;
	ask(q, n);
}

static struct notice_job *
notice_new(struct queue *q, const struct entry *e, uint64_t number)
{
	struct notice_job *n;

	MEM_NEW(n);
	n->number = number;
	n->id = e->id;
	map_add(&q->notices, n);
	return n;
}

static void
intend(struct queue *q, struct entry *e, enum notice_kind kind, struct span recipient, struct span numbers)
{
	struct spool_event ev = { .kind = EVENT_INTENT, .notice = (uint8_t)kind, .recipient = recipient, .numbers = numbers,
		.scope = kind == NOTICE_DELAY };

	(void)journal_add(q, e, &ev);
	(void)notice_new(q, e, ev.number);
	q->counters.notices++;
	journal_wait(q, e, intent_written, ev.number, 0);
}

/* Within the record of the outcomes: none is there without the other. */
void
forwards_intend(struct queue *q, struct entry *e, struct span outcomes, struct span forwards)
{
	struct unpack u = { .left = forwards };
	struct forward f;
	struct outcome o;

	while (unpack_more(&u)) {
		uint32_t number = unpack_u32(&u);
		struct span state = unpack_span(&u);
		struct unpack done = { .left = outcomes };
		bool counts = false;
		while (outcome_next(&done, &o))
			counts = counts || (o.number == number && o.status != OUTCOME_DEFERRED);
		if (u.fault || !counts || !forward_unpack(state, &f))
			continue;
		struct buf numbers = BUF_INIT(0);
		pack_u32(&numbers, number);
		struct spool_event ev = { .kind = EVENT_INTENT, .notice = NOTICE_FORWARD, .recipient = f.delivered,
			.numbers = buf_view(&numbers), .state = state };
		(void)journal_add(q, e, &ev);
		(void)notice_new(q, e, ev.number);
		journal_wait(q, e, intent_written, ev.number, 0);
		buf_clear(&numbers);
	}
	if (u.fault)
		log_error("qmgr", "the local role sent a damaged list of messages to be made");
}

static bool
unsettled(const struct entry_rcpt *r, bool failed)
{
	return rcpt_final(r) && (r->status == RCPT_FAILED) == failed && !(r->flags & (RCPT_INTENT | RCPT_SETTLED));
}

/* The unsettled recipients whose sender wants to hear of it, packed; the others are settled. */
static void
gather(struct entry *e, bool failed, struct buf *numbers)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		struct entry_rcpt *r = &e->rcpts[i];
		if (!unsettled(r, failed))
			continue;
		bool wanted = failed ? r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_FAILURE) != 0 :
		    (r->notify & NOTIFY_SUCCESS) != 0;
		if (wanted)
			pack_u32(numbers, i);
		else
			r->flags |= RCPT_SETTLED;
	}
}

static void
settle(struct entry *e, struct span numbers)
{
	struct unpack u = { .left = numbers };

	while (unpack_more(&u))
		e->rcpts[unpack_u32(&u)].flags |= RCPT_SETTLED;
}

/* Where each recipient's mail had a sender of its own, each of those gets a notice of its own. */
static void
bounce(struct queue *q, struct entry *e, struct span numbers)
{
	struct buf own = BUF_INIT(0), one = BUF_INIT(0);
	struct unpack u = { .left = numbers };

	while (q->conf.verp_bounces && unpack_more(&u)) {
		uint32_t n = unpack_u32(&u);
		buf_reset(&own);
		buf_reset(&one);
		entry_verp(e, n, &own);
		if (own.len == 0)
			break;
		pack_u32(&one, n);
		intend(q, e, NOTICE_BOUNCE, buf_view(&own), buf_view(&one));
	}
	if (own.len == 0)
		intend(q, e, NOTICE_BOUNCE, entry_sender(e), numbers);
	buf_clear(&own);
	buf_clear(&one);
}

/* No bounce of a bounce: its failure goes to the postmaster where the site wants that, else nowhere. */
static void
failed_notice(struct queue *q, struct entry *e, struct span numbers)
{
	char id[QID_TEXT];

	if (is_double_bounce(q, e)) {
		log_warning("bounce", "%s: undeliverable postmaster notification discarded", qid_text(e->id, id));
		settle(e, numbers);
	} else if (entry_sender(e).len > 0) {
		bounce(q, e, numbers);
		if (q->conf.bounce_to != NULL)
			intend(q, e, NOTICE_POSTMASTER, span_str(q->conf.bounce_to), numbers);
	} else if (q->conf.double_bounce_to != NULL) {
		intend(q, e, NOTICE_DOUBLE_BOUNCE, span_str(q->conf.double_bounce_to), numbers);
	} else {
		log_info("bounce", "%s: undeliverable bounce message discarded", qid_text(e->id, id));
		settle(e, numbers);
	}
}

static bool
any_unsettled(const struct entry *e)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (rcpt_final(&e->rcpts[i]) && !(e->rcpts[i].flags & (RCPT_INTENT | RCPT_SETTLED)))
			return true;
	return false;
}

bool
notices_due(struct queue *q, struct entry *e)
{
	struct buf numbers = BUF_INIT(0);

	if (any_unsettled(e)) {
		gather(e, true, &numbers);
		if (numbers.len > 0)
			failed_notice(q, e, buf_view(&numbers));
		buf_reset(&numbers);
		gather(e, false, &numbers);
		if (numbers.len > 0 && entry_sender(e).len > 0)
			intend(q, e, NOTICE_SUCCESS, entry_sender(e), buf_view(&numbers));
		else
			settle(e, buf_view(&numbers));
		buf_clear(&numbers);
	}
	return e->extra != NULL && e->extra->intents != NULL;
}

void
notices_delay(struct queue *q, struct entry *e)
{
	struct buf numbers = BUF_INIT(0);

	if (q->conf.delay_warning <= 0 || e->open == 0 || (e->flags & ENTRY_DELAY_TOLD) ||
	    queue_age(q, e) < q->conf.delay_warning || entry_sender(e).len == 0 || is_double_bounce(q, e))
		return;
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		if (r->status == RCPT_DEFERRED && (r->notify == NOTIFY_DEFAULT || (r->notify & NOTIFY_DELAY) != 0))
			pack_u32(&numbers, i);
	}
	if (numbers.len > 0) {
		intend(q, e, NOTICE_DELAY, entry_sender(e), buf_view(&numbers));
		if (q->conf.delay_to != NULL)
			intend(q, e, NOTICE_POSTMASTER, span_str(q->conf.delay_to), buf_view(&numbers));
	}
	buf_clear(&numbers);
}

void
notices_recover(struct queue *q, struct entry *e)
{
	if (e->extra == NULL)
		return;
	for (const struct entry_intent *in = e->extra->intents; in != NULL; in = in->next) {
		struct notice_job *n = notice_new(q, e, in->number);
		n->written = true;
		heap_set(&q->notice_timers, &n->timer, queue_now(q));
	}
}

void
notices_retry(struct queue *q)
{
	int64_t now = queue_now(q);
	struct heap_node *node;

	for (int budget = 64; budget > 0 && (node = heap_first(&q->notice_timers)) != NULL && node->at <= now; budget--)
		ask(q, HEAP_ITEM(node, struct notice_job, timer));
}

void
notices_worker_gone(struct queue *q, uint32_t slot)
{
	size_t at = 0;
	struct notice_job *n;

	while ((n = map_next(&q->notices, &at)) != NULL) {
		if (!n->asked || n->slot != slot)
			continue;
		n->asked = false;
		heap_set(&q->notice_timers, &n->timer, queue_now(q) + SECOND);
	}
}

/* A copy to the postmaster is of a bounce or of a delay warning. */
static const char *
made_text(const struct entry *e, const struct entry_intent *in)
{
	bool late = in->kind == NOTICE_POSTMASTER && in->count > 0 && in->numbers[0] < e->rcpt_count &&
	    e->rcpts[in->numbers[0]].status != RCPT_FAILED;

	return late ? "postmaster delay notification" : notice_log_text(in->kind);
}

static void
made(struct queue *q, struct entry *e, const struct entry_intent *in, struct qid other)
{
	char id[QID_TEXT], new_id[QID_TEXT];
	uint64_t number = in->number;

	log_info(in->kind == NOTICE_FORWARD ? "local" : "bounce", "%s: %s: %s", qid_text(e->id, id), made_text(e, in), qid_text(other, new_id));
	struct spool_event ev = { .kind = EVENT_NOTICE, .of = number, .other = other };
	(void)journal_add(q, e, &ev);
	queue_finish(q, e);
}

static void
notice_free(struct queue *q, struct notice_job *n)
{
	heap_del(&q->notice_timers, &n->timer);
	(void)map_del(&q->notices, span_of(&n->number, sizeof n->number));
	free(n);
}

static void
again_later(struct queue *q, struct notice_job *n)
{
	int64_t wait = 5 * SECOND << (n->tries < 6 ? n->tries : 6);

	n->tries++;
	n->asked = false;
	heap_set(&q->notice_timers, &n->timer, queue_now(q) + wait);
	q->ops->wake(q->arg);
}

void
queue_notice_made(struct queue *q, uint64_t number, bool ok, struct qid other)
{
	struct notice_job *n = map_get(&q->notices, span_of(&number, sizeof number));
	struct entry *e;

	if (n == NULL)
		return;
	if (!ok) {
		again_later(q, n);
		return;
	}
	const struct entry_intent *in = job_find(q, n, &e);
	notice_free(q, n);
	if (in != NULL)
		made(q, e, in, other);
}

/* "554 5.4.0 text": where the reply has no such status, 5.0.0. */
static struct span
reply_dsn(struct span reply)
{
	struct span word = span_skip(reply, reply.len < 4 ? reply.len : 4);
	size_t n = 0;

	while (n < word.len && word.ptr[n] != ' ')
		n++;
	word = span_head(word, n);
	return n >= 5 && n < 12 && word.ptr[0] == '5' && word.ptr[1] == '.' ? word : SPAN("5.0.0");
}

/* The given up intent opens its recipients again, and in the same record they fail. */
static void
forward_failed(struct queue *q, struct entry *e, const uint32_t *numbers, uint32_t count, struct span reply)
{
	struct buf text = BUF_INIT(1024);

	buf_str(&text, "the message cannot be forwarded: ");
	buf_span(&text, span_head(reply, 500));
	queue_outcome_here(q, e, numbers, count, OUTCOME_BOUNCED, "local", reply_dsn(reply), buf_view(&text));
	buf_clear(&text);
}

void
queue_notice_refused(struct queue *q, uint64_t number, struct span reply)
{
	struct notice_job *n = map_get(&q->notices, span_of(&number, sizeof number));
	struct spool_event ev = { .kind = EVENT_NOTICE, .of = number, .text = span_head(reply, 500) };
	uint32_t *failed = NULL, count = 0;
	char id[QID_TEXT];
	struct entry *e;

	if (n == NULL)
		return;
	const struct entry_intent *in = job_find(q, n, &e);
	if (in != NULL && in->kind == NOTICE_FORWARD && q->conf.soft_bounce) {
		again_later(q, n);
		return;
	}
	notice_free(q, n);
	if (in == NULL)
		return;
	if (in->kind != NOTICE_FORWARD) {
		log_warning("bounce", "%s: %s: given up: %.*s", qid_text(e->id, id), notice_log_text(in->kind), SPAN_ARG(ev.text));
	} else {
		failed = mem_array((size_t)in->count + 1, sizeof *failed);
		for (uint32_t i = 0; i < in->count; i++)
			if (in->numbers[i] < e->rcpt_count && e->rcpts[in->numbers[i]].status != RCPT_FAILED)
				failed[count++] = in->numbers[i];
	}
	(void)journal_add(q, e, &ev);
	if (count > 0)
		forward_failed(q, e, failed, count, reply);
	free(failed);
	queue_finish(q, e);
}

void
notice_drop(struct queue *q, struct entry *e)
{
	if (e->extra == NULL)
		return;
	for (const struct entry_intent *in = e->extra->intents; in != NULL; in = in->next) {
		struct notice_job *n = map_get(&q->notices, span_of(&in->number, sizeof in->number));
		if (n != NULL)
			notice_free(q, n);
	}
}

/* A notice or a forwarded message that is there twice. A copy for the postmaster is not looked at. */
bool
notice_arrived(struct queue *q, const struct entry *e)
{
	const struct entry *o = index_find(&q->index, e->extra->origin);
	const struct entry_intent *in = o == NULL || o->extra == NULL ? NULL : o->extra->intents;
	uint64_t number = e->extra->origin_event;

	if (o == NULL)
		return false;
	while (in != NULL && in->number != number)
		in = in->next;
	if (in != NULL) {
		queue_notice_made(q, number, true, e->id);
		return false;
	}
	bool made_here = (e->envelope & ENVELOPE_INTERNAL) == 0 || entry_sender(e).len == 0;
	return made_here && o->applied >= number;
}
