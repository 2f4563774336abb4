/*
 * Replies of the server, the owner's answers, and what the log says of a session at its end.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

const char server_no_dsn[] = "501 5.7.1 DSN support is disabled";

/* A client with many errors gets its replies late. */
static void
slow_down(struct smtp_server *s)
{
	if (!s->options.no_limits && s->errors >= s->config->soft_error_limit && s->config->soft_error_limit > 0)
		s->delay = true;
}

/* What was put into the output from here on. */
static void
show(struct smtp_server *s, size_t from)
{
	struct span left = span_skip(buf_view(s->out), from), line;

	while (!s->out->over && left.len > 0 && span_cut(&left, '\n', &line))
		s->ops->said(s->arg, SAID_BY_MTAD, span_rtrim(line));
}

/* soft_bounce, as Postfix has it: of each reply the first line, whatever it is about. */
static void
soften(struct smtp_server *s, size_t from)
{
	size_t len = s->out->len - from;

	if (s->out->over || len < 3 || s->out->ptr[from] != '5')
		return;
	s->out->ptr[from] = '4';
	if (len > 4 && s->out->ptr[from + 4] == '5')
		s->out->ptr[from + 4] = '4';
}

/* smtpd_reject_footer */
static void
add_footer(struct smtp_server *s, size_t from)
{
	if (s->ops->footer == NULL || s->out->over || s->out->len <= from || (s->out->ptr[from] != '4' && s->out->ptr[from] != '5'))
		return;
	const char *reply = s->ops->footer(s->arg, s->out->ptr + from);
	if (reply == NULL)
		return;
	buf_cut(s->out, from);
	buf_str(s->out, reply);
}

static void
reply_end(struct smtp_server *s, size_t from)
{
	add_footer(s, from);
	if (s->config->soft_bounce)
		soften(s, from);
	buf_put(s->out, "\r\n", 2);
	if (s->shown)
		show(s, from);
}

void
server_reply(struct smtp_server *s, const char *text)
{
	size_t from = s->out->len;

	slow_down(s);
	buf_str(s->out, text);
	reply_end(s, from);
}

void
server_replyf(struct smtp_server *s, const char *fmt, ...)
{
	size_t from = s->out->len;
	va_list ap;

	slow_down(s);
	va_start(ap, fmt);
	buf_vprintf(s->out, fmt, ap);
	va_end(ap);
	reply_end(s, from);
}

void
server_error(struct smtp_server *s, const char *text)
{
	s->errors++;
	server_reply(s, text);
}

void
server_errorf(struct smtp_server *s, const char *fmt, ...)
{
	size_t from = s->out->len;
	va_list ap;

	s->errors++;
	slow_down(s);
	va_start(ap, fmt);
	buf_vprintf(s->out, fmt, ap);
	va_end(ap);
	reply_end(s, from);
}

void
server_good(struct smtp_server *s)
{
	s->counts[s->verb].good++;
}

void
server_note(struct smtp_server *s, enum smtp_note note, struct span text)
{
	s->ops->note(s->arg, note, s->verb, text);
}

void
server_close(struct smtp_server *s)
{
	server_reset(s);
	s->phase = PHASE_CLOSED;
	s->ask = ASK_NOTHING;
}

void
server_reset_quietly(struct smtp_server *s)
{
	s->in_mail = false;
	s->smtputf8 = false;
	s->bdat = BDAT_NONE;
	s->too_big = false;
	s->rcpts = 0;
	s->overshoot = 0;
	s->content = (struct smtp_content){ 0 };
	if (s->phase != PHASE_CLOSED)
		s->phase = PHASE_COMMAND;
}

void
server_reset(struct smtp_server *s)
{
	bool told = s->in_mail;

	server_reset_quietly(s);
	if (told)
		s->ops->reset(s->arg);
}

/* Where its last line begins. */
static size_t
put_keyword(struct smtp_server *s, unsigned bit, const char *text)
{
	size_t at = s->out->len;

	if (bit == EHLO_SIZE && s->config->message_size_limit > 0) {
		buf_printf(s->out, "250-SIZE %llu\r\n", (unsigned long long)s->config->message_size_limit);
	} else if (bit == EHLO_AUTH) {
		buf_printf(s->out, "250-AUTH %s\r\n", s->mechanisms);
		if (s->config->broken_auth_clients) {
			at = s->out->len;
			buf_printf(s->out, "250-AUTH=%s\r\n", s->mechanisms);
		}
	} else {
		buf_printf(s->out, "250-%s\r\n", text);
	}
	return at;
}

void
server_offer(struct smtp_server *s)
{
	const struct {
		unsigned	 bit;
		const char	*text;
	} keywords[] = {
		{ EHLO_PIPELINING, "PIPELINING" },
		{ EHLO_SIZE, "SIZE" },
		{ EHLO_VRFY, "VRFY" },
		{ EHLO_ETRN, "ETRN" },
		{ EHLO_VERP, "XVERP" },
		{ EHLO_STARTTLS, "STARTTLS" },
		{ EHLO_AUTH, "AUTH" },
		{ EHLO_XCLIENT, smtp_xattrs_keyword(false) },
		{ EHLO_XFORWARD, smtp_xattrs_keyword(true) },
		{ EHLO_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES" },
		{ EHLO_8BITMIME, "8BITMIME" },
		{ EHLO_DSN, "DSN" },
		{ EHLO_SMTPUTF8, "SMTPUTF8" },
		{ EHLO_CHUNKING, "CHUNKING" },
	};
	unsigned discard = s->options.discard;
	size_t from = s->out->len, last = from;

	if (s->config->disable_vrfy)
		discard |= EHLO_VRFY;
	if (!s->config->smtputf8)
		discard |= EHLO_SMTPUTF8;
	if (s->mechanisms == NULL)
		discard |= EHLO_AUTH;
	if (!s->options.tls || s->secure)
		discard |= EHLO_STARTTLS;
	discard |= (s->xclient ? 0u : EHLO_XCLIENT) | (s->xforward ? 0u : EHLO_XFORWARD) | (s->verp ? 0u : EHLO_VERP);
	slow_down(s);
	buf_printf(s->out, "250-%s\r\n", s->config->hostname);
	for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
		if (discard & keywords[i].bit)
			continue;
		last = put_keyword(s, keywords[i].bit, keywords[i].text);
	}
	if (!s->out->over)
		s->out->ptr[last + 3] = ' ';
	if (s->shown)
		show(s, from);
}

/* -- answers -- */

static bool
refuses(const char *reply)
{
	return reply != NULL && (reply[0] == '4' || reply[0] == '5');
}

/* Some refusals end the session. */
static bool
ends(const char *reply)
{
	return reply != NULL && (strncmp(reply, "421", 3) == 0 || strncmp(reply, "521", 3) == 0);
}

static void
answer_connect(struct smtp_server *s, const char *reply)
{
	if (reply == NULL) {
		server_replyf(s, "220 %s", s->config->banner);
		return;
	}
	server_error(s, reply);
	s->denied = mem_str(reply);
}

static void
answer_helo(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
		return;
	}
	s->helo = true;
	s->esmtp = s->verb != SMTP_HELO;
	if (s->esmtp)
		server_offer(s);
	else
		server_replyf(s, "250 %s", s->config->hostname);
	server_good(s);
}

static void
answer_mail(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_reset(s);
		server_error(s, reply);
		return;
	}
	server_reply(s, reply == NULL ? "250 2.1.0 Ok" : reply);
	server_good(s);
}

static void
answer_rcpt(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
		return;
	}
	s->rcpts++;
	server_reply(s, reply == NULL ? "250 2.1.5 Ok" : reply);
	server_good(s);
}

static void
answer_data(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
		return;
	}
	server_data_begin(s);
}

static void
answer_bdat(struct smtp_server *s, const char *reply)
{
	if (refuses(reply))
		server_bdat_refuse(s, reply);
	else
		server_bdat_begin(s);
}

static void
answer_end(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
	} else {
		s->errors = 0;
		s->junk = 0;
		server_reply(s, reply == NULL ? "250 2.0.0 Ok" : reply);
		server_good(s);
	}
	if (s->answers > 1) {
		s->answers--;
		s->ask = ASK_END;
		return;
	}
	server_reset_quietly(s);
}

static void
answer_vrfy(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
	} else {
		if (reply == NULL)
			server_replyf(s, "252 2.0.0 %s", s->asked == NULL ? "" : s->asked);
		else
			server_reply(s, reply);
		server_good(s);
	}
	free(s->asked);
	s->asked = NULL;
}

static void
answer_etrn(struct smtp_server *s, const char *reply)
{
	if (refuses(reply)) {
		server_error(s, reply);
	} else if (reply == NULL) {
		server_errorf(s, "459 <%s>: service unavailable", s->asked == NULL ? "" : s->asked);
	} else {
		server_reply(s, reply);
		server_good(s);
	}
	free(s->asked);
	s->asked = NULL;
}

void
smtp_server_answer(struct smtp_server *s, const char *reply)
{
	static void (*const by_ask[])(struct smtp_server *, const char *) = {
		[ASK_CONNECT] = answer_connect, [ASK_HELO] = answer_helo, [ASK_MAIL] = answer_mail,
		[ASK_RCPT] = answer_rcpt, [ASK_DATA] = answer_data, [ASK_BDAT] = answer_bdat,
		[ASK_END] = answer_end, [ASK_VRFY] = answer_vrfy, [ASK_ETRN] = answer_etrn,
		[ASK_AUTH] = server_auth_answer, [ASK_XCLIENT] = server_x_answer,
		[ASK_STARTTLS] = server_starttls_answered,
	};
	enum server_ask ask = s->ask;

	if (ask == ASK_NOTHING)
		panic("smtp_server_answer: nothing was asked");
	s->ask = ASK_NOTHING;
	by_ask[ask](s, reply);
	if (ends(reply))
		server_close(s);
}

void
smtp_server_bye(struct smtp_server *s, const char *reply)
{
	if (s->phase == PHASE_CLOSED)
		return;
	if (reply != NULL)
		server_reply(s, reply);
	s->delay = false;
	server_close(s);
}

void
smtp_server_forget(struct smtp_server *s)
{
	server_reset(s);
}

void
smtp_server_show(struct smtp_server *s, bool on)
{
	s->shown = on && s->ops->said != NULL;
}

bool
smtp_server_idle(const struct smtp_server *s)
{
	return !s->in_mail && s->ask == ASK_NOTHING;
}

bool
smtp_server_in_data(const struct smtp_server *s)
{
	return s->phase == PHASE_DATA || s->phase == PHASE_BDAT;
}

uint64_t
smtp_server_requests(const struct smtp_server *s)
{
	return s->requests;
}

uint32_t
smtp_server_recipients(const struct smtp_server *s)
{
	return s->rcpts;
}

const char *
smtp_server_stage(const struct smtp_server *s)
{
	return s->ask == ASK_END ? "END-OF-MESSAGE" : s->where;
}

void
smtp_server_where(const struct smtp_server *s, struct buf *b)
{
	buf_str(b, smtp_server_stage(s));
	if (smtp_server_in_data(s) && s->ask == ASK_NOTHING)
		buf_printf(b, " (%llu bytes)", (unsigned long long)(s->content.bytes + s->content.lines));
}

static void
put_count(struct buf *b, const char *name, uint32_t all, uint32_t good)
{
	for (; *name != '\0'; name++)
		buf_char(b, (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name));
	if (all == good)
		buf_printf(b, "=%u", good);
	else
		buf_printf(b, "=%u/%u", good, all);
}

void
smtp_server_counts(const struct smtp_server *s, struct buf *b)
{
	uint32_t all = 0, good = 0;

	for (int v = 0; v < SMTP_VERB_COUNT; v++) {
		if (s->counts[v].all == 0)
			continue;
		all += s->counts[v].all;
		good += s->counts[v].good;
		put_count(b, smtp_verb_name((enum smtp_verb)v), s->counts[v].all, s->counts[v].good);
		buf_char(b, ' ');
	}
	put_count(b, "commands", all, good);
}
