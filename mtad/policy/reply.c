/* What is answered, and what is logged. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/private.h"

/* Remote text on its way to a log line or a reply: control bytes become "?". */
void
put_clean(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_char(out, (unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f ? '?' : s.ptr[i]);
}

const char *
stage_command(enum policy_stage stage)
{
	switch (stage) {
	case POLICY_CLIENT: return "CONNECT";
	case POLICY_HELO: return "HELO";
	case POLICY_SENDER: return "MAIL";
	case POLICY_RECIPIENT: return "RCPT";
	case POLICY_DATA: return "DATA";
	case POLICY_END_OF_DATA: return "END-OF-MESSAGE";
	case POLICY_ETRN: return "ETRN";
	case POLICY_VRFY: return "VRFY";
	}
	return "";
}

/* The command that is under way, as the log and policy servers call it: HELO or EHLO. */
const char *
stage_where(const struct policy_session *s, enum policy_stage stage)
{
	return stage == POLICY_HELO && s->esmtp ? "EHLO" : stage_command(stage);
}

static void
put_session(const struct policy_session *s, enum policy_stage stage, const char *word, const char *code_and_text,
    struct buf *out)
{
	buf_printf(out, "%s: %s from ", word, stage_where(s, stage));
	put_clean(out, s->client_name);
	buf_printf(out, "[%.*s]: %s;", SPAN_ARG(s->client_addr), code_and_text);
	if (s->has_sender) {
		buf_str(out, " from=<");
		put_clean(out, s->sender);
		buf_char(out, '>');
	}
	if (s->has_recipient) {
		buf_str(out, " to=<");
		put_clean(out, s->recipient);
		buf_char(out, '>');
	}
	buf_printf(out, " proto=%.*s", SPAN_ARG(s->protocol));
	if (s->helo.len > 0) {
		buf_str(out, " helo=<");
		put_clean(out, s->helo);
		buf_char(out, '>');
	}
	if (s->sasl_user.len > 0) {
		buf_str(out, " sasl_username=<");
		put_clean(out, s->sasl_user);
		buf_char(out, '>');
	}
}

void
policy_log_reject(const struct policy_session *s, enum policy_stage stage, const struct policy_verdict *v, struct buf *out)
{
	struct buf reply = BUF_INIT(8192);

	buf_printf(&reply, "%d %s %s", v->code, v->dsn, v->reply);
	put_session(s, stage, "reject", reply.over ? "" : reply.ptr, out);
	buf_clear(&reply);
}

void
policy_log_line(struct check *c, const char *word, const char *text)
{
	struct buf *log = &c->verdict->log;

	if (log->len > 0)
		buf_char(log, '\n');
	put_session(c->session, c->stage, word, text, log);
}

void
policy_warn(struct check *c, const char *fmt, ...)
{
	struct buf *w = &c->verdict->warnings, text = BUF_INIT(8192);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (w->len > 0)
		buf_char(w, '\n');
	put_clean(w, buf_view(&text));
	buf_clear(&text);
}

static void
warn(struct check *c, int code, const char *dsn, const char *text)
{
	struct buf reply = BUF_INIT(8192);

	buf_printf(&reply, "%d %s %s", code, dsn, text);
	policy_log_line(c, "reject_warning", reply.over ? "" : reply.ptr);
	policy_note(c, "warning only: %s", reply.over ? "" : reply.ptr);
	c->verdict->warned = true;
	buf_clear(&reply);
}

/* reply NUL dsn NUL, in the verdict's text. */
static void
set_verdict(struct check *c, int code, const char *dsn, const char *reply)
{
	struct policy_verdict *v = c->verdict;
	size_t len = strlen(reply) + 1;

	buf_reset(&v->text);
	buf_put(&v->text, reply, len);
	buf_put(&v->text, dsn, strlen(dsn) + 1);
	v->action = POLICY_REFUSE;
	v->code = code;
	v->reply = v->text.ptr;
	v->dsn = v->text.ptr + len;
	v->restriction = c->rule == NULL ? "" : c->rule->name;
}

static enum result
decide(struct check *c, int code, const char *dsn, const char *reply, bool warning)
{
	char fixed[16];

	/* defer_if_reject: what would be refused for good is put off instead. */
	if (!warning && code >= 500 && c->reject_defer.active) {
		policy_note(c, "put off by %s", c->reject_defer.by);
		code = c->reject_defer.code;
		dsn = c->reject_defer.dsn;
		reply = c->reject_defer.reply.ptr;
	}
	/* The server softens what it says; the log is to have the same. */
	if (c->policy->soft_bounce && code >= 500)
		code -= 100;
	snprintf(fixed, sizeof fixed, "%c%s", code < 500 ? '4' : '5', dsn + 1);
	if (warning) {
		warn(c, code, fixed, reply);
		return DUNNO;
	}
	set_verdict(c, code, fixed, reply);
	return REFUSED;
}

enum result
refuse(struct check *c, int code, const char *dsn, const char *fmt, ...)
{
	struct buf reply = BUF_INIT(4096);
	va_list ap;

	buf_char(&reply, '<');
	put_clean(&reply, c->name);
	buf_str(&reply, ">: ");
	va_start(ap, fmt);
	buf_vprintf(&reply, fmt, ap);
	va_end(ap);
	enum result r = decide(c, code, dsn, reply.over ? "Access denied" : reply.ptr, c->warn > 0);
	buf_clear(&reply);
	return r;
}

enum result
refuse_class(struct check *c, int code, const char *dsn, const char *text)
{
	return refuse(c, code, dsn, "%s rejected: %s", c->class, text);
}

enum result
refuse_text(struct check *c, int code, const char *dsn, const char *text)
{
	struct buf reply = BUF_INIT(4096);

	put_clean(&reply, span_str(text));
	enum result r = decide(c, code, dsn, reply.over || reply.len == 0 ? "Access denied" : reply.ptr, c->warn > 0);
	buf_clear(&reply);
	return r;
}

enum result
refuse_lookup(struct check *c, struct span key, const char *why)
{
	struct buf reply = BUF_INIT(4096);

	policy_note(c, "lookup failure: %s", why);
	policy_warn(c, "%s: lookup error: %s", c->rule == NULL ? "policy" : c->rule->name, why);
	buf_char(&reply, '<');
	put_clean(&reply, key);
	buf_str(&reply, ">: Temporary lookup failure");
	enum result r = decide(c, 451, "4.3.0", reply.over ? "Temporary lookup failure" : reply.ptr, false);
	buf_clear(&reply);
	return r;
}

enum result
refuse_configuration(struct check *c)
{
	return decide(c, 451, "4.3.5", "Server configuration error", false);
}

static void
keep(struct deferral *d, const struct restriction *rule, int code, const char *dsn, const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT(8192);

	/* The first counts. */
	if (d->active)
		return;
	d->active = true;
	d->by = rule == NULL ? "" : rule->name;
	d->code = code;
	(void)snprintf(d->dsn, sizeof d->dsn, "%s", dsn);
	buf_vprintf(&text, fmt, ap);
	put_clean(&d->reply, text.over ? SPAN("Try again later") : buf_view(&text));
	buf_clear(&text);
}

enum result
defer_if_permit(struct check *c, enum param action, int code, const char *dsn, const char *fmt, ...)
{
	struct deferral now = { .reply = BUF_INIT(8192) };
	bool at_once = c->warn > 0 || (action != PARAM_COUNT && strcmp(conf_str(c->policy->view, action), "defer") == 0);
	va_list ap;

	va_start(ap, fmt);
	keep(at_once ? &now : &c->permit_defer, c->rule, code, dsn, fmt, ap);
	va_end(ap);
	enum result r = at_once ? refuse_text(c, code, dsn, now.reply.ptr) : DUNNO;
	if (!at_once)
		policy_note(c, "put off where nothing refuses: %d %s", code, c->permit_defer.reply.ptr);
	buf_clear(&now.reply);
	return r;
}

void
defer_if_reject(struct check *c, int code, const char *dsn, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	keep(&c->reject_defer, c->rule, code, dsn, fmt, ap);
	va_end(ap);
	policy_note(c, "put off where something refuses: %d %s", code, c->reject_defer.reply.ptr);
}

enum result
permit_for(struct check *c, const char *action, const char *source)
{
	struct buf text = BUF_INIT(65536);

	if (match_list_name(c->policy->permit_log, NULL, span_str(action), NULL) == MATCH_YES) {
		buf_printf(&text, "action=%s for %s=", action, c->class);
		put_clean(&text, c->name);
		buf_printf(&text, " %s%s", source == NULL ? "" : "from ", source == NULL ? "" : source);
		policy_log_line(c, "permit", text.over ? "" : text.ptr);
	}
	buf_clear(&text);
	return OK;
}

enum result
permit(struct check *c)
{
	return permit_for(c, c->rule == NULL ? "permit" : c->rule->name, NULL);
}

enum result
permit_client(struct check *c)
{
	struct naming was = name_as(c, buf_view(&c->client), "Client host");

	(void)permit(c);
	name_back(c, was);
	return OK;
}
