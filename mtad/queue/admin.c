/*
 * What an operator does to messages. Each is an event with his name; what is leased at the moment goes on to its end.
 */
#include "queue/core.h"

#include "base/clock.h"
#include "base/log.h"

static void
all_due(struct queue *q, struct entry *e)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]))
			e->rcpts[i].next = queue_now(q);
}

static bool
did(struct queue *q, struct entry *e, struct by by, struct spool_event *ev)
{
	uint64_t before = e->applied;

	ev->actor = by.who;
	ev->of = by.action;
	(void)journal_add(q, e, ev);
	return e->applied != before;
}

static void
stop(struct queue *q, struct entry *e)
{
	queue_deactivate(q, e);
	queue_set_timer(q, e);
	queue_run_end(q, e);
}

static void
start(struct queue *q, struct entry *e)
{
	all_due(q, e);
	if (e->open == 0)
		queue_finish(q, e);
	else
		queue_set_timer(q, e);
	q->ops->wake(q->arg);
}

bool
queue_hold(struct queue *q, struct entry *e, struct by by, struct span reason)
{
	struct spool_event ev = { .kind = EVENT_HOLD, .text = reason };
	char id[QID_TEXT];

	if ((e->flags & ENTRY_HELD) || !did(q, e, by, &ev))
		return false;
	log_info("postsuper", "%s: placed on hold", qid_text(e->id, id));
	stop(q, e);
	return true;
}

/* With what it was before, so that it can be put back. */
static bool
let_go(struct queue *q, struct entry *e, struct by by)
{
	const struct entry_extra *x = e->extra;
	struct buf reason = BUF_INIT(0), owner = BUF_INIT(0);

	if (!(e->flags & (ENTRY_HELD | ENTRY_BAD)))
		return false;
	buf_str(&reason, x == NULL || x->reason == NULL ? "" : x->reason);
	buf_str(&owner, x == NULL || x->actor == NULL ? "" : x->actor);
	struct spool_event ev = { .kind = EVENT_RELEASE, .text = buf_view(&reason), .recipient = buf_view(&owner),
		.scope = (e->flags & ENTRY_BAD) != 0 };
	bool done = did(q, e, by, &ev);
	buf_clear(&reason);
	buf_clear(&owner);
	return done;
}

bool
queue_release(struct queue *q, struct entry *e, struct by by)
{
	char id[QID_TEXT];

	if (!let_go(q, e, by))
		return false;
	log_info("postsuper", "%s: released from hold", qid_text(e->id, id));
	start(q, e);
	return true;
}

bool
queue_requeue(struct queue *q, struct entry *e, struct by by)
{
	struct spool_event ev = { .kind = EVENT_REQUEUE, .next = queue_now(q) };
	char id[QID_TEXT];

	if (e->flags & ENTRY_TRASHED)
		return false;
	(void)let_go(q, e, by);
	(void)did(q, e, by, &ev);
	log_info("postsuper", "%s: requeued", qid_text(e->id, id));
	e->since = queue_now(q);
	queue_deactivate(q, e);
	start(q, e);
	return true;
}

/* Not in the journal: after a restart it is due no later than it was. */
bool
queue_flush(struct queue *q, struct entry *e, struct by by)
{
	bool did_any = false;

	(void)by;
	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		return false;
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		struct entry_rcpt *r = &e->rcpts[i];
		if (rcpt_final(r) || (r->place != PLACE_TIMER && r->place != PLACE_BLOCKED))
			continue;
		const struct dest *d = r->place == PLACE_BLOCKED ? dest_numbered(q, r->dest) : NULL;
		if (d != NULL && d->halt != NULL)	/* an operator suspended it: resuming it is his to say */
			continue;
		queue_place(q, e, i, PLACE_TIMER, NULL);
		r->next = queue_now(q);
		r->flags |= RCPT_FORCED;	/* a suspended destination is tried, too */
		did_any = true;
	}
	if (did_any) {
		queue_set_timer(q, e);
		q->ops->wake(q->arg);
	}
	return did_any;
}

bool
queue_delete(struct queue *q, struct entry *e, struct by by, struct span reason)
{
	struct spool_event ev = { .kind = EVENT_DELETE, .text = reason, .next = queue_now(q) + q->conf.trash_time };
	char id[QID_TEXT];

	if (!did(q, e, by, &ev))
		return false;
	log_info("postsuper", "%s: removed", qid_text(e->id, id));
	stop(q, e);
	return true;
}

bool
queue_undelete(struct queue *q, struct entry *e, struct by by)
{
	struct spool_event ev = { .kind = EVENT_UNDELETE };
	char id[QID_TEXT];

	if (!did(q, e, by, &ev))
		return false;
	log_info("postsuper", "%s: taken back from the trash", qid_text(e->id, id));
	if (e->flags & (ENTRY_HELD | ENTRY_BAD))
		stop(q, e);
	else
		start(q, e);
	return true;
}

bool
queue_set_aside(struct queue *q, struct entry *e, struct by by, struct span why)
{
	struct spool_event ev = { .kind = EVENT_CORRUPT, .text = why };

	if ((e->flags & (ENTRY_BAD | ENTRY_TRASHED)) || !did(q, e, by, &ev))
		return false;
	stop(q, e);
	return true;
}

void
queue_corrupt(struct queue *q, struct entry *e, struct span why)
{
	struct spool_event ev = { .kind = EVENT_CORRUPT, .text = why };
	char id[QID_TEXT];

	log_error("qmgr", "%s: the message is damaged and was set aside: %.*s", qid_text(e->id, id), SPAN_ARG(why));
	(void)did(q, e, (struct by){ .action = 0 }, &ev);
	stop(q, e);
}

void
queue_purge(struct queue *q, struct entry *e)
{
	const struct run *run = e->run;

	if (run != NULL && run->jobs != NULL) {		/* a delivery that never ends: later */
		entry_extra(e)->until = queue_now(q) + MINUTE;
		queue_set_timer(q, e);
		return;
	}
	journal_end(q, e, EVENT_PURGE);
}
