/*
 * What became of deliveries: into the journal first, then acted on.
 */
#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/delivery_log.h"

static int64_t
next_time(const struct queue *q, const struct entry *e)
{
	int64_t now = queue_now(q), age = now - e->since;

	return now + backoff(q, age < 0 ? 0 : age);
}

static bool
lease_has(const struct lease *l, uint32_t rcpt)
{
	for (uint32_t i = 0; i < l->count; i++)
		if (l->rcpts[i] == rcpt)
			return true;
	return false;
}

/* An outcome counts for a recipient of the lease; without a lease (the role was started anew) for one that nobody else has. */
static bool
counts(const struct entry *e, const struct lease *l, const struct outcome *o)
{
	if (o->number >= e->rcpt_count || o->status > OUTCOME_BOUNCED || rcpt_final(&e->rcpts[o->number]))
		return false;
	return l != NULL ? lease_has(l, o->number) : e->rcpts[o->number].place != PLACE_LEASED;
}

static struct span
soft_dsn(struct span dsn, char room[16])
{
	if (dsn.len == 0 || dsn.len >= 16 || dsn.ptr[0] != '5')
		return dsn;
	memcpy(room, dsn.ptr, dsn.len);
	room[0] = '4';
	return span_of(room, dsn.len);
}

/* The outcomes that count, with soft_bounce applied. */
static uint32_t
sift(const struct queue *q, const struct entry *e, const struct lease *l, struct span outcomes, struct buf *out)
{
	struct unpack u = { .left = outcomes };
	struct outcome o;
	uint32_t n = 0;
	char dsn[16];

	while (outcome_next(&u, &o)) {
		if (!counts(e, l, &o))
			continue;
		if (o.status == OUTCOME_BOUNCED && q->conf.soft_bounce) {
			o.status = OUTCOME_DEFERRED;
			o.dsn = soft_dsn(o.dsn, dsn);
		}
		outcome_pack(out, &o);
		n++;
	}
	return n;
}

/* Where each recipient stands now, and what the other side's answer says about it. */
static void
settle_places(struct queue *q, struct entry *e, struct lease *l, uint8_t scope, struct span outcomes)
{
	struct unpack u = { .left = outcomes };
	struct outcome o;

	while (outcome_next(&u, &o)) {
		bool final = rcpt_final(&e->rcpts[o.number]);
		if (e->rcpts[o.number].place == PLACE_QUEUED || e->rcpts[o.number].place == PLACE_ROUTING)
			continue;	/* not possible for a lease's own; its job will find it final */
		queue_place(q, e, o.number, final ? PLACE_DONE : PLACE_TIMER, NULL);
		q->counters.sent += o.status <= OUTCOME_EXPANDED;
		q->counters.deferred += o.status == OUTCOME_DEFERRED;
		q->counters.bounced += o.status == OUTCOME_BOUNCED;
		if (l != NULL && scope == SCOPE_DESTINATION && o.status == OUTCOME_DEFERRED && !l->failed) {
			l->failed = true;
			dest_failed(q, l->job->dest, o.dsn, o.text);
		}
	}
}

static void
lease_forget_final(const struct entry *e, struct lease *l)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->count; i++)
		if (e->rcpts[l->rcpts[i]].place == PLACE_LEASED)
			l->rcpts[kept++] = l->rcpts[i];
	l->count = kept;
}

static void
end_of_lease(struct queue *q, struct entry *e, struct lease *l)
{
	if (!l->failed)
		dest_succeeded(q, l->job->dest);
	for (uint32_t i = 0; i < l->count; i++) {	/* of these the worker says nothing */
		queue_place(q, e, l->rcpts[i], PLACE_TIMER, NULL);
		e->rcpts[l->rcpts[i]].next = queue_now(q) + q->conf.minimal_backoff;
	}
	l->count = 0;
	dest_touch(q, l->job->dest);
	lease_end(q, l);
}

static void
record(struct queue *q, struct entry *e, const struct lease *l, uint8_t scope, struct span outcomes)
{
	struct spool_event ev = { .kind = EVENT_OUTCOMES, .attempt = l == NULL ? 1 : l->attempt, .scope = scope,
		.next = next_time(q, e), .outcomes = outcomes };

	if (l != NULL) {
		ev.transport = span_str(l->job->dest->transport->name);
		ev.nexthop = span_str(l->job->dest->nexthop);
	}
	(void)journal_add(q, e, &ev);
}

/* A worker had trouble with the message itself: damage is said as such, and set aside. */
static void
look_for_damage(struct queue *q, struct entry *e, uint8_t scope)
{
	struct err err = { 0 };

	if (scope == SCOPE_MESSAGE && e->open > 0 && !(e->flags & ENTRY_BAD) && q->ops->sound != NULL &&
	    !q->ops->sound(q->arg, e, &err))
		queue_corrupt(q, e, span_str(err.text));
}

void
queue_result(struct queue *q, uint64_t lease, struct qid id, bool last, uint8_t scope, struct span outcomes, struct span forwards,
    waiter_fn *fn, uint64_t a, uint64_t b)
{
	struct lease *l = lease_find(q, lease);
	struct entry *e = index_find(&q->index, id);
	struct buf sifted = BUF_INIT(0);

	if (l != NULL && !qid_eq(l->job->entry->id, id)) {
		log_warning("qmgr", "a result names lease %llu with another message", (unsigned long long)lease);
		l = NULL;
	}
	if (e == NULL) {	/* it is finished: this was told before */
		fn(q, a, b);
		return;
	}
	if (sift(q, e, l, outcomes, &sifted) > 0) {
		record(q, e, l, scope, buf_view(&sifted));
		if (forwards.len > 0)
			forwards_intend(q, e, buf_view(&sifted), forwards);
		settle_places(q, e, l, scope, buf_view(&sifted));
	}
	journal_wait(q, e, fn, a, b);
	if (l != NULL) {
		lease_forget_final(e, l);
		if (last)
			end_of_lease(q, e, l);
	}
	buf_clear(&sifted);
	look_for_damage(q, e, scope);
	if (l == NULL || last)
		queue_finish(q, e);
	else
		queue_set_timer(q, e);
}

static void
log_here(const struct queue *q, const struct entry *e, uint32_t rcpt, const char *program, const struct outcome *o)
{
	const struct run *run = e->run;
	struct buf line = BUF_INIT(4096);
	char id[QID_TEXT];
	int64_t now = queue_wall(q, queue_now(q));
	int64_t active = run == NULL || run->active == 0 ? now : queue_wall(q, run->active);

	delivery_log_put(&line, &(struct delivery_log){ .recipient = entry_address(e, rcpt), .relay = SPAN("none"),
	    .arrival = e->arrival, .active = active, .handoff = now, .done = now, .dsn = o->dsn, .status = o->status,
	    .text = o->text });
	log_info(program, "%s: %.*s", qid_text(e->id, id), SPAN_ARG(buf_view(&line)));
	buf_clear(&line);
}

void
queue_outcome_here(struct queue *q, struct entry *e, const uint32_t *rcpts, uint32_t n, uint8_t status,
    const char *program, struct span dsn, struct span text)
{
	struct buf packed = BUF_INIT(0);
	char room[16];

	if (status == OUTCOME_BOUNCED && q->conf.soft_bounce) {
		status = OUTCOME_DEFERRED;
		dsn = soft_dsn(dsn, room);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct outcome o = { .number = rcpts[i], .status = status, .dsn = dsn, .text = text,
			.relay = SPAN("none") };
		outcome_pack(&packed, &o);
		log_here(q, e, rcpts[i], program, &o);
	}
	struct spool_event ev = { .kind = EVENT_OUTCOMES, .scope = SCOPE_RECIPIENT, .next = next_time(q, e),
		.outcomes = buf_view(&packed) };
	(void)journal_add(q, e, &ev);
	settle_places(q, e, NULL, SCOPE_RECIPIENT, buf_view(&packed));
	buf_clear(&packed);
}

/* Not softened: it is an operator's word. */
static void
fail_here(struct queue *q, struct entry *e, struct by by, struct span numbers, struct span text)
{
	struct unpack u = { .left = numbers };
	struct buf packed = BUF_INIT(0);

	while (unpack_more(&u)) {
		struct outcome o = { .number = unpack_u32(&u), .status = OUTCOME_BOUNCED, .dsn = SPAN("5.0.0"), .text = text,
			.relay = SPAN("none") };
		outcome_pack(&packed, &o);
		log_here(q, e, o.number, "error", &o);
	}
	struct spool_event ev = { .kind = EVENT_OUTCOMES, .scope = SCOPE_RECIPIENT, .outcomes = buf_view(&packed),
		.actor = by.who, .of = by.action };
	(void)journal_add(q, e, &ev);
	settle_places(q, e, NULL, SCOPE_RECIPIENT, buf_view(&packed));
	buf_clear(&packed);
}

bool
queue_bounce(struct queue *q, struct entry *e, struct by by, struct span text, uint32_t *leased)
{
	struct buf numbers = BUF_INIT(0);

	*leased = 0;
	if (e->flags & (ENTRY_BAD | ENTRY_TRASHED))
		return false;
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		if (rcpt_final(&e->rcpts[i]))
			continue;
		if (e->rcpts[i].place == PLACE_LEASED)
			(*leased)++;
		else
			pack_u32(&numbers, i);
	}
	bool any = numbers.len > 0;
	if (any) {
		queue_deactivate(q, e);
		fail_here(q, e, by, buf_view(&numbers), text);
		queue_finish(q, e);
	}
	buf_clear(&numbers);
	return any;
}

/* -- the end of an attempt round --------------------------------------------------------------- */

/* Only what failed since the clock was set may be called too old. */
static bool
may_expire(const struct queue *q, const struct entry_rcpt *r)
{
	if (r->status != RCPT_DEFERRED)
		return false;
	if (r->place == PLACE_BLOCKED) {	/* an operator's suspension costs no mail */
		const struct dest *d = dest_numbered(q, r->dest);
		return d->halt == NULL && d->failed_at > q->stepped;
	}
	return r->place == PLACE_TIMER && r->next > queue_now(q);
}

static void
expire(struct queue *q, struct entry *e)
{
	struct buf numbers = BUF_INIT(0);
	char id[QID_TEXT];

	if (e->open == 0 || queue_age(q, e) < queue_lifetime(q, e))
		return;
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && may_expire(q, &e->rcpts[i]))
			pack_u32(&numbers, i);
	if (numbers.len > 0) {
		log_info("qmgr", "%s: from=<%.*s>, status=expired, returned to sender", qid_text(e->id, id),
		    SPAN_ARG(entry_sender(e)));
		struct spool_event ev = { .kind = EVENT_EXPIRED, .numbers = buf_view(&numbers) };
		(void)journal_add(q, e, &ev);
		struct unpack u = { .left = buf_view(&numbers) };
		while (unpack_more(&u))
			queue_place(q, e, unpack_u32(&u), PLACE_DONE, NULL);
		q->counters.expired++;
	}
	buf_clear(&numbers);
}

void
queue_finish(struct queue *q, struct entry *e)
{
	struct run *run = e->run;
	bool stopped = e->flags & (ENTRY_HELD | ENTRY_BAD);
	char id[QID_TEXT];

	if (run != NULL && (run->jobs != NULL || run->routing > 0)) {
		queue_set_timer(q, e);
		return;
	}
	if (!(e->flags & ENTRY_TRASHED)) {
		if (!stopped)
			expire(q, e);
		bool wanted = notices_due(q, e);
		if (!stopped)
			notices_delay(q, e);
		if (e->open == 0 && !wanted && (e->extra == NULL || e->extra->intents == NULL)) {
			log_info("qmgr", "%s: removed", qid_text(e->id, id));
			journal_end(q, e, EVENT_END);
			return;
		}
	}
	queue_set_timer(q, e);
	queue_run_end(q, e);
}

/* The timer of a message that waits behind a destination: it has become old, or the sender is to be warned. */
void
queue_expire_due(struct queue *q, struct entry *e)
{
	queue_finish(q, e);
}
