#include "ctl/story.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/client_row.h"
#include "ctl/jsonl.h"
#include "mail/notice.h"
#include "spool/message.h"
#include "spool/store.h"

#define ENVELOPE_MAX	((size_t)16 << 20)
#define NAMED_MAX	3u	/* recipients that the first row names */
#define INTENTS_MAX	32u

struct intent {
	uint64_t	 number;
	uint8_t		 kind;
	char		*recipient;
};

struct story {
	struct trail	 trail;
	enum story_kind	 kind;
	bool		 queued, have_envelope, opened, told_end;
	struct buf	 bytes;		/* of the envelope */
	struct envelope	 envelope;
	struct span	*addresses;	/* by recipient number */
	struct buf	 unwritten;
	size_t		 record;	/* the next to be told */
	uint64_t	 told, skip;	/* rows of it that were told; counted down */
	uint64_t	 rows;
	struct intent	 intents[INTENTS_MAX];
	unsigned	 intent_count;
	struct buf	*out;
	size_t		 most;
};

static void
read_envelope(struct story *st, const struct entry *e)
{
	const struct store_segment *s = store_get(st->trail.store, e->loc.segment);
	struct err err;
	int fd = s == NULL ? -1 : store_fd(st->trail.store, e->loc.segment, &err);

	st->have_envelope = fd >= 0 && message_envelope(fd, e->loc, ENVELOPE_MAX, &st->bytes);
}

struct story *
story_new(struct store *store, struct qid id, const struct entry *e, enum story_kind kind)
{
	struct story *st;

	MEM_NEW(st);
	st->kind = kind;
	st->queued = e != NULL;
	st->bytes.max = ENVELOPE_MAX;
	if (e == NULL) {
		trail_of_finished(&st->trail, store, id);
	} else {
		trail_of_queued(&st->trail, store, id, e->last);
		read_envelope(st, e);
	}
	return st;
}

void
story_free(struct story *st)
{
	if (st == NULL)
		return;
	for (unsigned i = 0; i < st->intent_count; i++)
		free(st->intents[i].recipient);
	trail_clear(&st->trail);
	buf_clear(&st->bytes);
	buf_clear(&st->unwritten);
	free(st->addresses);
	free(st);
}

void
story_unwritten(struct story *st, struct span events)
{
	buf_span(&st->unwritten, events);
}

bool
story_found(const struct story *st)
{
	return st->rows > 0 || st->queued;
}

/* -- one row ------------------------------------------------------------------------------------------ */

/* False: it was told before, in an earlier slice. */
static bool
row_begin(struct story *st, struct jsonl *j, int64_t time, const char *event)
{
	if (st->skip > 0) {
		st->skip--;
		return false;
	}
	*j = (struct jsonl){ .out = st->out };
	st->told++;
	st->rows++;
	jsonl_object(j, NULL);
	if (st->kind == STORY_EVENTS) {
		jsonl_i64(j, "time", time / SECOND);
		jsonl_str(j, "event", span_str(event));
	}
	return true;
}

static void
row_end(struct story *st, struct jsonl *j)
{
	jsonl_end_object(j);
	buf_char(st->out, '\n');
}

static void
put_if(struct jsonl *j, const char *key, struct span value)
{
	if (value.len > 0)
		jsonl_str(j, key, value);
}

static void
put_number_if(struct jsonl *j, const char *key, int64_t n)
{
	if (n != 0)
		jsonl_i64(j, key, n);
}

/* The recipient's address; where no envelope is left its number. */
static struct span
address_of(const struct story *st, uint32_t n, char room[32])
{
	if (st->addresses != NULL && n < st->envelope.recipient_count)
		return st->addresses[n];
	(void)snprintf(room, 32, "recipient %u", n + 1);
	return span_str(room);
}

/* -- it comes in -------------------------------------------------------------------------------------- */

static void
read_addresses(struct story *st)
{
	struct unpack u = { .left = st->envelope.recipients };
	struct recipient r;

	st->addresses = mem_array((size_t)st->envelope.recipient_count + 1, sizeof *st->addresses);
	while (recipient_next(&u, &r))
		if (r.number < st->envelope.recipient_count)
			st->addresses[r.number] = r.address;
}

static void
put_from(struct buf *text, const struct envelope *env)
{
	char id[QID_TEXT];

	if (env->origin.usec != 0 && (env->flags & ENVELOPE_INTERNAL))
		buf_printf(text, "made here, about message %s", qid_text(env->origin, id));
	else if (env->origin.usec != 0)
		buf_printf(text, "made here from message %s", qid_text(env->origin, id));
	else if (env->flags & ENVELOPE_LOCAL)
		buf_str(text, "submitted on this machine");
	else
		buf_printf(text, "received from %.*s[%.*s]", SPAN_ARG(span_head(env->client_name, 256)),
		    SPAN_ARG(span_head(env->client_addr, 64)));
	if (env->helo.len > 0)
		buf_printf(text, ", helo %.*s", SPAN_ARG(span_head(env->helo, 256)));
	if (env->protocol.len > 0)
		buf_printf(text, ", by %.*s", SPAN_ARG(span_head(env->protocol, 32)));
	if (env->sasl_user.len > 0)
		buf_printf(text, ", user %.*s", SPAN_ARG(span_head(env->sasl_user, 128)));
	buf_printf(text, ": %llu bytes from <%.*s> to ", (unsigned long long)env->size, SPAN_ARG(env->sender));
}

static void
put_received(struct story *st)
{
	const struct envelope *env = &st->envelope;
	struct buf text = BUF_INIT(16384);
	struct jsonl j;
	char id[QID_TEXT];

	if (st->kind != STORY_EVENTS || !row_begin(st, &j, env->arrival, "received"))
		return;
	put_from(&text, env);
	for (uint32_t i = 0; i < env->recipient_count && i < NAMED_MAX; i++)
		buf_printf(&text, "%s<%.*s>", i == 0 ? "" : ", ", SPAN_ARG(st->addresses[i]));
	if (env->recipient_count > NAMED_MAX)
		buf_printf(&text, " and %u more", env->recipient_count - NAMED_MAX);
	jsonl_str(&j, "text", buf_view(&text));
	jsonl_str(&j, "sender", env->sender);
	client_row(&j, env);
	put_if(&j, "message_id", env->message_id);
	jsonl_i64(&j, "message_size", (int64_t)env->size);
	jsonl_i64(&j, "recipients", env->recipient_count);
	if (env->origin.usec != 0)
		jsonl_str(&j, "other", span_str(qid_text(env->origin, id)));
	row_end(st, &j);
	if ((env->flags & ENVELOPE_HOLD) && row_begin(st, &j, env->arrival, "held")) {
		jsonl_str(&j, "text", env->hold_reason);
		row_end(st, &j);
	}
	buf_clear(&text);
}

/* -- attempts ------------------------------------------------------------------------------------------ */

static const char *const outcome_texts[] = {
	[OUTCOME_SENT] = "delivered", [OUTCOME_RELAYED] = "relayed", [OUTCOME_EXPANDED] = "expanded",
	[OUTCOME_DEFERRED] = "deferred", [OUTCOME_BOUNCED] = "bounced",
};

static const char *
outcome_text(uint8_t status)
{
	return status <= OUTCOME_BOUNCED ? outcome_texts[status] : "unknown";
}

static void
put_outcome(struct story *st, const struct spool_event *ev, const struct outcome *o)
{
	struct jsonl j;
	char room[32];

	if (!row_begin(st, &j, ev->time, outcome_text(o->status)))
		return;
	jsonl_str(&j, "text", o->text);
	jsonl_str(&j, "recipient", address_of(st, o->number, room));
	put_if(&j, "who", ev->actor);
	put_if(&j, "dsn", o->dsn);
	put_if(&j, "relay", o->relay);
	put_if(&j, "transport", ev->transport);
	put_if(&j, "nexthop", ev->nexthop);
	put_number_if(&j, "attempt", ev->attempt);
	/* Behind a suspended destination it is not its own time that counts. */
	if (o->status == OUTCOME_DEFERRED && !span_starts(o->text, "delivery temporarily suspended"))
		put_number_if(&j, "next_time", ev->next / SECOND);
	put_number_if(&j, "action", (int64_t)ev->of);
	row_end(st, &j);
}

static void
end_begin(struct story *st, struct jsonl *j, const char *state)
{
	char id[QID_TEXT];

	jsonl_str(j, "queue_id", span_str(qid_text(st->trail.id, id)));
	jsonl_str(j, "queue_name", SPAN("finished"));
	if (st->have_envelope) {
		jsonl_str(j, "sender", st->envelope.sender);
		jsonl_i64(j, "arrival_time", st->envelope.arrival / SECOND);
	}
	jsonl_str(j, "state", span_str(state));
}

/* The row of `why`: what became of a recipient at last. */
static void
put_end(struct story *st, const struct spool_event *ev, const struct outcome *o)
{
	struct buf verdict = BUF_INIT(1024);
	struct jsonl j;
	char room[32];

	if (o->status == OUTCOME_DEFERRED || !row_begin(st, &j, ev->time, ""))
		return;
	end_begin(st, &j, o->status == OUTCOME_BOUNCED ? "bounced" : o->status == OUTCOME_EXPANDED ? "expanded" : "sent");
	jsonl_str(&j, "recipient", address_of(st, o->number, room));
	buf_printf(&verdict, "nothing is queued for it: it was %s%s", outcome_text(o->status),
	    o->status == OUTCOME_BOUNCED ? ", and the sender was told where he wants that" : "");
	jsonl_str(&j, "verdict", buf_view(&verdict));
	jsonl_i64(&j, "since", ev->time / SECOND);
	jsonl_str(&j, "reason", o->text);
	put_if(&j, "dsn", o->dsn);
	put_if(&j, "relay", o->relay);
	put_number_if(&j, "attempts", ev->attempt);
	jsonl_i64(&j, "last_time", ev->time / SECOND);
	row_end(st, &j);
	buf_clear(&verdict);
}

static void
put_outcomes(struct story *st, const struct spool_event *ev)
{
	struct unpack u = { .left = ev->outcomes };
	struct outcome o;

	while (st->out->len < st->most && outcome_next(&u, &o)) {
		if (st->kind == STORY_EVENTS)
			put_outcome(st, ev, &o);
		else
			put_end(st, ev, &o);
	}
}

/* -- everything else ------------------------------------------------------------------------------------ */

static const char *
notice_text(uint8_t kind)
{
	static const char *const texts[] = {
		[NOTICE_BOUNCE] = "bounce", [NOTICE_DELAY] = "delay warning", [NOTICE_SUCCESS] = "success notice",
		[NOTICE_DOUBLE_BOUNCE] = "notice of a bounce that cannot be returned",
		[NOTICE_POSTMASTER] = "copy of a notice", [NOTICE_FORWARD] = "forwarded message",
	};

	return kind < sizeof texts / sizeof texts[0] ? texts[kind] : "notice";
}

static void
remember_intent(struct story *st, const struct spool_event *ev)
{
	for (unsigned i = 0; i < st->intent_count; i++)
		if (st->intents[i].number == ev->number)
			return;
	if (st->intent_count < INTENTS_MAX)
		st->intents[st->intent_count++] = (struct intent){ ev->number, ev->notice, span_dup(ev->recipient) };
}

static void
put_notice(struct story *st, const struct spool_event *ev)
{
	const char *kind = "notice", *to = NULL;
	struct buf text = BUF_INIT(4096);
	struct jsonl j;
	char id[QID_TEXT];

	for (unsigned i = 0; i < st->intent_count; i++)
		if (st->intents[i].number == ev->of) {
			kind = notice_text(st->intents[i].kind);
			to = st->intents[i].recipient;
		}
	if (!row_begin(st, &j, ev->time, "notice"))
		return;
	buf_printf(&text, "%s%s%s%s", kind, to == NULL ? "" : " to <", to == NULL ? "" : to, to == NULL ? "" : ">");
	if (ev->other.usec != 0)
		buf_printf(&text, " is message %s", qid_text(ev->other, id));
	else
		buf_printf(&text, " was given up%s%.*s", ev->text.len > 0 ? ": " : "", SPAN_ARG(ev->text));
	jsonl_str(&j, "text", buf_view(&text));
	if (ev->other.usec != 0)
		jsonl_str(&j, "other", span_str(qid_text(ev->other, id)));
	row_end(st, &j);
	buf_clear(&text);
}

static void
put_expired(struct story *st, const struct spool_event *ev)
{
	struct unpack u = { .left = ev->numbers };
	struct outcome o = { .status = OUTCOME_BOUNCED, .text = SPAN("it was tried for too long, and given up") };
	struct spool_event as = *ev;
	struct jsonl j;
	char room[32];

	while (st->out->len < st->most && unpack_more(&u)) {
		o.number = unpack_u32(&u);
		if (st->kind == STORY_ENDS) {
			put_end(st, &as, &o);
		} else if (row_begin(st, &j, ev->time, "expired")) {
			jsonl_str(&j, "text", o.text);
			jsonl_str(&j, "recipient", address_of(st, o.number, room));
			row_end(st, &j);
		}
	}
}

/* Events without fields of their own: what they are called, and what is said where they say nothing. */
static const struct {
	const char	*event, *text;
} plain[EVENT_KINDS] = {
	[EVENT_HOLD] = { "held", "" }, [EVENT_RELEASE] = { "released", "" },
	[EVENT_REQUEUE] = { "requeued", "due now, and routed anew" }, [EVENT_FLUSH] = { "flushed", "due now" },
	[EVENT_DELETE] = { "deleted", "moved to the trash" }, [EVENT_UNDELETE] = { "undeleted", "taken back from the trash" },
	[EVENT_PURGE] = { "purged", "gone for good" }, [EVENT_CORRUPT] = { "corrupt", "set aside" },
	[EVENT_END] = { "removed", "nothing is left to do: the message is finished" },
};

static void
put_plain(struct story *st, const struct spool_event *ev)
{
	struct jsonl j;

	if (plain[ev->kind].event == NULL || !row_begin(st, &j, ev->time, plain[ev->kind].event))
		return;
	if (ev->kind == EVENT_RELEASE && ev->text.len > 0) {
		struct buf text = BUF_INIT(4096);
		buf_printf(&text, "it was held: %.*s", SPAN_ARG(ev->text));
		jsonl_str(&j, "text", buf_view(&text));
		buf_clear(&text);
	} else {
		jsonl_str(&j, "text", ev->text.len > 0 ? ev->text : span_str(plain[ev->kind].text));
	}
	put_if(&j, "who", ev->actor);
	if (ev->kind != EVENT_END && ev->kind != EVENT_PURGE)
		put_number_if(&j, "action", (int64_t)ev->of);
	if (ev->kind == EVENT_DELETE)
		put_number_if(&j, "next_time", ev->next / SECOND);
	row_end(st, &j);
}

static void
put_purged(struct story *st, const struct spool_event *ev)
{
	struct jsonl j;

	if (!row_begin(st, &j, ev->time, ""))
		return;
	end_begin(st, &j, "deleted");
	jsonl_str(&j, "recipient", SPAN(""));
	jsonl_str(&j, "verdict", SPAN("nothing is queued: the message was deleted, and is gone from the trash"));
	jsonl_i64(&j, "since", ev->time / SECOND);
	row_end(st, &j);
}

static void
put_event(struct story *st, const struct spool_event *ev)
{
	if (ev->kind == EVENT_INTENT)
		remember_intent(st, ev);
	else if (ev->kind == EVENT_OUTCOMES)
		put_outcomes(st, ev);
	else if (ev->kind == EVENT_EXPIRED)
		put_expired(st, ev);
	else if (st->kind == STORY_ENDS && ev->kind == EVENT_PURGE)
		put_purged(st, ev);
	else if (st->kind == STORY_EVENTS && ev->kind == EVENT_NOTICE)
		put_notice(st, ev);
	else if (st->kind == STORY_EVENTS)
		put_plain(st, ev);
}

/* The envelope and what it says, once all records are known; what is missing before them. */
static void
open_story(struct story *st)
{
	struct jsonl j;

	st->opened = true;
	if (!st->have_envelope && st->trail.envelope.len > 0) {
		buf_span(&st->bytes, buf_view(&st->trail.envelope));
		st->have_envelope = true;
	}
	st->have_envelope = st->have_envelope && envelope_unpack(buf_view(&st->bytes), &st->envelope, NULL);
	if (st->have_envelope) {
		read_addresses(st);
		put_received(st);
	}
	if (st->kind == STORY_EVENTS && st->trail.cut && row_begin(st, &j, (int64_t)st->trail.id.usec, "note")) {
		jsonl_str(&j, "text", SPAN("what came next is not on record any more (mtad_history_time, mtad_history_size)"));
		row_end(st, &j);
	}
	st->told = 0;
}

/* False: the slice is full, the rest of this record is for the next. */
static bool
tell_events(struct story *st, struct event_reader *r)
{
	struct spool_event ev;

	st->skip = st->told;
	while (st->out->len < st->most && event_next(r, &ev))
		put_event(st, &ev);
	if (st->out->len >= st->most)
		return false;
	st->told = 0;
	return true;
}

bool
story_slice(struct story *st, struct buf *rows, size_t most, int64_t until)
{
	struct event_reader r;
	struct span payload;

	st->out = rows;
	st->most = most;
	if (!trail_slice(&st->trail, until))
		return false;
	if (!st->opened)
		open_story(st);
	for (; st->record < st->trail.count; st->record++) {
		if (!trail_record(&st->trail, st->record, &payload) || !event_reader_init(&r, payload, NULL))
			continue;
		if (!tell_events(st, &r))
			return false;
		if (clock_mono() > until) {
			st->record++;
			return false;
		}
	}
	r = (struct event_reader){ .left = { .left = buf_view(&st->unwritten) } };
	return tell_events(st, &r);
}
