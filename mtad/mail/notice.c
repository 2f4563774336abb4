#include "mail/notice.h"

#include <stdio.h>

#include "mail/address.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"

#define TEXT_MAX	2000	/* bytes of a reason that are repeated */
#define TEXT_COLUMNS	76
#define NAME_MAX_SAID	40	/* bytes of mail_name in field names */

/* What the kinds differ in. */
static const struct kind {
	const char	*subject;
	const char	*lead;		/* first paragraph for people, after "This is the mail system at host ..." */
	const char	*content;	/* Content-Description of the third part */
} kinds[] = {
	[NOTICE_BOUNCE] = { "Undelivered Mail Returned to Sender",
	    "Your message did not reach the recipients listed below, and it will not be\n"
	    "tried again. The reason stands beside each address. The message itself, or\n"
	    "its headers, is attached.\n"
	    "\n"
	    "If you cannot make sense of a reason, send this whole report to the\n"
	    "postmaster of the recipient's system.\n",
	    "Undelivered Message" },
	[NOTICE_DELAY] = { "Delayed Mail (still being retried)",
	    "This is only a warning: YOU NEED NOT SEND YOUR MESSAGE AGAIN.\n"
	    "\n"
	    "Your message has not reached the recipients listed below yet. It stays in\n"
	    "the queue here and will be tried again.\n",
	    "Delayed Message" },
	[NOTICE_SUCCESS] = { "Successful Mail Delivery Report",
	    "You asked to be told when your message is delivered. What became of it is\n"
	    "said below for each recipient. A message that was relayed has left this\n"
	    "system for one that does not report deliveries, so that you may hear no\n"
	    "more of it.\n",
	    "Message" },
	[NOTICE_DOUBLE_BOUNCE] = { "Postmaster Copy: Undelivered Mail",
	    "A message could not be delivered, and its sender could not be told: the\n"
	    "notice came back as well. It is reported to you instead.\n",
	    "Undelivered Message" },
	[NOTICE_POSTMASTER] = { "Postmaster Copy: Undelivered Mail",
	    "A message could not be delivered. Its sender has been told; this copy is\n"
	    "for your information.\n",
	    "Undelivered Message" },
};

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
	return n->is_8bit || n->is_utf8;
}

static void
put_part(struct maker *m, const char *description, const char *type, bool is_8bit)
{
	buf_printf(m->out, "\n--%s\nContent-Description: %s\nContent-Type: %s\n", m->boundary, description, type);
	if (is_8bit)
		buf_str(m->out, "Content-Transfer-Encoding: 8bit\n");
	buf_char(m->out, '\n');
}

static void
put_headers(struct maker *m)
{
	const struct notice *n = m->n;
	struct buf *b = m->out;
	put_date_field(m, "Date", n->now);
	buf_str(b, "From: MAILER-DAEMON@");
	buf_span(b, n->origin);
	buf_printf(b, " (Mail Delivery System)\nSubject: %s\nTo: ", kinds[n->kind].subject);
	put_address(m, n->to);
	buf_str(b, "\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n");
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
	if (n->kind == NOTICE_DELAY)
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

/* The part for people. */
static void
put_notification(struct maker *m)
{
	const struct notice *n = m->n;
	char date[DATE_TEXT], id[QID_TEXT];
	put_part(m, "Notification", n->is_utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
	    n->is_utf8);
	buf_str(m->out, "This is the mail system at host ");
	buf_span(m->out, n->hostname);
	buf_printf(m->out, ".\n\n%s", kinds[n->kind].lead);
	if (n->kind == NOTICE_DELAY && n->expires > 0) {
		date_text(n->expires, date);
		buf_printf(m->out, "If that does not succeed by\n    %s\nthe message is returned to you.\n", date);
	}
	for (size_t i = 0; i < n->recipient_count; i++)
		put_person_recipient(m, &n->recipients[i]);
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
	if (n->kind == NOTICE_DELAY && n->expires > 0)
		put_date_field(m, "Will-Retry-Until", n->expires);
}

static void
put_report(struct maker *m)
{
	const struct notice *n = m->n;
	put_part(m, n->kind == NOTICE_DELAY ? "Delivery status" : "Delivery report",
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
	snprintf(description, sizeof description, "%s%s", kinds[n->kind].content, n->full ? "" : " Headers");
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
