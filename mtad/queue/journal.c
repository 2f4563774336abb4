/*
 * What happens to a message is applied in memory at once and written at the end of the round, one record a message. A message has at most
 * one record under way, so that each knows the place of the one before it; what comes meanwhile waits for it.
 */
#include "queue/core.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

struct waiter {
	waiter_fn	*fn;
	uint64_t	 a, b;
	struct waiter	*next;
};

struct pending {
	struct qid	 id;
	struct entry	*entry;		/* NULL: it is gone */
	struct buf	 events;
	struct loc	 previous;
	struct waiter	*waiters, **waiters_last;
	struct pending	*after;		/* the same message's, not given out while this is under way */
	struct pending	*next;		/* dirty */
	struct pending	*older, *newer;	/* all that are not given to the writer yet, by their first event */
	uint64_t	 first;		/* number of it */
	uint32_t	 action;	/* the record is this action's and no message's; 0: it is a message's */
	bool		 writing;
};

static void
unappended_add(struct queue *q, struct pending *p)
{
	struct pending *newer = NULL, *older = q->newest;

	while (older != NULL && older->first > p->first) {	/* only one that failed is not the newest */
		newer = older;
		older = older->older;
	}
	p->older = older;
	p->newer = newer;
	*(older == NULL ? &q->oldest : &older->newer) = p;
	*(newer == NULL ? &q->newest : &newer->older) = p;
}

static void
unappended_del(struct queue *q, struct pending *p)
{
	*(p->older == NULL ? &q->oldest : &p->older->newer) = p->newer;
	*(p->newer == NULL ? &q->newest : &p->newer->older) = p->older;
}

bool
journal_given(const struct queue *q, uint64_t number)
{
	return q->oldest == NULL || q->oldest->first > number;
}

static void
make_dirty(struct queue *q, struct pending *p)
{
	p->next = NULL;
	*q->dirty_last = p;
	q->dirty_last = &p->next;
}

/* Before all that waits: an action's record stands before those of the messages that it changes. */
static void
make_dirty_first(struct queue *q, struct pending *p)
{
	p->next = q->dirty;
	if (q->dirty == NULL)
		q->dirty_last = &p->next;
	q->dirty = p;
}

void
journal_action(struct queue *q, struct action *a, bool first)
{
	struct buf state = BUF_INIT(0);
	struct pending *p;

	MEM_NEW(p);
	p->waiters_last = &p->waiters;
	p->action = a->number;
	p->first = a->event = ++q->index.last_event;
	action_pack(&state, a);
	event_pack(&p->events, &(struct spool_event){ .kind = EVENT_ACTION, .number = a->event, .attempt = a->number,
	    .time = queue_wall(q, queue_now(q)), .state = buf_view(&state) });
	buf_clear(&state);
	unappended_add(q, p);
	if (first)
		make_dirty_first(q, p);
	else
		make_dirty(q, p);
	q->ops->wake(q->arg);
}

/* The one that takes more events. */
static struct pending *
collecting(struct queue *q, struct entry *e)
{
	struct run *run = queue_run_of(e);
	struct pending *p = run->pending;

	if (p != NULL && !p->writing)
		return p;
	if (p != NULL && p->after != NULL)
		return p->after;
	struct pending *fresh;
	MEM_NEW(fresh);
	fresh->id = e->id;
	fresh->entry = e;
	fresh->previous = e->last;
	fresh->waiters_last = &fresh->waiters;
	fresh->first = q->index.last_event + 1;
	unappended_add(q, fresh);
	if (p == NULL) {
		run->pending = fresh;
		make_dirty(q, fresh);
		q->ops->wake(q->arg);
	} else {
		p->after = fresh;
	}
	return fresh;
}

void
journal_entry_gone(struct queue *q, struct entry *e)
{
	struct run *run = e->run;

	(void)q;
	if (run == NULL)
		return;
	for (struct pending *p = run->pending; p != NULL; p = p->after)
		p->entry = NULL;
	run->pending = NULL;
}

static void
remove_entry(struct queue *q, struct entry *e)
{
	heap_del(e->flags & ENTRY_FRESH ? &q->fresh : &q->timers, &e->timer);
	notice_drop(q, e);
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		queue_place(q, e, i, PLACE_DONE, NULL);
	if (e->flags & ENTRY_RUNNING)
		q->active--;
	journal_entry_gone(q, e);
	free(e->run);
	e->run = NULL;
	q->counters.removed++;
	if (e->spill != 0)
		q->ops->spill_done(q->arg, e->spill);
	if (q->ops->ended != NULL)
		q->ops->ended(q->arg, e);
	index_remove(&q->index, e);
}

bool
journal_add(struct queue *q, struct entry *e, struct spool_event *ev)
{
	ev->number = q->index.last_event + 1;
	ev->time = queue_wall(q, queue_now(q));
	/* Packed before it is applied: an event of an entry that ends with it can still name it. */
	struct pending *p = collecting(q, e);
	size_t before = p->events.len;
	event_pack(&p->events, ev);
	switch (index_apply(&q->index, e, ev, (struct loc){ 0 })) {
	case INDEX_APPLIED:
		return false;
	case INDEX_REFUSED:
		buf_cut(&p->events, before);
		return false;
	case INDEX_GONE:
		break;
	}
	remove_entry(q, e);
	return true;
}

void
journal_end(struct queue *q, struct entry *e, enum event_kind kind)
{
	buf_reset(&q->epitaph);
	if (q->ops->epitaph != NULL)
		q->ops->epitaph(q->arg, e, &q->epitaph);
	struct spool_event ev = { .kind = (uint8_t)kind, .state = buf_view(&q->epitaph) };
	(void)journal_add(q, e, &ev);
}

struct span
journal_unwritten(const struct entry *e, unsigned n)
{
	const struct run *run = e->run;
	const struct pending *p = run == NULL ? NULL : run->pending;

	if (p == NULL || n > 1)
		return SPAN_NONE;
	if (p->after != NULL && n == 0)
		return buf_view(&p->after->events);
	return p->after == NULL && n == 1 ? SPAN_NONE : buf_view(&p->events);
}

void
journal_wait(struct queue *q, struct entry *e, waiter_fn *fn, uint64_t a, uint64_t b)
{
	struct run *run = e == NULL ? NULL : e->run;

	if (run == NULL || run->pending == NULL) {
		fn(q, a, b);
		return;
	}
	struct pending *p = run->pending;
	while (p->after != NULL)
		p = p->after;
	struct waiter *w;
	MEM_NEW(w);
	*w = (struct waiter){ .fn = fn, .a = a, .b = b };
	*p->waiters_last = w;
	p->waiters_last = &w->next;
}

static bool
append(struct queue *q, struct pending *p)
{
	struct buf head = BUF_INIT(0);

	event_record_begin(&head, p->id, p->previous);
	struct iovec iov[2] = {
		{ .iov_base = head.ptr, .iov_len = head.len },
		{ .iov_base = p->events.ptr, .iov_len = p->events.len },
	};
	p->writing = true;
	bool ok = q->ops->append(q->arg, iov, 2, p);
	if (!ok)
		p->writing = false;
	buf_clear(&head);
	return ok;
}

void
journal_flush(struct queue *q)
{
	struct pending *p = q->dirty;

	while ((p = q->dirty) != NULL) {
		struct pending *next = p->next;
		q->dirty = next;
		if (next == NULL)
			q->dirty_last = &q->dirty;
		q->appends++;
		if (append(q, p)) {
			unappended_del(q, p);
			continue;
		}
		q->appends--;
		p->next = q->dirty;	/* no room: the rest waits, in order */
		if (q->dirty == NULL)
			q->dirty_last = &p->next;
		q->dirty = p;
		return;
	}
}

static void
finish_waiters(struct queue *q, struct waiter *w)
{
	while (w != NULL) {
		struct waiter *next = w->next;
		w->fn(q, w->a, w->b);
		free(w);
		w = next;
	}
}

static void
pending_free(struct pending *p)
{
	buf_clear(&p->events);
	free(p);
}

/* On failure the record is given out again: the segment was ended, the next append goes to another one. */
void
queue_appended(struct queue *q, struct pending *p, bool ok, struct loc at)
{
	q->appends--;
	p->writing = false;
	if (!ok) {
		unappended_add(q, p);
		make_dirty(q, p);
		q->ops->wake(q->arg);
		return;
	}
	struct entry *e = p->entry;
	if (e != NULL)
		index_written(e, buf_view(&p->events), at);
	struct action *action = p->action == 0 ? NULL : actions_find(&q->index.actions, p->action);
	if (action != NULL)
		action->segment = at.segment;
	if (p->after != NULL) {
		p->after->previous = at;
		make_dirty(q, p->after);
		q->ops->wake(q->arg);
	}
	if (e != NULL) {
		struct run *run = e->run;
		run->pending = p->after;
		if (!(e->flags & ENTRY_RUNNING))
			queue_run_end(q, e);
	}
	finish_waiters(q, p->waiters);
	pending_free(p);
}

void
journal_clear(struct queue *q)
{
	struct pending *p = q->dirty;

	while (p != NULL) {
		struct pending *next = p->next;
		while (p->waiters != NULL) {
			struct waiter *w = p->waiters;
			p->waiters = w->next;
			free(w);
		}
		pending_free(p);
		p = next;
	}
	q->dirty = q->oldest = q->newest = NULL;
	q->dirty_last = &q->dirty;
}
