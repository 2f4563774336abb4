#include "spool/envelope.h"

#include "base/pack.h"

#define ENVELOPE_VERSION	2
#define ENVELOPE_FIRST		1	/* ends with the recipients; still read */

void
envelope_pack(struct buf *b, const struct envelope *e)
{
	pack_u8(b, ENVELOPE_VERSION);
	pack_u64(b, e->id.usec);
	pack_u32(b, e->id.writer);
	pack_i64(b, e->arrival);
	pack_u32(b, e->flags);
	pack_u64(b, e->size);
	pack_span(b, e->sender);
	pack_span(b, e->envid);
	pack_span(b, e->hold_reason);
	pack_span(b, e->service);
	pack_span(b, e->filter);
	pack_span(b, e->client_name);
	pack_span(b, e->client_addr);
	pack_span(b, e->helo);
	pack_span(b, e->protocol);
	pack_span(b, e->sasl_user);
	pack_span(b, e->message_id);
	pack_span(b, e->subject);
	pack_u64(b, e->spill);
	pack_u64(b, e->origin.usec);
	pack_u32(b, e->origin.writer);
	pack_u64(b, e->origin_event);
	pack_u32(b, e->recipient_count);
	pack_span(b, e->recipients);
	pack_span(b, e->client_port);
	pack_span(b, e->sasl_method);
	pack_span(b, e->sasl_sender);
	pack_span(b, e->forward);
}

void
envelope_client_pack(struct buf *b, const struct envelope_client *c)
{
	pack_span(b, c->name);
	pack_span(b, c->addr);
	pack_span(b, c->port);
	pack_span(b, c->helo);
	pack_span(b, c->protocol);
	pack_span(b, c->ident);
	pack_u8(b, c->local);
}

static bool
unpack_client(struct span packed, struct envelope_client *c)
{
	struct unpack u = { .left = packed };

	c->name = unpack_span(&u);
	c->addr = unpack_span(&u);
	c->port = unpack_span(&u);
	c->helo = unpack_span(&u);
	c->protocol = unpack_span(&u);
	c->ident = unpack_span(&u);
	c->local = unpack_u8(&u) != 0;
	return unpack_end(&u);
}

/* "UTF8SMTPSA" is ESMTP with more: only the one word or the other is told to others. */
static struct span
plain_protocol(struct span protocol)
{
	return protocol.len == 0 || span_eqs(protocol, "SMTP") ? protocol : SPAN("ESMTP");
}

void
envelope_client(const struct envelope *e, struct envelope_client *c)
{
	*c = (struct envelope_client){ .local = false };
	if (e->forward.len > 0 && unpack_client(e->forward, c))
		return;
	*c = (struct envelope_client){ .name = e->client_name, .addr = e->client_addr, .port = e->client_port, .helo = e->helo,
	    .protocol = plain_protocol(e->protocol), .local = (e->flags & (ENVELOPE_LOCAL | ENVELOPE_INTERNAL | ENVELOPE_REWRITE)) != 0 };
}

/* They must be numbered 0, 1, 2 ...: the queue role uses the number as an index. */
static bool
recipients_ok(struct span packed, uint32_t count)
{
	struct unpack u = { .left = packed };
	struct recipient r;
	uint32_t n = 0;

	while (recipient_next(&u, &r)) {
		if (r.number != n)
			return false;
		n++;
	}
	return unpack_end(&u) && n == count;
}

static void
unpack_later(struct unpack *u, struct envelope *e)
{
	e->client_port = unpack_span(u);
	e->sasl_method = unpack_span(u);
	e->sasl_sender = unpack_span(u);
	e->forward = unpack_span(u);
}

bool
envelope_unpack(struct span s, struct envelope *e, struct err *err)
{
	struct unpack u = { .left = s };

	uint8_t version = unpack_u8(&u);

	if (version != ENVELOPE_VERSION && version != ENVELOPE_FIRST) {
		err_set(err, ERR_PERM, "the envelope has a format that this version of mtad does not know");
		return false;
	}
	e->id.usec = unpack_u64(&u);
	e->id.writer = unpack_u32(&u);
	e->arrival = unpack_i64(&u);
	e->flags = unpack_u32(&u);
	e->size = unpack_u64(&u);
	e->sender = unpack_span(&u);
	e->envid = unpack_span(&u);
	e->hold_reason = unpack_span(&u);
	e->service = unpack_span(&u);
	e->filter = unpack_span(&u);
	e->client_name = unpack_span(&u);
	e->client_addr = unpack_span(&u);
	e->helo = unpack_span(&u);
	e->protocol = unpack_span(&u);
	e->sasl_user = unpack_span(&u);
	e->message_id = unpack_span(&u);
	e->subject = unpack_span(&u);
	e->spill = unpack_u64(&u);
	e->origin.usec = unpack_u64(&u);
	e->origin.writer = unpack_u32(&u);
	e->origin_event = unpack_u64(&u);
	e->recipient_count = unpack_u32(&u);
	e->recipients = unpack_span(&u);
	e->client_port = e->sasl_method = e->sasl_sender = e->forward = SPAN_NONE;
	if (version > ENVELOPE_FIRST)
		unpack_later(&u, e);
	if (!unpack_end(&u)) {
		err_set(err, ERR_PERM, "the envelope is cut short, or has bytes too many");
		return false;
	}
	if (!recipients_ok(e->recipients, e->recipient_count)) {
		err_set(err, ERR_PERM, "the envelope's list of recipients is damaged");
		return false;
	}
	return true;
}
