#include "smtp/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "smtp/client_state.h"

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
	arena_clear(&c->texts);
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
	case CLIENT_RSET:
		return "RSET command";
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
		return c->options->lmtp ? "performing the LHLO handshake" :
		    c->helo ? "performing the HELO handshake" : "performing the EHLO handshake";
	case CLIENT_RSET:
		return "sending RSET probe";
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

/* For every recipient that has no verdict yet. */
static void
judge_rest(struct smtp_client *c, struct client_verdict v)
{
	v.of_message = true;
	for (size_t i = 0; c->mail != NULL && i < c->mail->rcpt_count; i++)
		if (c->mail->rcpts[i].verdict.result == CLIENT_PENDING)
			c->mail->rcpts[i].verdict = v;
}

static enum client_event
fail(struct smtp_client *c, struct client_verdict v)
{
	c->failure = v;
	c->stage = CLIENT_CLOSED;
	c->mail = NULL;
	return CLIENT_FAILED;
}

static enum client_event
done(struct smtp_client *c, bool dirty)
{
	c->mail = NULL;
	c->dirty = dirty;
	c->stage = CLIENT_READY;
	return CLIENT_DONE;
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
	c->helo = !c->options->lmtp && (c->options->never_ehlo ||
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
	uint32_t cap = smtp_ehlo_keyword(word) & ~c->options->discard;
	c->caps |= cap;
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
	c->stage = CLIENT_READY;
	return CLIENT_GREETED;
}

/* -- a transaction --------------------------------------------------------------------- */

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return true;
	return false;
}

/* What can be said without asking the server. */
static void
judge_early(struct smtp_client *c, struct client_mail *m)
{
	if (m->utf8 && !(c->caps & EHLO_SMTPUTF8))
		judge_rest(c, own_verdict("5.6.7", arena_printf(&c->texts,
		    "SMTPUTF8 is required, but was not offered by host %s", c->peer)));
	else if (c->size_limit > 0 && m->size > c->size_limit)
		judge_rest(c, own_verdict("5.3.4", arena_printf(&c->texts,
		    "message size %llu exceeds size limit %llu of server %s", (unsigned long long)m->size,
		    (unsigned long long)c->size_limit, c->peer)));
}

/* From here to the reply to DATA, `at` is the recipient whose reply is awaited; those with a verdict already were never sent. */
static void
skip_judged(struct smtp_client *c)
{
	while (c->at < c->mail->rcpt_count &&
	    c->mail->rcpts[c->at].verdict.result != CLIENT_PENDING)
		c->at++;
}

static void
send_envelope(struct smtp_client *c)
{
	struct client_mail *m = c->mail;

	c->pipelined = (c->caps & EHLO_PIPELINING) != 0;
	if (c->dirty) {
		client_send_line(c, "RSET\r\n");
		c->stage = CLIENT_RSET;
	} else {
		c->stage = CLIENT_MAIL;
	}
	if (c->dirty && !c->pipelined)
		return;
	client_send_mail(c);
	if (!c->pipelined)
		return;
	for (size_t i = 0; i < m->rcpt_count; i++)
		if (m->rcpts[i].verdict.result == CLIENT_PENDING)
			client_send_rcpt(c, &m->rcpts[i]);
	client_send_line(c, "DATA\r\n");
}

enum client_event
smtp_client_deliver(struct smtp_client *c, struct client_mail *m)
{
	bool any = false;

	arena_reset(&c->texts);
	c->failure = (struct client_verdict){ .result = CLIENT_PENDING };
	c->mail = m;
	c->at = c->accepted = 0;
	c->discard = c->answered = false;
	c->part = 0;
	c->part_at = c->column = 0;
	c->content_bytes = 0;
	c->line_start = true;
	c->broken = false;
	for (size_t i = 0; i < m->rcpt_count; i++) {
		m->rcpts[i].verdict = (struct client_verdict){ .result = CLIENT_PENDING };
		if (has_control(m->rcpts[i].address) || has_control(m->rcpts[i].wire))
			m->rcpts[i].verdict = own_verdict("5.1.3",
			    arena_str(&c->texts, SPAN("bad address syntax")));
	}
	judge_early(c, m);
	for (size_t i = 0; i < m->rcpt_count; i++)
		any = any || m->rcpts[i].verdict.result == CLIENT_PENDING;
	if (!any)
		return done(c, c->dirty);
	send_envelope(c);
	return CLIENT_MORE;
}

static enum client_event
on_rset(struct smtp_client *c)
{
	if (c->reply.code / 100 != 2)
		return fail(c, reply_verdict(c, false));
	c->dirty = false;
	c->stage = CLIENT_MAIL;
	if (!c->pipelined)
		client_send_mail(c);
	return CLIENT_MORE;
}

/* After MAIL or a RCPT was answered: the next recipient, DATA, or the end. */
static enum client_event
next_rcpt(struct smtp_client *c, bool refused)
{
	if (!refused || c->pipelined) {
		if (c->at < c->mail->rcpt_count) {
			c->stage = CLIENT_RCPT;
			if (!c->pipelined)
				client_send_rcpt(c, &c->mail->rcpts[c->at]);
			return CLIENT_MORE;
		}
		if (c->pipelined || c->accepted > 0) {
			c->stage = CLIENT_DATA;
			if (!c->pipelined)
				client_send_line(c, "DATA\r\n");
			return CLIENT_MORE;
		}
	}
	return done(c, true);
}

/* Recipients refused with the sender still have replies to come where commands were pipelined: discard says so. */
static enum client_event
on_mail(struct smtp_client *c)
{
	skip_judged(c);
	if (c->reply.code / 100 == 2)
		return next_rcpt(c, false);
	c->discard = true;
	struct client_verdict v = reply_verdict(c, false);
	v.of_message = true;
	c->failure = v;
	if (!c->pipelined)
		judge_rest(c, v);
	return next_rcpt(c, true);
}

static enum client_event
on_rcpt(struct smtp_client *c)
{
	struct client_verdict *v = &c->mail->rcpts[c->at].verdict;

	if (c->discard)
		*v = c->failure;	/* what was said to MAIL; this reply is only an echo of it */
	else if (c->reply.code / 100 == 2)
		c->accepted++;
	else
		*v = reply_verdict(c, false);
	c->at++;
	skip_judged(c);
	return next_rcpt(c, false);
}

static enum client_event
on_data(struct smtp_client *c)
{
	if (c->reply.code / 100 != 3) {
		judge_rest(c, reply_verdict(c, false));
		return done(c, true);
	}
	if (c->accepted == 0) {
		/* RFC 2920 3.1: nobody was accepted and yet DATA was; an empty message ends it. LMTP gives no reply to that. */
		client_send_line(c, ".\r\n");
		c->discard = true;
		if (c->options->lmtp)
			c->closing = true;
		c->stage = CLIENT_DOT;
		return c->options->lmtp ? done(c, true) : CLIENT_MORE;
	}
	c->at = 0;
	c->stage = CLIENT_BODY;
	return smtp_client_pump(c);
}

enum client_event
smtp_client_pump(struct smtp_client *c)
{
	bool failed;

	if (c->stage != CLIENT_BODY)
		return CLIENT_MORE;
	if (client_send_content(c, &failed)) {
		c->stage = CLIENT_DOT;
		skip_judged(c);
		return CLIENT_MORE;
	}
	return failed ? smtp_client_lost(c, LOST_DATA) : CLIENT_MORE;
}

static enum client_event
on_dot(struct smtp_client *c)
{
	if (c->discard)
		return done(c, false);
	if (c->options->lmtp && c->stage == CLIENT_DOT) {
		c->mail->rcpts[c->at++].verdict = reply_verdict(c, false);
		skip_judged(c);
		return c->at < c->mail->rcpt_count ? CLIENT_MORE : done(c, false);
	}
	/* A reply before the end of the content: the server has given up, and is out of step with us. */
	if (c->stage == CLIENT_BODY)
		c->closing = true;
	struct client_verdict v = reply_verdict(c, false);
	if (c->stage == CLIENT_BODY && v.result == CLIENT_SENT)
		v = own_verdict("4.5.0", arena_printf(&c->texts,
		    "host %s answered before the end of the message: %.*s", c->peer, SPAN_ARG(v.reply)));
	judge_rest(c, v);
	return done(c, false);
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
	case CLIENT_RSET:
		return on_rset(c);
	case CLIENT_MAIL:
		return on_mail(c);
	case CLIENT_RCPT:
		return on_rcpt(c);
	case CLIENT_DATA:
		return on_data(c);
	case CLIENT_BODY:
	case CLIENT_DOT:
		return on_dot(c);
	case CLIENT_QUIT:
		c->stage = CLIENT_CLOSED;
		return CLIENT_ENDED;
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
		/* More than was asked for: whose reply it is cannot be known. */
		if (bytes.len > 0)
			c->closing = true;
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
		judge_rest(c, c->failure);
		c->closing = true;
		return done(c, true);
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
smtp_client_answered(const struct smtp_client *c)
{
	return c->answered;
}

bool
smtp_client_broke_lines(const struct smtp_client *c)
{
	return c->broken;
}
