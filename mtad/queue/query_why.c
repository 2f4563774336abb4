/*
 * why, doctor, and the numbers for status.
 */
#include "queue/query.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "ctl/commands.h"
#include "mail/explain.h"

/* -- why ------------------------------------------------------------------------------------------------ */

/* With what TLS said of it, where that is all that the text does not tell. */
static void
put_cause(struct buf *out, const struct outcome *o)
{
	struct span detail = outcome_tls(o);

	buf_str(out, explain(o)->cause);
	if (detail.len > 0) {
		buf_str(out, ": ");
		buf_span(out, detail);
	}
}

static void
put_verdict(struct jsonl *j, const struct entry *e, uint32_t i, const struct why *w, const struct last_outcome *last)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	struct buf text = BUF_INIT(2048);

	if (rcpt_final(r))
		buf_str(&text, r->status == RCPT_FAILED ? "it has failed" : "it was delivered");
	else if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		buf_printf(&text, "%s", w->blocker);
	else if (r->place == PLACE_QUEUED || r->place == PLACE_LEASED || r->place == PLACE_BLOCKED)
		buf_printf(&text, "%s", w->blocker);
	else if (last != NULL)
		put_cause(&text, &last->outcome);
	else
		buf_printf(&text, "%s", w->blocker[0] != '\0' ? w->blocker : "it has not been tried yet");
	jsonl_str(j, "verdict", buf_view(&text));
	buf_clear(&text);
}

static void
put_destination(struct role_queue *rq, struct jsonl *j, const struct entry *e, uint32_t i, const struct last_outcome *last)
{
	const struct dest *d = dest_numbered(&rq->q, e->rcpts[i].dest);
	struct buf text = BUF_INIT(2048);

	if (d != NULL)
		buf_printf(&text, "%s:%s", d->transport->name, d->nexthop);
	else if (last != NULL && last->transport.len > 0)
		buf_printf(&text, "%.*s:%.*s", SPAN_ARG(last->transport), SPAN_ARG(last->nexthop));
	if (text.len > 0)
		jsonl_str(j, "destination", buf_view(&text));
	buf_clear(&text);
}

/* An operator's suspension of where it goes. */
static const struct suspension *
halted_by(const struct role_queue *rq, const struct entry *e, uint32_t i)
{
	const struct dest *d = e->rcpts[i].place == PLACE_BLOCKED ? dest_numbered(&rq->q, e->rcpts[i].dest) : NULL;

	return d == NULL ? NULL : d->halt;
}

/* What would help: for a failure what mends its cause, else what the scheduler's state asks for. */
static const char *
help_of(const struct role_queue *rq, const struct entry *e, uint32_t i, const struct why *w, const struct last_outcome *last)
{
	bool stopped = (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED)) != 0;
	enum place place = e->rcpts[i].place;

	if (last == NULL || stopped || halted_by(rq, e, i) != NULL || place == PLACE_QUEUED || place == PLACE_LEASED)
		return w->help;
	return explain(&last->outcome)->help;
}

static const char *
stage_of(const struct role_queue *rq, const struct entry *e, uint32_t rcpt)
{
	size_t at = 0;
	const struct lease *l;

	if (e->rcpts[rcpt].place != PLACE_LEASED)
		return NULL;
	while ((l = map_next(&rq->q.leases, &at)) != NULL)
		for (uint32_t i = 0; l->job->entry == e && i < l->count; i++)
			if (l->rcpts[i] == rcpt)
				return lease_stage_text(l->stage);
	return NULL;
}

static void
put_why(struct role_queue *rq, struct buf *out, const struct entry *e, uint32_t i)
{
	struct jsonl j = { .out = out };
	struct last_outcome found, *last = reader_outcome(rq, e, i, &found) ? &found : NULL;
	struct why w;
	char id[QID_TEXT];

	queue_why(&rq->q, e, i, &w);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "queue_id", span_str(qid_text(e->id, id)));
	jsonl_str(&j, "queue_name", span_str(entry_state_text(e->state)));
	jsonl_str(&j, "sender", entry_sender(e));
	jsonl_i64(&j, "arrival_time", e->arrival / SECOND);
	jsonl_str(&j, "recipient", entry_address(e, i));
	jsonl_str(&j, "state", span_str(row_rcpt_state(e, i)));
	put_verdict(&j, e, i, &w, last);
	if (last != NULL) {
		jsonl_str(&j, "reason", last->outcome.text);
		if (halted_by(rq, e, i) == NULL)
			jsonl_str(&j, "code", span_str(explain(&last->outcome)->code));
		if (outcome_tls(&last->outcome).len > 0)
			jsonl_str(&j, "tls", outcome_tls(&last->outcome));
		if (last->outcome.relay.len > 0)
			jsonl_str(&j, "relay", last->outcome.relay);
		if (last->outcome.dsn.len > 0)
			jsonl_str(&j, "dsn", last->outcome.dsn);
		jsonl_i64(&j, "last_time", last->time / SECOND);
	}
	if (halted_by(rq, e, i) != NULL) {
		jsonl_str(&j, "code", SPAN("suspended"));
		jsonl_i64(&j, "since", halted_by(rq, e, i)->since / SECOND);
	}
	jsonl_i64(&j, "attempts", e->rcpts[i].attempts);
	if (w.next_time != 0)
		jsonl_i64(&j, "next_time", w.next_time / SECOND);
	if (w.next[0] != '\0')
		jsonl_str(&j, "next_event", span_str(w.next));
	if (w.blocker[0] != '\0')
		jsonl_str(&j, "blocker", span_str(w.blocker));
	const char *help = help_of(rq, e, i, &w, last);
	if (help[0] != '\0')
		jsonl_str(&j, "help", span_str(help));
	put_destination(rq, &j, e, i, last);
	const char *stage = stage_of(rq, e, i);
	if (stage != NULL)
		jsonl_str(&j, "lease_stage", span_str(stage));
	if (e->rcpts[i].cause != 0)
		jsonl_i64(&j, "same_cause", index_cause_count(&rq->q.index, e->rcpts[i].cause));
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

bool
why_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	const struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, rows, &pause)) != NULL) {
		struct row row = { .rq = rq, .e = e };
		for (uint32_t i = 0; i < e->rcpt_count; i++)
			if ((e->open == 0 || !rcpt_final(&e->rcpts[i])) && (selector_all(a->selector) || a->by_id ||
			    selector_match_recipient(a->selector, &row_ops, &row, i)))
				put_why(rq, rows, e, i);
		row_clear(&row);
	}
	if (pause)
		return false;
	if (a->matched == 0 && a->by_id && a->id_count == 1)
		return story_ends(rq, a, rows);
	if (a->matched == 0)
		ask_fail(a, 1, "no such message in the queue: it is finished, or never was here");
	return true;
}

/* -- doctor --------------------------------------------------------------------------------------------------- */

#define VIOLATIONS_SHOWN	1000

struct diagnosis {
	struct buf	*rows;
	uint64_t	 shown;
};

static void
violation(void *arg, const struct entry *e, uint32_t rcpt, const char *text)
{
	struct diagnosis *d = arg;
	struct jsonl j = { .out = d->rows };
	char id[QID_TEXT];

	if (d->shown++ >= VIOLATIONS_SHOWN)
		return;
	jsonl_object(&j, NULL);
	jsonl_str(&j, "violation", span_str(text));
	if (e != NULL) {
		jsonl_str(&j, "queue_id", span_str(qid_text(e->id, id)));
		if (rcpt < e->rcpt_count)
			jsonl_str(&j, "recipient", entry_address(e, rcpt));
	}
	jsonl_end_object(&j);
	buf_char(d->rows, '\n');
}

static void
put_check(struct buf *rows, const char *check, uint64_t checked, uint64_t violations)
{
	struct jsonl j = { .out = rows };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "check", span_str(check));
	jsonl_bool(&j, "ok", violations == 0);
	jsonl_i64(&j, "checked", (int64_t)checked);
	jsonl_i64(&j, "violations", (int64_t)violations);
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

struct segment_count {
	uint32_t	 number, live;
};

static int
compare_segments(const void *a, const void *b)
{
	const struct segment_count *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

struct segment_check {
	struct role_queue *rq;
	struct diagnosis *d;
	struct segment_count *counts;
	size_t		 n, cap;
	uint64_t	 violations;
};

static bool
note_segment(void *arg, const struct store_segment *s)
{
	struct segment_check *c = arg;

	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 64 : c->cap * 2;
		c->counts = mem_grow(c->counts, c->cap, sizeof *c->counts);
	}
	c->counts[c->n++] = (struct segment_count){ .number = s->number };
	return true;
}

/* What each segment is thought to hold is what the messages say that it holds. */
static void
check_segments(struct segment_check *c)
{
	struct index *ix = &c->rq->q.index;
	struct qid at = QID_NONE;

	store_each(c->rq->store, note_segment, c);
	for (const struct entry *e; (e = index_after(ix, at)) != NULL; at = e->id) {
		struct segment_count key = { .number = e->loc.segment };
		struct segment_count *s = c->n == 0 ? NULL :
		    bsearch(&key, c->counts, c->n, sizeof key, compare_segments);
		if (s != NULL) {
			s->live++;
			continue;
		}
		c->violations++;
		violation(c->d, e, UINT32_MAX, "its segment is not there");
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct store_segment *s = store_get(c->rq->store, c->counts[i].number);
		char text[128];
		if (s == NULL || s->live == c->counts[i].live)
			continue;
		(void)snprintf(text, sizeof text, "segment %u: %u messages kept, %u found", s->number, s->live,
		    c->counts[i].live);
		c->violations++;
		violation(c->d, NULL, 0, text);
	}
	free(c->counts);
}

static uint64_t
check_tallies(const struct queue *q, struct diagnosis *d)
{
	struct index_tally found[ENTRY_STATES] = { 0 };
	struct qid at = QID_NONE;
	uint64_t bad = 0;

	for (const struct entry *e; (e = index_after(&q->index, at)) != NULL; at = e->id) {
		found[e->state].messages++;
		found[e->state].recipients += e->open;
	}
	for (int i = 0; i < ENTRY_STATES; i++) {
		if (found[i].messages == q->index.tally[i].messages && found[i].recipients == q->index.tally[i].recipients)
			continue;
		bad++;
		violation(d, NULL, 0, "the count of a queue is wrong");
	}
	return bad;
}

/* In one piece: between slices the queue would change under it. */
bool
doctor_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	struct diagnosis d = { .rows = rows };
	struct doctor doc = { .violation = violation, .arg = &d };
	struct segment_check segments = { .rq = rq, .d = &d };
	struct qid at = QID_NONE;

	doctor_begin(&doc, &rq->q);
	for (const struct entry *e; (e = index_after(&rq->q.index, at)) != NULL; at = e->id)
		doctor_entry(&doc, &rq->q, e);
	doctor_end(&doc, &rq->q);
	uint64_t tallies = check_tallies(&rq->q, &d);
	check_segments(&segments);
	put_check(rows, "every recipient has a next event or a named blocker", doc.checked, doc.violations);
	put_check(rows, "the queues' counts are right", rq->q.index.count, tallies);
	put_check(rows, "the segments' counts are right", segments.n, segments.violations);
	if (doc.violations + tallies + segments.violations > 0)
		a->status = 1;
	doctor_clear(&doc);
	a->matched = 1;
	return true;
}

bool
why_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	(void)rq;
	(void)args;
	if (span_eqs(command, "why")) {
		a->slice = why_slice;
	} else if (span_eqs(command, "doctor")) {
		a->slice = doctor_slice;
	} else {
		return false;
	}
	return true;
}

/* -- numbers -------------------------------------------------------------------------------------------------------- */

void
stats_put(struct role_queue *rq, struct buf *out)
{
	const struct queue *q = &rq->q;
	struct jsonl j = { .out = out };
	uint64_t recipients = 0, bytes = 0;

	jsonl_object(&j, NULL);
	for (uint8_t i = 0; i < ENTRY_STATES; i++) {
		jsonl_i64(&j, entry_state_text(i), (int64_t)q->index.tally[i].messages);
		recipients += q->index.tally[i].recipients;
		bytes += q->index.tally[i].bytes;
	}
	jsonl_i64(&j, "recipients", (int64_t)recipients);
	jsonl_i64(&j, "bytes", (int64_t)bytes);
	jsonl_i64(&j, "free", (int64_t)rq->free_bytes);
	jsonl_bool(&j, "full", rq->full);
	jsonl_bool(&j, "lagging", rq->lagging);
	jsonl_bool(&j, "open", q->open);
	jsonl_i64(&j, "deliveries", (int64_t)q->leases.count);
	jsonl_i64(&j, "destinations", (int64_t)q->dests.count);
	jsonl_i64(&j, "notices_pending", (int64_t)q->notices.count);
	jsonl_i64(&j, "submitted", (int64_t)q->counters.submitted);
	jsonl_i64(&j, "sent", (int64_t)q->counters.sent);
	jsonl_i64(&j, "deferrals", (int64_t)q->counters.deferred);
	jsonl_i64(&j, "bounced", (int64_t)q->counters.bounced);
	jsonl_i64(&j, "expired", (int64_t)q->counters.expired);
	jsonl_i64(&j, "removed", (int64_t)q->counters.removed);
	jsonl_i64(&j, "segments_mail", store_count(rq->store, SEGMENT_MAIL));
	jsonl_i64(&j, "segments_journal", store_count(rq->store, SEGMENT_JOURNAL));
	jsonl_i64(&j, "segments_free", store_count(rq->store, SEGMENT_FREE));
	jsonl_end_object(&j);
}
