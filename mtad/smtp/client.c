#include "smtp/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "smtp/client_state.h"
#include "smtp/sasl_client.h"

#define OUT_MAX		((size_t)16 << 20)	/* commands of one transaction, and one chunk of content */
#define OUT_KEEP	((size_t)32 << 10)	/* an idle session keeps no more memory than this */

struct smtp_client *
smtp_client_new(const struct client_options *options, const char *peer)
{
	struct smtp_client *c;

	MEM_NEW(c);
	c->options = options;
	c->peer = mem_str(peer);
	c->stage = CLIENT_GREETING;
	c->out = BUF_INIT(OUT_MAX);
	c->reply.line = BUF_INIT(CLIENT_LINE_MAX + 1);
	c->reply.text = BUF_INIT(CLIENT_REPLY_MAX + 2);
	c->reply.filtered = BUF_INIT(CLIENT_LINE_MAX);
	return c;
}

void
smtp_client_free(struct smtp_client *c)
{
	if (c == NULL)
		return;
	buf_clear(&c->out);
	buf_clear(&c->reply.line);
	buf_clear(&c->reply.text);
	buf_clear(&c->reply.filtered);
	arena_clear(&c->texts);
	sasl_client_free(c->sasl);
	free(c->peer);
	free(c);
}

/* -- verdicts ---------------------------------------------------------------------- */

static const char *
request_name(const struct smtp_client *c)
{
	switch (c->stage) {
	case CLIENT_HELLO:
		return c->options->lmtp ? "LHLO command" : c->helo ? "HELO command" : "EHLO command";
	case CLIENT_MAIL:
		return "MAIL FROM command";
	case CLIENT_RCPT:
		return "RCPT TO command";
	case CLIENT_DATA:
		return "DATA command";
	case CLIENT_STARTTLS:
		return "STARTTLS command";
	case CLIENT_AUTH:
		return "AUTH command";
	case CLIENT_RSET:
		return "RSET command";
	case CLIENT_XFORWARD:
		return "XFORWARD command";
	default:
		return "end of DATA command";
	}
}

static const char *
stage_text(const struct smtp_client *c)
{
	switch (c->stage) {
	case CLIENT_GREETING:
		return "receiving the initial server greeting";
	case CLIENT_HELLO:
	case CLIENT_AUTH:
		return c->options->lmtp ? "performing the LHLO handshake" :
		    c->helo ? "performing the HELO handshake" : "performing the EHLO handshake";
	case CLIENT_STARTTLS:
		return "receiving the STARTTLS response";
	case CLIENT_RSET:
		return "sending RSET probe";
	case CLIENT_XFORWARD:
		return "sending XFORWARD";
	case CLIENT_MAIL:
		return "sending MAIL FROM";
	case CLIENT_RCPT:
		return "sending RCPT TO";
	case CLIENT_DATA:
		return "sending DATA command";
	case CLIENT_BODY:
		return "sending message body";
	case CLIENT_DOT:
		return "sending end of data -- message may be sent more than once";
	default:
		return "sending QUIT";
	}
}

static struct client_verdict
own_verdict(const char *dsn, char *text)
{
	return (struct client_verdict){ .result = dsn[0] == '5' ? CLIENT_HARD : CLIENT_SOFT,
		.dsn = span_str(dsn), .text = span_str(text) };
}

/* "host PEER said: REPLY (in reply to X)"; with `refused`, the form for greeting and hello. */
static struct client_verdict
reply_verdict(struct smtp_client *c, bool refused)
{
	struct client_verdict v = { .code = (uint16_t)c->reply.code };

	v.reply = arena_span(&c->texts, buf_view(&c->reply.text));
	v.dsn = client_reply_dsn(v.reply, v.code);
	if (v.code / 100 == 2) {
		v.result = CLIENT_SENT;
		v.text = v.reply;
		return v;
	}
	/* RFC 5321 4.5.3.1.10: 552 to RCPT means "too many recipients". */
	if (v.code == 552 && c->stage == CLIENT_RCPT) {
		char *soft = arena_str(&c->texts, v.dsn);
		soft[0] = '4';
		v.dsn = span_str(soft);
	}
	v.result = v.dsn.ptr[0] == '5' ? CLIENT_HARD : CLIENT_SOFT;
	char *text = refused ?
	    arena_printf(&c->texts, "host %s refused to talk to me: %.*s", c->peer, SPAN_ARG(v.reply)) :
	    arena_printf(&c->texts, "host %s said: %.*s (in reply to %s)", c->peer, SPAN_ARG(v.reply),
		request_name(c));
	v.text = span_str(text);
	return v;
}

static enum client_event
fail(struct smtp_client *c, struct client_verdict v)
{
	c->failure = v;
	c->stage = CLIENT_CLOSED;
	c->mail = NULL;
	return CLIENT_FAILED;
}

enum client_event
client_fail(struct smtp_client *c, struct client_verdict v)
{
	return fail(c, v);
}

struct client_verdict
client_own_verdict(const char *dsn, char *text)
{
	return own_verdict(dsn, text);
}

struct client_verdict
client_reply_verdict(struct smtp_client *c)
{
	return reply_verdict(c, false);
}

/* -- greeting and hello --------------------------------------------------------------- */

static bool
says(struct span reply, const char *word)
{
	struct span w;

	while (span_word(&reply, " \t", &w))
		if (span_caseeqs(w, word))
			return true;
	return false;
}

/* "220 **************": all that such a firewall lets through. */
static bool
is_masked(struct span reply)
{
	for (size_t i = 0; i < reply.len; i++)
		if (strchr("20 *\t\r\n", reply.ptr[i]) == NULL)
			return false;
	return true;
}

static enum client_event
on_greeting(struct smtp_client *c)
{
	if (c->reply.code / 100 != 2) {
		struct client_verdict v = reply_verdict(c, true);
		if (v.result == CLIENT_HARD && c->options->skip_5xx_greeting)
			v.result = CLIENT_SOFT;
		if (v.result == CLIENT_SOFT && v.dsn.ptr[0] == '5') {
			char *soft = arena_str(&c->texts, v.dsn);
			soft[0] = '4';
			v.dsn = span_str(soft);
		}
		return fail(c, v);
	}
	c->pix = c->options->pix != 0 && is_masked(buf_view(&c->reply.text));
	c->helo = !c->options->lmtp && (c->options->never_ehlo || (c->pix && (c->options->pix & PIX_DISABLE_ESMTP)) ||
	    (!c->options->always_ehlo && !says(buf_view(&c->reply.text), "ESMTP")));
	c->stage = CLIENT_HELLO;
	c->caps = 0;
	client_send_hello(c);
	return CLIENT_MORE;
}

/* A line of the reply to EHLO: the first has the server's name, each further one a keyword. */
static void
hello_line(struct smtp_client *c, struct span line)
{
	struct span word, rest = span_skip(line, 4);

	if (c->reply.code / 100 != 2 || !span_word(&rest, " \t\r", &word))
		return;
	if (c->reply.lines == 1) {
		if (span_caseeqs(word, c->options->myhostname))
			c->caps |= CAP_MYSELF;
		return;
	}
	if (span_casestarts(word, "AUTH=")) {	/* as before RFC 2554 */
		rest = span_skip(line, (size_t)(word.ptr - line.ptr));
		(void)span_word(&rest, "=", &word);
	}
	uint32_t cap = smtp_ehlo_keyword(word) & ~c->options->discard;
	c->caps |= cap;
	if (cap == EHLO_XFORWARD)
		client_forward_offered(c, rest);
	if (cap == EHLO_AUTH)
		client_auth_offered(c, rest);
	if (cap == EHLO_SIZE && span_word(&rest, " \t\r", &word))
		num_u64(word, &c->size_limit);
}

static enum client_event
on_hello(struct smtp_client *c)
{
	if (c->reply.code / 100 != 2) {
		if (c->helo || c->options->lmtp || c->reply.code == 421)
			return fail(c, reply_verdict(c, true));
		c->helo = true;
		c->caps = 0;
		c->mechanisms = 0;
		client_send_hello(c);
		return CLIENT_MORE;
	}
	if ((c->caps & CAP_MYSELF) && c->options->loop_check)
		return fail(c, own_verdict(c->options->best_mx ? "5.4.6" : "4.4.6", arena_printf(&c->texts,
		    "mail for %s loops back to myself", c->options->nexthop)));
	if (!c->helo)
		c->caps |= CAP_ESMTP;
	else
		c->caps &= CAP_MYSELF;
	/* RFC 6531 3.1: one implies the other. */
	if (c->caps & EHLO_SMTPUTF8)
		c->caps |= EHLO_8BITMIME;
	return client_after_hello(c);
}

static enum client_event
on_reply(struct smtp_client *c)
{
	c->answered = true;
	if (c->reply.code == 421)
		c->closing = true;
	switch (c->stage) {
	case CLIENT_GREETING:
		return on_greeting(c);
	case CLIENT_HELLO:
		return on_hello(c);
	case CLIENT_STARTTLS:
		return client_on_starttls(c);
	case CLIENT_AUTH:
		return client_on_auth(c);
	case CLIENT_RSET:
		return client_on_rset(c);
	case CLIENT_XFORWARD:
		return client_on_xforward(c);
	case CLIENT_MAIL:
		return client_on_mail(c);
	case CLIENT_RCPT:
		return client_on_rcpt(c);
	case CLIENT_DATA:
		return client_on_data(c);
	case CLIENT_BODY:
	case CLIENT_DOT:
		return client_on_dot(c);
	case CLIENT_QUIT:
		c->stage = CLIENT_CLOSED;
		return CLIENT_ENDED;
	case CLIENT_TLS:
	case CLIENT_READY:	/* nobody asked: "421 idle too long" */
		c->closing = true;
		return CLIENT_ENDED;
	case CLIENT_CLOSED:
		break;
	}
	return CLIENT_ENDED;
}

static enum client_event
malformed(struct smtp_client *c)
{
	c->closing = true;
	return fail(c, own_verdict("4.5.0", arena_printf(&c->texts,
	    "host %s sent a malformed reply: %.*s (in reply to %s)", c->peer,
	    SPAN_ARG(buf_view(&c->reply.text)),
	    c->stage == CLIENT_GREETING ? "connecting" : request_name(c))));
}

enum client_event
smtp_client_input(struct smtp_client *c, struct span bytes)
{
	struct span line;

	while (bytes.len > 0 && c->stage != CLIENT_CLOSED) {
		enum reply_state state = client_reply_read(c, &bytes, &line);
		if (c->said != NULL && line.ptr != NULL)
			c->said(c->said_arg, SAID_BY_PEER, span_rtrim(line));
		if (state == REPLY_BAD)
			return malformed(c);
		if (c->stage == CLIENT_HELLO && line.len > 4)
			hello_line(c, line);
		if (state != REPLY_WHOLE)
			continue;
		enum client_event event = on_reply(c);
		client_reply_reset(c);
		if (event == CLIENT_MORE)
			continue;
		if (event == CLIENT_HANDSHAKE)
			return event;
		/* More than was asked for: whose reply it is cannot be known. */
		if (bytes.len > 0)
			c->closing = true;
		if (bytes.len > 0 && event == CLIENT_GREETED && c->secure != CLIENT_CLEAR && c->options->no_early_reply)
			return fail(c, own_verdict("4.7.0", arena_str(&c->texts, SPAN("unexpected server message"))));
		return event;
	}
	return CLIENT_MORE;
}

enum client_event
smtp_client_lost(struct smtp_client *c, enum client_loss loss)
{
	const char *dsn = loss == LOST_DATA ? "4.3.0" : "4.4.2";
	char *text;

	if (c->stage == CLIENT_READY || c->stage == CLIENT_QUIT || c->stage == CLIENT_CLOSED) {
		c->stage = CLIENT_CLOSED;
		return CLIENT_ENDED;
	}
	/* Refused already, and only the echoes are missing. */
	if (c->mail != NULL && c->discard && c->failure.result != CLIENT_PENDING) {
		client_judge_rest(c, c->failure);
		c->closing = true;
		return client_done(c, true);
	}
	if (loss == LOST_DATA)
		text = arena_printf(&c->texts, "local data error while talking to %s", c->peer);
	else if (loss == LOST_TIME)
		text = arena_printf(&c->texts, "conversation with %s timed out while %s", c->peer, stage_text(c));
	else
		text = arena_printf(&c->texts, "lost connection with %s while %s", c->peer, stage_text(c));
	return fail(c, own_verdict(dsn, text));
}

void
smtp_client_show(struct smtp_client *c, client_said_fn *said, void *arg)
{
	c->said = said;
	c->said_arg = arg;
}

void
smtp_client_quit(struct smtp_client *c)
{
	client_send_line(c, "QUIT\r\n");
	c->stage = CLIENT_QUIT;
}

struct buf *
smtp_client_output(struct smtp_client *c)
{
	if (c->stage == CLIENT_READY && c->out.len == 0 && c->out.cap > OUT_KEEP)
		buf_clear(&c->out);
	return &c->out;
}

enum client_stage
smtp_client_stage(const struct smtp_client *c)
{
	return c->stage;
}

uint32_t
smtp_client_caps(const struct smtp_client *c)
{
	return c->caps;
}

bool
smtp_client_usable(const struct smtp_client *c)
{
	return c->stage == CLIENT_READY && !c->closing && !c->out.over;
}

const struct client_verdict *
smtp_client_failure(const struct smtp_client *c)
{
	return &c->failure;
}

bool
smtp_client_login_refused(const struct smtp_client *c)
{
	return c->login_refused;
}

bool
smtp_client_is_pix(const struct smtp_client *c)
{
	return c->pix;
}

bool
smtp_client_answered(const struct smtp_client *c)
{
	return c->answered;
}

bool
smtp_client_broke_lines(const struct smtp_client *c)
{
	return c->broken;
}
