/*
 * Destinations that an operator suspended: no delivery begins there until a time or until it is resumed, and mail for them waits behind
 * them. A suspension is a kept action (actions.h), so it is in the journal and in every checkpoint; the list here is made from those.
 */
#include "queue/core.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "queue/actions.h"

#define SUSPENSIONS_MAX	1000u
#define DEST_MAX	600u
#define SWEEP		256u	/* messages a round that are looked at for a new suspension */

/* -- names ------------------------------------------------------------------------------------ */

static bool
is_word(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.ptr[i]) && s.ptr[i] != '-' && s.ptr[i] != '_')
			return false;
	return s.len > 0;
}

static bool
is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
			return false;
	return true;
}

/* "smtp:example.com", or a next hop alone, which may have a port: "[192.0.2.1]:25", "mail.example.com:25". */
bool
suspend_name(const struct queue *q, struct span dest, struct span *transport, struct span *nexthop, struct err *err)
{
	struct transport_limits limits;
	size_t colon = span_find(dest, ':');
	struct span head = span_head(dest, colon), rest = span_skip(dest, colon + 1);
	uint32_t port;

	*transport = SPAN_NONE;
	*nexthop = dest;
	if (colon < dest.len && q->ops->transport(q->arg, head, &limits)) {
		*transport = head;
		*nexthop = rest;
	} else if (colon < dest.len && is_word(head) && !num_u32(rest, &port)) {
		err_set(err, ERR_PERM, "there is no transport \"%.*s\" in master.cf", SPAN_ARG(span_head(head, 60)));
		return false;
	}
	if (nexthop->len == 0 || dest.len >= DEST_MAX || !is_printable(dest)) {
		err_set(err, ERR_PERM, "\"%.*s\" is no destination: TRANSPORT:NEXTHOP, or NEXTHOP for every transport",
		    SPAN_ARG(span_head(dest, 60)));
		return false;
	}
	return true;
}

static struct suspension *
named(const struct queue *q, struct span transport, struct span nexthop)
{
	struct suspension *s = q->suspensions;

	while (s != NULL && (!span_caseeqs(nexthop, s->nexthop) || (s->transport == NULL) != (transport.len == 0) ||
	    (s->transport != NULL && !span_eqs(transport, s->transport))))
		s = s->next;
	return s;
}

/* Its own one before that of every transport. */
static struct suspension *
covering(const struct queue *q, struct span transport, struct span nexthop)
{
	struct suspension *s = named(q, transport, nexthop);

	return s != NULL ? s : named(q, SPAN_NONE, nexthop);
}

void
suspension_name(const struct suspension *s, struct buf *out)
{
	buf_printf(out, "%s%s%s", s->transport == NULL ? "" : s->transport, s->transport == NULL ? "" : ":", s->nexthop);
}

void
suspension_text(const struct suspension *s, const struct dest *d, struct buf *out)
{
	time_t until = (time_t)(s->until / SECOND);
	char when[40] = "it is resumed";
	struct tm tm;

	if (s->until != 0 && localtime_r(&until, &tm) != NULL)
		(void)strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
	buf_str(out, "destination ");
	if (d != NULL)
		buf_printf(out, "%s:%s", d->transport->name, d->nexthop);
	else
		suspension_name(s, out);
	buf_printf(out, " is suspended by %s until %s", s->who, when);
	if (s->reason != NULL && s->reason[0] != '\0')
		buf_printf(out, ": %.300s", s->reason);
}

/* -- the list ------------------------------------------------------------------------------------ */

static void
suspension_free(struct suspension *s)
{
	free(s->transport);
	free(s->nexthop);
	free(s->who);
	free(s->reason);
	free(s);
}

static void
unlink_suspension(struct queue *q, struct suspension *s)
{
	struct suspension **at = &q->suspensions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	q->suspension_count--;
}

static char *
lower_dup(struct span s)
{
	char *copy = span_dup(s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return copy;
}

static struct suspension *
add(struct queue *q, const struct action *a)
{
	struct suspension *s;
	struct span transport, nexthop;

	if (a->argument == NULL || !suspend_name(q, span_str(a->argument), &transport, &nexthop, NULL)) {
		nexthop = span_str(a->argument);	/* its transport left master.cf: nothing goes there as long */
		transport = span_head(nexthop, span_find(nexthop, ':'));
		nexthop = span_skip(nexthop, transport.len + 1);
	}
	MEM_NEW(s);
	s->action = a->number;
	s->transport = transport.len == 0 ? NULL : span_dup(transport);
	s->nexthop = lower_dup(nexthop);
	s->who = mem_str(a->who == NULL || a->who[0] == '\0' ? "an operator" : a->who);
	s->reason = mem_str(a->reason == NULL ? "" : a->reason);
	s->since = a->time;
	s->until = a->until;
	s->next = q->suspensions;
	q->suspensions = s;
	q->suspension_count++;
	return s;
}

void
suspend_attach(const struct queue *q, struct dest *d)
{
	d->halt = q->suspensions == NULL ? NULL : covering(q, span_str(d->transport->name), span_str(d->nexthop));
}

/* Each destination's own pointer anew: what is suspended now, what no more. */
static void
attach_all(struct queue *q)
{
	for (uint32_t i = 0; i < q->dest_count; i++) {
		struct dest *d = q->numbered[i];
		if (d == NULL)
			continue;
		const struct suspension *was = d->halt;
		suspend_attach(q, d);
		if (was == NULL && d->halt != NULL)
			dest_halted(q, d);
		else if (was != NULL && d->halt == NULL)
			dest_unsuspend(q, d);
	}
	q->ops->wake(q->arg);
}

static void
sweep_begin(struct queue *q)
{
	q->sweeping = q->suspensions != NULL;
	q->sweep_at = QID_NONE;
	q->ops->wake(q->arg);
}

/* -- suspending and resuming ------------------------------------------------------------------------ */

/* A suspension as an action remembers it, to be put back: until, who, reason. */
static void
remember(const struct suspension *s, struct buf *out)
{
	buf_printf(out, "%lld\t%s\t%s", (long long)s->until, s->who, s->reason);
}

static bool
is_over(const struct queue *q, int64_t until)
{
	return until != 0 && until <= queue_wall(q, queue_now(q));
}

static void
end_action(struct queue *q, uint32_t number)
{
	struct action *a = action_find(q, number);

	if (a != NULL && (a->flags & ACTION_KEPT))
		action_keep(q, a, false);
}

/* Replaces the one that is there. */
static void
put(struct queue *q, const struct action *a, struct suspension *old)
{
	(void)add(q, a);
	if (old != NULL) {
		unlink_suspension(q, old);
		end_action(q, old->action);
	}
	attach_all(q);
	if (old != NULL)
		suspension_free(old);
	sweep_begin(q);
}

static void
take(struct queue *q, struct suspension *s)
{
	unlink_suspension(q, s);
	end_action(q, s->action);
	attach_all(q);
	suspension_free(s);
}

uint32_t
queue_suspend(struct queue *q, struct span dest, struct span who, struct span reason, int64_t until, struct err *err)
{
	struct span transport, nexthop;
	struct buf before = BUF_INIT(4096);

	if (!suspend_name(q, dest, &transport, &nexthop, err))
		return 0;
	struct suspension *old = named(q, transport, nexthop);
	if (old == NULL && q->suspension_count >= SUSPENSIONS_MAX) {
		err_set(err, ERR_PERM, "%u destinations are suspended already", SUSPENSIONS_MAX);
		return 0;
	}
	if (old != NULL)
		remember(old, &before);
	struct action *a = action_begin(q, &(struct action_new){ .effect = EFFECT_SUSPEND, .command = SPAN("dest suspend"),
	    .who = who, .reason = reason, .argument = dest, .before = buf_view(&before), .until = until, .keep = true });
	uint32_t number = a->number;
	log_info("qmgr", "destination %.*s is suspended by %.*s", SPAN_ARG(dest), SPAN_ARG(who));
	put(q, a, old);
	action_end(q, action_find(q, number));
	buf_clear(&before);
	return number;
}

static uint32_t
resume_one(struct queue *q, struct suspension *s, struct span who, struct span reason)
{
	struct buf before = BUF_INIT(4096), name = BUF_INIT(0);

	remember(s, &before);
	suspension_name(s, &name);
	struct action *a = action_begin(q, &(struct action_new){ .effect = EFFECT_RESUME, .command = SPAN("dest resume"),
	    .who = who, .reason = reason, .argument = buf_view(&name), .before = buf_view(&before) });
	uint32_t number = a->number;
	log_info("qmgr", "destination %s is resumed by %.*s", name.ptr, SPAN_ARG(who));
	take(q, s);
	action_end(q, action_find(q, number));
	buf_clear(&before);
	buf_clear(&name);
	return number;
}

static bool
resumes(const struct suspension *s, struct span transport, struct span nexthop)
{
	return span_caseeqs(nexthop, s->nexthop) &&
	    (transport.len == 0 || (s->transport != NULL && span_eqs(transport, s->transport)));
}

uint32_t
queue_resume(struct queue *q, struct span dest, struct span who, struct span reason, struct err *err)
{
	struct span transport, nexthop;

	if (!suspend_name(q, dest, &transport, &nexthop, err))
		return 0;
	for (struct suspension *s = q->suspensions; s != NULL; s = s->next)
		if (resumes(s, transport, nexthop))
			return resume_one(q, s, who, reason);
	if (transport.len > 0 && named(q, SPAN_NONE, nexthop) != NULL)
		err_set(err, ERR_PERM, "%.*s is suspended over every transport: \"mtactl dest resume %.*s\" ends that",
		    SPAN_ARG(nexthop), SPAN_ARG(nexthop));
	else
		err_set(err, ERR_PERM, "no operator suspended %.*s", SPAN_ARG(dest));
	return 0;
}

bool
queue_retry(struct queue *q, struct span dest)
{
	struct span transport, nexthop;
	bool any = false;

	if (!suspend_name(q, dest, &transport, &nexthop, NULL))
		return false;
	for (uint32_t i = 0; i < q->dest_count; i++) {
		struct dest *d = q->numbered[i];
		if (d == NULL || !d->suspended || d->halt != NULL || !span_caseeqs(nexthop, d->nexthop) ||
		    (transport.len > 0 && !span_eqs(transport, d->transport->name)))
			continue;
		dest_unsuspend(q, d);
		any = true;
	}
	return any;
}

/* -- taking back ------------------------------------------------------------------------------------ */

/* The state that an action found: nothing suspended, or suspended so. */
static bool
restore(struct queue *q, const struct action *what, struct action *by, struct err *err)
{
	struct span before = span_str(what->before), transport, nexthop, until, who;
	struct suspension *now;
	int64_t end = 0;

	if (!suspend_name(q, span_str(what->argument), &transport, &nexthop, err))
		return false;
	now = named(q, transport, nexthop);
	if (before.len == 0) {
		if (now != NULL)
			take(q, now);
		return true;
	}
	if (!span_cut(&before, '\t', &until) || !num_i64(until, &end) || !span_cut(&before, '\t', &who)) {
		err_set(err, ERR_PERM, "how it was before is not on record");
		return false;
	}
	if (is_over(q, end)) {
		err_set(err, ERR_PERM, "the time of that suspension is over");
		return false;
	}
	by->effect = EFFECT_SUSPEND;
	by->until = end;
	by->flags |= ACTION_KEPT;
	if (by->reason == NULL || by->reason[0] == '\0') {
		free(by->reason);
		by->reason = span_dup(before);
	}
	put(q, by, now);
	return true;
}

static bool
undo(struct queue *q, const struct action *what, struct action *by, struct err *err)
{
	struct span transport, nexthop;
	struct buf now = BUF_INIT(4096);

	if (!suspend_name(q, span_str(what->argument), &transport, &nexthop, err))
		return false;
	const struct suspension *s = named(q, transport, nexthop);
	if (what->effect == EFFECT_SUSPEND && (s == NULL || s->action != what->number)) {
		err_set(err, ERR_PERM, s == NULL ? "%s is not suspended any more" : "%s was suspended anew since",
		    what->argument);
		return false;
	}
	if (what->effect == EFFECT_RESUME && s != NULL) {
		err_set(err, ERR_PERM, "%s was suspended anew since", what->argument);
		return false;
	}
	if (s != NULL)
		remember(s, &now);
	bool ok = restore(q, what, by, err);
	if (ok) {
		free(by->before);
		by->before = span_dup(buf_view(&now));
	}
	buf_clear(&now);
	return ok;
}

/* -- in time ---------------------------------------------------------------------------------------- */

void
suspends_init(void)
{
	actions_on_undo(EFFECT_SUSPEND, undo);
	actions_on_undo(EFFECT_RESUME, undo);
}

/* The list from the kept actions, oldest first so that of two the newer counts. */
void
suspend_recovered(struct queue *q)
{
	uint32_t at = 0;
	for (struct action *a; (a = action_before(q, at)) != NULL;) {
		struct span transport, nexthop;
		at = a->number;
		if (a->effect == EFFECT_SUSPEND && (a->flags & ACTION_KEPT) && a->argument != NULL) {
			bool known = suspend_name(q, span_str(a->argument), &transport, &nexthop, NULL) &&
			    named(q, transport, nexthop) != NULL;
			if (known || is_over(q, a->until))
				action_keep(q, a, false);
			else
				(void)add(q, a);
		}
		if (at <= 1)
			break;
	}
	attach_all(q);
	sweep_begin(q);
}

/* Mail that waits for its own time waits behind a suspended destination, too, where it would go there: `why` is to say so at once. */
static void
sweep_entry(struct queue *q, struct entry *e)
{
	int64_t now = queue_now(q);
	struct queue_route to;
	bool any = false;

	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		return;
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		if (r->place != PLACE_TIMER || r->status != RCPT_DEFERRED || r->next <= now)
			continue;
		to = (struct queue_route){ 0 };
		if (q->ops->route(q->arg, e, i, &to) != ROUTED_TO || covering(q, to.transport, to.nexthop) == NULL)
			continue;
		struct transport *t = transport_get(q, to.transport);
		if (t->limits.kind != TRANSPORT_SEND && t->limits.kind != TRANSPORT_LOCAL)
			continue;
		dest_block(q, dest_get(q, t, to.nexthop), e, i);
		any = true;
	}
	if (any)
		queue_set_timer(q, e);
}

static void
sweep(struct queue *q)
{
	struct entry *e;

	for (unsigned n = 0; n < SWEEP; n++) {
		e = index_after(&q->index, q->sweep_at);
		if (e == NULL) {
			q->sweeping = false;
			return;
		}
		q->sweep_at = e->id;
		sweep_entry(q, e);
	}
}

void
suspend_run(struct queue *q)
{
	struct suspension *next;

	for (struct suspension *s = q->suspensions; s != NULL; s = next) {
		next = s->next;
		if (!is_over(q, s->until))
			continue;
		log_info("qmgr", "destination %s%s%s: its suspension by %s is over", s->transport == NULL ? "" : s->transport,
		    s->transport == NULL ? "" : ":", s->nexthop, s->who);
		take(q, s);
	}
	if (q->sweeping)
		sweep(q);
}

int64_t
suspend_next(const struct queue *q)
{
	int64_t at = INT64_MAX;

	for (const struct suspension *s = q->suspensions; s != NULL; s = s->next)
		if (s->until != 0 && s->until - q->step < at)
			at = s->until - q->step;
	return q->sweeping ? 0 : at;
}

void
suspend_reconfigured(struct queue *q)
{
	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL && q->numbered[i]->halt != NULL)
			dest_scatter(q, q->numbered[i]);
	sweep_begin(q);
}

void
suspends_clear(struct queue *q)
{
	while (q->suspensions != NULL) {
		struct suspension *s = q->suspensions;
		q->suspensions = s->next;
		suspension_free(s);
	}
}

const struct dest *
suspend_blocks(const struct queue *q, const struct entry *e)
{
	const struct dest *halted = NULL;

	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		const struct dest *d = r->place == PLACE_BLOCKED ? dest_numbered(q, r->dest) : NULL;
		if (d != NULL && d->halt != NULL)
			halted = d;
	}
	return halted;
}
