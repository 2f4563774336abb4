/*
 * A message as a row: for selectors, and as JSON with Postfix's field names.
 */
#include "queue/query.h"

#include "base/clock.h"
#include "ctl/client_row.h"
#include "spool/index_words.h"
#include "spool/record.h"

#define READ_KEEP	((size_t)64 << 10)

/* Of the row that asked last. */
static struct {
	struct buf	 bytes;
	struct envelope	 envelope;
} held;

/* -- for selectors ------------------------------------------------------------------------------------ */

const char *
row_rcpt_state(const struct entry *e, uint32_t rcpt)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];

	if (e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED))
		return entry_state_text(e->state);
	if (r->place == PLACE_QUEUED || r->place == PLACE_LEASED || r->place == PLACE_ROUTING)
		return "active";
	return entry_state_text(r->status == RCPT_WAITING ? ENTRY_INCOMING : ENTRY_DEFERRED);
}

/* One of very many recipients may have taken much. */
void
row_clear(struct row *row)
{
	row->have_message = false;
	if (held.bytes.cap > READ_KEEP)
		buf_clear(&held.bytes);
}

static const struct envelope *
envelope_of(struct row *row)
{
	if (row->have_message)
		return row->no_message ? NULL : &held.envelope;
	row->have_message = true;
	row->no_message = !reader_envelope(row->rq, row->e, &held.bytes, &held.envelope);
	return row->no_message ? NULL : &held.envelope;
}

static struct span
domain_of(struct span address)
{
	return span_skip(address, span_rfind(address, '@') + 1);
}

static bool
last_outcome(struct row *row, uint32_t rcpt, struct last_outcome *last)
{
	struct loc at = row->e->rcpts[rcpt].reply;

	if (row->shallow && at.segment != 0 && !reader_is_near(row->rq, at)) {
		row->deep = true;
		return false;
	}
	return reader_outcome(row->rq, row->e, rcpt, last);
}

/* Where it goes: from the scheduler, or where it went last, from the journal. */
static bool
dest_text(struct row *row, uint32_t rcpt, bool transport, struct span *out)
{
	const struct dest *d = dest_numbered(&row->rq->q, row->e->rcpts[rcpt].dest);
	struct last_outcome last;
	struct words known;

	if (d != NULL) {
		*out = span_str(transport ? d->transport->name : d->nexthop);
		return true;
	}
	if (words_of(&row->rq->q.index, &row->e->rcpts[rcpt], &known)) {
		*out = transport ? known.transport : known.nexthop;
		return known.transport.len > 0;
	}
	if (!last_outcome(row, rcpt, &last) || last.transport.len == 0)
		return false;
	*out = transport ? last.transport : last.nexthop;
	return true;
}

static bool
client_text(const struct envelope *env, struct span *out)
{
	static struct buf text = BUF_INIT(600);	/* until the next call, as the row's spans */

	buf_reset(&text);
	index_client_text(env, &text);
	*out = buf_view(&text);
	return true;
}

static bool
envelope_text(struct row *row, enum selector_field f, struct span *out)
{
	const struct envelope *env = envelope_of(row);

	if (env == NULL)
		return false;
	switch (f) {
	case SEL_CLIENT:
		return client_text(env, out);
	case SEL_USER:
		*out = env->sasl_user;
		break;
	case SEL_SERVICE:
		*out = env->service;
		break;
	case SEL_SUBJECT:
		*out = env->subject;
		break;
	default:
		*out = env->message_id;
		break;
	}
	return true;
}

static bool
reason_text(struct row *row, uint32_t rcpt, struct span *out)
{
	const struct entry_rcpt *r = &row->e->rcpts[rcpt];
	struct last_outcome last;
	struct words known;

	if (r->status != RCPT_DEFERRED)
		return false;
	if (words_of(&row->rq->q.index, r, &known) && known.has_text) {
		*out = known.text;
		return true;
	}
	if (!last_outcome(row, rcpt, &last))
		return false;
	*out = last.outcome.text;
	return true;
}

bool
row_text(struct row *row, enum selector_field f, uint32_t rcpt, struct span *out)
{
	static char id[QID_TEXT];
	const struct entry *e = row->e;

	switch (f) {
	case SEL_ID:
		*out = span_str(qid_text(e->id, id));
		return true;
	case SEL_STATE:
		*out = span_str(rcpt < e->rcpt_count ? row_rcpt_state(e, rcpt) : entry_state_text(e->state));
		return true;
	case SEL_SENDER:
		*out = entry_sender(e);
		return true;
	case SEL_SENDER_DOMAIN:
		*out = domain_of(entry_sender(e));
		return true;
	case SEL_HOLD_REASON:
		*out = span_str(e->extra == NULL ? NULL : e->extra->reason);
		return (e->flags & ENTRY_HELD) != 0;
	case SEL_CLIENT:
		*out = entry_client(&row->rq->q.index, e);
		return out->len > 0 || envelope_text(row, f, out);
	case SEL_USER:
	case SEL_SERVICE:
	case SEL_SUBJECT:
	case SEL_MESSAGE_ID:
		return envelope_text(row, f, out);
	default:
		break;
	}
	if (rcpt >= e->rcpt_count || (rcpt_final(&e->rcpts[rcpt]) && e->open > 0))
		return false;
	switch (f) {
	case SEL_RCPT:
		*out = entry_address(e, rcpt);
		return true;
	case SEL_RCPT_DOMAIN:
		*out = domain_of(entry_address(e, rcpt));
		return true;
	case SEL_REASON:
		return reason_text(row, rcpt, out);
	case SEL_CAUSE:
		*out = index_cause_text(&row->rq->q.index, e->rcpts[rcpt].cause);
		return e->rcpts[rcpt].cause != 0;
	case SEL_DEST:
		return dest_text(row, rcpt, false, out);
	case SEL_TRANSPORT:
		return dest_text(row, rcpt, true, out);
	default:
		return false;
	}
}

bool
row_number(struct row *row, enum selector_field f, uint32_t rcpt, int64_t *out)
{
	const struct entry *e = row->e;

	switch (f) {
	case SEL_AGE:
		*out = queue_age(&row->rq->q, e);
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
		if (rcpt >= e->rcpt_count || rcpt_final(&e->rcpts[rcpt]) || e->rcpts[rcpt].place != PLACE_TIMER)
			return false;
		*out = e->rcpts[rcpt].next - queue_now(&row->rq->q);
		return true;
	default:
		return false;
	}
}

static struct row *
mutable_row(const void *row)
{
	union {
		const void	*in;
		struct row	*out;
	} u = { .in = row };	/* selectors see a constant row; it keeps what it has read */

	return u.out;
}

static uint32_t
op_recipients(const void *row)
{
	const struct row *r = row;

	return r->e->rcpt_count;
}

static bool
op_text(const void *row, enum selector_field f, uint32_t rcpt, struct span *out)
{
	return row_text(mutable_row(row), f, rcpt, out);
}

static bool
op_number(const void *row, enum selector_field f, uint32_t rcpt, int64_t *out)
{
	return row_number(mutable_row(row), f, rcpt, out);
}

const struct selector_row_ops row_ops = { .recipients = op_recipients, .text = op_text, .number = op_number };

/* -- as JSON ---------------------------------------------------------------------------------------------- */

static const char *
final_state(const struct entry_rcpt *r)
{
	static const char *const text[] = {
		[RCPT_SENT] = "sent", [RCPT_RELAYED] = "sent", [RCPT_EXPANDED] = "expanded", [RCPT_FAILED] = "bounced",
	};

	return text[r->status];
}

/*
 * A list of 20,000 rows is to take no time that a person would notice, so the parts that never change go in as they are.
 */
#define LIT(b, text)	buf_put(b, text, sizeof(text) - 1)

static void
put_i64(struct buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		*--p = '-';
	buf_put(b, p, (size_t)(digits + sizeof digits - p));
}

static void
put_route(struct buf *b, struct span transport, struct span nexthop)
{
	LIT(b, ",\"transport\":");
	jsonl_quote(b, transport);
	LIT(b, ",\"nexthop\":");
	jsonl_quote(b, nexthop);
}

static void
put_last(struct role_queue *rq, struct buf *b, const struct entry *e, uint32_t i)
{
	struct last_outcome last;
	const struct dest *d = dest_numbered(&rq->q, e->rcpts[i].dest);

	if (reader_outcome(rq, e, i, &last)) {
		if (last.outcome.status == OUTCOME_DEFERRED || last.outcome.status == OUTCOME_BOUNCED) {
			LIT(b, ",\"delay_reason\":");
			jsonl_quote(b, last.outcome.text);
		}
		if (last.outcome.dsn.len > 0) {
			LIT(b, ",\"dsn\":");
			jsonl_quote(b, last.outcome.dsn);
		}
		LIT(b, ",\"last_time\":");
		put_i64(b, last.time / SECOND);
		if (d == NULL && last.transport.len > 0)
			put_route(b, last.transport, last.nexthop);
	}
	if (d != NULL)
		put_route(b, span_str(d->transport->name), span_str(d->nexthop));
}

static void
put_next(struct role_queue *rq, struct buf *b, const struct entry *e, uint32_t i)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	struct why why;
	int64_t next;

	why.blocker[0] = '\0';
	if (!rcpt_final(r) && r->place == PLACE_TIMER && !(e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED)) &&
	    r->next > queue_now(&rq->q)) {
		next = queue_wall(&rq->q, r->next);
	} else {
		queue_why(&rq->q, e, i, &why);
		next = why.next_time;
	}
	if (next != 0) {
		LIT(b, ",\"next_time\":");
		put_i64(b, next / SECOND);
	}
	if (why.blocker[0] != '\0') {
		LIT(b, ",\"blocker\":");
		jsonl_quote(b, span_str(why.blocker));
	}
}

static void
put_recipient(struct role_queue *rq, struct buf *b, const struct entry *e, uint32_t i, bool detail)
{
	const struct entry_rcpt *r = &e->rcpts[i];

	LIT(b, "{\"address\":");
	jsonl_quote(b, entry_address(e, i));
	put_last(rq, b, e, i);
	LIT(b, ",\"state\":\"");
	buf_str(b, rcpt_final(r) ? final_state(r) : row_rcpt_state(e, i));
	LIT(b, "\",\"attempts\":");
	put_i64(b, r->attempts);
	if (detail && r->cause != 0) {
		LIT(b, ",\"cause\":");
		jsonl_quote(b, index_cause_text(&rq->q.index, r->cause));
	}
	put_next(rq, b, e, i);
	buf_char(b, '}');
}

static void
put_if(struct jsonl *j, const char *key, struct span value)
{
	if (value.len > 0)
		jsonl_str(j, key, value);
}

static void
put_detail(struct role_queue *rq, struct jsonl *j, const struct entry *e)
{
	struct row row = { .rq = rq, .e = e };
	const struct envelope *env = envelope_of(&row);

	if (env != NULL) {
		client_row(j, env);
		put_if(j, "message_id", env->message_id);
		put_if(j, "subject", env->subject);
		put_if(j, "service", env->service);
		put_if(j, "filter", env->filter);
	}
	row_clear(&row);
}

void
row_put(struct role_queue *rq, struct buf *out, const struct entry *e, bool detail)
{
	struct jsonl j = { .out = out, .comma = true };
	char id[QID_TEXT];
	bool first = true;

	LIT(out, "{\"queue_name\":\"");
	buf_str(out, entry_state_text(e->state));
	LIT(out, "\",\"queue_id\":\"");
	buf_str(out, qid_text(e->id, id));
	LIT(out, "\",\"arrival_time\":");
	put_i64(out, e->arrival / SECOND);
	LIT(out, ",\"message_size\":");
	put_i64(out, (int64_t)e->size);
	LIT(out, ",\"forced_expire\":false,\"sender\":");
	jsonl_quote(out, entry_sender(e));
	if (e->flags & (ENTRY_HELD | ENTRY_BAD) && e->extra != NULL) {
		put_if(&j, "hold_reason", span_str(e->extra->reason));
		put_if(&j, "hold_by", span_str(e->extra->actor));
	}
	if (detail)
		put_detail(rq, &j, e);
	LIT(out, ",\"recipients\":[");
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		if (!detail && e->open > 0 && rcpt_final(&e->rcpts[i]))
			continue;
		if (!first)
			buf_char(out, ',');
		first = false;
		put_recipient(rq, out, e, i, detail);
	}
	LIT(out, "]}\n");
}
