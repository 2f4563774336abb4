/*
 * MAIL FROM:<reverse-path> [SIZE= BODY= SMTPUTF8 RET= ENVID= AUTH=]: RFC 5321 section 4.1.1.2, 1870, 6152, 6531, 3461.
 */
#include <stdio.h>

#include "base/num.h"
#include "mail/address.h"
#include "mail/verp.h"
#include "smtp/ehlo.h"
#include "smtp/server_state.h"

unsigned
server_path_flags(const struct smtp_server *s, bool utf8_said)
{
	unsigned flags = s->config->strict_envelopes ? ADDRESS_STRICT : 0;

	if (!s->config->smtputf8)
		return flags | ADDRESS_8BIT;
	return utf8_said || !s->config->strict_smtputf8 ? flags | ADDRESS_UTF8 : flags;
}

/* The decoded ENVID goes behind the address in the scratch buffer, which may move: places, not pointers, until the end. */
struct mail_args {
	struct smtp_mail mail;
	size_t		 envid_at, envid_len;
	size_t		 sender_len;
	const char	*fault;		/* a reply */
	char		 own[128];	/* where it is not always the same */
	struct span	 bad;		/* what it is about, for 555 */
};

static bool
size_param(struct smtp_server *s, struct mail_args *a, struct span value)
{
	if (!num_u64(value, &a->mail.size))
		a->fault = "501 5.5.4 Bad message size syntax";
	else if (s->config->message_size_limit > 0 && a->mail.size > s->config->message_size_limit)
		a->fault = "552 5.3.4 Message size exceeds fixed limit";
	return true;
}

static bool
body_param(struct mail_args *a, struct span value)
{
	if (span_caseeqs(value, "7BIT"))
		a->mail.body = SMTP_BODY_7BIT;
	else if (span_caseeqs(value, "8BITMIME"))
		a->mail.body = SMTP_BODY_8BITMIME;
	else
		return false;
	return true;
}

static bool
envid_param(struct smtp_server *s, struct mail_args *a, struct span value)
{
	size_t at = s->config->scratch->len;

	if (a->envid_len > 0 || !dsn_envid_parse(value, s->config->scratch) || s->config->scratch->len == at) {
		a->fault = "501 5.5.4 Bad ENVID parameter syntax";
		return true;
	}
	a->envid_at = at;
	a->envid_len = s->config->scratch->len - at;
	return true;
}

void
smtp_server_offer_verp(struct smtp_server *s, bool may)
{
	s->verp = may;
}

/* XVERP or XVERP=xy; scratch begins with the sender. */
static bool
verp_param(struct smtp_server *s, struct mail_args *a, const struct smtp_param *p)
{
	const char *filter = s->config->verp_filter;

	a->mail.verp = p->value.ptr == NULL ? span_str(s->config->verp_delimiters) : p->value;
	if (a->sender_len == 0)
		a->fault = "503 5.5.4 Error: XVERP requires non-null sender";
	else if (!verp_delimiters_ok(a->mail.verp, filter))
		(void)snprintf(a->own, sizeof a->own, "501 5.5.4 Error: XVERP needs two characters from %.60s", filter);
	if (a->own[0] != '\0')
		a->fault = a->own;
	return true;
}

/* False where the parameter is not known; known ones may set a fault. */
static bool
param(struct smtp_server *s, struct mail_args *a, const struct smtp_param *p)
{
	unsigned off = s->options.discard;

	if (span_caseeqs(p->name, "SIZE"))
		return size_param(s, a, p->value);
	if (span_caseeqs(p->name, "BODY"))
		return body_param(a, p->value);
	if (span_caseeqs(p->raw, "SMTPUTF8") && s->config->smtputf8 && !(off & EHLO_SMTPUTF8)) {
		a->mail.smtputf8 = true;
		return true;
	}
	if ((off & EHLO_DSN) && p->value.ptr != NULL && (span_caseeqs(p->name, "RET") || span_caseeqs(p->name, "ENVID"))) {
		a->fault = server_no_dsn;
		return true;
	}
	if (span_caseeqs(p->name, "RET")) {
		if (a->mail.ret != DSN_RET_NONE || !dsn_ret_parse(p->value, &a->mail.ret))
			a->fault = "501 5.5.4 Bad RET parameter syntax";
		return true;
	}
	if (span_caseeqs(p->name, "ENVID"))
		return envid_param(s, a, p->value);
	if (span_caseeqs(p->name, "XVERP") && s->verp && !(off & EHLO_VERP))
		return verp_param(s, a, p);
	if (!span_caseeqs(p->name, "AUTH") || p->value.ptr == NULL)
		return false;
	if (a->mail.auth.ptr != NULL)
		a->fault = "503 5.5.4 Error: multiple AUTH= options";
	else if (!span_eqs(p->value, "<>"))
		a->mail.auth = p->value;
	return true;
}

static void
note_refusal(struct smtp_server *s, const char *reply, size_t sender_len)
{
	struct buf *scratch = s->config->scratch;
	size_t at = scratch->len;

	buf_printf(scratch, "%s; from=<%.*s>", reply, (int)sender_len, scratch->ptr);
	server_note(s, SMTP_NOTE_REJECT, span_skip(buf_view(scratch), at));
}

static bool
params(struct smtp_server *s, struct mail_args *a, struct span rest)
{
	size_t sender_len = s->config->scratch->len;
	struct smtp_param p;

	while (smtp_param_next(&rest, &p)) {
		if (!param(s, a, &p)) {
			server_errorf(s, "555 5.5.4 Unsupported option: %.*s", SPAN_ARG(p.raw));
			return false;
		}
		if (a->fault == NULL)
			continue;
		if (a->fault[2] == '2')
			note_refusal(s, a->fault, sender_len);
		server_error(s, a->fault);
		return false;
	}
	return true;
}

/* SMTPUTF8 changes what the path may hold, and comes after it. */
static bool
says_utf8(struct span args)
{
	struct smtp_param p;

	while (smtp_param_next(&args, &p))
		if (span_caseeqs(p.raw, "SMTPUTF8"))
			return true;
	return false;
}

static bool
may_begin(struct smtp_server *s)
{
	if (s->config->helo_required && !s->helo)
		server_error(s, "503 5.5.1 Error: send HELO/EHLO first");
	else if (s->in_mail)
		server_error(s, "503 5.5.1 Error: nested MAIL command");
	else
		return true;
	return false;
}

void
server_mail(struct smtp_server *s, const struct smtp_command *c)
{
	struct buf *scratch = s->config->scratch;
	struct mail_args a = { 0 };
	struct span path, rest;
	const char *fault;

	if (!may_begin(s))
		return;
	if (!smtp_path_arg(c->args, "FROM:", &path)) {
		server_error(s, "501 5.5.4 Syntax: MAIL FROM:<address>");
		return;
	}
	buf_reset(scratch);
	unsigned flags = server_path_flags(s, says_utf8(path)) | ADDRESS_EMPTY;
	if (!address_path(path, flags, scratch, &rest, &fault)) {
		server_note(s, SMTP_NOTE_BAD_PATH, path);
		server_error(s, "501 5.1.7 Bad sender address syntax");
		return;
	}
	size_t len = scratch->len;
	a.sender_len = len;
	if (!params(s, &a, rest))
		return;
	a.mail.line = smtp_command_line(c);
	a.mail.sender = span_of(scratch->ptr, len);
	if (a.envid_len > 0)
		a.mail.envid = span_of(scratch->ptr + a.envid_at, a.envid_len);
	s->in_mail = true;
	s->smtputf8 = a.mail.smtputf8;
	s->bdat = BDAT_NONE;
	s->ask = ASK_MAIL;
	s->ops->mail(s->arg, &a.mail);
}
