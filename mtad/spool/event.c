#include "spool/event.h"

/* What is stored of an event; a bit each, so that most events are small. */
enum field {
	F_ACTOR = 1 << 0, F_TEXT = 1 << 1, F_NEXT = 1 << 2, F_ATTEMPT = 1 << 3, F_SCOPE = 1 << 4,
	F_NOTICE = 1 << 5, F_TRANSPORT = 1 << 6, F_NEXTHOP = 1 << 7, F_OUTCOMES = 1 << 8,
	F_RECIPIENT = 1 << 9, F_NUMBERS = 1 << 10, F_OF = 1 << 11, F_OTHER = 1 << 12, F_LOC = 1 << 13,
	F_STATE = 1 << 14, F_ALL = (1 << 15) - 1,
};

#define RECORD_VERSION	1

static const char *const kind_text[EVENT_KINDS] = {
	[0] = "unknown", [EVENT_OUTCOMES] = "attempt", [EVENT_HOLD] = "hold", [EVENT_RELEASE] = "release",
	[EVENT_REQUEUE] = "requeue", [EVENT_FLUSH] = "flush", [EVENT_DELETE] = "delete",
	[EVENT_UNDELETE] = "undelete", [EVENT_PURGE] = "purge", [EVENT_CORRUPT] = "corrupt",
	[EVENT_EXPIRED] = "expired", [EVENT_INTENT] = "notice wanted", [EVENT_NOTICE] = "notice made",
	[EVENT_MOVED] = "moved", [EVENT_END] = "removed", [EVENT_SNAPSHOT] = "snapshot",
	[EVENT_ACTION] = "action",
};

const char *
event_kind_text(uint8_t kind)
{
	return kind < EVENT_KINDS ? kind_text[kind] : kind_text[0];
}

uint32_t
event_action(const struct spool_event *e)
{
	return e->kind == EVENT_NOTICE || e->kind == EVENT_ACTION || e->of > UINT32_MAX ? 0 : (uint32_t)e->of;
}

static void
pack_loc(struct buf *b, struct loc l)
{
	pack_u32(b, l.segment);
	pack_u32(b, l.block);
	pack_u32(b, l.length);
}

static struct loc
unpack_loc(struct unpack *u)
{
	struct loc l;

	l.segment = unpack_u32(u);
	l.block = unpack_u32(u);
	l.length = unpack_u32(u);
	return l;
}

void
event_record_begin(struct buf *b, struct qid id, struct loc previous)
{
	pack_u8(b, RECORD_VERSION);
	pack_u64(b, id.usec);
	pack_u32(b, id.writer);
	pack_loc(b, previous);
}

static uint16_t
fields_of(const struct spool_event *e)
{
	int f = 0;

	f |= e->actor.len > 0 ? F_ACTOR : 0;
	f |= e->text.len > 0 ? F_TEXT : 0;
	f |= e->next != 0 ? F_NEXT : 0;
	f |= e->attempt != 0 ? F_ATTEMPT : 0;
	f |= e->scope != 0 ? F_SCOPE : 0;
	f |= e->notice != 0 ? F_NOTICE : 0;
	f |= e->transport.len > 0 ? F_TRANSPORT : 0;
	f |= e->nexthop.len > 0 ? F_NEXTHOP : 0;
	f |= e->outcomes.len > 0 ? F_OUTCOMES : 0;
	f |= e->recipient.len > 0 ? F_RECIPIENT : 0;
	f |= e->numbers.len > 0 ? F_NUMBERS : 0;
	f |= e->of != 0 ? F_OF : 0;
	f |= e->other.usec != 0 ? F_OTHER : 0;
	f |= e->loc.segment != 0 ? F_LOC : 0;
	f |= e->state.len > 0 ? F_STATE : 0;
	return (uint16_t)f;
}

static void
pack_span_if(struct buf *b, struct span s)
{
	if (s.len > 0)
		pack_span(b, s);
}

void
event_pack(struct buf *b, const struct spool_event *e)
{
	uint16_t f = fields_of(e);

	pack_u8(b, e->kind);
	pack_u16(b, f);
	pack_i64(b, e->time);
	pack_u64(b, e->number);
	pack_span_if(b, e->actor);
	pack_span_if(b, e->text);
	if (f & F_NEXT)
		pack_i64(b, e->next);
	if (f & F_ATTEMPT)
		pack_u32(b, e->attempt);
	if (f & F_SCOPE)
		pack_u8(b, e->scope);
	if (f & F_NOTICE)
		pack_u8(b, e->notice);
	pack_span_if(b, e->transport);
	pack_span_if(b, e->nexthop);
	pack_span_if(b, e->outcomes);
	pack_span_if(b, e->recipient);
	pack_span_if(b, e->numbers);
	if (f & F_OF)
		pack_u64(b, e->of);
	if (f & F_OTHER) {
		pack_u64(b, e->other.usec);
		pack_u32(b, e->other.writer);
	}
	if (f & F_LOC)
		pack_loc(b, e->loc);
	pack_span_if(b, e->state);
}

bool
event_reader_init(struct event_reader *r, struct span payload, struct err *err)
{
	*r = (struct event_reader){ .left = { .left = payload } };
	uint8_t version = unpack_u8(&r->left);
	r->id.usec = unpack_u64(&r->left);
	r->id.writer = unpack_u32(&r->left);
	r->previous = unpack_loc(&r->left);
	if (r->left.fault || version != RECORD_VERSION) {
		err_set(err, ERR_PERM, "not an event record of a known version");
		r->left.fault = true;
		return false;
	}
	return true;
}

static struct span
unpack_span_if(struct unpack *u, int have)
{
	return have ? unpack_span(u) : SPAN_NONE;
}

bool
event_next(struct event_reader *r, struct spool_event *e)
{
	struct unpack *u = &r->left;

	if (!unpack_more(u))
		return false;
	*e = (struct spool_event){ .kind = unpack_u8(u) };
	uint16_t f = unpack_u16(u);
	if (e->kind == 0 || e->kind >= EVENT_KINDS || (f & ~F_ALL) != 0) {
		u->fault = true;
		return false;
	}
	e->time = unpack_i64(u);
	e->number = unpack_u64(u);
	e->actor = unpack_span_if(u, f & F_ACTOR);
	e->text = unpack_span_if(u, f & F_TEXT);
	e->next = f & F_NEXT ? unpack_i64(u) : 0;
	e->attempt = f & F_ATTEMPT ? unpack_u32(u) : 0;
	e->scope = f & F_SCOPE ? unpack_u8(u) : 0;
	e->notice = f & F_NOTICE ? unpack_u8(u) : 0;
	e->transport = unpack_span_if(u, f & F_TRANSPORT);
	e->nexthop = unpack_span_if(u, f & F_NEXTHOP);
	e->outcomes = unpack_span_if(u, f & F_OUTCOMES);
	e->recipient = unpack_span_if(u, f & F_RECIPIENT);
	e->numbers = unpack_span_if(u, f & F_NUMBERS);
	e->of = f & F_OF ? unpack_u64(u) : 0;
	if (f & F_OTHER) {
		e->other.usec = unpack_u64(u);
		e->other.writer = unpack_u32(u);
	}
	if (f & F_LOC)
		e->loc = unpack_loc(u);
	e->state = unpack_span_if(u, f & F_STATE);
	return !u->fault;
}

bool
event_fault(const struct event_reader *r)
{
	return r->left.fault;
}
