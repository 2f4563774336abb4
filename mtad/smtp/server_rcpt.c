/*
 * RCPT TO:<forward-path> [NOTIFY= ORCPT=]: RFC 5321 section 4.1.1.3, RFC 3461. And VRFY, which takes the same kind of address.
 */
#include <stdlib.h>

#include "mail/address.h"
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

struct rcpt_args {
	uint8_t		 notify;
	bool		 has_orcpt;
	size_t		 orcpt_at, orcpt_len;
};

static bool
params(struct smtp_server *s, struct rcpt_args *a, struct span rest)
{
	struct buf *scratch = s->config->scratch;
	bool dsn = !(s->options.discard & EHLO_DSN);
	struct smtp_param p;

	while (smtp_param_next(&rest, &p)) {
		if (!dsn && p.value.ptr != NULL && (span_caseeqs(p.name, "NOTIFY") || span_caseeqs(p.name, "ORCPT"))) {
			server_error(s, server_no_dsn);
			return false;
		}
		if (dsn && span_caseeqs(p.name, "NOTIFY")) {
			if (a->notify == NOTIFY_DEFAULT && dsn_notify_parse(p.value, &a->notify))
				continue;
			server_error(s, "501 5.5.4 Error: Bad NOTIFY parameter syntax");
			return false;
		}
		if (dsn && span_caseeqs(p.name, "ORCPT")) {
			a->orcpt_at = scratch->len;
			if (!a->has_orcpt && dsn_orcpt_parse(p.value, scratch)) {
				a->has_orcpt = true;
				a->orcpt_len = scratch->len - a->orcpt_at;
				continue;
			}
			server_error(s, "501 5.5.4 Error: Bad ORCPT parameter syntax");
			return false;
		}
		server_errorf(s, "555 5.5.4 Unsupported option: %.*s", SPAN_ARG(p.raw));
		return false;
	}
	return true;
}

/* Past the limit, some more are refused without being held against the client. */
static bool
has_room(struct smtp_server *s)
{
	if (s->config->recipient_limit == 0 || s->rcpts < s->config->recipient_limit)
		return true;
	if (s->overshoot++ < s->config->recipient_overshoot) {
		server_reply(s, "452 4.5.3 Error: too many recipients");
		server_good(s);
	} else {
		server_error(s, "452 4.5.3 Error: too many recipients");
	}
	return false;
}

static bool
may_follow(struct smtp_server *s)
{
	/* RFC 3030: an earlier chunk's error is told here too, as bdat outlives the transaction. */
	if (s->bdat != BDAT_NONE)
		server_error(s, "503 5.5.1 Error: RCPT after BDAT");
	else if (!s->in_mail)
		server_error(s, "503 5.5.1 Error: need MAIL command");
	else
		return true;
	return false;
}

void
server_rcpt(struct smtp_server *s, const struct smtp_command *c)
{
	struct buf *scratch = s->config->scratch;
	struct rcpt_args a = { 0 };
	struct smtp_rcpt rcpt;
	struct span path, rest;
	const char *fault;

	if (!may_follow(s))
		return;
	if (!smtp_path_arg(c->args, "TO:", &path)) {
		server_error(s, "501 5.5.4 Syntax: RCPT TO:<address>");
		return;
	}
	buf_reset(scratch);
	if (!address_path(path, server_path_flags(s, s->smtputf8), scratch, &rest, &fault) || scratch->len == 0) {
		server_note(s, SMTP_NOTE_BAD_PATH, path);
		server_error(s, "501 5.1.3 Bad recipient address syntax");
		return;
	}
	size_t len = scratch->len;
	if (!params(s, &a, rest) || !has_room(s))
		return;
	rcpt.line = smtp_command_line(c);
	rcpt.address = span_of(scratch->ptr, len);
	rcpt.notify = a.notify;
	rcpt.orcpt = a.has_orcpt ? span_of(scratch->ptr + a.orcpt_at, a.orcpt_len) : SPAN_NONE;
	s->ask = ASK_RCPT;
	s->ops->rcpt(s->arg, &rcpt);
}

/* "SMTPUTF8" behind the address is an option (RFC 6531, section 3.7.4.2). */
static struct span
without_utf8(struct span args)
{
	struct span at = args;

	if (!span_ends(args, " SMTPUTF8") && !span_ends(args, " smtputf8"))
		return args;
	at.len -= strlen(" SMTPUTF8");
	return span_rtrim(at);
}

void
server_vrfy(struct smtp_server *s, const struct smtp_command *c)
{
	struct buf *scratch = s->config->scratch;
	struct span given = without_utf8(c->args), rest;
	const char *fault;

	if (s->config->disable_vrfy) {
		server_error(s, "502 5.5.1 VRFY command is disabled");
		return;
	}
	if (given.len == 0) {
		server_error(s, "501 5.5.4 Syntax: VRFY address [SMTPUTF8]");
		return;
	}
	buf_reset(scratch);
	if (!address_path(given, server_path_flags(s, true), scratch, &rest, &fault) || rest.len > 0 ||
	    scratch->len == 0) {
		server_note(s, SMTP_NOTE_BAD_PATH, given);
		server_error(s, "501 5.1.3 Bad recipient address syntax");
		return;
	}
	free(s->asked);
	s->asked = span_dup(given);
	s->ask = ASK_VRFY;
	s->ops->vrfy(s->arg, buf_view(scratch));
}
