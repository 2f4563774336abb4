/*
 * STARTTLS: RFC 3207. What was said in clear counts for nothing after it, and what came behind the command in the same breath is never looked at.
 */
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

void
server_starttls(struct smtp_server *s, const struct smtp_command *c)
{
	if (c->args.len > 0) {
		server_error(s, "501 5.5.4 Syntax: STARTTLS");
	} else if (s->secure) {
		server_error(s, "554 5.5.1 Error: TLS already active");
	} else if (!s->options.tls || (s->options.discard & EHLO_STARTTLS)) {
		server_error(s, "502 5.5.1 Error: command not implemented");
	} else {
		s->ask = ASK_STARTTLS;
		s->ops->starttls(s->arg);
	}
}

void
server_starttls_answered(struct smtp_server *s, const char *reply)
{
	if (reply != NULL) {
		server_error(s, reply);
		return;
	}
	server_reset(s);
	server_reply(s, "220 2.0.0 Ready to start TLS");
	s->phase = PHASE_TLS;
}

bool
server_needs_tls(struct smtp_server *s, enum smtp_verb v)
{
	if (!s->options.tls_required || s->secure || v == SMTP_STARTTLS || v == SMTP_EHLO || v == SMTP_HELO || v == SMTP_LHLO || v == SMTP_NOOP ||
	    v == SMTP_QUIT)
		return false;
	server_error(s, "530 5.7.0 Must issue a STARTTLS command first");
	return true;
}

void
smtp_server_secured(struct smtp_server *s)
{
	s->counts[SMTP_STARTTLS].good++;
	if (s->phase == PHASE_TLS)
		s->phase = PHASE_COMMAND;
	s->secure = true;
	s->helo = false;
	s->esmtp = false;
	s->authenticated = false;
}

void
smtp_server_distrust(struct smtp_server *s, const char *why)
{
	s->distrusted = why;
}

bool
smtp_server_is_secure(const struct smtp_server *s)
{
	return s->secure;
}
