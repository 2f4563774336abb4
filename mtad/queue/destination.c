/*
 * Destinations: a transport and a next hop, with the concurrency that the other side bears, what is queued for it, and, where it does
 * not answer, what waits behind it. Feedback and its names are Postfix's (SCHEDULER_README).
 */
#include "queue/core.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define IDLE_KEEP	MINUTE		/* an idle destination is remembered so long: its concurrency, its workers */
#define NEXTHOP_MAX	512u

static void
limits_get(struct queue *q, struct transport *t)
{
	t->generation = q->conf.generation;
	t->complained = false;
	if (!q->ops->transport(q->arg, span_str(t->name), &t->limits))
		t->limits = (struct transport_limits){ .kind = TRANSPORT_NONE };
}

struct transport *
transport_get(struct queue *q, struct span name)
{
	struct transport *t;

	for (t = q->transports; t != NULL; t = t->next)
		if (span_eqs(name, t->name))
			break;
	if (t == NULL) {
		MEM_NEW(t);
		t->name = span_dup(name);
		t->next = q->transports;
		q->transports = t;
		limits_get(q, t);
	} else if (t->generation != q->conf.generation) {
		limits_get(q, t);
	}
	return t;
}

struct dest *
dest_numbered(const struct queue *q, uint32_t number)
{
	return number == 0 || number > q->dest_count ? NULL : q->numbered[number - 1];
}

static uint32_t
number_take(struct queue *q, struct dest *d)
{
	for (uint32_t i = q->dest_free; i < q->dest_count; i++)
		if (q->numbered[i] == NULL) {
			q->numbered[i] = d;
			q->dest_free = i + 1;
			return i + 1;
		}
	if (q->dest_count == q->dest_cap) {
		q->dest_cap = q->dest_cap == 0 ? 64 : q->dest_cap * 2;
		q->numbered = mem_grow(q->numbered, q->dest_cap, sizeof(struct dest *));
	}
	q->numbered[q->dest_count++] = d;
	q->dest_free = q->dest_count;
	return q->dest_count;
}

struct dest *
dest_get(struct queue *q, struct transport *t, struct span nexthop)
{
	char key[NEXTHOP_MAX + 256];
	size_t n = strlen(t->name), m = nexthop.len < NEXTHOP_MAX ? nexthop.len : NEXTHOP_MAX;

	if (n > 200)
		n = 200;
	memcpy(key, t->name, n);
	key[n] = '\0';
	for (size_t i = 0; i < m; i++) {
		char c = nexthop.ptr[i];
		key[n + 1 + i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	struct dest *d = map_get(&q->dests, span_of(key, n + 1 + m));
	if (d != NULL)
		return d;
	MEM_NEW(d);
	d->transport = t;
	d->key_len = n + 1 + m;
	d->key = span_dup(span_of(key, d->key_len));
	d->nexthop = d->key + n + 1;
	d->window = t->limits.initial;
	d->number = number_take(q, d);
	map_add(&q->dests, d);
	heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);
	suspend_attach(q, d);
	return d;
}

static void
dest_free_memory(struct dest *d)
{
	free(d->key);
	free(d->flows);
	free(d->reason);
	free(d->blocked);
	free(d);
}

void
dest_reap(struct queue *q, struct dest *d)
{
	if (d->busy > 0 || d->queued > 0 || d->blocked_rcpts > 0 || d->probe != NULL || d->is_ready || d->releasing ||
	    d->draining) {
		heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);
		return;
	}
	heap_del(&q->dest_timers, &d->timer);
	(void)map_del(&q->dests, span_of(d->key, d->key_len));
	q->numbered[d->number - 1] = NULL;
	if (d->number - 1 < q->dest_free)
		q->dest_free = d->number - 1;
	dest_free_memory(d);
}

void
dests_clear(struct queue *q)
{
	heap_clear(&q->dest_timers);
	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL)
			dest_free_memory(q->numbered[i]);
	free(q->numbered);
	map_clear(&q->dests);
	while (q->transports != NULL) {
		struct transport *t = q->transports;
		q->transports = t->next;
		free(t->name);
		free(t);
	}
}

/* -- the queue of a destination ---------------------------------------------------------- */

static bool
may_send(const struct queue *q, const struct dest *d)
{
	if (d->queued == 0 || d->halt != NULL)
		return false;
	if (d->suspended)
		return d->probe != NULL && d->probe->queued;
	if (d->transport->limits.rate_delay > 0)
		return d->busy == 0 && queue_now(q) >= d->pause;
	return d->busy < (uint32_t)(d->window < 1 ? 1 : d->window);
}

void
dest_ready(struct queue *q, struct dest *d)
{
	struct transport *t = d->transport;

	if (d->blocked_count > 0 && !d->suspended && d->halt == NULL && !d->releasing) {
		d->releasing = true;
		d->next_release = NULL;
		if (q->release == NULL)
			q->release = d;
		else
			q->release_last->next_release = d;
		q->release_last = d;
	}
	if (d->is_ready || !may_send(q, d))
		return;
	d->is_ready = true;
	d->next_ready = NULL;
	if (t->ready == NULL)
		t->ready = d;
	else
		t->ready_last->next_ready = d;
	t->ready_last = d;
	q->ops->wake(q->arg);
}

/* Senders take turns: one who sends a lot waits behind himself, not others behind him. */
void
dest_enqueue(struct queue *q, struct job *j)
{
	struct dest *d = j->dest;

	if (d->flows == NULL)
		d->flows = mem_array(FLOWS, sizeof *d->flows);
	j->flow = (uint32_t)(map_hash(entry_sender(j->entry)) % FLOWS);
	struct job_list *list = &d->flows[j->flow];
	j->prev = list->last;
	j->next = NULL;
	if (list->last == NULL)
		list->first = j;
	else
		list->last->next = j;
	list->last = j;
	d->filled |= 1u << j->flow;
	j->queued = true;
	d->queued++;
	dest_ready(q, d);
}

void
dest_dequeue(struct queue *q, struct job *j)
{
	struct dest *d = j->dest;
	struct job_list *list = &d->flows[j->flow];

	(void)q;
	if (!j->queued)
		return;
	if (j->prev == NULL)
		list->first = j->next;
	else
		j->prev->next = j->next;
	if (j->next == NULL)
		list->last = j->prev;
	else
		j->next->prev = j->prev;
	if (list->first == NULL)
		d->filled &= ~(1u << j->flow);
	j->queued = false;
	if (--d->queued == 0) {
		free(d->flows);
		d->flows = NULL;
	}
}

struct job *
dest_next(struct queue *q, struct dest *d)
{
	if (!may_send(q, d))
		return NULL;
	if (d->suspended)
		return d->probe;
	uint32_t ahead = d->filled >> d->turn << d->turn;
	uint32_t flow = (uint32_t)__builtin_ctz(ahead != 0 ? ahead : d->filled);
	d->turn = (flow + 1) % FLOWS;
	return d->flows[flow].first;
}

/* -- what waits behind a suspended one --------------------------------------------------------- */

static void
ring_put(struct dest *d, struct qid id)
{
	if (d->blocked_count == d->blocked_cap) {
		size_t cap = d->blocked_cap == 0 ? 16 : d->blocked_cap * 2;
		struct qid *ring = mem_array(cap, sizeof *ring);
		for (size_t i = 0; i < d->blocked_count; i++)
			ring[i] = d->blocked[(d->blocked_first + i) % d->blocked_cap];
		free(d->blocked);
		d->blocked = ring;
		d->blocked_first = 0;
		d->blocked_cap = cap;
	}
	d->blocked[(d->blocked_first + d->blocked_count++) % d->blocked_cap] = id;
}

static bool
ring_take(struct dest *d, struct qid *id)
{
	if (d->blocked_count == 0)
		return false;
	*id = d->blocked[d->blocked_first];
	d->blocked_first = (d->blocked_first + 1) % d->blocked_cap;
	if (--d->blocked_count == 0) {
		free(d->blocked);
		d->blocked = NULL;
		d->blocked_cap = d->blocked_first = 0;
	}
	return true;
}

void
dest_block(struct queue *q, struct dest *d, struct entry *e, uint32_t rcpt)
{
	queue_place(q, e, rcpt, PLACE_BLOCKED, d);
	if (d->blocked_count == 0 ||
	    !qid_eq(d->blocked[(d->blocked_first + d->blocked_count - 1) % d->blocked_cap], e->id))
		ring_put(d, e->id);
	/* Blocked while it is let go already (a late answer): the next in turn. */
	dest_ready(q, d);
}

static bool
has_blocked(const struct entry *e, const struct dest *d)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].place == PLACE_BLOCKED && e->rcpts[i].dest == d->number)
			return true;
	return false;
}

/* The next message that waits behind it; those that were held, deleted or expired meanwhile are passed over. */
static struct entry *
next_blocked(struct queue *q, struct dest *d)
{
	struct qid id;

	while (ring_take(d, &id)) {
		struct entry *e = index_find(&q->index, id);
		if (e != NULL && has_blocked(e, d))
			return e;
	}
	return NULL;
}

void
dest_scatter(struct queue *q, struct dest *d)
{
	int64_t now = queue_now(q);

	for (struct entry *e; (e = next_blocked(q, d)) != NULL;) {
		for (uint32_t i = 0; i < e->rcpt_count; i++) {
			if (e->rcpts[i].place != PLACE_BLOCKED || e->rcpts[i].dest != d->number)
				continue;
			queue_place(q, e, i, PLACE_TIMER, NULL);
			e->rcpts[i].next = now;
		}
		queue_set_timer(q, e);
	}
}

void
dest_probe(struct queue *q, struct dest *d)
{
	if (d->halt != NULL) {		/* no probe while an operator suspends it */
		d->pause = 0;
		dest_reap(q, d);
		return;
	}
	if (!d->suspended && d->pause != 0) {		/* the rate delay is over */
		d->pause = 0;
		heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);
		dest_ready(q, d);
		return;
	}
	if (!d->suspended || d->probe != NULL || d->blocked_rcpts == 0) {
		if (d->suspended && d->until + q->conf.maximal_backoff > queue_now(q))
			heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);
		else
			dest_reap(q, d);
		return;
	}
	heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);	/* should it come to nothing */
	for (int tries = 0; tries < 16 && d->probe == NULL; tries++) {
		struct entry *e = next_blocked(q, d);
		if (e == NULL)
			return;
		queue_activate(q, e, d, true);
	}
	if (d->probe == NULL)
		heap_set(&q->dest_timers, &d->timer, queue_now(q));
}

static bool
room_for_more(const struct queue *q, const struct dest *d)
{
	return !d->suspended && d->halt == NULL && d->queued < (uint32_t)d->window + 8 && q->active < q->conf.active_limit &&
	    q->active_rcpts < q->conf.recipient_limit;
}

/* Paced by concurrency: a destination gets as many back into the active queue as it will soon take. */
void
dest_releases(struct queue *q, int budget)
{
	struct dest *d, *stop = NULL;

	while (budget-- > 0 && (d = q->release) != NULL && d != stop) {
		if (q->active >= q->conf.active_limit || q->active_rcpts >= q->conf.recipient_limit)
			return;
		q->release = d->next_release;
		d->releasing = false;
		struct entry *e = room_for_more(q, d) ? next_blocked(q, d) : NULL;
		if (e == NULL)
			continue;	/* dest_ready puts it back when a job of it is leased */
		queue_activate(q, e, d, false);
		dest_ready(q, d);
	}
}

/* Mail that was deferred before keeps its own reason: nothing was tried. */
static void
halted_outcome(struct queue *q, struct entry *e, const uint32_t *rcpts, uint32_t n)
{
	uint32_t *fresh = mem_array(n, sizeof *fresh), count = 0;

	for (uint32_t i = 0; i < n; i++)
		if (e->rcpts[rcpts[i]].status == RCPT_WAITING)
			fresh[count++] = rcpts[i];
	if (count > 0)
		queue_outcome_here(q, e, fresh, count, OUTCOME_DEFERRED, "error", SPAN("4.3.2"),
		    SPAN("delivery temporarily suspended by the administrator"));
	free(fresh);
}

void
dest_wait_outcome(struct queue *q, struct dest *d, struct entry *e, const uint32_t *rcpts, uint32_t n)
{
	struct buf text = BUF_INIT(1024);

	if (d->halt != NULL) {
		halted_outcome(q, e, rcpts, n);
		return;
	}
	buf_printf(&text, "delivery temporarily suspended: %s", d->reason == NULL ? "destination is down" : d->reason);
	queue_outcome_here(q, e, rcpts, n, OUTCOME_DEFERRED, "error", span_str(d->dsn), buf_view(&text));
	buf_clear(&text);
}

/* A job that can't go now: its recipients are deferred, as Postfix does, and wait behind the destination. */
static void
drain_job(struct queue *q, struct dest *d, struct job *j)
{
	struct entry *e = j->entry;
	uint32_t n = j->count - j->taken, *rcpts = mem_array(n, sizeof *rcpts);

	memcpy(rcpts, j->rcpts + j->taken, n * sizeof *rcpts);
	dest_dequeue(q, j);
	j->count = j->taken;
	if (j->leases == 0)
		job_free(q, j);
	dest_wait_outcome(q, d, e, rcpts, n);
	for (uint32_t i = 0; i < n; i++)
		dest_block(q, d, e, rcpts[i]);
	free(rcpts);
	queue_finish(q, e);
}

/* What is queued and must not be: with an operator's suspension the probe as well. */
static struct job *
to_drain(const struct dest *d)
{
	if (!d->suspended && d->halt == NULL)
		return NULL;
	for (uint32_t f = 0; d->flows != NULL && f < FLOWS; f++)
		for (struct job *j = d->flows[f].first; j != NULL; j = j->next)
			if (j != d->probe || d->halt != NULL)
				return j;
	return NULL;
}

void
dest_drain(struct queue *q, int budget)
{
	struct dest *d;

	while (budget-- > 0 && (d = q->drain) != NULL) {
		struct job *j = to_drain(d);
		if (j != NULL) {
			drain_job(q, d, j);
			continue;
		}
		q->drain = d->next_drain;
		d->draining = false;
	}
}

/* -- feedback -------------------------------------------------------------------------------- */

void
dest_touch(struct queue *q, struct dest *d)
{
	int64_t delay = d->transport->limits.rate_delay;

	if (delay > 0 && !d->suspended) {
		d->pause = queue_now(q) + delay;
		heap_set(&q->dest_timers, &d->timer, d->pause);
	} else if (!d->suspended)
		heap_set(&q->dest_timers, &d->timer, queue_now(q) + IDLE_KEEP);
}

void
dest_unsuspend(struct queue *q, struct dest *d)
{
	d->suspended = false;
	d->window = d->transport->limits.initial;
	d->success = d->failed_cohorts = 0;
	free(d->reason);
	d->reason = NULL;
	dest_touch(q, d);
	dest_ready(q, d);
}

/* Newton's; the windows are between 1 and some thousands. */
static double
root_of(double x)
{
	double r = x;

	for (int i = 0; i < 24; i++)
		r = (r + x / r) / 2;
	return r;
}

static double
feedback(double number, enum feedback_by by, double window)
{
	double bounded = window < 1 ? 1 : window;

	return by == PER_CONCURRENCY ? number / bounded : by == PER_ROOT ? number / root_of(bounded) : number;
}

void
dest_succeeded(struct queue *q, struct dest *d)
{
	const struct transport_limits *l = &d->transport->limits;

	if (d->suspended) {
		log_info("qmgr", "destination %s:%s is alive again, %llu recipients wait", d->transport->name,
		    d->nexthop, (unsigned long long)d->blocked_rcpts);
		dest_unsuspend(q, d);
		return;
	}
	d->failed_cohorts = 0;
	/* No growth beyond what is used, or an idle time would let loose a burst. */
	if ((l->limit > 0 && d->window >= l->limit) || d->window >= d->busy + l->initial)
		return;
	d->success += feedback(l->positive, l->positive_by, d->window);
	while (d->success >= 1) {
		d->window += 1;
		d->success -= 1;
	}
	if (l->limit > 0 && d->window > l->limit)
		d->window = l->limit;
}

static void
drain_later(struct queue *q, struct dest *d)
{
	if (d->draining || d->queued == 0)
		return;
	d->draining = true;
	d->next_drain = NULL;
	if (q->drain == NULL)
		q->drain = d;
	else
		q->drain_last->next_drain = d;
	q->drain_last = d;
	q->ops->wake(q->arg);
}

void
dest_halted(struct queue *q, struct dest *d)
{
	drain_later(q, d);
}

static void
suspend(struct queue *q, struct dest *d)
{
	int64_t now = queue_now(q);

	if (!d->suspended)
		d->since = now;
	d->suspended = true;
	d->until = now + backoff(q, now - d->since);
	heap_set(&q->dest_timers, &d->timer, d->until);
	drain_later(q, d);
}

void
dest_failed(struct queue *q, struct dest *d, struct span dsn, struct span text)
{
	const struct transport_limits *l = &d->transport->limits;

	d->failed_at = queue_now(q);
	free(d->reason);
	d->reason = span_dup(span_head(text, 500));
	size_t n = dsn.len < sizeof d->dsn ? dsn.len : sizeof d->dsn - 1;
	memcpy(d->dsn, n == 0 ? "" : dsn.ptr, n);
	d->dsn[n] = '\0';
	if (d->suspended) {
		suspend(q, d);
		return;
	}
	d->failed_cohorts += 1 / (d->window < 1 ? 1 : d->window);
	d->window -= feedback(l->negative, l->negative_by, d->window);
	if (d->window < 1)
		d->window = 1;
	if (l->cohorts > 0 && d->failed_cohorts >= l->cohorts) {
		log_info("qmgr", "destination %s:%s is suspended: %s", d->transport->name, d->nexthop, d->reason);
		suspend(q, d);
	}
}
