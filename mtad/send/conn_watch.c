/*
 * Connections as operators see them: whose dialogue is shown, and the list of all.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "ctl/jsonl.h"
#include "send/core.h"

#define SLICE		100	/* rows a message; the next ones are asked for */

static void
said(void *arg, enum transcript_from from, struct span line)
{
	struct conn *c = arg;
	/* As Postfix: with the port, and a Unix socket's path. */
	transcript_say(&c->send->transcripts, &c->transcript, c->settings->program, c->relay, from, line);
}

void
conn_look(struct conn *c)
{
	char addr[NET_ADDR_TEXT] = "";

	if (!transcript_stale(&c->send->transcripts, &c->transcript))
		return;
	if (c->addr.len > 0)
		net_addr_text(&c->addr, addr);
	struct transcript_peer who = { .name = span_str(c->host), .addr = span_str(addr),
		.nexthop = span_str(c->nexthop), .list = c->settings->debug_peers, .level = c->settings->debug_level };
	transcript_match(&c->send->transcripts, &c->transcript, &who);
	if (c->client != NULL)
		smtp_client_show(c->client, transcript_on(&c->transcript) ? said : NULL, c);
}

void
conn_note(struct conn *c, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	if (!transcript_on(&c->transcript))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	said(c, SAID_NOTE, span_str(text));
}

/* -- the list --------------------------------------------------------------- */

static const char *
stage_name(const struct conn *c)
{
	static const char *const stages[] = { [CLIENT_GREETING] = "greeting", [CLIENT_HELLO] = "EHLO", [CLIENT_STARTTLS] = "STARTTLS",
		[CLIENT_TLS] = "TLS handshake", [CLIENT_AUTH] = "AUTH", [CLIENT_READY] = "ready",
		[CLIENT_RSET] = "RSET", [CLIENT_XFORWARD] = "XFORWARD", [CLIENT_MAIL] = "MAIL", [CLIENT_RCPT] = "RCPT", [CLIENT_DATA] = "DATA",
		[CLIENT_BODY] = "content", [CLIENT_DOT] = "END-OF-MESSAGE", [CLIENT_QUIT] = "QUIT", [CLIENT_CLOSED] = "closed" };

	if (c->client == NULL)
		return "connecting";
	return c->state == CONN_IDLE ? "idle" : stages[smtp_client_stage(c->client)];
}

static void
put_delivery(struct jsonl *j, const struct delivery *d)
{
	jsonl_str(j, "sender", d->sender);
	jsonl_i64(j, "recipients", (int64_t)d->count);
	jsonl_str(j, "queue_id", span_str(d->id_text));
}

static void
put_row(struct conn *c, struct buf *out)
{
	char name[TRANSCRIPT_NAME];
	struct jsonl j = { .out = out };
	int64_t now = clock_mono();

	conn_look(c);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "session", span_str(transcript_name(&c->transcript, name)));
	jsonl_str(&j, "direction", SPAN("out"));
	jsonl_str(&j, "service", span_str(c->settings->transport));
	jsonl_str(&j, "peer", span_str(c->peer));
	if (c->addr.len > 0)
		jsonl_i64(&j, "port", net_addr_port(&c->addr));
	jsonl_str(&j, "state", span_str(stage_name(c)));
	jsonl_str(&j, "nexthop", span_str(c->nexthop));
	if (c->client != NULL)
		jsonl_str(&j, "helo", span_str(c->options.helo_name));
	if (c->delivery != NULL)
		put_delivery(&j, c->delivery);
	jsonl_i64(&j, "since", (clock_wall() - (now - c->opened)) / SECOND);
	jsonl_i64(&j, "idle", (now - c->active) / SECOND);
	jsonl_i64(&j, "bytes", (int64_t)c->bytes);
	jsonl_i64(&j, "debug", c->transcript.debug);
	jsonl_end_object(&j);
	buf_char(out, '\n');
}

/* The newest first; the next slice begins below the number that was the last. */
void
conns_rows(struct send *s, struct ipc *ipc, const struct ipc_rows_ask *m)
{
	struct ipc_rows answer = { .request = m->request };
	struct buf rows = BUF_INIT(0);
	unsigned n = 0;

	for (struct conn *c = span_eqs(m->what, "sessions") ? s->conns : NULL; c != NULL; c = c->next) {
		if (m->from != 0 && c->transcript.number >= m->from)
			continue;
		if (n == SLICE)
			break;
		put_row(c, &rows);
		answer.next = ++n == SLICE ? c->transcript.number : 0;
	}
	answer.rows = buf_view(&rows);
	ipc_send_rows(ipc, &answer, -1);
	buf_clear(&rows);
}
