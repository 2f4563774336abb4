#include "send/core.h"

#include "base/clock.h"
#include "base/log.h"
#include "mail/delivery_log.h"
#include "policy/status_filter.h"

/* Who takes a message and knows nothing of DSN tells the sender nothing: it is relayed. An LMTP server may be known to deliver. */
static uint8_t
status_of(const struct delivery *d, const struct client_verdict *v, const struct conn *conn)
{
	switch (v->result) {
	case CLIENT_SENT:
		if (conn == NULL)	/* handed on */
			return OUTCOME_EXPANDED;
		return (smtp_client_caps(conn->client) & EHLO_DSN) || d->settings->assume_final ? OUTCOME_SENT : OUTCOME_RELAYED;
	case CLIENT_HARD:
		return OUTCOME_BOUNCED;
	default:
		return OUTCOME_DEFERRED;
	}
}

/* As smtp_delivery_status_filter has it. */
static void
filter(const struct delivery *d, struct outcome *o)
{
	static struct buf to = { .max = 16 << 10 };
	char complaint[STATUS_COMPLAINT];

	if (d->settings == NULL || d->settings->status_filter.count == 0)
		return;
	if (status_filter(&d->settings->status_filter, &o->dsn, &o->text, &to, complaint) && o->status > OUTCOME_EXPANDED)
		o->status = o->dsn.ptr[0] == '5' ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
	if (complaint[0] != '\0')
		log_warning(d->settings->program, "%s: %s", d->id_text, complaint);
}

static void
count(struct send *s, uint8_t status)
{
	if (status == OUTCOME_DEFERRED)
		s->deferred++;
	else if (status == OUTCOME_BOUNCED)
		s->bounced++;
	else
		s->sent++;
}

void
delivery_outcome(struct delivery *d, size_t i, const struct client_verdict *v, const struct conn *conn)
{
	static struct buf line = { .max = 64 << 10 }, diagnostic = { .max = 16 << 10 };
	struct outcome o = { .number = d->numbers[i], .status = status_of(d, v, conn), .reply = v->code,
		.dsn = v->dsn, .text = v->text, .relay = conn == NULL ? SPAN("none") : span_str(conn->relay) };

	buf_reset(&line);
	buf_reset(&diagnostic);
	filter(d, &o);
	/* A host with "sent" promises its own notices. */
	if (v->reply.len > 0 && (v->result != CLIENT_SENT || !d->settings->assume_final || (smtp_client_caps(conn->client) & EHLO_DSN)))
		o.mta = span_str(conn->host);
	if (v->reply.len > 0 && v->result != CLIENT_SENT) {
		buf_str(&diagnostic, "smtp; ");
		buf_span(&diagnostic, v->reply);
		o.diagnostic = buf_view(&diagnostic);
	} else if (v->result != CLIENT_SENT && conn != NULL && conn->tls_why[0] != '\0') {
		buf_printf(&diagnostic, OUTCOME_TLS "%s", conn->tls_why);
		o.diagnostic = buf_view(&diagnostic);
	}
	outcome_pack(&d->outcomes, &o);
	count(d->send, o.status);
	d->some_sent = d->some_sent || v->result == CLIENT_SENT;

	int64_t now = clock_wall();
	/* Without a session, all the time went into getting one. */
	struct delivery_log log = { .recipient = d->rcpts[i].address, .orig_to = d->rcpts[i].original, .relay = o.relay,
		.reuse = conn == NULL ? 0 : conn->uses, .arrival = d->arrival, .active = d->active,
		.handoff = d->handoff, .connected = d->connected == 0 ? now : d->connected, .done = now, .dsn = o.dsn,
		.probe = d->probe, .status = o.status == OUTCOME_EXPANDED ? OUTCOME_SENT : o.status, .text = o.text };
	buf_str(&line, d->id_text);
	buf_str(&line, ": ");
	delivery_log_put(&line, &log);
	log_info(d->settings == NULL ? NULL : d->settings->program, "%s", line.ptr);
}

void
delivery_tell_result(const struct delivery *d)
{
	struct ipc_result m = { .lease = d->lease, .id_usec = d->id.usec, .id_writer = d->id.writer,
		.last = 1, .scope = d->scope, .outcomes = buf_view(&d->outcomes), .forwards = buf_view(&d->forwards) };

	ipc_send_result(d->send->queue, &m, -1);
}

void
delivery_tell_held(const struct delivery *d)
{
	struct ipc_lease_held m = { .lease = d->lease, .id_usec = d->id.usec, .id_writer = d->id.writer,
		.transport = d->transport, .nexthop = d->nexthop, .recipients = d->recipients };

	ipc_send_lease_held(d->send->queue, &m, -1);
}
