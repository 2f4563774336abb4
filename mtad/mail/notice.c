#include "mail/notice.h"

#include <stdio.h>

#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"

#define TEXT_MAX	2000	/* bytes of a reason that are repeated */
#define TEXT_COLUMNS	76
#define NAME_MAX_SAID	40	/* bytes of mail_name in field names */

/* Copies to the postmaster have no template's text; what they say is ours. */
static const char copy_text[] =
    "A message could not be delivered. Its sender has been told; this copy is\n"
    "for your information.\n";
static const char late_text[] =
    "A message waits for longer than delay_warning_time. Its sender has been told;\n"
    "this copy is for your information.\n";
static const char double_text[] =
    "A message could not be delivered, and its sender could not be told: the\n"
    "notice came back as well. It is reported to you instead.\n";

static bool
is_copy(const struct notice *n)
{
	return n->kind == NOTICE_POSTMASTER || n->kind == NOTICE_DOUBLE_BOUNCE;
}

bool
notice_delays(const struct notice *n)
{
	return n->kind == NOTICE_DELAY ||
	    (n->kind == NOTICE_POSTMASTER && n->recipient_count > 0 && n->recipients[0].outcome.status == OUTCOME_DEFERRED);
}

enum template_kind
notice_template(enum notice_kind kind, bool delays)
{
	return delays ? TEMPLATE_DELAY : kind == NOTICE_SUCCESS ? TEMPLATE_SUCCESS : TEMPLATE_FAILURE;
}

/* What the third part is called. */
static const char *
content_name(const struct notice *n)
{
	return n->kind == NOTICE_SUCCESS ? "Message" : notice_delays(n) ? "Delayed Message" : "Undelivered Message";
}

struct maker {
	const struct notice *n;
	struct buf	*out;
	char		 boundary[96];
};

/* A text of others on one line. Where the report is plain ASCII, other bytes become "?". */
static void
put_clean(struct maker *m, struct span s)
{
	s = span_head(s, TEXT_MAX);
	bool keep = m->n->is_utf8 && address_is_utf8(s);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		buf_char(m->out, c < ' ' || c == 0x7f ? ' ' : c >= 0x80 && !keep ? '?' : (char)c);
	}
}

static void
put_address(struct maker *m, struct span address)
{
	struct buf quoted = BUF_INIT(4 * ADDRESS_MAX);
	address_quote(&quoted, address);
	put_clean(m, buf_view(&quoted));
	buf_clear(&quoted);
}

/* A header field with a text of others in it, folded. */
static void
put_field(struct maker *m, const char *name, const char *before, struct span text)
{
	struct buf value = BUF_INIT(4 * TEXT_MAX), *out = m->out;
	buf_str(&value, before);
	m->out = &value;
	put_clean(m, text);
	m->out = out;
	header_put(out, name, buf_view(&value));
	buf_clear(&value);
}

static void
put_address_field(struct maker *m, const char *name, struct span address)
{
	const char *type = m->n->is_utf8 && !span_is_ascii(address) ? "utf-8" : "rfc822";
	buf_printf(m->out, "%s: %s; ", name, type);
	put_address(m, address);
	buf_char(m->out, '\n');
}

static void
put_date_field(struct maker *m, const char *name, int64_t when)
{
	char date[DATE_TEXT];
	date_text(when, date);
	buf_printf(m->out, "%s: %s\n", name, date);
}

static bool
needs_8bit(const struct notice *n)
{
	return n->is_8bit || n->is_utf8 || (!is_copy(n) && !span_is_ascii(n->text));
}

static void
put_part(struct maker *m, const char *description, const char *type, bool is_8bit)
{
	buf_printf(m->out, "\n--%s\nContent-Description: %s\nContent-Type: %s\n", m->boundary, description, type);
	if (is_8bit)
		buf_str(m->out, "Content-Transfer-Encoding: 8bit\n");
	buf_char(m->out, '\n');
}

/* The original's Message-ID, where there is one of reasonable length. */
static void
put_thread(struct maker *m)
{
	struct span rest = m->n->header, value = SPAN_NONE;
	struct buf id = BUF_INIT(TEXT_MAX);
	struct header h;

	while (value.len == 0 && header_next(&rest, &h))
		if (span_caseeqs(h.name, "Message-ID"))
			value = h.value;
	header_unfold(&id, value);
	struct span text = span_trim(buf_view(&id));
	if (!id.over && text.len > 2 && span_is_ascii(text)) {
		put_field(m, "References", "", text);
		put_field(m, "In-Reply-To", "", text);
	}
	buf_clear(&id);
}

static void
put_headers(struct maker *m)
{
	const struct notice *n = m->n;
	struct buf *b = m->out;
	put_date_field(m, "Date", n->now);
	buf_str(b, "From: ");
	notice_from_put(b, n->words->from, n->origin);
	buf_printf(b, "\nSubject: %.*s\nTo: ", SPAN_ARG(is_copy(n) ? n->words->postmaster_subject : n->words->subject));
	put_address(m, n->to);
	buf_char(b, '\n');
	if (n->threaded)
		put_thread(m);
	buf_printf(b, "Auto-Submitted: %s\nMIME-Version: 1.0\n", is_copy(n) ? "auto-generated" : "auto-replied");
	buf_printf(b, "Content-Type: multipart/report; report-type=%s;\n\tboundary=\"%s\"\n",
	    n->is_utf8 ? "global-delivery-status" : "delivery-status", m->boundary);
	if (needs_8bit(n))
		buf_str(b, "Content-Transfer-Encoding: 8bit\n");
	buf_str(b, "Message-Id: ");
	message_id_put(b, n->now, n->new_id, n->hostname);
	buf_str(b, "\n\n");
}

/* The words of the text from `column` on, continuation lines indented. */
static void
put_wrapped(struct maker *m, struct span text, size_t column)
{
	struct span word;
	while (span_word(&text, " \t\r\n", &word)) {
		if (column + 1 + word.len > TEXT_COLUMNS) {
			buf_str(m->out, "\n   ");
			column = 3;
		}
		buf_char(m->out, ' ');
		put_clean(m, word);
		column += 1 + word.len;
	}
	buf_char(m->out, '\n');
}

static const char *
action_of(const struct notice *n, const struct outcome *o)
{
	if (notice_delays(n))
		return "delayed";
	if (n->kind != NOTICE_SUCCESS)
		return "failed";
	return o->status == OUTCOME_RELAYED ? "relayed" : o->status == OUTCOME_EXPANDED ? "expanded" : "delivered";
}

static void
put_person_recipient(struct maker *m, const struct notice_recipient *r)
{
	size_t start = m->out->len;
	buf_str(m->out, "\n<");
	put_address(m, r->address);
	buf_char(m->out, '>');
	if (r->original.len > 0 && !span_caseeq(r->original, r->address)) {
		buf_str(m->out, " (expanded from <");
		put_address(m, r->original);
		buf_str(m->out, ">)");
	}
	buf_char(m->out, ':');
	if (m->n->kind == NOTICE_SUCCESS)
		buf_printf(m->out, " %s:", action_of(m->n, &r->outcome));
	put_wrapped(m, span_head(r->outcome.text, TEXT_MAX), m->out->len - start);
}

/* What the template says, or of a copy to the postmaster what we do. The charset is a superset of ASCII, which all else is. */
static void
put_lead(struct maker *m)
{
	const struct notice *n = m->n;

	if (!is_copy(n)) {
		buf_span(m->out, n->text);
		return;
	}
	buf_str(m->out, "This is the mail system at host ");
	buf_span(m->out, n->hostname);
	buf_printf(m->out, ".\n\n%s", notice_delays(n) ? late_text : n->kind == NOTICE_POSTMASTER ? copy_text : double_text);
}

/* The part for people. */
static void
put_notification(struct maker *m)
{
	const struct notice *n = m->n;
	struct span charset = n->is_utf8 && span_caseeqs(n->words->charset, "us-ascii") ? SPAN("utf-8") : n->words->charset;
	char date[DATE_TEXT], id[QID_TEXT], type[512];
	snprintf(type, sizeof type, "text/plain; charset=%.*s", SPAN_ARG(is_copy(n) && !n->is_utf8 ? SPAN("us-ascii") : charset));
	put_part(m, "Notification", type, n->is_utf8 || (!is_copy(n) && !span_is_ascii(n->text)));
	put_lead(m);
	for (size_t i = 0; i < n->recipient_count; i++)
		put_person_recipient(m, &n->recipients[i]);
	/* A site that words its notices says what it wants said. */
	if (n->words->line > 0)
		return;
	date_text(n->arrival, date);
	buf_printf(m->out, "\nThe message came in on %s\nand is known here by the queue ID %s.\n", date, qid_text(n->id, id));
}

static void
put_message_fields(struct maker *m)
{
	const struct notice *n = m->n;
	char id[QID_TEXT];
	put_field(m, "Reporting-MTA", "dns; ", n->hostname);
	if (n->envid.len > 0)
		put_field(m, "Original-Envelope-Id", "", n->envid);
	buf_printf(m->out, "X-%.*s-Queue-ID: %s\n", SPAN_ARG(n->mail_name), qid_text(n->id, id));
	char name[64];
	snprintf(name, sizeof name, "X-%.*s-Sender", SPAN_ARG(span_head(n->mail_name, NAME_MAX_SAID)));
	put_address_field(m, name, n->sender);
	put_date_field(m, "Arrival-Date", n->arrival);
}

static void
put_recipient_fields(struct maker *m, const struct notice_recipient *r)
{
	const struct notice *n = m->n;
	const struct outcome *o = &r->outcome;
	buf_char(m->out, '\n');
	put_address_field(m, "Final-Recipient", r->address);
	if (r->orcpt.len > 0)
		put_field(m, "Original-Recipient", "", r->orcpt);
	else if (r->original.len > 0)
		put_address_field(m, "Original-Recipient", r->original);
	buf_printf(m->out, "Action: %s\n", action_of(n, o));
	put_field(m, "Status", "", o->dsn);
	if (o->mta.len > 0)
		put_field(m, "Remote-MTA", "dns; ", o->mta);
	if (o->diagnostic.len > 0 && outcome_tls(o).len == 0) {
		put_field(m, "Diagnostic-Code", "", o->diagnostic);
	} else if (o->text.len > 0) {
		char type[64];
		snprintf(type, sizeof type, "X-%.*s; ", SPAN_ARG(span_head(n->mail_name, NAME_MAX_SAID)));
		put_field(m, "Diagnostic-Code", type, o->text);
	}
	if (notice_delays(n) && n->expires > 0)
		put_date_field(m, "Will-Retry-Until", n->expires);
}

static void
put_report(struct maker *m)
{
	const struct notice *n = m->n;
	put_part(m, notice_delays(n) ? "Delivery status" : "Delivery report",
	    n->is_utf8 ? "message/global-delivery-status" : "message/delivery-status", n->is_utf8);
	put_message_fields(m);
	for (size_t i = 0; i < n->recipient_count; i++)
		put_recipient_fields(m, &n->recipients[i]);
}

static void
put_original(struct maker *m)
{
	const struct notice *n = m->n;
	char description[64];
	const char *type = n->full ? (n->is_utf8 ? "message/global" : "message/rfc822") :
	    (n->is_utf8 ? "message/global-headers" : "text/rfc822-headers");
	snprintf(description, sizeof description, "%s%s", content_name(n), n->full ? "" : " Headers");
	put_part(m, description, type, needs_8bit(n));
	buf_str(m->out, "Return-Path: <");
	put_address(m, n->sender);
	buf_str(m->out, ">\n");
	struct span header = n->header, rest = header;
	struct header h;
	while (header_next(&rest, &h))
		;
	header = span_head(header, header.len - rest.len);	/* without the empty line and what is no header */
	buf_span(m->out, header);
	if (header.len > 0 && header.ptr[header.len - 1] != '\n')
		buf_char(m->out, '\n');
	if (n->full)
		buf_char(m->out, '\n');
}

void
notice_build(const struct notice *n, struct buf *header, struct buf *before, struct buf *after)
{
	struct maker m = { .n = n };
	char id[QID_TEXT];
	/* The random part keeps the author of the original from closing our part with his text. */
	snprintf(m.boundary, sizeof m.boundary, "%s.%016llx", qid_text(n->new_id, id), (unsigned long long)n->token);
	m.out = header;
	put_headers(&m);
	m.out = before;
	buf_str(before, "This is a MIME-encapsulated message.\n");
	put_notification(&m);
	put_report(&m);
	put_original(&m);
	buf_printf(after, "\n--%s--\n", m.boundary);
}

bool
notice_wanted(enum notice_kind kind, uint8_t notify, const struct outcome *o, bool delays)
{
	switch (kind) {
	case NOTICE_BOUNCE:
	case NOTICE_DOUBLE_BOUNCE:
	case NOTICE_POSTMASTER:
		return o->status == OUTCOME_BOUNCED && (notify == NOTIFY_DEFAULT || (notify & NOTIFY_FAILURE));
	case NOTICE_DELAY:
		return o->status == OUTCOME_DEFERRED && delays && (notify == NOTIFY_DEFAULT || (notify & NOTIFY_DELAY));
	case NOTICE_FORWARD:
		return false;
	case NOTICE_SUCCESS:
		if ((notify & NOTIFY_SUCCESS) == 0)
			return false;
		return o->status == OUTCOME_RELAYED || o->status == OUTCOME_EXPANDED ||
		    (o->status == OUTCOME_SENT && o->mta.len == 0);
	}
	return false;
}

const char *
notice_log_text(uint8_t kind)
{
	switch (kind) {
	case NOTICE_FORWARD:
		return "forwarded as";
	case NOTICE_DELAY:
		return "sender delay notification";
	case NOTICE_SUCCESS:
		return "sender delivery status notification";
	case NOTICE_DOUBLE_BOUNCE:
	case NOTICE_POSTMASTER:
		return "postmaster non-delivery notification";
	default:
		return "sender non-delivery notification";
	}
}
