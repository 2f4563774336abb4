/*
 * journal: what operators did. undo: each message that the action was the last to touch goes back to what it was.
 */
#include "queue/acting.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "ctl/commands.h"

#define CHAIN_MAX	1000u	/* journal records of a message that are looked through for its release */

/* -- journal -------------------------------------------------------------------------------------- */

static void
put_text(struct jsonl *j, const char *key, const char *text)
{
	if (text != NULL && *text != '\0')
		jsonl_str(j, key, span_str(text));
}

static void
put_number(struct jsonl *j, const char *key, int64_t n)
{
	if (n != 0)
		jsonl_i64(j, key, n);
}

static void
put_action(struct buf *out, const struct action *x)
{
	struct jsonl j = { .out = out };

	jsonl_object(&j, NULL);
	jsonl_i64(&j, "action", x->number);
	jsonl_i64(&j, "time", x->time / SECOND);
	put_text(&j, "who", x->who);
	put_text(&j, "command", x->command);
	put_text(&j, "selector", x->selector);
	put_text(&j, "dest", x->argument);
	put_text(&j, "reason", x->reason);
	if (x->argument == NULL)
		jsonl_i64(&j, "messages", (int64_t)x->messages);
	put_number(&j, "undone", x->undone_by);
	put_number(&j, "undoes", x->undoes);
	if (x->flags & ACTION_OPEN)
		jsonl_bool(&j, "under_way", true);
	if (x->flags & ACTION_PARTED)
		jsonl_bool(&j, "interrupted", true);
	jsonl_bool(&j, "can_undo", action_can_undo(x));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

static bool
journal_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct acting *g = a->acting;
	const struct action *x;

	while ((a->limit == 0 || a->matched < a->limit) && (x = action_before(&rq->q, g->cursor)) != NULL) {
		if (ask_slice_is_over(a, out))
			return false;
		g->cursor = x->number;
		if (x->event == 0)	/* has not done anything yet */
			continue;
		put_action(out, x);
		a->matched++;
	}
	return true;
}

/* -- what a message was before -------------------------------------------------------------------------- */

struct was {
	bool		 seen;		/* an event of the action */
	bool		 held, bad;
	struct buf	 reason, owner;
};

/* The action's events in these bytes. */
static void
look(struct event_reader *r, uint32_t action, struct was *was)
{
	struct spool_event ev;

	while (event_next(r, &ev)) {
		if (event_action(&ev) != action)
			continue;
		was->seen = true;
		if (ev.kind != EVENT_RELEASE)
			continue;
		was->held = true;
		was->bad = ev.scope != 0;
		buf_reset(&was->reason);
		buf_span(&was->reason, ev.text);
		buf_reset(&was->owner);
		buf_span(&was->owner, ev.recipient);
	}
}

static bool
look_in_record(struct role_queue *rq, struct qid id, struct loc at, uint32_t action, struct was *was, struct loc *previous)
{
	struct event_reader r;
	struct span payload;

	for (int again = 0; again < 2; again++) {
		if (reader_record(rq, at, &payload) && event_reader_init(&r, payload, NULL) && qid_eq(r.id, id)) {
			*previous = r.previous;
			look(&r, action, was);
			return true;
		}
		reader_forget(rq, at.segment);	/* the window may be of before the record was written */
	}
	return false;
}

static void
find_was(struct role_queue *rq, const struct entry *e, uint32_t action, struct was *was)
{
	struct loc at = e->last;

	for (unsigned n = 0; n < 2; n++) {
		struct event_reader r = { .left = { .left = journal_unwritten(e, n) } };
		if (r.left.left.len > 0)
			look(&r, action, was);
	}
	for (unsigned n = 0; !was->seen && at.segment != 0 && n < CHAIN_MAX; n++) {
		struct loc previous = { 0 };
		if (!look_in_record(rq, e->id, at, action, was, &previous))
			return;
		at = previous;
	}
}

/* -- undo ----------------------------------------------------------------------------------------------------- */

static bool
hold_again(struct role_queue *rq, struct ask *a, struct entry *e, const char **why)
{
	struct by by = { .who = span_str(a->who), .action = a->acting->action };
	struct was was = { .reason = BUF_INIT(0), .owner = BUF_INIT(0) };
	bool done = false;

	if (e->flags & (ENTRY_TRASHED | ENTRY_HELD | ENTRY_BAD)) {
		*why = "it is on hold already, or in the trash";
		return false;
	}
	find_was(rq, e, a->acting->undoes, &was);
	if (was.held && was.bad) {
		done = queue_set_aside(&rq->q, e, by, buf_view(&was.reason));
	} else if (was.held) {
		by.who = buf_view(&was.owner);
		done = queue_hold(&rq->q, e, by, buf_view(&was.reason));
	} else if (was.seen) {
		*why = NULL;	/* a requeue of what was not on hold: nothing to go back to */
	} else {
		*why = "its history is not kept any more: hold it again yourself";
	}
	buf_clear(&was.reason);
	buf_clear(&was.owner);
	return done;
}

static bool
take_back(struct role_queue *rq, struct ask *a, struct entry *e, enum action_effect effect, const char **why)
{
	struct by by = { .who = span_str(a->who), .action = a->acting->action };

	switch (effect) {
	case EFFECT_HOLD:
		return hold_again(rq, a, e, why);
	case EFFECT_RELEASE:
		*why = "it is not on hold any more";
		return queue_release(&rq->q, e, by);
	case EFFECT_DELETE:
		*why = "it is in the trash already";
		return queue_delete(&rq->q, e, by, SPAN_NONE);
	case EFFECT_UNDELETE:
		*why = "it is not in the trash any more";
		return queue_undelete(&rq->q, e, by);
	default:
		*why = "it cannot be taken back";
		return false;
	}
}

static const char *
did_text(enum action_effect effect)
{
	static const char *const text[EFFECTS] = {
		[EFFECT_HOLD] = "held", [EFFECT_RELEASE] = "released", [EFFECT_DELETE] = "deleted",
		[EFFECT_UNDELETE] = "undeleted",
	};

	return text[effect] != NULL ? text[effect] : "done";
}

static void
undo_entry(struct role_queue *rq, struct ask *a, struct entry *e, struct buf *out)
{
	struct action *x = action_find(&rq->q, a->acting->action);
	const char *why = NULL;
	struct qid id = e->id;

	if (x == NULL)
		return;
	if (take_back(rq, a, e, (enum action_effect)x->effect, &why)) {
		action_start(&rq->q, x);
		x->messages++;
		x->reversible++;
		a->acted++;
		acting_put(out, id, did_text((enum action_effect)x->effect), NULL);
	} else if (why != NULL) {
		acting_put(out, id, "skipped", why);
	}
}

/* Those that another action changed since, or that are finished, were not met: they are counted only. */
static void
undo_ends(struct role_queue *rq, struct ask *a, struct buf *out)
{
	const struct action *what = action_find(&rq->q, a->acting->undoes);
	uint64_t were = what == NULL ? 0 : what->reversible;

	a->acting->skipped = were > a->acted ? were - a->acted : 0;
	acting_end(rq, a, out);
	if (a->acted == 0)
		ask_fail(a, 1, "nothing of action %u is left to be taken back: its messages were changed since, or are finished",
		    a->acting->undoes);
}

static bool
undo_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, out, &pause)) != NULL)
		if (e->action == a->acting->undoes)
			undo_entry(rq, a, e, out);
	if (pause)
		return false;
	undo_ends(rq, a, out);
	return true;
}

/* Something else than messages: done at once. */
static bool
undo_other_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	const struct action *what = action_find(&rq->q, a->acting->undoes);
	struct action *x = action_find(&rq->q, a->acting->action);
	struct err err = { .kind = ERR_NONE };

	if (what == NULL || x == NULL)
		return true;
	if (action_undo_other(&rq->q, what, x, &err)) {
		action_start(&rq->q, x);
		a->acted = 1;
	}
	acting_end(rq, a, out);
	if (a->acted == 0)
		ask_fail(a, 1, "%s", err.text);
	return true;
}

static bool
may_undo(struct ask *a, const struct action *x, uint32_t number)
{
	if (x == NULL)
		ask_fail(a, 1, "there is no action %u in the journal", number);
	else if (x->flags & ACTION_OPEN)
		ask_fail(a, 1, "action %u is still under way", number);
	else if (x->undone_by != 0)
		ask_fail(a, 1, "action %u was taken back already, by action %u", number, x->undone_by);
	else if (x->effect == EFFECT_NONE)
		ask_fail(a, 1, "action %u (%s) cannot be taken back", number, x->command == NULL ? "?" : x->command);
	else if (!action_can_undo(x))
		ask_fail(a, 1, "action %u (%s) changed nothing that could be put back", number,
		    x->command == NULL ? "?" : x->command);
	else
		return true;
	return false;
}

static void
undo(struct role_queue *rq, struct ask *a, struct span args)
{
	const struct action *what;
	uint32_t number = 0;
	struct span text;
	char shown[16];

	if (args_get(args, "number", &text)) {
		(void)num_u32(text, &number);
		what = action_find(&rq->q, number);
	} else {
		what = action_last_undoable(&rq->q);
		number = what == NULL ? 0 : what->number;
	}
	if (number == 0) {
		ask_fail(a, 1, "there is nothing to take back");
		return;
	}
	if (!may_undo(a, what, number))
		return;
	(void)snprintf(shown, sizeof shown, "%u", number);
	bool other = what->argument != NULL;
	const struct action *x = action_number(&rq->q, &(struct action_new){ .command = SPAN("undo"),
	    .effect = action_inverse((enum action_effect)what->effect), .who = span_str(a->who),
	    .selector = span_str(shown), .argument = span_str(what->argument), .undoes = number });
	a->acting->action = x->number;
	a->acting->undoes = number;
	a->trash = a->durable = true;
	a->slice = other ? undo_other_slice : undo_slice;
}

bool
undo_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	bool journal = span_eqs(command, "journal");

	if (!journal && !span_eqs(command, "undo"))
		return false;
	MEM_NEW(a->acting);
	a->slice = journal ? journal_slice : said_slice;
	if (!journal)
		undo(rq, a, args);
	return true;
}
