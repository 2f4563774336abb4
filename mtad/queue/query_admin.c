#include "queue/acting.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/commands.h"

#define REASON_MAX	500

/* -- the commands ------------------------------------------------------------------------------- */

static bool
act_flush(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	const struct dest *d = suspend_blocks(q, e);

	if (d != NULL)
		(void)snprintf(g->detail, sizeof g->detail, "%.40s:%.80s is suspended by %.40s: \"mtactl dest resume\" ends that",
		    d->transport->name, d->nexthop, d->halt->who);
	return queue_flush(q, e, by);
}

static bool
act_hold(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	return queue_hold(q, e, by, span_str(g->reason));
}

static bool
act_release(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	(void)g;
	return queue_release(q, e, by);
}

static bool
act_requeue(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	(void)g;
	return queue_requeue(q, e, by);
}

static bool
act_delete(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	return queue_delete(q, e, by, span_str(g->reason));
}

static bool
act_undelete(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	(void)g;
	return queue_undelete(q, e, by);
}

static bool
act_bounce(struct queue *q, struct entry *e, struct by by, struct acting *g)
{
	uint32_t leased;
	bool done = queue_bounce(q, e, by,
	    g->reason != NULL ? span_str(g->reason) : SPAN("returned to the sender by the postmaster"), &leased);

	if (leased > 0)
		(void)snprintf(g->detail, sizeof g->detail, "%u recipient%s being delivered at the moment", leased,
		    leased == 1 ? " is" : "s are");
	return done;
}

static bool
any_in_place(const struct entry *e, bool leased)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && (e->rcpts[i].place == PLACE_LEASED) == leased)
			return true;
	return false;
}

static const char *
flush_stops(const struct entry *e)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && (e->rcpts[i].place == PLACE_TIMER || e->rcpts[i].place == PLACE_BLOCKED) &&
		    !(e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED)))
			return NULL;
	return "nothing of it waits";
}

static const char *
hold_stops(const struct entry *e)
{
	return e->flags & (ENTRY_HELD | ENTRY_TRASHED) ? "it is on hold already, or in the trash" : NULL;
}

static const char *
release_stops(const struct entry *e)
{
	return (e->flags & (ENTRY_HELD | ENTRY_BAD)) && !(e->flags & ENTRY_TRASHED) ? NULL : "it is not on hold";
}

static const char *
requeue_stops(const struct entry *e)
{
	return e->flags & ENTRY_TRASHED ? "it is in the trash" : NULL;
}

static const char *
delete_stops(const struct entry *e)
{
	return e->flags & ENTRY_TRASHED ? "it is in the trash already" : NULL;
}

static const char *
undelete_stops(const struct entry *e)
{
	return e->flags & ENTRY_TRASHED ? NULL : "it is not in the trash";
}

static const char *
bounce_stops(const struct entry *e)
{
	if (e->flags & ENTRY_TRASHED)
		return "it is in the trash";
	if (e->flags & ENTRY_BAD)
		return "it is damaged, and was set aside";
	if (any_in_place(e, false))
		return NULL;
	return any_in_place(e, true) ? "it is being delivered at the moment" : "nothing of it waits";
}

static const struct verb verbs[] = {
	{ "flush", "flushed", flush_stops, act_flush, EFFECT_NONE, false },
	{ "hold", "held", hold_stops, act_hold, EFFECT_HOLD, true },
	{ "release", "released", release_stops, act_release, EFFECT_RELEASE, true },
	{ "requeue", "requeued", requeue_stops, act_requeue, EFFECT_RELEASE, true },
	{ "delete", "deleted", delete_stops, act_delete, EFFECT_DELETE, true },
	{ "undelete", "undeleted", undelete_stops, act_undelete, EFFECT_UNDELETE, true },
	{ "bounce", "bounced", bounce_stops, act_bounce, EFFECT_NONE, true },
};

const struct verb *
verb_find(struct span command)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (span_eqs(command, verbs[i].command))
			return &verbs[i];
	return NULL;
}

/* -- doing ------------------------------------------------------------------------------------------ */

void
acting_put(struct buf *out, struct qid id, const char *result, const char *detail)
{
	struct jsonl j = { .out = out };
	char text[QID_TEXT];

	jsonl_object(&j, NULL);
	jsonl_str(&j, "queue_id", span_str(qid_text(id, text)));
	jsonl_str(&j, "result", span_str(result));
	if (detail != NULL && *detail != '\0')
		jsonl_str(&j, "detail", span_str(detail));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

struct action *
acting_action(struct role_queue *rq, struct ask *a)
{
	struct acting *g = a->acting;
	struct action *x = action_find(&rq->q, g->action);

	if (x != NULL)
		return x;
	x = action_number(&rq->q, &(struct action_new){ .effect = g->verb->effect, .command = span_str(g->verb->command),
	    .who = span_str(a->who), .selector = span_str(g->selector), .reason = span_str(g->reason) });
	g->action = x->number;
	return x;
}

void
acting_on(struct role_queue *rq, struct ask *a, struct entry *e, struct buf *out, bool always)
{
	struct acting *g = a->acting;
	const char *why = g->verb->stops(e);
	struct qid id = e->id;
	bool done = false;

	g->detail[0] = '\0';
	if (why == NULL) {
		struct action *x = acting_action(rq, a);
		/* A requeue of what waited anyway leaves nothing to go back to. */
		bool reversible = x->effect != EFFECT_NONE &&
		    (g->verb->act != act_requeue || (e->flags & (ENTRY_HELD | ENTRY_BAD)));
		done = g->verb->act(&rq->q, e, (struct by){ .who = span_str(a->who), .action = g->action }, g);
		why = g->detail;
		if (done) {
			action_start(&rq->q, x);
			x->messages++;
			x->reversible += reversible;
		}
	}
	a->acted += done;
	if (!done && !always)	/* what it has nothing to do with is not worth a row */
		return;
	g->skipped += !done;
	acting_put(out, id, done ? g->verb->did : "skipped", why);
}

static void
put_action(struct buf *out, const struct action *x, const struct acting *g)
{
	struct jsonl j = { .out = out };

	jsonl_object(&j, NULL);
	jsonl_i64(&j, "action", x->number);
	jsonl_str(&j, "command", span_str(x->command));
	jsonl_i64(&j, "messages", (int64_t)x->messages);
	if (g->skipped > 0)
		jsonl_i64(&j, "skipped", (int64_t)g->skipped);
	if (x->undoes != 0)
		jsonl_i64(&j, "undoes", x->undoes);
	jsonl_bool(&j, "undo", action_can_undo(x));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

/* Ended where it did something, else it never was. */
static struct action *
close_action(struct role_queue *rq, struct ask *a)
{
	struct acting *g = a->acting;
	struct action *x = action_find(&rq->q, g->action);

	g->action = 0;
	if (x == NULL)
		return NULL;
	if (a->acted == 0) {
		action_cancel(&rq->q, x);
		return NULL;
	}
	action_end(&rq->q, x);
	return x;
}

void
acting_end(struct role_queue *rq, struct ask *a, struct buf *out)
{
	const struct action *x = close_action(rq, a);

	if (x != NULL)
		put_action(out, x, a->acting);
	else if (a->status == 0)
		a->status = 1;
}

void
acting_free(struct role_queue *rq, struct ask *a)
{
	struct acting *g = a->acting;

	if (g == NULL)
		return;
	(void)close_action(rq, a);
	plan_free(g->plan);
	free(g->selector);
	free(g->reason);
	free(g);
	a->acting = NULL;
}

bool
said_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	(void)rq;
	(void)a;
	(void)out;
	return true;
}

bool
act_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, out, &pause)) != NULL)
		acting_on(rq, a, e, out, a->by_id);
	if (pause)
		return false;
	acting_end(rq, a, out);
	return true;
}

/* -- beginning ------------------------------------------------------------------------------------------ */

/* It goes into log lines and notices: one line. */
static char *
reason_of(struct span text)
{
	char *reason = span_dup(span_head(text, REASON_MAX));

	for (char *p = reason; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	return reason;
}

bool
admin_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	const struct verb *verb = verb_find(command);
	struct span text;

	if (verb == NULL && !span_eqs(command, "apply"))
		return undo_begin(rq, a, command, args);
	MEM_NEW(a->acting);
	if (verb == NULL)
		return apply_begin(rq, a, args);
	a->acting->verb = verb;
	if (args_get(args, "selector", &text))
		a->acting->selector = span_dup(span_head(text, ACTION_TEXT_MAX));
	if (args_get(args, "reason", &text) && text.len > 0)
		a->acting->reason = reason_of(text);
	a->durable = verb->durable;
	a->trash = a->trash || verb->effect == EFFECT_UNDELETE;
	a->any_order = true;
	a->slice = act_slice;
	if (args_get(args, "plan", &text))
		plan_begin(rq, a);
	return true;
}
