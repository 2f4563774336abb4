/*
 * A transaction: from MAIL to the end of the content.
 */
#include "smtp/client_state.h"

#define FORWARD_PARTS	2	/* commands of XFORWARD */

/* For every recipient that has no verdict yet. */
void
client_judge_rest(struct smtp_client *c, struct client_verdict v)
{
	v.of_message = true;
	for (size_t i = 0; c->mail != NULL && i < c->mail->rcpt_count; i++)
		if (c->mail->rcpts[i].verdict.result == CLIENT_PENDING)
			c->mail->rcpts[i].verdict = v;
}

enum client_event
client_done(struct smtp_client *c, bool dirty)
{
	c->mail = NULL;
	c->dirty = dirty;
	c->stage = CLIENT_READY;
	return CLIENT_DONE;
}

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
		client_judge_rest(c, client_own_verdict("5.6.7", arena_printf(&c->texts,
		    "SMTPUTF8 is required, but was not offered by host %s", c->peer)));
	else if (c->size_limit > 0 && m->size > c->size_limit)
		client_judge_rest(c, client_own_verdict("5.3.4", arena_printf(&c->texts,
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

/* Nothing stands before the transaction: XFORWARD or MAIL is next, and goes out where it has not yet. */
static void
begin(struct smtp_client *c)
{
	c->stage = CLIENT_XFORWARD;
	while (!c->pipelined && c->forwards == 0 && c->forward_part < FORWARD_PARTS)
		c->forwards += client_send_forward(c, c->forward_part++);
	if (c->forwards > 0)
		return;
	c->stage = CLIENT_MAIL;
	if (!c->pipelined)
		client_send_mail(c);
}

static void
send_envelope(struct smtp_client *c)
{
	struct client_mail *m = c->mail;

	c->pipelined = (c->caps & EHLO_PIPELINING) != 0;
	c->forwards = c->forward_part = 0;
	if (c->dirty)
		client_send_line(c, "RSET\r\n");
	if (!c->pipelined && !c->dirty)
		begin(c);
	if (c->pipelined) {
		while (c->forward_part < FORWARD_PARTS)
			c->forwards += client_send_forward(c, c->forward_part++);
		client_send_mail(c);
		for (size_t i = 0; i < m->rcpt_count; i++)
			if (m->rcpts[i].verdict.result == CLIENT_PENDING)
				client_send_rcpt(c, &m->rcpts[i]);
		if (!m->probe)
			client_send_line(c, "DATA\r\n");
		begin(c);
	}
	if (c->dirty)
		c->stage = CLIENT_RSET;
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
			m->rcpts[i].verdict = client_own_verdict("5.1.3",
			    arena_str(&c->texts, SPAN("bad address syntax")));
	}
	judge_early(c, m);
	for (size_t i = 0; i < m->rcpt_count; i++)
		any = any || m->rcpts[i].verdict.result == CLIENT_PENDING;
	if (!any)
		return client_done(c, c->dirty);
	send_envelope(c);
	return CLIENT_MORE;
}

enum client_event
client_on_rset(struct smtp_client *c)
{
	if (c->reply.code / 100 != 2)
		return client_fail(c, client_reply_verdict(c));
	c->dirty = false;
	begin(c);
	return CLIENT_MORE;
}

/* Whatever it says: who is told less, or does not believe it, takes the mail all the same. */
enum client_event
client_on_xforward(struct smtp_client *c)
{
	if (--c->forwards == 0)
		begin(c);
	return CLIENT_MORE;
}

/* RCPT tells what a probe wants to know, or DATA is asked too, in a step of its own. */
static enum client_event
probe_answered(struct smtp_client *c)
{
	if (!c->mail->probe_data || c->accepted == 0)
		return client_done(c, true);
	client_send_line(c, "DATA\r\n");
	c->stage = CLIENT_DATA;
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
		if (c->mail->probe)
			return probe_answered(c);
		if (c->pipelined || c->accepted > 0) {
			c->stage = CLIENT_DATA;
			if (!c->pipelined)
				client_send_line(c, "DATA\r\n");
			return CLIENT_MORE;
		}
	}
	return client_done(c, true);
}

/* Recipients refused with the sender still have replies to come where commands were pipelined: discard says so. */
enum client_event
client_on_mail(struct smtp_client *c)
{
	skip_judged(c);
	if (c->reply.code / 100 == 2)
		return next_rcpt(c, false);
	c->discard = true;
	struct client_verdict v = client_reply_verdict(c);
	v.of_message = true;
	c->failure = v;
	if (!c->pipelined)
		client_judge_rest(c, v);
	return next_rcpt(c, true);
}

enum client_event
client_on_rcpt(struct smtp_client *c)
{
	struct client_verdict *v = &c->mail->rcpts[c->at].verdict;

	if (c->discard)
		*v = c->failure;	/* what was said to MAIL; this reply is only an echo of it */
	else if (c->reply.code / 100 == 2)
		c->accepted++;
	if (!c->discard && (c->reply.code / 100 != 2 || (c->mail->probe && !c->mail->probe_data)))
		*v = client_reply_verdict(c);
	c->at++;
	skip_judged(c);
	return next_rcpt(c, false);
}

enum client_event
client_on_data(struct smtp_client *c)
{
	if (c->reply.code / 100 != 3) {
		client_judge_rest(c, client_reply_verdict(c));
		return client_done(c, true);
	}
	if (c->mail->probe) {		/* it waits for content that does not come: no more is to be done here */
		struct client_verdict v = client_reply_verdict(c);
		v.result = CLIENT_SENT;
		v.dsn = SPAN("2.0.0");
		v.text = v.reply;
		client_judge_rest(c, v);
		c->closing = true;
		return client_done(c, true);
	}
	if (c->accepted == 0) {
		/* RFC 2920 3.1: nobody was accepted and yet DATA was; an empty message ends it. LMTP gives no reply to that. */
		client_send_line(c, ".\r\n");
		c->discard = true;
		if (c->options->lmtp)
			c->closing = true;
		c->stage = CLIENT_DOT;
		return c->options->lmtp ? client_done(c, true) : CLIENT_MORE;
	}
	c->at = 0;
	c->stage = CLIENT_BODY;
	return smtp_client_pump(c);
}

static void
await_verdict(struct smtp_client *c)
{
	c->stage = CLIENT_DOT;
	skip_judged(c);
}

enum client_event
smtp_client_end_content(struct smtp_client *c)
{
	if (c->stage != CLIENT_BODY || !c->dot_due)
		return CLIENT_MORE;
	c->dot_due = false;
	client_send_line(c, ".\r\n");
	await_verdict(c);
	return CLIENT_MORE;
}

enum client_event
smtp_client_pump(struct smtp_client *c)
{
	bool failed;

	if (c->stage != CLIENT_BODY)
		return CLIENT_MORE;
	if (c->dot_due)
		return CLIENT_PAUSE;
	if (client_send_content(c, &failed)) {
		if (!c->dot_due)
			await_verdict(c);
		return CLIENT_MORE;
	}
	return failed ? smtp_client_lost(c, LOST_DATA) : CLIENT_MORE;
}

enum client_event
client_on_dot(struct smtp_client *c)
{
	if (c->discard)
		return client_done(c, false);
	if (c->options->lmtp && c->stage == CLIENT_DOT) {
		c->mail->rcpts[c->at++].verdict = client_reply_verdict(c);
		skip_judged(c);
		return c->at < c->mail->rcpt_count ? CLIENT_MORE : client_done(c, false);
	}
	/* A reply before the end of the content: the server has given up, and is out of step with us. */
	if (c->stage == CLIENT_BODY)
		c->closing = true;
	struct client_verdict v = client_reply_verdict(c);
	if (c->stage == CLIENT_BODY && v.result == CLIENT_SENT)
		v = client_own_verdict("4.5.0", arena_printf(&c->texts,
		    "host %s answered before the end of the message: %.*s", c->peer, SPAN_ARG(v.reply)));
	client_judge_rest(c, v);
	return client_done(c, false);
}
