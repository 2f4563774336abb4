/*
 * When: timers and back-off; and who next: leases, given as concurrency, process limits and workers allow, in turn over destinations.
 */
#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/ipc.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/verp.h"

/* Postfix's: a message is tried again after as long as it has waited, within bounds. */
int64_t
backoff(const struct queue *q, int64_t age)
{
	if (age < q->conf.minimal_backoff)
		return q->conf.minimal_backoff;
	return age > q->conf.maximal_backoff ? q->conf.maximal_backoff : age;
}

/* -- timers --------------------------------------------------------------------------------- */

static bool
has_due(const struct entry *e, int64_t now)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && e->rcpts[i].place == PLACE_TIMER && e->rcpts[i].next <= now)
			return true;
	return false;
}

static void
wake_entry(struct queue *q, struct entry *e, int64_t now)
{
	if (e->flags & ENTRY_TRASHED)
		queue_purge(q, e);
	else if (has_due(e, now))
		queue_activate(q, e, NULL, false);
	else
		queue_expire_due(q, e);
}

/* New mail and mail that was deferred take turns, so that neither holds up the other. */
static struct heap *
next_heap(struct queue *q, int64_t now)
{
	struct heap_node *fresh = heap_first(&q->fresh), *tried = heap_first(&q->timers);
	bool have_fresh = fresh != NULL && fresh->at <= now, have_tried = tried != NULL && tried->at <= now;

	if (have_fresh && have_tried) {
		q->fresh_turn = !q->fresh_turn;
		return q->fresh_turn ? &q->fresh : &q->timers;
	}
	return have_fresh ? &q->fresh : have_tried ? &q->timers : NULL;
}

void
schedule_pump(struct queue *q, int budget)
{
	int64_t now = queue_now(q);
	struct heap *h;

	while (budget-- > 0 && q->active < q->conf.active_limit && q->active_rcpts < q->conf.recipient_limit &&
	    (h = next_heap(q, now)) != NULL) {
		struct heap_node *n = heap_first(h);
		heap_del(h, n);
		wake_entry(q, HEAP_ITEM(n, struct entry, timer), now);
	}
}

/* -- workers --------------------------------------------------------------------------------- */

struct worker *
worker_get(struct queue *q, uint8_t role, uint32_t slot)
{
	for (uint32_t i = 0; i < q->worker_count; i++)
		if (q->workers[i].role == role && q->workers[i].slot == slot)
			return &q->workers[i];
	q->workers = mem_grow(q->workers, q->worker_count + 1, sizeof *q->workers);
	struct worker *w = &q->workers[q->worker_count++];
	*w = (struct worker){ .role = role, .slot = slot };
	/* The array may have moved: the first lease of each list points back into it. */
	for (uint32_t i = 0; i < q->worker_count; i++)
		if (q->workers[i].leases != NULL)
			q->workers[i].leases->prev_of_worker = &q->workers[i].leases;
	return w;
}

/* The least loaded; one that has served the destination lately is preferred while the difference is small: its connections are open. */
static struct worker *
pick_worker(struct queue *q, const struct dest *d)
{
	uint8_t role = d->transport->limits.kind == TRANSPORT_LOCAL ? ROLE_LOCAL : ROLE_SEND;
	struct worker *least = NULL, *known = NULL;

	for (uint32_t i = 0; i < q->worker_count; i++) {
		struct worker *w = &q->workers[i];
		if (!w->up || w->role != role)
			continue;
		if (least == NULL || w->load < least->load)
			least = w;
		if (d->slots & (1u << (w->slot & 31)) && (known == NULL || w->load < known->load))
			known = w;
	}
	return known != NULL && known->load <= least->load + 2 ? known : least;
}

/* -- leases ------------------------------------------------------------------------------------ */

struct lease *
lease_find(const struct queue *q, uint64_t id)
{
	return map_get(&q->leases, span_of(&id, sizeof id));
}

static struct lease *
lease_new(struct queue *q, uint64_t id, struct job *j, struct worker *w, const uint32_t *rcpts, uint32_t n)
{
	struct lease *l;

	MEM_NEW(l);
	l->id = id;
	l->job = j;
	l->role = w->role;
	l->slot = w->slot;
	l->started = queue_now(q);
	l->rcpts = mem_array(n, sizeof *l->rcpts);
	l->count = n;
	memcpy(l->rcpts, rcpts, n * sizeof *rcpts);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t attempt = j->entry->rcpts[rcpts[i]].attempts + 1u;
		l->attempt = attempt > l->attempt ? attempt : l->attempt;
		queue_place(q, j->entry, rcpts[i], PLACE_LEASED, j->dest);
	}
	l->next_of_worker = w->leases;
	if (w->leases != NULL)
		w->leases->prev_of_worker = &l->next_of_worker;
	w->leases = l;
	l->prev_of_worker = &w->leases;
	w->load++;
	j->leases++;
	j->dest->busy++;
	j->dest->transport->busy++;
	j->dest->slots |= 1u << (w->slot & 31);
	map_add(&q->leases, l);
	q->counters.leases++;
	return l;
}

void
lease_end(struct queue *q, struct lease *l)
{
	struct job *j = l->job;
	struct dest *d = j->dest;

	(void)map_del(&q->leases, span_of(&l->id, sizeof l->id));
	*l->prev_of_worker = l->next_of_worker;
	if (l->next_of_worker != NULL)
		l->next_of_worker->prev_of_worker = l->prev_of_worker;
	worker_get(q, l->role, l->slot)->load--;
	j->leases--;
	d->busy--;
	d->transport->busy--;
	if (d->transport->limits.pace > 0)
		d->transport->pause = queue_now(q) + d->transport->limits.pace;
	free(l->rcpts);
	free(l->peer);
	free(l);
	if (j->leases == 0 && j->taken == j->count)
		job_free(q, j);
	dest_ready(q, d);
	q->ops->wake(q->arg);
}

/* The next recipients of the job, as many as one delivery takes. */
static void
lease_give(struct queue *q, struct job *j, struct worker *w)
{
	struct dest *d = j->dest;
	uint32_t n = j->count - j->taken, most = d->transport->limits.recipients;
	char verp[2];

	if (verp_delimiters(j->entry->envelope, verp))
		most = 1;	/* each has a sender of its own */
	if (most > 0 && n > most)
		n = most;
	const uint32_t *rcpts = j->rcpts + j->taken;
	j->taken += n;
	dest_dequeue(q, j);
	if (j->taken < j->count && !j->probe)
		dest_enqueue(q, j);	/* behind the others of its sender */
	struct lease *l = lease_new(q, ++q->lease_seq, j, w, rcpts, n);
	q->ops->deliver(q->arg, l);
}

/* What the probe's message has beyond one delivery waits with the others. */
static void
cut_probe(struct queue *q, struct job *j)
{
	struct dest *d = j->dest;
	uint32_t most = d->transport->limits.recipients;
	char verp[2];

	if (verp_delimiters(j->entry->envelope, verp))
		most = 1;
	if (most == 0 || j->count - j->taken <= most)
		return;
	for (uint32_t i = j->taken + most; i < j->count; i++)
		dest_block(q, d, j->entry, j->rcpts[i]);
	j->count = j->taken + most;
	queue_set_timer(q, j->entry);
}

static struct dest *
take_ready(struct transport *t)
{
	struct dest *d = t->ready;

	if (d == NULL)
		return NULL;
	t->ready = d->next_ready;
	d->is_ready = false;
	return d;
}

/* One lease for the transport's next destination; false where it can give none now. */
static bool
dispatch_one(struct queue *q, struct transport *t)
{
	if (t->limits.maxproc > 0 && t->busy >= t->limits.maxproc)
		return false;
	if (t->limits.pace > 0 && (t->busy > 0 || queue_now(q) < t->pause))
		return false;
	struct dest *d = t->ready;
	struct worker *w = d == NULL ? NULL : pick_worker(q, d);
	if (w == NULL)
		return false;
	(void)take_ready(t);
	struct job *j = dest_next(q, d);
	if (j == NULL)
		return true;
	if (j->probe)
		cut_probe(q, j);
	lease_give(q, j, w);
	dest_ready(q, d);
	return true;
}

#define LEASES_A_ROUND	2000

void
schedule_dispatch(struct queue *q)
{
	int budget = LEASES_A_ROUND;
	bool some = true;

	while (some && budget > 0) {
		some = false;
		for (struct transport *t = q->transports; t != NULL; t = t->next)
			if (t->ready != NULL && dispatch_one(q, t)) {
				some = true;
				budget--;
			}
	}
	if (budget <= 0)
		q->ops->wake(q->arg);
}

/* -- workers that end, and ones that a new queue role finds ---------------------------------------- */

/* Nothing is known of what it did: its recipients are tried again soon, without a penalty. */
static void
lease_lost(struct queue *q, struct lease *l)
{
	struct entry *e = l->job->entry;
	int64_t soon = queue_now(q) + SECOND;

	for (uint32_t i = 0; i < l->count; i++) {
		queue_place(q, e, l->rcpts[i], PLACE_TIMER, NULL);
		e->rcpts[l->rcpts[i]].next = soon;
	}
	lease_end(q, l);
	queue_finish(q, e);
}

void
worker_gone(struct queue *q, uint8_t role, uint32_t slot)
{
	struct worker *w = worker_get(q, role, slot);
	uint32_t n = 0;

	w->up = false;
	for (; w->leases != NULL; n++)
		lease_lost(q, w->leases);
	if (n > 0)
		log_warning("qmgr", "%s process %u ended; %u deliveries are tried again", role_name(role), slot, n);
}

/* Recipients that the worker named and that wait for their timer are its own. */
static uint32_t
adopt_rcpts(const struct entry *e, struct span recipients, uint32_t **out)
{
	struct unpack u = { .left = recipients };
	struct recipient r;
	uint32_t n = 0, cap = 0;

	*out = NULL;
	while (recipient_next(&u, &r)) {
		if (r.number >= e->rcpt_count || rcpt_final(&e->rcpts[r.number]) ||
		    e->rcpts[r.number].place != PLACE_TIMER)
			continue;
		if (n == cap) {
			cap = cap == 0 ? 4 : cap * 2;
			*out = mem_grow(*out, cap, sizeof **out);
		}
		(*out)[n++] = r.number;
	}
	return n;
}

void
lease_adopt(struct queue *q, uint64_t id, struct qid qid, uint8_t role, uint32_t slot, struct span transport,
    struct span nexthop, struct span recipients)
{
	struct entry *e = index_find(&q->index, qid);
	uint32_t *rcpts, n;

	if (id > q->lease_seq)
		q->lease_seq = id;
	if (e == NULL || lease_find(q, id) != NULL)
		return;
	n = adopt_rcpts(e, recipients, &rcpts);
	if (n > 0) {
		struct job *j;
		MEM_NEW(j);
		j->entry = e;
		j->dest = dest_get(q, transport_get(q, transport), nexthop);
		j->rcpts = rcpts;
		j->count = j->cap = j->taken = n;
		struct run *run = queue_run_of(e);
		j->next_of_entry = run->jobs;
		run->jobs = j;
		if (!(e->flags & ENTRY_RUNNING)) {
			index_running(&q->index, e, true);
			q->active++;
			run->active = queue_now(q);
		}
		(void)lease_new(q, id, j, worker_get(q, role, slot), rcpts, n);
		queue_set_timer(q, e);
	} else {
		free(rcpts);
	}
}
