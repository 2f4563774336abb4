#include "mail/notice_template.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mail/address.h"

#define VALUE_MAX	400		/* bytes of a header of a template */
#define TEXT_MAX	(64 * 1024)	/* of its text */
#define SAID_MAX	80		/* of what is repeated in a message */

#define STANDARD_FROM	"Mail Delivery System <MAILER-DAEMON>"
#define OBSOLETE_FROM	"MAILER-DAEMON (Mail Delivery System)"

static const struct own {
	const char	*name, *subject, *postmaster_subject, *text;
} own[TEMPLATES] = {
	[TEMPLATE_FAILURE] = { "failure", "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail",
	    "This is the mail system at host $myhostname.\n"
	    "\n"
	    "Your message did not reach the recipients listed below, and it will not be\n"
	    "tried again. The reason stands beside each address. The message itself, or\n"
	    "its headers, is attached.\n"
	    "\n"
	    "If you cannot make sense of a reason, send this whole report to the\n"
	    "postmaster of the recipient's system.\n" },
	[TEMPLATE_DELAY] = { "delay", "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail",
	    "This is the mail system at host $myhostname.\n"
	    "\n"
	    "This is only a warning: YOU NEED NOT SEND YOUR MESSAGE AGAIN.\n"
	    "\n"
	    "Your message has not reached the recipients listed below yet, and it is more\n"
	    "than $delay_warning_time_hours hour(s) old. It stays in the queue here, and will be tried\n"
	    "again until it is $maximal_queue_lifetime_days day(s) old.\n" },
	[TEMPLATE_SUCCESS] = { "success", "Successful Mail Delivery Report", "",
	    "This is the mail system at host $myhostname.\n"
	    "\n"
	    "You asked to be told when your message is delivered. What became of it is\n"
	    "said below for each recipient. A message that was relayed has left this\n"
	    "system for one that does not report deliveries, so that you may hear no\n"
	    "more of it.\n" },
	[TEMPLATE_VERIFY] = { "verify", "Mail Delivery Status Report", "",
	    "This is the mail system at host $myhostname.\n"
	    "\n"
	    "Here is the report that you asked for: what would become of mail to each\n"
	    "of the addresses below. Nothing was delivered.\n" },
};

const char *
template_name(enum template_kind kind)
{
	return own[kind].name;
}

void
notice_templates_own(struct notice_templates *t, bool obsolete_from)
{
	for (size_t i = 0; i < TEMPLATES; i++)
		t->of[i] = (struct notice_template){ .charset = SPAN("us-ascii"),
		    .from = span_str(obsolete_from ? OBSOLETE_FROM : STANDARD_FROM), .subject = span_str(own[i].subject),
		    .postmaster_subject = span_str(own[i].postmaster_subject), .text = span_str(own[i].text) };
}

/* -- reading --------------------------------------------------------------------------------- */

struct reader {
	struct span	 left;
	unsigned	 line;		/* of what next_line gave last */
	const struct notice_templates *base;	/* what counts where a template says nothing */
	struct notice_templates *templates;
	notice_template_fault *fault;
	void		*arg;
};

static bool
next_line(struct reader *r, struct span *line)
{
	if (r->left.len == 0)
		return false;
	size_t n = span_find(r->left, '\n');
	*line = span_head(r->left, n);
	r->left = span_skip(r->left, n < r->left.len ? n + 1 : n);
	r->line++;
	return true;
}

static void __attribute__((format(printf, 3, 4)))
wrong(struct reader *r, unsigned line, const char *fmt, ...)
{
	struct buf text = BUF_INIT(1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	r->fault(r->arg, line, text.ptr == NULL ? fmt : text.ptr);
	buf_clear(&text);
}

#define SAID(s)	SPAN_ARG(span_head((s), SAID_MAX))

/* "Label: value": the label of printable bytes, blanks before the colon at most. */
static bool
is_header(struct span line, struct span *label, struct span *value)
{
	size_t colon = span_find(line, ':');

	*label = span_rtrim(span_head(line, colon));
	if (colon >= line.len || label->len == 0)
		return false;
	for (size_t i = 0; i < label->len; i++)
		if (label->ptr[i] <= ' ' || label->ptr[i] > '~')
			return false;
	*value = span_trim(span_skip(line, colon + 1));
	return true;
}

static struct span *
field(struct notice_template *t, struct span label)
{
	static const struct { const char *label; size_t at; } fields[] = {
		{ "Charset", offsetof(struct notice_template, charset) },
		{ "From", offsetof(struct notice_template, from) },
		{ "Subject", offsetof(struct notice_template, subject) },
		{ "Postmaster-Subject", offsetof(struct notice_template, postmaster_subject) },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (span_caseeqs(label, fields[i].label))
			return (struct span *)(void *)((char *)t + fields[i].at);
	return NULL;
}

/* One line of printable ASCII, as it goes into a header. */
static bool
is_plain(struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] > '~')
			return false;
	return value.len <= VALUE_MAX;
}

#define IGNORED	" -- ignoring this template"

static bool
take_header(struct reader *r, struct notice_template *t, const char *name, struct span label, struct span value)
{
	struct span *to = field(t, label);

	if (to == NULL)
		wrong(r, r->line, "unknown \"%.*s\" header label in %s template" IGNORED, SAID(label), name);
	else if (value.len == 0)
		wrong(r, r->line, "empty \"%.*s\" header value in %s template" IGNORED, SAID(label), name);
	else if (!span_is_ascii(value))
		wrong(r, r->line, "non-ASCII \"%.*s\" header value in %s template" IGNORED, SAID(label), name);
	else if (!is_plain(value))
		wrong(r, r->line, "\"%.*s\" header value in %s template is too long, or has control characters" IGNORED, SAID(label), name);
	else {
		*to = value;
		return true;
	}
	return false;
}

/* The template's own lines, without that of the marker. */
static bool
read_template(struct reader *r, struct span body, unsigned first, enum template_kind kind, struct notice_template *t)
{
	struct reader at = { .left = body, .line = first, .fault = r->fault, .arg = r->arg };
	struct span before = body, line, label, value;
	const char *name = template_name(kind);

	while (next_line(&at, &line) && is_header(line, &label, &value)) {
		if (!take_header(&at, t, name, label, value))
			return false;
		before = at.left;
	}
	/* An empty line is no part of the text; another line begins it. */
	t->text = span_starts(before, "\n") ? span_skip(before, 1) : before;
	if (t->text.len == 0)
		wrong(r, first, "missing message text in %s template" IGNORED, name);
	else if (t->text.len > TEXT_MAX)
		wrong(r, first, "message text in %s template is over %d bytes" IGNORED, name, TEXT_MAX);
	else if (!span_is_ascii(t->text) && span_caseeqs(t->charset, "us-ascii"))
		wrong(r, first, "8-bit message text in %s template: specify a Charset: other than us-ascii" IGNORED, name);
	else
		return true;
	return false;
}

/* "name = <<MARKER". */
static bool
opens(struct reader *r, struct span line, struct span *name, struct span *marker)
{
	size_t equals = span_find(line, '=');

	*name = span_trim(span_head(line, equals));
	*marker = span_trim(span_skip(line, equals < line.len ? equals + 1 : equals));
	if (equals >= line.len || name->len == 0) {
		wrong(r, r->line, "missing '=' after attribute name: \"%.*s\"", SAID(line));
		return false;
	}
	if (!span_starts(*marker, "<<")) {
		wrong(r, r->line, "missing << before the end marker of \"%.*s\"", SAID(*name));
		return false;
	}
	*marker = span_trim(span_skip(*marker, 2));
	if (marker->len == 0)
		wrong(r, r->line, "missing end marker after <<");
	else if (span_has(*marker, '"') || span_has(*marker, '\''))
		wrong(r, r->line, "malformed end marker after <<");
	else
		return true;
	return false;
}

static struct span
lines_to(struct reader *r, struct span marker, unsigned opened)
{
	struct span all = r->left, line;

	while (next_line(r, &line))
		if (span_eq(line, marker))
			return span_head(all, (size_t)(line.ptr - all.ptr));
	wrong(r, opened, "missing \"%.*s\" end marker", SAID(marker));
	return all;
}

static void
take_template(struct reader *r, struct span name, struct span body, unsigned first)
{
	for (size_t i = 0; i < TEMPLATES; i++) {
		char known[32];
		snprintf(known, sizeof known, "%s_template", own[i].name);
		if (!span_eqs(name, known))
			continue;
		struct notice_template t = r->base->of[i];
		t.line = first;
		if (read_template(r, body, first, (enum template_kind)i, &t))
			r->templates->of[i] = t;
		return;
	}
	wrong(r, first, "unknown template name: %.*s" IGNORED, SAID(name));
}

bool
notice_templates_parse(struct notice_templates *templates, struct span file, notice_template_fault *fault, void *arg)
{
	struct notice_templates found = *templates;
	struct reader r = { .left = file, .base = templates, .templates = &found, .fault = fault, .arg = arg };
	struct span line, name, marker;

	if (span_has(file, '\0')) {
		wrong(&r, 0, "there is a NUL byte in it: this is no text");
		return false;
	}
	while (next_line(&r, &line)) {
		if (span_starts(line, "#") || span_trim(line).len == 0)
			continue;
		if (!opens(&r, line, &name, &marker))
			return false;
		unsigned opened = r.line;
		struct span body = lines_to(&r, marker, opened);
		take_template(&r, name, body, opened);
	}
	*templates = found;
	return true;
}

/* -- writing ------------------------------------------------------------------------------------ */

void
notice_template_put(struct buf *out, enum template_kind kind, const struct notice_template *t)
{
	buf_printf(out, "%s_template = <<EOF\nCharset: %.*s\nFrom: %.*s\nSubject: %.*s\n", template_name(kind), SPAN_ARG(t->charset), SPAN_ARG(t->from),
	    SPAN_ARG(t->subject));
	if (t->postmaster_subject.len > 0)
		buf_printf(out, "Postmaster-Subject: %.*s\n", SPAN_ARG(t->postmaster_subject));
	buf_char(out, '\n');
	buf_span(out, t->text);
	if (!span_ends(t->text, "\n"))
		buf_char(out, '\n');
	buf_str(out, "EOF");
}

void
notice_from_put(struct buf *out, struct span from, struct span origin)
{
	struct mailbox_list list = { .left = from };
	struct mailbox box;

	if (!mailbox_next(&list, &box) || box.spec.len == 0 || span_has(box.spec, '@') || origin.len == 0) {
		buf_span(out, from);
		return;
	}
	/* Behind the last byte of the address: a comment that the list counts to it comes after. */
	struct span spec = box.spec;
	spec = span_rtrim(span_head(spec, span_find(spec, '(')));
	size_t end = (size_t)(spec.ptr + spec.len - from.ptr);
	buf_span(out, span_head(from, end));
	buf_char(out, '@');
	buf_span(out, origin);
	buf_span(out, span_skip(from, end));
}
