/*
 * What the client asks for, and what is done once it is decided.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "mail/verp.h"
#include "receive/before_queue.h"
#include "receive/session.h"
#include "receive/session_auth.h"
#include "receive/session_filter.h"
#include "receive/session_notice.h"
#include "receive/session_xclient.h"
#include "receive/state.h"

#define HELO_MAX	256

static void
set(char **to, struct span value)
{
	free(*to);
	*to = span_dup(value);
}

/* -- events of the dialogue -- */

static void
on_connect(void *arg)
{
	session_connect(arg);
}

static void
on_helo(void *arg, enum smtp_verb verb, struct span name)
{
	struct session *s = arg;

	session_record_flush(s);
	set(&s->helo, span_head(name, HELO_MAX));
	session_forward_drop(s);
	/* For good, as Postfix has it: HELO does not take it back. */
	if (verb != SMTP_HELO) {
		s->esmtp = true;
		session_offer_less(s);
	}
	session_decide(s, DECIDE_HELO);
}

/* RFC 3848, RFC 6531: "ESMTPSA", "UTF8SMTPA". */
static struct span
protocol(const struct session *s)
{
	static const char *const names[2][2][2] = { { { "ESMTP", "ESMTPA" }, { "ESMTPS", "ESMTPSA" } },
		{ { "UTF8SMTP", "UTF8SMTPA" }, { "UTF8SMTPS", "UTF8SMTPSA" } } };

	return s->esmtp || s->utf8 ? span_str(names[s->utf8][s->tls != NULL][s->sasl_user != NULL]) : SPAN("SMTP");
}

void
session_source(struct session *s, struct intake_source *src)
{
	*src = (struct intake_source){ .uid = s->uid, .rewrite_local = s->rewrite_local };
	if (s->uid >= 0) {
		src->flags = ENVELOPE_LOCAL;
		return;
	}
	src->client_name = span_str(s->name);
	src->client_addr = span_str(s->addr);
	src->helo = span_str(s->helo);
	src->protocol = protocol(s);
	if (s->port > 0)
		src->client_port = span_of(s->port_text, (size_t)snprintf(s->port_text, sizeof s->port_text, "%u", s->port));
	src->sasl_user = span_str(s->sasl_user);
	src->sasl_method = span_str(s->sasl_method);
	src->sasl_sender = span_str(s->sasl_sender);
	src->forward = session_forward_packed(s);
	if (s->tls != NULL)
		src->tls = buf_view(&s->tls->received);
}

static uint32_t
mail_flags(const struct smtp_mail *m)
{
	return (m->body == SMTP_BODY_8BITMIME ? ENVELOPE_8BIT : 0u) | (m->smtputf8 ? ENVELOPE_SMTPUTF8 : 0u) |
	    (m->ret == DSN_RET_FULL ? ENVELOPE_RET_FULL : 0u) | (m->ret == DSN_RET_HDRS ? ENVELOPE_RET_HDRS : 0u) | verp_flags(m->verp);
}

/* Postfix's postdrop(1) refuses so; the words are its own, as they are looked for. */
static void
refuse_user(struct session *s)
{
	struct buf text = BUF_INIT(512);

	user_refused(s->rx, (uid_t)s->uid, &text);
	log_warning(session_program(s), "%s", text.ptr);
	s->rx->rejected++;
	char reply[300];
	snprintf(reply, sizeof reply, "550 5.7.1 %s", text.ptr);
	smtp_server_answer(s->server, reply);
	buf_clear(&text);
}

/* Before the policy is asked, as smtpd does it. */
static void
counted(struct session *s, enum session_decision what, const char *reply)
{
	s->decision = what;
	if (reply != NULL)
		session_decided(s, reply);
	else
		session_decide(s, what);
}

static void
mail_counted(struct session *s, const char *reply)
{
	counted(s, DECIDE_MAIL, reply);
}

static void
rcpt_counted(struct session *s, const char *reply)
{
	counted(s, DECIDE_RCPT, reply);
}

static void
on_mail(void *arg, const struct smtp_mail *m)
{
	struct session *s = arg;
	struct intake_source src;

	if (s->uid >= 0 && !user_list_has(&s->generation->submitters, (uid_t)s->uid)) {
		refuse_user(s);
		return;
	}
	if (s->rx->link.full) {
		smtp_server_answer(s->server, "452 4.3.1 Insufficient system storage");
		return;
	}
	session_auth_sender(s, m->auth);
	s->utf8 = m->smtputf8;
	session_source(s, &src);
	src.flags |= mail_flags(m);
	s->intake = intake_new(s->rx, s->settings, &src);
	intake_sender(s->intake, m->sender);
	if (m->envid.len > 0)
		s->intake->envelope.envid = arena_span(&s->intake->arena, m->envid);
	set(&s->sender, m->sender);
	s->discard = false;
	s->size = m->size;
	if (s->settings->filter != NULL)
		before_queue_mail(s, m->line);
	s->instance[0] = '\0';
	session_rates(s, RATE_MAIL, mail_counted);
}

static void
on_rcpt(void *arg, const struct smtp_rcpt *r)
{
	struct session *s = arg;

	s->rcpt.notify = r->notify;
	set(&s->rcpt.address, r->address);
	s->rcpt.has_orcpt = r->orcpt.len > 0;
	if (s->rcpt.has_orcpt)
		set(&s->rcpt.orcpt, r->orcpt);
	if (s->before_queue != NULL)
		set(&s->rcpt.line, r->line);
	session_rates(s, RATE_RCPT, rcpt_counted);
}

static void
on_data(void *arg, bool bdat)
{
	(void)bdat;
	session_decide(arg, DECIDE_DATA);
}

static char *
on_room(void *arg, size_t n)
{
	struct session *s = arg;

	return s->before_queue != NULL ? before_queue_room(s, n) : intake_room(s->intake, n);
}

static void
on_added(void *arg, size_t n)
{
	struct session *s = arg;

	if (s->before_queue != NULL)
		before_queue_added(s, n);
	else
		intake_added(s->intake, n);
}

static void
on_end(void *arg, const struct smtp_end *e)
{
	struct session *s = arg;

	s->end = *e;
	session_decide(s, DECIDE_END);
}

static void
on_vrfy(void *arg, struct span address)
{
	struct session *s = arg;

	set(&s->rcpt.address, address);
	session_decide(s, DECIDE_VRFY);
}

static void
on_etrn(void *arg, struct span domain)
{
	struct session *s = arg;

	set(&s->etrn, domain);
	session_decide(s, DECIDE_ETRN);
}

static void
on_reset(void *arg)
{
	struct session *s = arg;

	before_queue_drop(s);
	if (s->intake != NULL)
		intake_orphan(s->intake);
	s->intake = NULL;
	session_rates_drop(s);
	session_decision_drop(s);
	free(s->sender);
	s->sender = NULL;
	session_auth_sender(s, SPAN_NONE);
	session_forward_drop(s);
	session_record_flush(s);
	s->utf8 = false;
}

/* The client's words, short, for the log; control bytes become "?" there. */
#define WORDS(t)	SPAN_ARG(span_rtrim(span_head(t, 100)))

/* Bytes that nobody has checked yet: ASCII alone, and line ends as "\\r\\n". */
static void
escape(struct span text, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len && n + 3 < size; i++) {
		char c = text.ptr[i];
		if (c == '\r' || c == '\n')
			out[n++] = '\\';
		out[n++] = (char)(c == '\r' ? 'r' : c == '\n' ? 'n' : c < ' ' || c > '~' ? '?' : c);
	}
	out[n] = '\0';
}

static void
on_note(void *arg, enum smtp_note note, enum smtp_verb verb, struct span text)
{
	struct session *s = arg;
	const char *program = session_program(s);
	char client[CLIENT_TEXT], id[QID_TEXT], early[128];

	session_client(s, client);
	switch (note) {
	case SMTP_NOTE_NON_SMTP:
		log_warning(program, "non-SMTP command from %s: %.*s", client, WORDS(text));
		break;
	case SMTP_NOTE_TLS_AT_ONCE:
		log_warning(program, "%s speaks TLS from the start, and this service waits for STARTTLS (smtpd_tls_wrappermode)", client);
		break;
	case SMTP_NOTE_BAD_PATH:
		log_warning(program, "Illegal address syntax from %s in %s command: %.*s", client,
		    smtp_verb_name(verb), WORDS(text));
		break;
	case SMTP_NOTE_LONG_LINE:
		escape(span_head(transcript_public(text), 30), early, sizeof early);
		log_warning(program, "%s: request longer than %u: %s...", client, s->settings->smtp.line_length_limit, early);
		break;
	case SMTP_NOTE_BAD_BDAT:
		log_warning(program, "NOQUEUE: malformed BDAT command syntax from %s: %.*s", client, WORDS(text));
		break;
	case SMTP_NOTE_PIPELINING:
		s->pipelined = true;
		escape(span_head(transcript_public(text), 100), early, sizeof early);
		log_info(program, "improper command pipelining after %s from %s: %s", smtp_verb_name(verb), client, early);
		break;
	case SMTP_NOTE_BARE_LF:
		log_info(program, "bare <LF> received from %s", client);
		break;
	case SMTP_NOTE_TOO_MANY_ERRORS:
		log_info(program, "too many errors after %s from %s", smtp_verb_name(verb), client);
		break;
	case SMTP_NOTE_TOO_BIG:
		log_warning(program, "%s: queue file size limit exceeded", s->intake != NULL && s->before_queue == NULL ?
		    qid_text(s->intake->envelope.id, id) : "NOQUEUE");
		break;
	case SMTP_NOTE_AUTH_ABORTED:
		session_auth_aborted(s);
		break;
	case SMTP_NOTE_AUTH_LONG:
		log_warning(program, "%s: request longer than %u: [hidden]...", client, s->settings->smtp.auth_response_limit);
		session_auth_drop(s);
		break;
	case SMTP_NOTE_REJECT:
		log_info(program, "NOQUEUE: reject: %s from %s: %.*s proto=%s helo=<%s>", smtp_verb_name(verb), client,
		    SPAN_ARG(text), s->esmtp ? "ESMTP" : "SMTP", s->helo == NULL ? "" : s->helo);
		break;
	}
}

static const char *
on_footer(void *arg, const char *reply)
{
	return session_footer(arg, reply);
}

const struct smtp_server_ops session_ops = {
	.connect = on_connect, .helo = on_helo, .mail = on_mail, .rcpt = on_rcpt, .data = on_data, .room = on_room,
	.added = on_added, .end = on_end, .vrfy = on_vrfy, .etrn = on_etrn, .reset = on_reset, .note = on_note,
	.command = session_command, .footer = on_footer, .said = session_said, .auth = session_auth_first, .auth_more = session_auth_more,
	.starttls = session_on_starttls, .xclient = session_on_xclient, .xforward = session_on_xforward,
};

/* -- what is done once it is decided -- */

static void
log_remote(struct session *s, const char *id)
{
	struct buf *text = &s->rx->text;
	char client[CLIENT_TEXT];

	buf_reset(text);
	buf_printf(text, "%s: client=%s", id, session_client(s, client));
	if (s->sasl_user != NULL)
		buf_printf(text, ", sasl_method=%s, sasl_username=%s", s->sasl_method, s->sasl_user);
	if (s->sasl_sender != NULL)
		buf_printf(text, ", sasl_sender=%s", s->sasl_sender);
	session_forward_log(s, text);
	log_info(session_program(s), "%s", text->ptr);
}

void
session_log_client(struct session *s)
{
	char id[QID_TEXT] = "NOQUEUE";

	if (s->intake->envelope.id.usec != 0)
		qid_text(s->intake->envelope.id, id);
	if (s->uid >= 0)
		log_info(session_program(s), "%s: uid=%lld from=<%s>", id, (long long)s->uid, s->sender);
	else
		log_remote(s, id);
}

static void
accept_recipient(struct session *s)
{
	intake_recipient(s->intake, span_str(s->rcpt.address), s->rcpt.notify,
	    s->rcpt.has_orcpt ? span_str(s->rcpt.orcpt) : SPAN_NONE);
	if (s->intake->envelope.recipient_count == 1)
		session_log_client(s);
}

static void
queued(void *arg, struct intake *in, const char *reply)
{
	struct session *s = arg;
	char text[128], id[QID_TEXT];

	s->intake = NULL;
	session_forward_drop(s);
	if (reply == NULL) {
		qid_text(in->envelope.id, id);
		if (s->end.bdat)
			snprintf(text, sizeof text, "250 2.0.0 Ok: %llu bytes queued as %s",
			    (unsigned long long)s->end.wire, id);
		else
			snprintf(text, sizeof text, "250 2.0.0 Ok: queued as %s", id);
		reply = text;
	}
	smtp_server_answer(s->server, reply);
	session_continue(s);
}

/* As Postfix's DISCARD: said to be accepted, and gone. */
static void
discard(struct session *s)
{
	char text[64], id[QID_TEXT];

	snprintf(text, sizeof text, "250 2.0.0 Ok: queued as %s", s->before_queue != NULL ? "NOQUEUE" : qid_text(s->intake->envelope.id, id));
	before_queue_drop(s);
	intake_drop(s->intake);
	s->intake = NULL;
	smtp_server_answer(s->server, text);
}

static void
refuse(struct session *s, enum session_decision what, const char *reply)
{
	s->rx->rejected++;
	if (what == DECIDE_END) {
		before_queue_drop(s);
		intake_drop(s->intake);
		s->intake = NULL;
	}
	smtp_server_answer(s->server, reply);
}

/* True: it answers. */
static bool
to_filter(struct session *s, enum session_decision what)
{
	if (what == DECIDE_RCPT)
		before_queue_rcpt(s, span_str(s->rcpt.line));
	else if (what == DECIDE_DATA)
		before_queue_data(s);
	else if (what == DECIDE_END && !s->discard)
		before_queue_end(s);
	else
		return false;
	return true;
}

static void
begin_delivery(struct session *s)
{
	struct span site = span_str(s->etrn);
	char client[CLIENT_TEXT];

	session_client(s, client);
	switch (match_list_name(s->generation->flush_domains, NULL, site, &(struct err){ .kind = ERR_NONE })) {
	case MATCH_YES:
		if (link_flush_site(&s->rx->link, site)) {
			smtp_server_answer(s->server, "250 Queuing started");
			break;
		}
		/* fall through */
	case MATCH_FAILED:
	case MATCH_PENDING:
		log_warning(session_program(s), "unable to talk to fast flush service");
		smtp_server_answer(s->server, "458 Unable to queue messages");
		break;
	case MATCH_NO:
		log_warning(session_program(s), "reject: ETRN %.100s... from %s", s->etrn, client);
		smtp_server_answer(s->server, NULL);
		break;
	}
}

void
session_decided(struct session *s, const char *reply)
{
	enum session_decision what = s->decision;

	s->decision = DECIDE_NOTHING;
	if (reply != NULL) {
		refuse(s, what, reply);
		return;
	}
	/* Answered when it is known what may be offered. */
	if (what == DECIDE_HELO && !session_auth_offer(s))
		return;
	if (what == DECIDE_ETRN) {
		begin_delivery(s);
		return;
	}
	if (s->before_queue != NULL && to_filter(s, what))
		return;
	if (what == DECIDE_RCPT)
		accept_recipient(s);
	if (what != DECIDE_END)
		smtp_server_answer(s->server, NULL);
	else if (s->discard)
		discard(s);
	else
		intake_finish(s->intake, queued, s);
}
