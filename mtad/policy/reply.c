/* What is answered, and what is logged. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/private.h"

/* Remote text on its way to a log line or a reply: control bytes become "?". */
static void
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

void
policy_note(struct check *c, const char *fmt, ...)
{
	va_list ap;

	if (c->trace == NULL)
		return;
	va_start(ap, fmt);
	buf_vprintf(c->trace, fmt, ap);
	va_end(ap);
	buf_char(c->trace, '\n');
}

static void
put_session(const struct policy_session *s, enum policy_stage stage, const char *word, const char *code_and_text,
    struct buf *out)
{
	buf_printf(out, "%s: %s from ", word, stage_command(stage));
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
}

void
policy_log_reject(const struct policy_session *s, enum policy_stage stage, const struct policy_verdict *v, struct buf *out)
{
	struct buf reply = BUF_INIT(8192);

	buf_printf(&reply, "%d %s %s", v->code, v->dsn, v->reply);
	put_session(s, stage, "reject", reply.over ? "" : reply.ptr, out);
	buf_clear(&reply);
}

static void
warn(struct check *c, int code, const char *dsn, const char *text)
{
	struct buf reply = BUF_INIT(8192);
	struct policy_verdict *v = c->verdict;

	buf_printf(&reply, "%d %s %s", code, dsn, text);
	if (v->log.len > 0)
		buf_char(&v->log, '\n');
	put_session(c->session, c->stage, "reject_warning", reply.over ? "" : reply.ptr, &v->log);
	v->warned = true;
	v->warning = v->log.ptr;
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
decide(struct check *c, int code, const char *dsn, const char *reply)
{
	char fixed[16];

	/* The server softens what it says; the log is to have the same. */
	if (code >= 500 && c->policy->soft_bounce)
		code -= 100;

	/* defer_if_reject: what would be refused for good is put off instead. */
	if (code >= 500 && c->reject_defer.len > 0) {
		code = 450;
		dsn = "4.7.0";
		reply = c->reject_defer.ptr;
	}
	snprintf(fixed, sizeof fixed, "%c%s", code < 500 ? '4' : '5', dsn + 1);
	policy_note(c, "%s: %d %s %s%s", c->rule == NULL ? "policy" : c->rule->name, code, fixed, reply,
	    c->warn ? " (warning only)" : "");
	if (c->warn) {
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
	put_clean(&reply, buf_view(&c->name));
	buf_str(&reply, ">: ");
	va_start(ap, fmt);
	buf_vprintf(&reply, fmt, ap);
	va_end(ap);
	enum result r = decide(c, code, dsn, reply.over ? "Access denied" : reply.ptr);
	buf_clear(&reply);
	return r;
}

enum result
refuse_class(struct check *c, int code, const char *dsn, const char *text)
{
	return refuse(c, code, dsn, "%s rejected: %s", c->class, text);
}
