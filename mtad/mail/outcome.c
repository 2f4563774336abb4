#include "mail/outcome.h"

/* Beside the bits of NOTIFY: an original address follows. What was packed before there was one has no such bit. */
#define HAS_ORIGINAL	0x80

void
recipient_pack(struct buf *b, const struct recipient *r)
{
	pack_u32(b, r->number);
	pack_u8(b, (uint8_t)(r->notify | (r->original.len > 0 ? HAS_ORIGINAL : 0)));
	pack_span(b, r->address);
	pack_span(b, r->orcpt);
	if (r->original.len > 0)
		pack_span(b, r->original);
}

bool
recipient_next(struct unpack *u, struct recipient *r)
{
	if (!unpack_more(u))
		return false;
	r->number = unpack_u32(u);
	r->notify = unpack_u8(u);
	r->address = unpack_span(u);
	r->orcpt = unpack_span(u);
	r->original = r->notify & HAS_ORIGINAL ? unpack_span(u) : SPAN_NONE;
	r->notify &= (uint8_t)~HAS_ORIGINAL;
	return !u->fault;
}

void
outcome_pack(struct buf *b, const struct outcome *o)
{
	pack_u32(b, o->number);
	pack_u8(b, o->status);
	pack_u16(b, o->reply);
	pack_span(b, o->dsn);
	pack_span(b, o->text);
	pack_span(b, o->mta);
	pack_span(b, o->relay);
	pack_span(b, o->diagnostic);
}

bool
outcome_next(struct unpack *u, struct outcome *o)
{
	if (!unpack_more(u))
		return false;
	o->number = unpack_u32(u);
	o->status = unpack_u8(u);
	o->reply = unpack_u16(u);
	o->dsn = unpack_span(u);
	o->text = unpack_span(u);
	o->mta = unpack_span(u);
	o->relay = unpack_span(u);
	o->diagnostic = unpack_span(u);
	return !u->fault;
}

struct span
outcome_tls(const struct outcome *o)
{
	return span_starts(o->diagnostic, OUTCOME_TLS) ? span_skip(o->diagnostic, sizeof OUTCOME_TLS - 1) : SPAN_NONE;
}

const char *
lease_stage_text(uint8_t stage)
{
	static const char *const text[] = {
		[LEASE_QUEUED] = "waiting for a connection",
		[LEASE_DNS] = "waiting for DNS",
		[LEASE_CONNECT] = "connecting",
		[LEASE_GREETING] = "waiting for the server's greeting",
		[LEASE_ENVELOPE] = "sending the envelope",
		[LEASE_DATA] = "sending the message",
		[LEASE_END] = "waiting for the server to accept the message",
		[LEASE_FILE] = "writing to the mailbox",
	};
	return stage < sizeof text / sizeof text[0] ? text[stage] : "delivering";
}
