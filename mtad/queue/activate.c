/*
 * Activation: every due recipient of a message is routed anew and put behind its destination. What routing cannot settle, and what
 * the transports error, retry and discard say, is an outcome at once.
 */
#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"

static struct job *
job_for(struct queue *q, struct entry *e, struct dest *d)
{
	struct run *run = queue_run_of(e);

	if (d->stamp == q->stamp && d->stamped != NULL)
		return d->stamped;
	struct job *j;
	MEM_NEW(j);
	j->entry = e;
	j->dest = d;
	j->next_of_entry = run->jobs;
	run->jobs = j;
	d->stamp = q->stamp;
	d->stamped = j;
	return j;
}

static void
job_add(struct job *j, uint32_t rcpt)
{
	if (j->count == j->cap) {
		j->cap = j->cap == 0 ? 1 : j->cap * 2;
		j->rcpts = mem_grow(j->rcpts, j->cap, sizeof *j->rcpts);
	}
	j->rcpts[j->count++] = rcpt;
}

void
job_free(struct queue *q, struct job *j)
{
	struct run *run = j->entry->run;
	struct dest *d = j->dest;

	dest_dequeue(q, j);
	for (struct job **at = &run->jobs; *at != NULL; at = &(*at)->next_of_entry) {
		if (*at != j)
			continue;
		*at = j->next_of_entry;
		break;
	}
	if (d->stamped == j)
		d->stamped = NULL;
	if (d->probe == j) {
		d->probe = NULL;
		int64_t now = queue_now(q);
		if (d->suspended)	/* it was held, deleted or went elsewhere: another one is to try */
			heap_set(&q->dest_timers, &d->timer, d->until > now ? d->until : now + SECOND);
	}
	free(j->rcpts);
	free(j);
}

/* "5.1.1": a class of success or failure and two numbers of at most three digits. */
static bool
dsn_valid(struct span s)
{
	struct span part;
	int n = 0;

	if (s.len < 5 || s.ptr[1] != '.' || strchr("245", s.ptr[0]) == NULL)
		return false;
	for (uint32_t v; span_cut(&s, '.', &part); n++)
		if (part.len > 3 || !num_u32(part, &v))
			return false;
	return n == 3;
}

/* The transports that Postfix's error(8) and discard(8) are: next hop "5.7.1 text", or only a text. */
static void
settle_here(struct queue *q, struct entry *e, uint32_t rcpt, const struct transport *t, struct span nexthop)
{
	bool retry = strcmp(t->name, "retry") == 0, discard = t->limits.kind == TRANSPORT_DISCARD;
	struct span dsn = SPAN_NONE, text = nexthop, word;

	if (span_cut(&text, ' ', &word) && dsn_valid(word))
		dsn = word;
	else
		text = nexthop;
	if (dsn.len == 0)
		dsn = discard ? SPAN("2.0.0") : retry ? SPAN("4.0.0") : SPAN("5.0.0");
	text = span_trim(text);
	if (text.len == 0)
		text = discard ? SPAN("message discarded") : SPAN("mail cannot be delivered to this address");
	uint8_t status = discard ? OUTCOME_SENT : dsn.ptr[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_BOUNCED;
	queue_outcome_here(q, e, &rcpt, 1, status, discard ? "discard" : retry ? "retry" : "error", dsn, text);
}

static void
no_transport(struct queue *q, struct entry *e, uint32_t rcpt, struct transport *t)
{
	struct buf text = BUF_INIT(512);

	buf_printf(&text, "mail transport %s is unknown, or not available here", t->name);
	if (!t->complained)
		log_warning("qmgr", "mail transport %s is not in master.cf, or its command is not available in this "
		    "version; its mail stays deferred", t->name);
	t->complained = true;
	queue_outcome_here(q, e, &rcpt, 1, OUTCOME_DEFERRED, "error", SPAN("4.3.5"), buf_view(&text));
	buf_clear(&text);
}

struct activation {
	struct dest	*from;		/* blocked recipients of this one are let go */
	bool		 is_probe;
};

/* Mail for a suspended destination waits behind it, unless it is the probe. */
static void
behind(struct queue *q, struct entry *e, uint32_t rcpt, struct dest *d, const struct activation *a, bool was_blocked)
{
	bool on_trial = d->until <= queue_now(q) && d->blocked_rcpts == 0;

	if (d->halt == NULL && d->probe == NULL && (on_trial || (a->is_probe && a->from == d))) {
		struct job *j = job_for(q, e, d);
		job_add(j, rcpt);
		d->probe = j;
		j->probe = true;
		queue_place(q, e, rcpt, PLACE_QUEUED, d);
		return;
	}
	if (d->halt == NULL && d->probe != NULL && d->stamped == d->probe && d->stamp == q->stamp && !d->probe->queued) {
		job_add(d->probe, rcpt);	/* more recipients of the probe's message */
		queue_place(q, e, rcpt, PLACE_QUEUED, d);
		return;
	}
	if (!was_blocked)
		dest_wait_outcome(q, d, e, &rcpt, 1);
	dest_block(q, d, e, rcpt);
}

static void
to_destination(struct queue *q, struct entry *e, uint32_t rcpt, const struct queue_route *to,
    const struct activation *a, bool was_blocked)
{
	struct transport *t = transport_get(q, to->transport);

	if (t->limits.deferred && !(e->rcpts[rcpt].flags & RCPT_FORCED)) {
		queue_outcome_here(q, e, &rcpt, 1, OUTCOME_DEFERRED, "retry", SPAN("4.3.2"), SPAN("deferred transport"));
		return;
	}
	switch (t->limits.kind) {
	case TRANSPORT_ERROR:
	case TRANSPORT_DISCARD:
		settle_here(q, e, rcpt, t, to->nexthop);
		return;
	case TRANSPORT_NONE:
		no_transport(q, e, rcpt, t);
		return;
	case TRANSPORT_SEND:
	case TRANSPORT_LOCAL:
		break;
	}
	struct dest *d = dest_get(q, t, to->nexthop);
	if (d->suspended && d->halt == NULL && (e->rcpts[rcpt].flags & RCPT_FORCED))
		dest_unsuspend(q, d);
	e->rcpts[rcpt].flags = (uint8_t)(e->rcpts[rcpt].flags & ~RCPT_FORCED);
	if (d->suspended || d->halt != NULL) {
		behind(q, e, rcpt, d, a, was_blocked);
		return;
	}
	job_add(job_for(q, e, d), rcpt);
	queue_place(q, e, rcpt, PLACE_QUEUED, d);
}

static void
route_one(struct queue *q, struct entry *e, uint32_t rcpt, const struct activation *a)
{
	struct queue_route to = { 0 };
	bool was_blocked = e->rcpts[rcpt].place == PLACE_BLOCKED;

	queue_place(q, e, rcpt, PLACE_TIMER, NULL);
	switch (q->ops->route(q->arg, e, rcpt, &to)) {
	case ROUTED_TO:
		to_destination(q, e, rcpt, &to, a, was_blocked);
		break;
	case ROUTED_LATER:
		queue_run_of(e)->routing++;
		queue_place(q, e, rcpt, PLACE_ROUTING, NULL);
		break;
	case ROUTED_DEFER:
		queue_outcome_here(q, e, &rcpt, 1, OUTCOME_DEFERRED, "error", to.dsn, to.text);
		break;
	case ROUTED_BOUNCE:
		queue_outcome_here(q, e, &rcpt, 1, OUTCOME_BOUNCED, "error", to.dsn, to.text);
		break;
	}
}

static bool
is_due(const struct entry *e, uint32_t rcpt, int64_t now, const struct dest *from)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];

	if (rcpt_final(r))
		return false;
	return (r->place == PLACE_TIMER && r->next <= now) ||
	    (from != NULL && r->place == PLACE_BLOCKED && r->dest == from->number);
}

static void
begin(struct queue *q, struct entry *e, struct run *run)
{
	char id[QID_TEXT];

	if (!(e->flags & ENTRY_RUNNING)) {
		index_running(&q->index, e, true);
		q->active++;
		run->active = queue_now(q);
		run->logged = false;
	}
	if (run->logged)
		return;
	run->logged = true;
	log_info("qmgr", "%s: from=<%.*s>, size=%llu, nrcpt=%u (queue active)", qid_text(e->id, id),
	    SPAN_ARG(entry_sender(e)), (unsigned long long)e->size, e->open);
}

void
queue_activate(struct queue *q, struct entry *e, struct dest *from, bool is_probe)
{
	struct activation a = { .from = from, .is_probe = is_probe };
	struct run *run = queue_run_of(e);
	int64_t now = queue_now(q);

	begin(q, e, run);
	q->stamp++;
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (is_due(e, i, now, from))
			route_one(q, e, i, &a);
	for (struct job *j = run->jobs, *next; j != NULL; j = next) {
		next = j->next_of_entry;
		if (!j->queued && j->taken < j->count)
			dest_enqueue(q, j);
	}
	if (run->jobs == NULL && run->routing == 0)
		queue_finish(q, e);
	else
		queue_set_timer(q, e);
}

void
queue_routed(struct queue *q, struct qid id)
{
	struct entry *e = index_find(&q->index, id);
	struct run *run = e == NULL ? NULL : e->run;

	if (run == NULL || run->routing == 0)
		return;
	run->routing = 0;
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].place == PLACE_ROUTING)
			queue_place(q, e, i, PLACE_TIMER, NULL);
	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		queue_finish(q, e);
	else
		queue_activate(q, e, NULL, false);
	q->ops->wake(q->arg);
}

/* What is leased goes on; the rest waits for its timer, which is due. */
void
queue_deactivate(struct queue *q, struct entry *e)
{
	struct run *run = e->run;

	if (run == NULL)
		return;
	for (struct job *j = run->jobs, *next; j != NULL; j = next) {
		next = j->next_of_entry;
		for (uint32_t i = j->taken; i < j->count; i++)
			queue_place(q, e, j->rcpts[i], PLACE_TIMER, NULL);
		dest_dequeue(q, j);
		j->count = j->taken;
		if (j->leases == 0)
			job_free(q, j);
	}
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].place == PLACE_ROUTING || e->rcpts[i].place == PLACE_BLOCKED)
			queue_place(q, e, i, PLACE_TIMER, NULL);
	run->routing = 0;
}
