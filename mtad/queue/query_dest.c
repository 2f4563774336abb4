/*
 * dest ls, dest suspend, dest resume.
 */
#include "queue/query.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/num.h"
#include "ctl/commands.h"
#include "queue/actions.h"

/* -- dest ls ------------------------------------------------------------------------------------------- */

static const char *const columns[] = {
	"destination", "transport", "queued", "active", "deferred", "concurrency", "limit", "suspended_until",
};
enum { BY_DESTINATION, BY_TRANSPORT, BY_QUEUED, BY_ACTIVE, BY_DEFERRED, BY_CONCURRENCY, BY_LIMIT, BY_SUSPENDED,
	COLUMNS };

/* A row of the list: a destination that the scheduler has, or (number 0) a suspension that holds none. */
struct dest_line {
	uint32_t	 number, action;
	int64_t		 key;
	char		 text[64];
};

static void
put_suspension(struct jsonl *j, const struct suspension *s)
{
	if (s->until != 0)
		jsonl_i64(j, "suspended_until", s->until / SECOND);
	jsonl_str(j, "suspended_by", span_str(s->who));
	if (s->reason[0] != '\0')
		jsonl_str(j, "suspended_reason", span_str(s->reason));
	jsonl_i64(j, "suspended_since", s->since / SECOND);
	jsonl_i64(j, "action", s->action);
}

static void
put_dest(const struct queue *q, struct buf *rows, const struct dest *d)
{
	struct jsonl j = { .out = rows };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "transport", span_str(d->transport->name));
	jsonl_str(&j, "destination", span_str(d->nexthop));
	jsonl_i64(&j, "queued", d->queued);
	jsonl_i64(&j, "active", d->busy);
	jsonl_i64(&j, "deferred", (int64_t)d->blocked_rcpts);
	jsonl_i64(&j, "concurrency", (int64_t)d->window);
	jsonl_i64(&j, "limit", (int64_t)d->transport->limits.limit);
	if (d->halt != NULL)
		put_suspension(&j, d->halt);
	else if (d->suspended)
		jsonl_i64(&j, "suspended_until", queue_wall(q, d->until) / SECOND);
	if (d->suspended)
		jsonl_str(&j, "reason", span_str(d->reason));
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

/* No mail is there for it; the members are those of any row. */
static void
put_alone(struct buf *rows, const struct suspension *s)
{
	struct jsonl j = { .out = rows };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "transport", s->transport == NULL ? SPAN("*") : span_str(s->transport));
	jsonl_str(&j, "destination", span_str(s->nexthop));
	jsonl_i64(&j, "queued", 0);
	jsonl_i64(&j, "active", 0);
	jsonl_i64(&j, "deferred", 0);
	put_suspension(&j, s);
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

static const struct suspension *
suspension_numbered(const struct queue *q, uint32_t action)
{
	const struct suspension *s = q->suspensions;

	while (s != NULL && s->action != action)
		s = s->next;
	return s;
}

static bool
holds_any(const struct queue *q, const struct suspension *s)
{
	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL && q->numbered[i]->halt == s)
			return true;
	return false;
}

static void
key_of(const struct queue *q, int by, const struct dest *d, struct dest_line *l)
{
	switch (by) {
	case BY_QUEUED:
		l->key = d->queued;
		break;
	case BY_ACTIVE:
		l->key = d->busy;
		break;
	case BY_DEFERRED:
		l->key = (int64_t)d->blocked_rcpts;
		break;
	case BY_CONCURRENCY:
		l->key = (int64_t)d->window;
		break;
	case BY_LIMIT:
		l->key = (int64_t)d->transport->limits.limit;
		break;
	case BY_SUSPENDED:
		l->key = d->halt != NULL ? d->halt->until : d->suspended ? queue_wall(q, d->until) : 0;
		break;
	default:
		(void)snprintf(l->text, sizeof l->text, "%s", by == BY_TRANSPORT ? d->transport->name : d->nexthop);
		break;
	}
}

/* Numbers largest first: what an operator looks for stands on top. */
static int
compare_lines(const void *a, const void *b)
{
	const struct dest_line *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	if (order != 0)
		return order;
	return x->number != y->number ? (x->number < y->number ? -1 : 1) : x->action < y->action ? -1 : 1;
}

static struct dest_line *
collect(const struct queue *q, int by, size_t *count)
{
	struct dest_line *lines = mem_array((size_t)q->dest_count + q->suspension_count + 1, sizeof *lines);
	size_t n = 0;

	for (uint32_t i = 0; i < q->dest_count; i++)
		if (q->numbered[i] != NULL) {
			lines[n].number = i + 1;
			key_of(q, by, q->numbered[i], &lines[n++]);
		}
	for (const struct suspension *s = q->suspensions; s != NULL; s = s->next) {
		if (holds_any(q, s))
			continue;
		lines[n].action = s->action;
		lines[n].key = by == BY_SUSPENDED ? s->until : 0;
		if (by == BY_DESTINATION || by == BY_TRANSPORT)
			(void)snprintf(lines[n].text, sizeof lines[n].text, "%s", by == BY_DESTINATION ? s->nexthop :
			    s->transport == NULL ? "*" : s->transport);
		n++;
	}
	if (by >= 0)
		qsort(lines, n, sizeof *lines, compare_lines);
	*count = n;
	return lines;
}

bool
dest_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	const struct queue *q = &rq->q;

	if (!a->collected) {
		a->lines = collect(q, a->field, &a->item_count);
		a->collected = true;
	}
	while (a->item_at < a->item_count && (a->limit == 0 || a->matched < a->limit)) {
		const struct dest_line *l = &a->lines[a->reverse ? a->item_count - 1 - a->item_at : a->item_at];
		const struct dest *d = l->number == 0 ? NULL : dest_numbered(q, l->number);
		const struct suspension *s = l->number == 0 ? suspension_numbered(q, l->action) : NULL;
		a->item_at++;
		if (d == NULL && s == NULL)
			continue;	/* gone meanwhile */
		a->matched++;
		if (d != NULL)
			put_dest(q, rows, d);
		else
			put_alone(rows, s);
		if (rows->len >= SLICE_BYTES)
			return false;
	}
	return true;
}

static bool
take_column(struct ask *a, struct span name)
{
	struct near near = { .word = name };

	for (int i = 0; i < COLUMNS; i++) {
		near_try(&near, columns[i]);
		if (!span_caseeqs(name, columns[i]))
			continue;
		a->field = i;
		return true;
	}
	ask_fail(a, 64, "dest ls has no column \"%.*s\"%s%s%s", SPAN_ARG(span_head(name, 40)),
	    near.best != NULL ? "; did you mean \"" : "", near.best != NULL ? near.best : "",
	    near.best != NULL ? "\"?" : "");
	return false;
}

/* -- suspending and resuming ------------------------------------------------------------------------------ */

static bool
nothing_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	(void)rq;
	(void)a;
	(void)rows;
	return true;
}

/* What waits there now. */
static uint64_t
waiting(const struct queue *q, struct span dest)
{
	struct span transport, nexthop;
	uint64_t n = 0;

	if (!suspend_name(q, dest, &transport, &nexthop, NULL))
		return 0;
	for (uint32_t i = 0; i < q->dest_count; i++) {
		const struct dest *d = q->numbered[i];
		if (d != NULL && span_caseeqs(nexthop, d->nexthop) &&
		    (transport.len == 0 || span_eqs(transport, d->transport->name)))
			n += d->queued + d->blocked_rcpts;
	}
	return n;
}

static void
put_did(const struct queue *q, struct buf *rows, struct span dest, const char *result, int64_t until)
{
	struct jsonl j = { .out = rows };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "destination", dest);
	jsonl_str(&j, "result", span_str(result));
	if (until != 0)
		jsonl_i64(&j, "suspended_until", until / SECOND);
	jsonl_i64(&j, "waiting", (int64_t)waiting(q, dest));
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

static void
put_action(const struct queue *q, struct buf *rows, uint32_t number)
{
	const struct action *n = action_find(q, number);
	struct jsonl j = { .out = rows };

	if (n == NULL)
		return;
	jsonl_object(&j, NULL);
	jsonl_i64(&j, "action", n->number);
	jsonl_str(&j, "command", span_str(n->command));
	jsonl_i64(&j, "messages", (int64_t)n->messages);
	jsonl_bool(&j, "undo", action_can_undo(n));
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

static bool
suspend_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	struct queue *q = &rq->q;
	struct span dest = span_str(a->dest);
	struct err err = { 0 };
	int64_t until = a->for_time == 0 ? 0 : queue_wall(q, queue_now(q)) + a->for_time;
	uint32_t number = queue_suspend(q, dest, span_str(a->who), span_str(a->dest_reason), until, &err);

	if (number == 0) {
		ask_fail(a, 64, "%s", err.text);
		return true;
	}
	a->acted++;
	put_did(q, rows, dest, "suspended", until);
	put_action(q, rows, number);
	queue_role_wake(rq);
	return true;
}

static bool
resume_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	struct queue *q = &rq->q;
	struct span dest = span_str(a->dest);
	struct err err = { 0 };
	uint32_t number;

	while ((number = queue_resume(q, dest, span_str(a->who), span_str(a->dest_reason), &err)) != 0) {
		a->acted++;
		const struct action *n = action_find(q, number);
		put_did(q, rows, n == NULL ? dest : span_str(n->argument), "resumed", 0);
		put_action(q, rows, number);
	}
	if (queue_retry(q, dest)) {
		if (a->acted == 0)
			put_did(q, rows, dest, "tried now", 0);
	} else if (a->acted == 0) {
		ask_fail(a, 1, "%s", err.text);
	}
	queue_role_wake(rq);
	return true;
}

static bool
take_dest(struct ask *a, struct span args)
{
	struct span v;

	if (!args_get(args, "dest", &v) || v.len == 0) {
		ask_fail(a, 64, "name a destination");
		return false;
	}
	a->dest = span_dup(v);
	if (args_get(args, "reason", &v))
		a->dest_reason = span_dup(span_head(v, 500));
	if (args_get(args, "for", &v) && (!duration_parse(v, &a->for_time) || a->for_time <= 0 ||
	    a->for_time > 3650 * DAY)) {
		ask_fail(a, 64, "\"%.*s\" is not a time, as 10m, 1h30m or 2d", SPAN_ARG(span_head(v, 40)));
		return false;
	}
	a->durable = true;
	return true;
}

bool
dest_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	struct span v;

	(void)rq;
	a->slice = nothing_slice;	/* where the arguments are wrong */
	if (span_eqs(command, "dest ls")) {
		a->field = -1;
		a->reverse = args_get(args, "reverse", &v);
		if (args_get(args, "limit", &v))
			(void)num_u64(v, &a->limit);
		if (!args_get(args, "sort", &v) || take_column(a, v))
			a->slice = dest_slice;
	} else if (span_eqs(command, "dest suspend")) {
		if (take_dest(a, args))
			a->slice = suspend_slice;
	} else if (span_eqs(command, "dest resume")) {
		if (take_dest(a, args))
			a->slice = resume_slice;
	} else {
		return false;
	}
	return true;
}
