#include "mtactl/files.h"

#include "base/clock.h"
#include "ctl/client_row.h"
#include "ctl/jsonl.h"
#include "mail/address.h"
#include "mail/outcome.h"
#include "spool/event.h"
#include "spool/record.h"

/* -- the last reply, from the journal -------------------------------------- */

struct last {
	struct buf	 record;
	struct span	 text, dsn, relay, transport, nexthop;
	int64_t		 time;
};

static bool
find_outcome(struct span outcomes, uint32_t number, struct last *l)
{
	struct unpack u = { .left = outcomes };
	struct outcome o;

	while (outcome_next(&u, &o)) {
		if (o.number != number)
			continue;
		l->text = o.text;
		l->dsn = o.dsn;
		l->relay = o.relay;
		return true;
	}
	return false;
}

/* The newest event of the record that has an outcome for this recipient. */
static void
read_last(struct queue_files *q, const struct entry *e, uint32_t rcpt, struct last *l)
{
	struct loc at = e->rcpts[rcpt].reply;
	struct event_reader reader;
	struct record_head head;
	struct span payload;
	struct spool_event event;

	*l = (struct last){ .record = BUF_INIT(0) };
	const struct store_segment *seg = at.segment == 0 ? NULL : store_get(q->store, at.segment);
	int fd = seg == NULL ? -1 : store_fd(q->store, at.segment, NULL);
	if (fd < 0 || !record_read(fd, seg->nonce, at, &l->record, &head, &payload, NULL)
	    || !event_reader_init(&reader, payload, NULL))
		return;
	while (event_next(&reader, &event)) {
		if (event.kind != EVENT_OUTCOMES || !find_outcome(event.outcomes, rcpt, l))
			continue;
		l->time = event.time;
		l->transport = event.transport;
		l->nexthop = event.nexthop;
	}
}

/* -- selectors ------------------------------------------------------------ */

static uint32_t
row_recipients(const void *arg)
{
	const struct file_row *row = arg;

	return row->entry->rcpt_count;
}

static struct span
keep(struct file_row *row, struct span text)
{
	buf_reset(&row->scratch);
	buf_span(&row->scratch, text);
	return buf_view(&row->scratch);
}

static struct span
last_text(struct file_row *row, enum selector_field field, uint32_t rcpt)
{
	struct last l;
	struct span text;

	read_last(row->files, row->entry, rcpt, &l);
	text = keep(row, field == SEL_REASON ? l.text : field == SEL_DEST ? l.nexthop : l.transport);
	buf_clear(&l.record);
	return text;
}

static bool
row_text(const void *arg, enum selector_field field, uint32_t rcpt, struct span *out)
{
	/* The scratch is the row's; what it tells of does not change. */
	union { const void *in; struct file_row *row; } same = { .in = arg };
	struct file_row *row = same.row;
	const struct entry *e = row->entry;
	char id[QID_TEXT];

	switch (field) {
	case SEL_ID:
		*out = keep(row, span_str(qid_text(e->id, id)));
		return true;
	case SEL_STATE:
		*out = span_str(entry_state_text(e->state));
		return true;
	case SEL_SENDER:
		*out = entry_sender(e);
		return true;
	case SEL_SENDER_DOMAIN:
		*out = address_domain(entry_sender(e));
		return true;
	case SEL_HOLD_REASON:
		*out = e->extra == NULL ? SPAN_NONE : span_str(e->extra->reason);
		return true;
	default:
		break;
	}
	if (rcpt >= e->rcpt_count)
		return false;
	switch (field) {
	case SEL_RCPT:
		*out = entry_address(e, rcpt);
		return true;
	case SEL_RCPT_DOMAIN:
		*out = address_domain(entry_address(e, rcpt));
		return true;
	case SEL_CAUSE:
		*out = index_cause_text(&row->files->index, e->rcpts[rcpt].cause);
		return true;
	case SEL_REASON:
	case SEL_DEST:
	case SEL_TRANSPORT:
		*out = last_text(row, field, rcpt);
		return true;
	default:
		return false;
	}
}

static bool
row_number(const void *arg, enum selector_field field, uint32_t rcpt, int64_t *out)
{
	const struct file_row *row = arg;
	const struct entry *e = row->entry;

	switch (field) {
	case SEL_AGE:
		*out = row->now - e->arrival;
		return true;
	case SEL_SIZE:
		*out = (int64_t)e->size;
		return true;
	case SEL_NRCPT:
		*out = e->open;
		return true;
	case SEL_ATTEMPTS:
		*out = rcpt < e->rcpt_count ? e->rcpts[rcpt].attempts : 0;
		return rcpt < e->rcpt_count;
	case SEL_NEXT:
		if (rcpt >= e->rcpt_count || e->rcpts[rcpt].next == 0)
			return false;
		*out = e->rcpts[rcpt].next - row->now;
		return true;
	default:
		return false;
	}
}

const struct selector_row_ops file_row_ops = { row_recipients, row_text, row_number };

/* -- rows ----------------------------------------------------------------- */

static const char *
rcpt_state(const struct entry *e, const struct entry_rcpt *r)
{
	switch (r->status) {
	case RCPT_WAITING:
	case RCPT_DEFERRED:
		return entry_state_text(e->state);
	case RCPT_FAILED:
		return "failed";
	default:
		return "delivered";
	}
}

/* For a next attempt, and not for somebody to release it. */
static bool
is_waiting(const struct entry *e)
{
	return e->state == ENTRY_DEFERRED || e->state == ENTRY_INCOMING || e->state == ENTRY_ACTIVE;
}

static void
put_text(struct jsonl *j, const char *key, struct span text)
{
	if (text.len > 0)
		jsonl_str(j, key, text);
}

static void
put_recipient(struct jsonl *j, struct queue_files *q, const struct entry *e, uint32_t i)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	struct last l;

	if (rcpt_final(r))
		return;
	read_last(q, e, i, &l);
	jsonl_object(j, NULL);
	jsonl_str(j, "address", entry_address(e, i));
	put_text(j, "delay_reason", l.text);
	jsonl_str(j, "state", span_str(rcpt_state(e, r)));
	if (r->next > 0 && is_waiting(e))
		jsonl_i64(j, "next_time", r->next / SECOND);
	jsonl_i64(j, "attempts", r->attempts);
	put_text(j, "transport", l.transport);
	put_text(j, "nexthop", l.nexthop);
	put_text(j, "dsn", l.dsn);
	if (l.time > 0)
		jsonl_i64(j, "last_time", l.time / SECOND);
	jsonl_end_object(j);
	buf_clear(&l.record);
}

static void
put_envelope(struct jsonl *j, const struct envelope *e)
{
	client_row(j, e);
	put_text(j, "message_id", e->message_id);
	put_text(j, "subject", e->subject);
	put_text(j, "service", e->service);
	put_text(j, "envid", e->envid);
}

/* Reason and actor may still be there when the hold has ended. */
static void
put_extra(struct jsonl *j, const struct index *ix, const struct entry *e)
{
	if (e->extra == NULL)
		return;
	if (e->state == ENTRY_CORRUPT)
		put_text(j, "corrupt_reason", span_str(e->extra->reason));
	if (e->state == ENTRY_HOLD) {
		put_text(j, "hold_reason", span_str(e->extra->reason));
		put_text(j, "hold_by", span_str(e->extra->actor));
	}
	if (e->state == ENTRY_TRASH)
		put_text(j, "deleted_by", entry_deleted_by(ix, e));
}

void
files_row(struct queue_files *q, const struct entry *e, const struct envelope *envelope, struct buf *out)
{
	struct jsonl j = { .out = out };
	char id[QID_TEXT];

	jsonl_object(&j, NULL);
	jsonl_str(&j, "queue_name", span_str(entry_state_text(e->state)));
	jsonl_str(&j, "queue_id", span_str(qid_text(e->id, id)));
	jsonl_i64(&j, "arrival_time", e->arrival / SECOND);
	jsonl_i64(&j, "message_size", (int64_t)e->size);
	jsonl_bool(&j, "forced_expire", false);
	jsonl_str(&j, "sender", entry_sender(e));
	put_extra(&j, &q->index, e);
	if (envelope != NULL)
		put_envelope(&j, envelope);
	jsonl_array(&j, "recipients");
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		put_recipient(&j, q, e, i);
	jsonl_end_array(&j);
	jsonl_end_object(&j);
}

/* -- why ------------------------------------------------------------------ */

static const char *
verdict_of(const struct entry *e, const struct entry_rcpt *r)
{
	switch (e->state) {
	case ENTRY_HOLD:
		return "on hold: it is not tried until someone releases it";
	case ENTRY_CORRUPT:
		return "set aside as corrupt";
	case ENTRY_TRASH:
		return "deleted; it is in the trash";
	default:
		return r->status == RCPT_DEFERRED ? "the last attempt failed, and mtad is not running to make another"
		    : "not tried yet, and mtad is not running";
	}
}

static void
put_why(struct jsonl *j, struct queue_files *q, const struct entry *e, uint32_t i)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	char id[QID_TEXT];
	struct last l;

	read_last(q, e, i, &l);
	jsonl_object(j, NULL);
	jsonl_str(j, "queue_id", span_str(qid_text(e->id, id)));
	jsonl_str(j, "queue_name", span_str(entry_state_text(e->state)));
	jsonl_str(j, "sender", entry_sender(e));
	jsonl_i64(j, "arrival_time", e->arrival / SECOND);
	jsonl_str(j, "recipient", entry_address(e, i));
	jsonl_str(j, "state", span_str(rcpt_state(e, r)));
	jsonl_str(j, "verdict", span_str(verdict_of(e, r)));
	put_text(j, "reason", l.text.len > 0 || e->extra == NULL ? l.text : span_str(e->extra->reason));
	put_text(j, "relay", l.relay);
	jsonl_i64(j, "attempts", r->attempts);
	if (l.time > 0)
		jsonl_i64(j, "last_time", l.time / SECOND);
	if (r->next > 0 && is_waiting(e))
		jsonl_i64(j, "next_time", r->next / SECOND);
	if (is_waiting(e)) {
		jsonl_str(j, "next_event", SPAN("the next attempt, once mtad runs"));
		jsonl_str(j, "blocker", SPAN("mtad is not running"));
		jsonl_str(j, "help", SPAN("start mtad"));
	}
	jsonl_end_object(j);
	buf_clear(&l.record);
}

void
files_why(struct session *s, struct queue_files *q, const struct entry *e)
{
	struct buf row = BUF_INIT(0);

	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		struct jsonl j = { .out = &row };
		if (rcpt_final(&e->rcpts[i]))
			continue;
		buf_reset(&row);
		put_why(&j, q, e, i);
		session_row(s, buf_view(&row));
	}
	buf_clear(&row);
}
