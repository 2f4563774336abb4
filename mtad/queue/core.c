#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "queue/actions.h"

#define STEP_MIN	(2 * SECOND)	/* less is slewing, not setting */

static struct span
notice_key(const void *item)
{
	const struct notice_job *n = item;
	return span_of(&n->number, sizeof n->number);
}

static struct span
lease_key(const void *item)
{
	const struct lease *l = item;
	return span_of(&l->id, sizeof l->id);
}

static struct span
dest_key(const void *item)
{
	const struct dest *d = item;
	return span_of(d->key, d->key_len);
}

void
queue_init(struct queue *q, const struct queue_ops *ops, void *arg)
{
	*q = (struct queue){ .ops = ops, .arg = arg };
	index_init(&q->index);
	q->offset = clock_wall() - clock_mono();
	q->dests = MAP_INIT(dest_key);
	q->leases = MAP_INIT(lease_key);
	q->notices = MAP_INIT(notice_key);
	q->dirty_last = &q->dirty;
	suspends_init();
}

static void
entries_clear(struct queue *q)
{
	for (struct entry *e = index_after(&q->index, QID_NONE); e != NULL;
	    e = index_after(&q->index, e->id)) {
		struct run *run = e->run;
		if (run == NULL)
			continue;
		while (run->jobs != NULL) {
			struct job *j = run->jobs;
			run->jobs = j->next_of_entry;
			free(j->rcpts);
			free(j);
		}
		free(run);
		e->run = NULL;
	}
}

void
queue_clear(struct queue *q)
{
	size_t at = 0;
	void *item;

	while ((item = map_next(&q->leases, &at)) != NULL) {
		struct lease *l = item;
		free(l->rcpts);
		free(l->peer);
		free(l);
	}
	for (at = 0; (item = map_next(&q->notices, &at)) != NULL;)
		free(item);
	map_clear(&q->leases);
	map_clear(&q->notices);
	entries_clear(q);
	journal_clear(q);
	dests_clear(q);
	suspends_clear(q);
	buf_clear(&q->epitaph);
	heap_clear(&q->fresh);
	heap_clear(&q->timers);
	heap_clear(&q->notice_timers);
	index_clear(&q->index);
	free(q->workers);
	free(q->conf.double_bounce);
	free(q->conf.myorigin);
	free(q->conf.double_bounce_to);
	free(q->conf.bounce_to);
	free(q->conf.delay_to);
}

int64_t
queue_now(const struct queue *q)
{
	return clock_mono() + q->offset;
}

int64_t
queue_wall(const struct queue *q, int64_t inner)
{
	return inner + q->step;
}

/*
 * The clock may have been set before or after the message came: of the two readings of its age the younger is taken, so that a wrong clock
 * never makes mail too old.
 */
int64_t
queue_age(const struct queue *q, const struct entry *e)
{
	int64_t inner = queue_now(q) - e->arrival, wall = inner + q->step;

	if (inner < 0)
		return wall < 0 ? 0 : wall;
	return wall >= 0 && wall < inner ? wall : inner;
}

/* Notices, whose sender is empty or the double bounce address, are given up sooner. */
int64_t
queue_lifetime(const struct queue *q, const struct entry *e)
{
	struct span sender = entry_sender(e);
	struct span local = span_head(sender, span_rfind(sender, '@'));

	if (sender.len == 0 || (q->conf.double_bounce != NULL && span_caseeqs(local, q->conf.double_bounce)))
		return q->conf.bounce_lifetime;
	return q->conf.maximal_lifetime;
}

struct run *
queue_run_of(struct entry *e)
{
	struct run *run = e->run;

	if (run == NULL) {
		MEM_NEW(run);
		run->entry = e;
		e->run = run;
	}
	return run;
}

void
queue_run_end(struct queue *q, struct entry *e)
{
	struct run *run = e->run;

	if (run == NULL || run->jobs != NULL || run->routing > 0)
		return;
	if (e->flags & ENTRY_RUNNING) {
		index_running(&q->index, e, false);
		q->active--;
	}
	if (run->pending != NULL)
		return;
	free(run);
	e->run = NULL;
}

static bool
is_active_place(uint8_t place)
{
	return place == PLACE_ROUTING || place == PLACE_QUEUED || place == PLACE_LEASED;
}

void
queue_place(struct queue *q, struct entry *e, uint32_t rcpt, enum place place, struct dest *d)
{
	struct entry_rcpt *r = &e->rcpts[rcpt];

	if (is_active_place(r->place))
		q->active_rcpts--;
	else if (r->place == PLACE_BLOCKED)
		dest_numbered(q, r->dest)->blocked_rcpts--;
	r->place = (uint8_t)place;
	r->dest = d == NULL ? 0 : d->number;
	if (is_active_place(r->place))
		q->active_rcpts++;
	else if (place == PLACE_BLOCKED)
		d->blocked_rcpts++;
}

/* -- timers ------------------------------------------------------------------------------ */

static void
timer_stop(struct queue *q, struct entry *e)
{
	heap_del(e->flags & ENTRY_FRESH ? &q->fresh : &q->timers, &e->timer);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* A recipient behind a suspended destination is not tried by its own timer, but it ages: the warning and the end of its life are. */
static int64_t
blocked_event(const struct queue *q, const struct entry *e)
{
	int64_t now = queue_now(q), born = now - queue_age(q, e);
	int64_t at = born + queue_lifetime(q, e) + SECOND;

	if (q->conf.delay_warning > 0 && !(e->flags & ENTRY_DELAY_TOLD))
		at = earlier(at, born + q->conf.delay_warning + SECOND);
	/* It is over, and no attempt failed since the clock was set, or nobody is to be warned: look again later. */
	return at <= now ? now + MINUTE : at;
}

void
queue_set_timer(struct queue *q, struct entry *e)
{
	int64_t at = INT64_MAX;
	bool blocked = false;

	timer_stop(q, e);
	if (e->flags & ENTRY_TRASHED) {
		at = e->extra->until;
	} else if (!(e->flags & (ENTRY_HELD | ENTRY_BAD))) {
		for (uint32_t i = 0; i < e->rcpt_count; i++) {
			if (rcpt_final(&e->rcpts[i]))
				continue;
			if (e->rcpts[i].place == PLACE_TIMER)
				at = earlier(at, e->rcpts[i].next);
			blocked = blocked || e->rcpts[i].place == PLACE_BLOCKED;
		}
		if (blocked)
			at = earlier(at, blocked_event(q, e));
	}
	if (at == INT64_MAX)
		return;
	bool fresh = !(e->flags & (ENTRY_TRIED | ENTRY_TRASHED));
	e->flags = (uint8_t)(fresh ? e->flags | ENTRY_FRESH : e->flags & ~ENTRY_FRESH);
	heap_set(fresh ? &q->fresh : &q->timers, &e->timer, at);
}

/* -- coming in ---------------------------------------------------------------------------- */

bool
queue_submit(struct queue *q, const struct envelope *env, struct loc loc)
{
	struct entry *e = index_add(&q->index, env, loc);

	if (e == NULL)
		return false;
	q->counters.submitted++;
	if (e->extra != NULL && e->extra->origin.usec != 0 && notice_arrived(q, e)) {
		log_info("qmgr", "a notice was made twice; the second is dropped");
		queue_purge(q, e);
		return true;
	}
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		e->rcpts[i].next = e->since = queue_now(q);
	queue_set_timer(q, e);
	if (e->rcpt_count == 0)
		queue_finish(q, e);
	q->ops->wake(q->arg);
	return true;
}

void
queue_recovered(struct queue *q)
{
	int64_t now = queue_now(q), latest = now + q->conf.maximal_backoff;
	struct qid at = QID_NONE;

	actions_recovered(q);
	for (struct entry *e; (e = index_after(&q->index, at)) != NULL;) {
		at = e->id;
		if (e->since > now)
			e->since = now;
		for (uint32_t i = 0; i < e->rcpt_count; i++) {
			struct entry_rcpt *r = &e->rcpts[i];
			r->place = rcpt_final(r) ? PLACE_DONE : PLACE_TIMER;
			if (r->next > latest)	/* written by a clock that was ahead */
				r->next = latest;
		}
		notices_recover(q, e);
		if (e->open > 0 || (e->flags & ENTRY_TRASHED))
			queue_set_timer(q, e);
		else if (!(e->flags & (ENTRY_HELD | ENTRY_BAD)))
			queue_finish(q, e);
	}
	suspend_recovered(q);
}

void
queue_open(struct queue *q)
{
	q->open = true;
	/* A notice that a message found in the logs already is: its origin names the intent. */
	struct qid at = QID_NONE;
	for (struct entry *e; q->notices.count > 0 && (e = index_after(&q->index, at)) != NULL;) {
		at = e->id;
		if (e->extra != NULL && e->extra->origin.usec != 0)
			(void)notice_arrived(q, e);
	}
	q->ops->wake(q->arg);
}

/* -- running ------------------------------------------------------------------------------- */

#define BUDGET		256	/* activations a round: what comes in between gets its turn */

static void
watch_clock(struct queue *q)
{
	int64_t step = clock_wall() - queue_now(q), by = step - q->step;

	q->step = step;
	if (by < STEP_MIN && by > -STEP_MIN)
		return;
	q->stepped = queue_now(q);
	log_warning("qmgr", "the clock was set by %lld seconds; timers go on as they were",
	    (long long)(by / SECOND));
}

static void
run_dests(struct queue *q, int budget)
{
	int64_t now = queue_now(q);
	struct heap_node *n;

	while (budget-- > 0 && (n = heap_first(&q->dest_timers)) != NULL && n->at <= now)
		dest_probe(q, HEAP_ITEM(n, struct dest, timer));
	dest_drain(q, BUDGET);
	dest_releases(q, BUDGET);
}

static bool
full(const struct queue *q)
{
	return q->active >= q->conf.active_limit || q->active_rcpts >= q->conf.recipient_limit;
}

/* When a transport that makes pauses goes on. */
static int64_t
next_pace(const struct queue *q)
{
	int64_t at = INT64_MAX;

	for (const struct transport *t = q->transports; t != NULL; t = t->next)
		if (t->limits.pace > 0 && t->ready != NULL && t->busy == 0)
			at = earlier(at, t->pause);
	return at;
}

/* The earliest of what has a time; -1: nothing has. */
static int64_t
next_call(const struct queue *q)
{
	int64_t at = INT64_MAX, now = queue_now(q);
	const struct heap *heaps[] = { &q->dest_timers, &q->notice_timers, &q->fresh, &q->timers };

	if (q->drain != NULL)
		return 0;
	for (int i = 0; i < (full(q) ? 2 : 4); i++)
		if (heap_first(heaps[i]) != NULL)
			at = earlier(at, heap_first(heaps[i])->at);
	if (q->release != NULL && !full(q))
		at = now;
	at = earlier(at, suspend_next(q));
	at = earlier(at, next_pace(q));
	if (at == INT64_MAX)
		return -1;
	return at <= now ? 0 : at - now;
}

int64_t
queue_run(struct queue *q)
{
	watch_clock(q);
	if (q->open) {
		suspend_run(q);
		run_dests(q, 16);
		schedule_pump(q, BUDGET);
		schedule_dispatch(q);
		notices_retry(q);
	}
	journal_flush(q);
	return q->open ? next_call(q) : -1;
}

/* Everything queued goes back to its timer, due now; leases run on. Blocked mail is routed anew when its destination lets it go, which is at once. */
void
queue_reconfigured(struct queue *q)
{
	struct qid at = QID_NONE;

	for (struct entry *e; (e = index_after(&q->index, at)) != NULL;) {
		at = e->id;
		if (e->run == NULL || !(e->flags & ENTRY_RUNNING))
			continue;
		queue_deactivate(q, e);
		queue_set_timer(q, e);
		queue_run_end(q, e);
	}
	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL && q->numbered[i]->suspended)
			dest_unsuspend(q, q->numbered[i]);
	suspend_reconfigured(q);
	q->ops->wake(q->arg);
}
