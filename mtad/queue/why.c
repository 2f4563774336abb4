/*
 * Why a recipient is still here and what happens next, in words, from the very facts that the scheduler acts on.
 */
#include "queue/core.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "mail/notice.h"

#define PUT(field, ...)	((void)snprintf(field, sizeof field, __VA_ARGS__))

static const struct lease *
lease_of(const struct queue *q, const struct entry *e, uint32_t rcpt)
{
	size_t at = 0;
	const struct lease *l;

	while ((l = map_next(&q->leases, &at)) != NULL) {
		if (l->job->entry != e)
			continue;
		for (uint32_t i = 0; i < l->count; i++)
			if (l->rcpts[i] == rcpt)
				return l;
	}
	return NULL;
}

static void
why_stopped(const struct queue *q, const struct entry *e, struct why *w)
{
	const char *reason = e->extra == NULL || e->extra->reason == NULL ? "no reason given" : e->extra->reason;
	const char *actor = e->extra == NULL || e->extra->actor == NULL ? "the receiving side" : e->extra->actor;

	if (e->flags & ENTRY_TRASHED) {
		struct span by = entry_deleted_by(&q->index, e);
		PUT(w->blocker, "deleted by %.*s", SPAN_ARG(by.len > 0 ? by : SPAN("an operator")));
		PUT(w->next, "it is purged for good");
		w->next_time = queue_wall(q, e->extra->until);
		PUT(w->help, "undelete takes it back");
	} else if (e->flags & ENTRY_BAD) {
		PUT(w->blocker, "the message is damaged: %s", reason);
		PUT(w->next, "nothing, until it is released or deleted");
		PUT(w->help, "look at it with cat; then release or delete it");
	} else {
		PUT(w->blocker, "held by %s: %s", actor, reason);
		PUT(w->next, "nothing, until it is released");
		PUT(w->help, "release lets it go");
	}
}

static void
why_halted(const struct dest *d, struct why *w)
{
	struct buf text = BUF_INIT(2048), name = BUF_INIT(1024);

	suspension_text(d->halt, d, &text);
	suspension_name(d->halt, &name);
	PUT(w->blocker, "%s", text.ptr == NULL ? "" : text.ptr);
	PUT(w->help, "\"mtactl dest resume %.200s\" lets its mail go", name.ptr == NULL ? "" : name.ptr);
	w->next_time = d->halt->until;
	PUT(w->next, d->halt->until != 0 ? "the suspension ends, and what waited is delivered" :
	    "nothing, until the destination is resumed");
	buf_clear(&text);
	buf_clear(&name);
}

static void
why_blocked(const struct queue *q, const struct entry_rcpt *r, struct why *w)
{
	const struct dest *d = dest_numbered(q, r->dest);

	if (d == NULL)
		return;
	if (d->halt != NULL) {
		why_halted(d, w);
		return;
	}
	if (!d->suspended) {
		PUT(w->blocker, "destination %s:%s answers again and takes what waited, %u at a time", d->transport->name,
		    d->nexthop, (unsigned)d->window);
		PUT(w->next, "it is its turn soon; %llu recipients wait", (unsigned long long)d->blocked_rcpts);
		return;
	}
	PUT(w->blocker, "destination %s:%s is suspended: %.120s", d->transport->name, d->nexthop,
	    d->reason == NULL ? "" : d->reason);
	if (d->probe != NULL)
		PUT(w->next, "one message is on its way there to see whether it answers");
	else
		PUT(w->next, "one message is sent there to see whether it answers");
	w->next_time = d->probe != NULL ? queue_wall(q, queue_now(q)) : queue_wall(q, d->until);
	PUT(w->help, "flush tries the destination now");
}

static void
why_queued(const struct queue *q, const struct entry_rcpt *r, struct why *w)
{
	const struct dest *d = dest_numbered(q, r->dest);
	bool worker = false;

	if (d == NULL)
		return;
	const struct transport *t = d->transport;
	uint8_t role = t->limits.kind == TRANSPORT_LOCAL ? ROLE_LOCAL : ROLE_SEND;
	for (uint32_t i = 0; i < q->worker_count; i++)
		worker = worker || (q->workers[i].up && q->workers[i].role == role);
	if (!worker)
		PUT(w->blocker, "no %s process is running", role_name((enum role)role));
	else if (t->limits.maxproc > 0 && t->busy >= t->limits.maxproc)
		PUT(w->blocker, "transport %s has all of its %u deliveries under way", t->name, t->limits.maxproc);
	else if (t->limits.pace > 0 && (t->busy > 0 || t->pause > queue_now(q)))
		PUT(w->blocker, "transport %s delivers one message at a time, with pauses (%s_transport_rate_delay)", t->name, t->name);
	else if (d->pause > queue_now(q))
		PUT(w->blocker, "transport %s pauses between deliveries to %s (%s_destination_rate_delay)", t->name,
		    d->nexthop, t->name);
	else if (d->busy >= (uint32_t)d->window)
		PUT(w->blocker, "destination %s:%s has all of its %u deliveries under way", t->name, d->nexthop,
		    (unsigned)d->window);
	else
		PUT(w->blocker, "%u deliveries are before it for %s:%s", d->queued, t->name, d->nexthop);
	PUT(w->next, "delivery to %s:%s, when one of them ends", t->name, d->nexthop);
}

static void
why_leased(const struct queue *q, const struct entry *e, uint32_t rcpt, struct why *w)
{
	const struct lease *l = lease_of(q, e, rcpt);
	int64_t now = queue_now(q);

	if (l == NULL)
		return;
	PUT(w->blocker, "delivery to %s:%s is under way for %lld s: %s%s%s", l->job->dest->transport->name,
	    l->job->dest->nexthop, (long long)((now - l->started) / SECOND), lease_stage_text(l->stage),
	    l->peer == NULL ? "" : ", ", l->peer == NULL ? "" : l->peer);
	PUT(w->next, "its result, or the time-out of that stage");
}

static void
why_timer(const struct queue *q, const struct entry *e, const struct entry_rcpt *r, struct why *w)
{
	int64_t now = queue_now(q);

	if (!q->open) {
		PUT(w->blocker, "mtad was just started: its processes tell what they deliver");
		PUT(w->next, "delivery, when each has");
		return;
	}
	if (r->next > now) {
		PUT(w->next, "the next attempt");
		w->next_time = queue_wall(q, r->next);
		PUT(w->help, "flush tries it now");
		return;
	}
	w->next_time = queue_wall(q, now);
	if (q->active >= q->conf.active_limit)
		PUT(w->blocker, "the active queue is full (qmgr_message_active_limit = %u)", q->conf.active_limit);
	else if (q->active_rcpts >= q->conf.recipient_limit)
		PUT(w->blocker, "the active queue is full (qmgr_message_recipient_limit = %u)", q->conf.recipient_limit);
	PUT(w->next, "an attempt, now");
	(void)e;
}

static void
why_final(const struct entry *e, const struct entry_rcpt *r, struct why *w)
{
	if ((r->flags & RCPT_INTENT) && e->extra != NULL && e->extra->intents != NULL) {
		PUT(w->blocker, "its notice to <%.100s> is being made", e->extra->intents->recipient);
		PUT(w->next, "the message ends when the notice is in the queue");
	} else {
		PUT(w->next, "nothing: it is finished; the message has other recipients");
	}
}

void
queue_why(const struct queue *q, const struct entry *e, uint32_t rcpt, struct why *w)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];

	*w = (struct why){ 0 };
	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED) && r->place != PLACE_LEASED)
		why_stopped(q, e, w);
	else if (rcpt_final(r))
		why_final(e, r, w);
	else if (r->place == PLACE_BLOCKED)
		why_blocked(q, r, w);
	else if (r->place == PLACE_QUEUED)
		why_queued(q, r, w);
	else if (r->place == PLACE_LEASED)
		why_leased(q, e, rcpt, w);
	else if (r->place == PLACE_ROUTING)
		PUT(w->blocker, "routing waits for a table that another process looks up");
	else
		why_timer(q, e, r, w);
}
