/*
 * AUTH mechanism [initial-response], and the lines that answer challenges: RFC 4954. What a mechanism is, the owner knows.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

void
smtp_server_offer_auth(struct smtp_server *s, bool enabled, struct span mechanisms)
{
	s->auth_enabled = enabled;
	free(s->mechanisms);
	s->mechanisms = enabled && mechanisms.len > 0 ? span_dup(mechanisms) : NULL;
}

bool
smtp_server_authenticated(const struct smtp_server *s)
{
	return s->authenticated;
}

static bool
may_begin(struct smtp_server *s)
{
	if (s->config->helo_required && !s->helo)
		server_error(s, "503 5.5.1 Error: send HELO/EHLO first");
	else if (!s->auth_enabled || (s->options.discard & EHLO_AUTH))
		server_error(s, "503 5.5.1 Error: authentication not enabled");
	else if (s->in_mail)
		server_error(s, "503 5.5.1 Error: MAIL transaction in progress");
	else if (s->authenticated)
		server_error(s, "503 5.5.1 Error: already authenticated");
	else
		return true;
	return false;
}

void
server_auth(struct smtp_server *s, const struct smtp_command *c)
{
	struct span rest = c->args, mechanism, response, more;

	if (!may_begin(s))
		return;
	bool named = span_word(&rest, " \t", &mechanism);
	if (!span_word(&rest, " \t", &response))
		response = SPAN_NONE;
	if (!named || span_word(&rest, " \t", &more)) {
		server_error(s, "501 5.5.4 Syntax: AUTH mechanism");
		return;
	}
	s->ask = ASK_AUTH;
	s->ops->auth(s->arg, mechanism, response);
}

/* What the client says to a challenge. */
void
server_auth_line(struct smtp_server *s, struct span line)
{
	if (span_eqs(line, "*")) {
		server_auth_stop(s, "501 5.7.0 Authentication aborted", SMTP_NOTE_AUTH_ABORTED);
		return;
	}
	s->phase = PHASE_COMMAND;
	s->ask = ASK_AUTH;
	s->ops->auth_more(s->arg, line);
}

void
server_auth_stop(struct smtp_server *s, const char *reply, enum smtp_note why)
{
	s->phase = PHASE_COMMAND;
	server_note(s, why, SPAN_NONE);
	server_error(s, reply);
}

void
smtp_server_challenge(struct smtp_server *s, struct span text)
{
	if (s->ask != ASK_AUTH)
		panic("smtp_server_challenge: no AUTH waits");
	s->ask = ASK_NOTHING;
	s->phase = PHASE_AUTH;
	server_replyf(s, "334 %.*s", SPAN_ARG(text));
}

/* Guessing costs time, from the first wrong guess on. */
void
server_auth_answer(struct smtp_server *s, const char *reply)
{
	if (reply == NULL) {
		s->authenticated = true;
		server_reply(s, "235 2.7.0 Authentication successful");
		server_good(s);
		return;
	}
	server_error(s, reply);
	if (!s->options.no_limits)
		s->delay = true;
}
