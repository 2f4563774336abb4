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
did(struct queue *q, struct entry *e, enum event_kind kind, struct span who, struct span text, int64_t next)
{
	uint64_t before = e->applied;
	struct spool_event ev = { .kind = (uint8_t)kind, .actor = who, .text = text, .next = next };

	(void)journal_add(q, e, &ev);
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
queue_hold(struct queue *q, struct entry *e, struct span who, struct span reason)
{
	char id[QID_TEXT];

	if ((e->flags & ENTRY_HELD) || !did(q, e, EVENT_HOLD, who, reason, 0))
		return false;
	log_info("postsuper", "%s: placed on hold", qid_text(e->id, id));
	stop(q, e);
	return true;
}

bool
queue_release(struct queue *q, struct entry *e, struct span who)
{
	char id[QID_TEXT];

	if (!did(q, e, EVENT_RELEASE, who, SPAN_NONE, 0))
		return false;
	log_info("postsuper", "%s: released from hold", qid_text(e->id, id));
	start(q, e);
	return true;
}

bool
queue_requeue(struct queue *q, struct entry *e, struct span who)
{
	char id[QID_TEXT];

	if (e->flags & ENTRY_TRASHED)
		return false;
	if (e->flags & (ENTRY_HELD | ENTRY_BAD))
		(void)did(q, e, EVENT_RELEASE, who, SPAN_NONE, 0);
	(void)did(q, e, EVENT_REQUEUE, who, SPAN_NONE, queue_now(q));
	log_info("postsuper", "%s: requeued", qid_text(e->id, id));
	e->since = queue_now(q);
	queue_deactivate(q, e);
	start(q, e);
	return true;
}

/* Not in the journal: after a restart it is due no later than it was. */
bool
queue_flush(struct queue *q, struct entry *e, struct span who)
{
	bool did_any = false;

	(void)who;
	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		return false;
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		struct entry_rcpt *r = &e->rcpts[i];
		if (rcpt_final(r) || (r->place != PLACE_TIMER && r->place != PLACE_BLOCKED))
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
queue_delete(struct queue *q, struct entry *e, struct span who)
{
	char id[QID_TEXT];

	if (!did(q, e, EVENT_DELETE, who, SPAN_NONE, queue_now(q) + q->conf.trash_time))
		return false;
	log_info("postsuper", "%s: removed", qid_text(e->id, id));
	stop(q, e);
	return true;
}

bool
queue_undelete(struct queue *q, struct entry *e, struct span who)
{
	char id[QID_TEXT];

	if (!did(q, e, EVENT_UNDELETE, who, SPAN_NONE, 0))
		return false;
	log_info("postsuper", "%s: taken back from the trash", qid_text(e->id, id));
	if (e->flags & (ENTRY_HELD | ENTRY_BAD))
		stop(q, e);
	else
		start(q, e);
	return true;
}

void
queue_corrupt(struct queue *q, struct entry *e, struct span why)
{
	char id[QID_TEXT];

	log_error("qmgr", "%s: the message is damaged and was set aside: %.*s", qid_text(e->id, id), SPAN_ARG(why));
	(void)did(q, e, EVENT_CORRUPT, SPAN_NONE, why, 0);
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
	struct spool_event ev = { .kind = EVENT_PURGE };
	(void)journal_add(q, e, &ev);
}
