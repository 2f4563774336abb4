#include "queue/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "ctl/commands.h"
#include "ctl/story.h"
#include "queue/acting.h"
#include "spool/index_words.h"
#include "spool/record.h"

#define SLICE_TIME	((int64_t)2000)

static struct loop_timer again;	/* no task: sockets get their turn between two slices */

static struct ask *
ask_find(const struct role_queue *rq, uint64_t request)
{
	struct ask *a = rq->asks;

	while (a != NULL && a->request != request)
		a = a->next;
	return a;
}

static void
ask_free(struct role_queue *rq, struct ask *a)
{
	struct ask **at = &rq->asks;
	size_t i = 0;
	void *group;

	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at == a)
		*at = a->next;
	while ((group = map_next(&a->groups, &i)) != NULL)
		free(group);
	map_clear(&a->groups);
	selector_free(a->selector);
	sorter_clear(&a->places);
	sorter_clear(&a->keys);
	free(a->lines);
	free(a->dest);
	free(a->dest_reason);
	story_free(a->story);
	acting_free(rq, a);
	free(a->who);
	free(a->ids);
	free(a->error);
	free(a);
}

void
ask_fail(struct ask *a, uint8_t status, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	a->status = status;
	free(a->error);
	a->error = mem_str(text);
}

bool
ask_slice_is_over(struct ask *a, const struct buf *rows)
{
	return rows->len >= SLICE_BYTES || (++a->steps % 64 == 0 && clock_mono() > a->until);
}

/* -- what matches ------------------------------------------------------------------------------------------- */

enum looked { NO, YES, LATER };

static bool
is_known(const struct role_queue *rq, const struct entry_rcpt *r, enum ask_need need)
{
	struct words known;

	return need == NEEDS_NOTHING || (words_of(&rq->q.index, r, &known) && (need == NEEDS_ROUTE || known.has_text));
}

/* Its first journal record that has to be read for this. */
static struct loc
record_of(const struct role_queue *rq, const struct entry *e, enum ask_need need)
{
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!rcpt_final(&e->rcpts[i]) && e->rcpts[i].reply.segment != 0 && !is_known(rq, &e->rcpts[i], need))
			return e->rcpts[i].reply;
	return (struct loc){ 0 };
}

static enum looked
look_at(struct role_queue *rq, const struct ask *a, const struct entry *e, bool shallow)
{
	struct row row = { .rq = rq, .e = e, .shallow = shallow };
	struct loc at;

	if ((e->flags & ENTRY_TRASHED) && !a->trash && !a->by_id)
		return NO;
	/* What the selector would find out at the price of an expression on an empty text. */
	if (shallow && a->by_reason && (at = record_of(rq, e, NEEDS_REASON)).segment != 0 && !reader_is_near(rq, at))
		return LATER;
	bool match = a->selector == NULL || a->by_id || selector_all(a->selector) || selector_match(a->selector, &row_ops, &row);
	row_clear(&row);
	if (row.deep)
		return LATER;
	if (!match)
		return NO;
	if (!shallow)
		return YES;
	at = record_of(rq, e, a->needs);
	return at.segment == 0 || reader_is_near(rq, at) ? YES : LATER;
}

static void
put_off(const struct role_queue *rq, struct ask *a, const struct entry *e)
{
	struct loc at = record_of(rq, e, a->by_reason || a->needs == NEEDS_NOTHING ? NEEDS_REASON : a->needs);

	if (a->places.size == 0)
		sorter_begin(&a->places, false, false);
	sorter_add(&a->places, &(struct sort_item){ .usec = e->id.usec, .writer = e->id.writer, .hint = a->hint,
		.number = (int64_t)at.segment << 32 | at.block });
}

/* In a large queue most of the time goes by while memory is fetched: the place in the index first, half way the entry that it points to. */
static bool
take_ahead(struct role_queue *rq, struct ask *a, struct ahead *out)
{
	const struct sort_item *item;

	while (a->ahead_count < AHEAD && (item = sorter_next(&a->places)) != NULL) {
		a->ahead[(a->ahead_at + a->ahead_count++) % AHEAD] = (struct ahead){ sort_item_id(item), item->hint };
		index_place_soon(&rq->q.index, item->hint);
	}
	if (a->ahead_count == 0)
		return false;
	*out = a->ahead[a->ahead_at];
	a->ahead_at = (a->ahead_at + 1) % AHEAD;
	a->ahead_count--;
	if (a->ahead_count > AHEAD / 2)
		index_soon(&rq->q.index, a->ahead[(a->ahead_at + AHEAD / 2 - 1) % AHEAD].hint);
	return true;
}

/* The next to look at: as named, or by the index, then what was put off by its place in the journal. NULL: it is gone, or this is the end. */
static struct entry *
candidate(struct role_queue *rq, struct ask *a, bool *end)
{
	*end = false;
	if (a->by_id) {
		*end = a->id_at == a->id_count;
		return *end ? NULL : index_find(&rq->q.index, a->ids[a->id_at++]);
	}
	if (!a->walked) {
		struct entry *e = index_next(&rq->q.index, a->at, &a->hint);
		if (e != NULL) {
			a->at = e->id;
			return e;
		}
		a->walked = true;
		sorter_end(&a->places);
	}
	struct ahead next;
	*end = !take_ahead(rq, a, &next);
	if (*end)
		return NULL;
	a->hint = next.hint;
	return index_find_at(&rq->q.index, next.id, next.hint);
}

struct entry *
ask_next(struct role_queue *rq, struct ask *a, const struct buf *rows, bool *pause)
{
	bool end = false;

	*pause = false;
	if (a->limit > 0 && a->matched >= a->limit)
		return NULL;
	for (;;) {
		if (ask_slice_is_over(a, rows)) {
			*pause = true;
			return NULL;
		}
		struct entry *e = candidate(rq, a, &end);
		if (end)
			return NULL;
		switch (e == NULL ? NO : look_at(rq, a, e, a->any_order && !a->by_id && !a->walked)) {
		case YES:
			a->matched++;
			return e;
		case LATER:
			put_off(rq, a, e);
			break;
		case NO:
			break;
		}
	}
}

/* -- answers ------------------------------------------------------------------------------------------------ */

static void
send_end(struct role_queue *rq, struct ask *a, struct span rows)
{
	const struct link *l = link_get(rq, ROLE_CONTROL, 0);

	if (l != NULL)
		ipc_send_answer(l->ipc, &(struct ipc_answer){ .request = a->request, .done = 1, .status = a->status,
		    .rows = rows, .error = span_str(a->error) }, -1);
	ask_free(rq, a);
}

struct barrier {
	struct role_queue *rq;
	uint64_t	 request;
};

static void
durable(void *arg, bool ok, struct loc unused)
{
	struct barrier b = *(struct barrier *)arg;
	struct ask *a = ask_find(b.rq, b.request);

	(void)unused;
	free(arg);
	if (a == NULL)
		return;
	if (!ok)
		ask_fail(a, 75, "done, but the journal could not be synced");
	send_end(b.rq, a, SPAN_NONE);
}

static void
send_rows(struct role_queue *rq, struct ask *a, struct span rows)
{
	const struct link *l = link_get(rq, ROLE_CONTROL, 0);

	if (l != NULL && rows.len > 0)
		ipc_send_answer(l->ipc, &(struct ipc_answer){ .request = a->request, .rows = rows }, -1);
}

/* What was done is told when it is durable. */
static void
finish_durable(struct role_queue *rq, struct ask *a, struct span rows)
{
	struct barrier *b;

	send_rows(rq, a, rows);
	a->finished = true;
	MEM_NEW(b);
	b->rq = rq;
	b->request = a->request;
	journal_flush(&rq->q);
	spool_writer_sync(rq->journal, durable, b);
}

static void
ask_run(struct role_queue *rq, struct ask *a)
{
	struct buf rows = BUF_INIT(0);

	(void)buf_room(&rows, SLICE_BYTES + 8192);
	a->until = clock_mono() + SLICE_TIME;
	bool done = a->slice(rq, a, &rows);
	if (done && a->durable && a->acted > 0) {
		finish_durable(rq, a, buf_view(&rows));
	} else if (done) {
		send_end(rq, a, buf_view(&rows));
	} else if (rows.len > 0) {
		a->waiting = true;
		send_rows(rq, a, buf_view(&rows));
	} else {
		loop_timer_set(&again, 0);
	}
	buf_clear(&rows);
}

/* Those that used up their time without a row to show for it. */
static void
run_again(void *arg)
{
	struct role_queue *rq = arg;
	struct ask *next;

	for (struct ask *a = rq->asks; a != NULL; a = next) {
		next = a->next;
		if (!a->waiting && !a->finished)
			ask_run(rq, a);
	}
}

/* -- what is asked ------------------------------------------------------------------------------------------- */

static bool
take_selector(struct ask *a, struct span args, struct err *err)
{
	struct span text;

	if (!args_get(args, "selector", &text) && !args_get(args, "id", &text))
		text = SPAN_NONE;
	a->selector = selector_new(text, err);
	if (a->selector == NULL)
		return false;
	for (size_t i = 0; i + 5 <= text.len; i++)
		a->trash = a->trash || span_casestarts(span_skip(text, i), "trash");
	struct qid *ids = mem_array(IDS_MAX, sizeof *ids);
	a->by_reason = selector_begins(a->selector, SEL_REASON);
	a->by_id = selector_ids(a->selector, ids, IDS_MAX, &a->id_count);
	if (a->by_id) {
		a->ids = mem_array(a->id_count + 1, sizeof *ids);
		memcpy(a->ids, ids, a->id_count * sizeof *ids);
	}
	free(ids);
	return true;
}

static bool
take_options(struct ask *a, struct span args, struct err *err)
{
	struct span v;

	a->field = -1;
	if (args_get(args, "limit", &v) && !num_u64(v, &a->limit)) {
		err_set(err, ERR_PERM, "limit is not a number");
		return false;
	}
	if (args_get(args, "sort", &v) || args_get(args, "by", &v)) {
		enum selector_field f;
		if (!selector_field_find(v, &f)) {
			err_set(err, ERR_PERM, "no such field: %.*s", SPAN_ARG(span_head(v, 60)));
			return false;
		}
		a->field = (int)f;
	}
	a->reverse = args_get(args, "reverse", &v);
	a->total = args_get(args, "total", &v);
	a->window = a->total;
	if (args_get(args, "offset", &v)) {
		a->window = true;
		if (!num_u64(v, &a->offset)) {
			err_set(err, ERR_PERM, "offset is not a number");
			return false;
		}
	}
	if (args_get(args, "around", &v)) {
		a->window = true;
		if (!qid_parse(v, &a->around)) {
			err_set(err, ERR_PERM, "around is not a queue ID");
			return false;
		}
	}
	return true;
}

static void
refuse(struct ipc *ipc, uint64_t request, uint8_t status, const char *text)
{
	ipc_send_answer(ipc, &(struct ipc_answer){ .request = request, .done = 1, .status = status,
	    .error = span_str(text) }, -1);
}

/* A message's content: control reads it itself. */
static void
cat(struct role_queue *rq, struct ipc *ipc, const struct ipc_ask *m)
{
	struct link *l = link_of(rq, ipc);
	struct buf header = BUF_INIT(0);
	struct span text;
	struct qid id;

	const struct entry *e = args_get(m->args, "id", &text) && qid_parse(text, &id) ?
	    index_find(&rq->q.index, id) : NULL;
	if (e == NULL || l == NULL) {
		refuse(ipc, m->request, 1, "no such message in the queue");
		return;
	}
	int spill = link_spill(rq, e);
	if ((e->spill != 0 && spill < 0) || !link_show_segment(rq, l, e->loc.segment)) {
		refuse(ipc, m->request, 75, "the message's file cannot be opened");
	} else {
		row_put(rq, &header, e, true);
		if (header.len > 0 && header.ptr[header.len - 1] == '\n')
			buf_cut(&header, header.len - 1);
		ipc_send_answer_content(ipc, &(struct ipc_answer_content){ .request = m->request,
		    .segment = e->loc.segment, .offset = loc_offset(e->loc), .length = e->loc.length,
		    .header = buf_view(&header) }, spill);
	}
	if (spill >= 0)
		(void)close(spill);
	buf_clear(&header);
}

void
queries_on_ask(void *arg, struct ipc *ipc, const struct ipc_ask *m, int fd)
{
	struct role_queue *rq = arg;
	struct err err = { 0 };
	struct ask *a;

	(void)fd;
	if (!again.made)
		loop_timer_init(&again, run_again, rq);
	if (span_eqs(m->command, "cat")) {
		cat(rq, ipc, m);
		return;
	}
	MEM_NEW(a);
	a->request = m->request;
	a->rights = m->rights;
	a->who = span_dup(span_head(m->who, 200));
	a->next = rq->asks;
	rq->asks = a;
	/* Those of destinations and one message's story take nothing that others take. */
	bool own = dest_begin(rq, a, m->command, m->args) || story_begin(rq, a, m->command, m->args);
	if (!own && (!take_selector(a, m->args, &err) || !take_options(a, m->args, &err))) {
		refuse(ipc, m->request, 64, err.text);
		ask_free(rq, a);
		return;
	}
	if (!own && !list_begin(rq, a, m->command, m->args) && !top_begin(rq, a, m->command, m->args) &&
	    !admin_begin(rq, a, m->command, m->args) &&
	    !why_begin(rq, a, m->command, m->args)) {
		refuse(ipc, m->request, 64, "the queue role does not know this command");
		ask_free(rq, a);
		return;
	}
	ask_run(rq, a);
}

void
queries_on_more(void *arg, struct ipc *ipc, const struct ipc_ask_more *m, int fd)
{
	struct ask *a = ask_find(arg, m->request);

	(void)ipc;
	(void)fd;
	if (a == NULL || !a->waiting)
		return;
	a->waiting = false;
	ask_run(arg, a);
}

void
queries_on_drop(void *arg, struct ipc *ipc, const struct ipc_ask_drop *m, int fd)
{
	struct ask *a = ask_find(arg, m->request);

	(void)ipc;
	(void)fd;
	if (a != NULL)
		ask_free(arg, a);
}

void
queries_control_gone(struct role_queue *rq)
{
	while (rq->asks != NULL)
		ask_free(rq, rq->asks);
}

void
queries_on_stats(void *arg, struct ipc *ipc, const struct ipc_stats_ask *m, int fd)
{
	struct buf out = BUF_INIT(0);

	(void)fd;
	stats_put(arg, &out);
	ipc_send_stats(ipc, &(struct ipc_stats){ .request = m->request, .json = buf_view(&out) }, -1);
	buf_clear(&out);
}
