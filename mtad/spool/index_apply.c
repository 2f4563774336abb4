#include "spool/index.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mail/notice.h"
#include "spool/index_cause.h"
#include "spool/index_private.h"
#include "spool/index_words.h"

static void
rcpt_outcome(struct index *ix, struct entry *e, const struct outcome *o, const struct spool_event *ev, struct loc at)
{
	static const uint8_t status_of[] = {
		[OUTCOME_SENT] = RCPT_SENT, [OUTCOME_RELAYED] = RCPT_RELAYED, [OUTCOME_EXPANDED] = RCPT_EXPANDED,
		[OUTCOME_DEFERRED] = RCPT_DEFERRED, [OUTCOME_BOUNCED] = RCPT_FAILED,
	};
	struct entry_rcpt *r = &e->rcpts[o->number];

	if (rcpt_final(r) || o->status > OUTCOME_BOUNCED)
		return;		/* told twice (a worker repeats what was not acknowledged): the first counts */
	r->status = status_of[o->status];
	r->reply = at;
	if (r->attempts < UINT16_MAX && ev->attempt != 0)
		r->attempts++;
	words_forget(ix, r);
	cause_unref(ix, r->cause);
	r->cause = 0;
	if (r->status == RCPT_DEFERRED) {
		r->next = ev->next;
		r->cause = cause_ref(ix, o->text);
		e->flags |= ENTRY_TRIED;
		return;
	}
	e->open--;
	if (o->status == OUTCOME_SENT && o->mta.len > 0)
		r->flags |= RCPT_SETTLED;	/* that server promised to tell the sender itself (RFC 3461, 5.2.1) */
}

static void
apply_outcomes(struct index *ix, struct entry *e, const struct spool_event *ev, struct loc at)
{
	struct unpack u = { .left = ev->outcomes };
	struct outcome o;

	while (outcome_next(&u, &o))
		if (o.number < e->rcpt_count)
			rcpt_outcome(ix, e, &o, ev, at);
}

/* Calls for each recipient that the event names; all where it names none. */
static void
each_number(struct entry *e, const struct spool_event *ev, void (*fn)(struct entry *, struct entry_rcpt *))
{
	struct unpack u = { .left = ev->numbers };

	if (ev->numbers.len == 0)
		for (uint32_t i = 0; i < e->rcpt_count; i++)
			fn(e, &e->rcpts[i]);
	while (unpack_more(&u)) {
		uint32_t n = unpack_u32(&u);
		if (!u.fault && n < e->rcpt_count)
			fn(e, &e->rcpts[n]);
	}
}

static void
rcpt_expire(struct entry *e, struct entry_rcpt *r)
{
	if (rcpt_final(r))
		return;
	r->status = RCPT_FAILED;
	e->open--;
}

static void
apply_due(struct entry *e, const struct spool_event *ev)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]))
			e->rcpts[i].next = ev->next;
	if (ev->kind == EVENT_REQUEUE)
		e->since = ev->time;
}

static void
apply_intent(struct entry *e, const struct spool_event *ev)
{
	struct entry_extra *x = entry_extra(e);
	size_t n = ev->numbers.len / 4;
	struct unpack u = { .left = ev->numbers };

	for (const struct entry_intent *old = x->intents; old != NULL; old = old->next)
		if (old->number == ev->number)
			return;
	struct entry_intent *in = mem_new(sizeof *in + n * sizeof *in->numbers);
	in->number = ev->number;
	in->kind = ev->notice;
	in->recipient = span_dup(ev->recipient);
	in->state = BUF_INIT(0);
	buf_span(&in->state, ev->state);
	while (in->count < n) {
		uint32_t number = unpack_u32(&u);
		/* A message that is forwarded tells nobody: who wants to know of its success is told beside it. */
		if (ev->notice != NOTICE_FORWARD && number < e->rcpt_count && rcpt_final(&e->rcpts[number]))
			e->rcpts[number].flags |= RCPT_INTENT;
		in->numbers[in->count++] = number;
	}
	if (ev->scope != 0)	/* the scheduler marks a delay warning so: it is given once */
		e->flags |= ENTRY_DELAY_TOLD;
	in->next = x->intents;
	x->intents = in;
}

/* What was to go on to others cannot: their delivery counts no more, and the event behind this one says what became of them. */
static void
reopen(struct entry *e, const struct entry_intent *in)
{
	for (uint32_t i = 0; i < in->count; i++) {
		struct entry_rcpt *r = in->numbers[i] < e->rcpt_count ? &e->rcpts[in->numbers[i]] : NULL;
		if (r == NULL || !rcpt_final(r) || r->status == RCPT_FAILED)
			continue;
		r->status = RCPT_WAITING;
		r->flags = (uint8_t)(r->flags & ~(RCPT_INTENT | RCPT_SETTLED));
		e->open++;
	}
}

static void
apply_notice(struct entry *e, const struct spool_event *ev)
{
	struct entry_intent **at = e->extra == NULL ? NULL : &e->extra->intents;

	while (at != NULL && *at != NULL && (*at)->number != ev->of)
		at = &(*at)->next;
	if (at == NULL || *at == NULL)
		return;
	struct entry_intent *in = *at;
	if (in->kind == NOTICE_FORWARD && ev->other.usec == 0)
		reopen(e, in);
	for (uint32_t i = 0; i < in->count && in->kind != NOTICE_FORWARD; i++) {
		if (in->numbers[i] >= e->rcpt_count)
			continue;
		struct entry_rcpt *r = &e->rcpts[in->numbers[i]];
		if (r->flags & RCPT_INTENT)
			r->flags = (uint8_t)((r->flags & ~RCPT_INTENT) | RCPT_SETTLED);
	}
	*at = in->next;
	free(in->recipient);
	buf_clear(&in->state);
	free(in);
}

static void
apply_flag(struct entry *e, const struct spool_event *ev)
{
	struct entry_extra *x = entry_extra(e);

	if (ev->kind == EVENT_HOLD) {
		e->flags |= ENTRY_HELD;
		index_set_str(&x->reason, ev->text);
	} else if (ev->kind == EVENT_CORRUPT) {
		e->flags |= ENTRY_BAD;
		index_set_str(&x->reason, ev->text);
	} else if (ev->kind == EVENT_DELETE) {
		e->flags |= ENTRY_TRASHED;
		x->until = ev->next;
	} else if (ev->kind == EVENT_UNDELETE) {
		e->flags = (uint8_t)(e->flags & ~ENTRY_TRASHED);
	} else {
		e->flags = (uint8_t)(e->flags & ~(ENTRY_HELD | ENTRY_BAD));
		index_set_str(&x->reason, SPAN_NONE);
	}
	if (!(e->flags & ENTRY_HELD) || ev->kind == EVENT_HOLD)		/* in the trash and back it is held by whom it was */
		index_set_str(&x->actor, ev->actor);
}

static void
change(struct index *ix, struct entry *e, const struct spool_event *ev, struct loc at)
{
	switch (ev->kind) {
	case EVENT_OUTCOMES:
		apply_outcomes(ix, e, ev, at);
		break;
	case EVENT_EXPIRED:
		each_number(e, ev, rcpt_expire);
		break;
	case EVENT_REQUEUE:
	case EVENT_FLUSH:
		apply_due(e, ev);
		break;
	case EVENT_INTENT:
		apply_intent(e, ev);
		break;
	case EVENT_NOTICE:
		apply_notice(e, ev);
		break;
	default:
		apply_flag(e, ev);
		break;
	}
}

static bool
refused(const struct entry *e, const struct spool_event *ev)
{
	bool held = e->flags & (ENTRY_HELD | ENTRY_BAD), trashed = e->flags & ENTRY_TRASHED;

	switch (ev->kind) {
	case EVENT_RELEASE:
		return trashed || !held;
	case EVENT_HOLD:
		return trashed;
	case EVENT_DELETE:
		return trashed;
	case EVENT_UNDELETE:
		return !trashed;
	case EVENT_ACTION:	/* of no message */
		return true;
	default:
		return false;
	}
}

enum index_applied
index_apply(struct index *ix, struct entry *e, const struct spool_event *ev, struct loc at)
{
	if (ev->number > ix->last_event)
		ix->last_event = ev->number;
	if (at.segment != 0)
		e->last = at;
	uint32_t action = event_action(ev);
	if (action > ix->actions.last)
		actions_seen(&ix->actions, ev);
	if (ev->number <= e->applied)
		return INDEX_APPLIED;	/* recovery, on a checkpoint that was taken after this event */
	if (refused(e, ev))
		return INDEX_REFUSED;
	e->applied = ev->number;
	if (action != 0)
		e->action = action;
	if (ev->kind == EVENT_END || ev->kind == EVENT_PURGE)
		return INDEX_GONE;
	if (ev->kind == EVENT_MOVED) {
		index_moved(ix, e, ev->loc, ev->attempt);
		return INDEX_APPLIED;
	}
	index_tally(ix, e, false);
	if (ev->kind == EVENT_SNAPSHOT)
		index_restore(ix, e, ev, at);
	else
		change(ix, e, ev, at);
	index_tally(ix, e, true);
	return INDEX_APPLIED;
}

void
index_written(struct entry *e, struct span events, struct loc at)
{
	struct event_reader r = { .left = { .left = events } };
	struct spool_event ev;

	e->last = at;
	while (event_next(&r, &ev)) {
		struct unpack u = { .left = ev.outcomes };
		struct outcome o;
		while (ev.outcomes.len > 0 && outcome_next(&u, &o))
			if (o.number < e->rcpt_count)
				e->rcpts[o.number].reply = at;
	}
}

bool
index_apply_record(struct index *ix, struct span payload, struct loc at, struct err *err)
{
	struct event_reader r;
	struct spool_event ev;

	if (!event_reader_init(&r, payload, err))
		return false;
	struct entry *e = index_find(ix, r.id);
	while (event_next(&r, &ev)) {
		if (ev.number > ix->last_event)
			ix->last_event = ev.number;
		if (ev.kind == EVENT_ACTION && r.id.usec == 0 && !actions_apply(&ix->actions, &ev, at.segment))
			r.left.fault = true;
		if (e == NULL)
			continue;
		if (index_apply(ix, e, &ev, at) == INDEX_GONE) {
			index_remove(ix, e);
			e = NULL;
		}
	}
	if (event_fault(&r))
		err_set(err, ERR_PERM, "a journal record has bad bytes");
	return !event_fault(&r);
}
