#include "mail/received.h"

#include "mail/address.h"
#include "mail/date.h"

/* What could end a comment or the header, or fake another field, is not repeated to readers of the header. */
static void
put_neutral(struct buf *b, struct span s)
{
	char *room = buf_room(b, s.len);
	if (room == NULL)
		return;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool bad = c <= ' ' || c == 0x7f || memchr("<>()\\\";@", c, 8) != NULL;
		room[i] = bad ? '?' : (char)c;
	}
	buf_added(b, s.len);
}

/* In a comment. */
static void
put_sasl_user(struct buf *b, struct span user)
{
	buf_span(b, SPAN("\n\t(Authenticated sender: "));
	for (size_t i = 0; i < user.len; i++) {
		char c = user.ptr[i];
		bool bad = (unsigned char)c < ' ' || c == 0x7f || c == '(' || c == ')' || c == '\\';
		buf_char(b, bad ? '?' : c);
	}
	buf_char(b, ')');
}

static void
put_client(struct buf *b, const struct received *r)
{
	buf_span(b, SPAN("Received: from "));
	put_neutral(b, r->helo.len > 0 ? r->helo : r->client_name);
	buf_span(b, SPAN(" ("));
	put_neutral(b, r->client_name.len > 0 ? r->client_name : SPAN("unknown"));
	buf_span(b, SPAN(" ["));
	if (span_has(r->client_addr, ':') && !span_casestarts(r->client_addr, "IPv6:"))
		buf_span(b, SPAN("IPv6:"));
	put_neutral(b, r->client_addr);
	buf_span(b, SPAN("])"));
	buf_span(b, r->tls);
	if (r->sasl_user.len > 0)
		put_sasl_user(b, r->sasl_user);
	buf_span(b, SPAN("\n\tby "));
	buf_span(b, r->hostname);
	buf_span(b, SPAN(" ("));
	buf_span(b, r->mail_name);
	buf_span(b, SPAN(") with "));
	buf_span(b, r->protocol);
	if (r->id.usec != 0)
		buf_span(b, SPAN(" id "));
}

static void
put_local(struct buf *b, const struct received *r)
{
	buf_span(b, SPAN("Received: by "));
	buf_span(b, r->hostname);
	buf_span(b, SPAN(" ("));
	buf_span(b, r->mail_name);
	if (r->uid >= 0)
		buf_printf(b, ", from userid %lld", (long long)r->uid);
	buf_span(b, r->id.usec != 0 ? SPAN(")\n\tid ") : SPAN(")"));
}

void
received_put(struct buf *b, const struct received *r)
{
	char id[QID_TEXT], date[DATE_TEXT];
	if (r->client_addr.len > 0 && !r->hidden)
		put_client(b, r);
	else
		put_local(b, r);
	if (r->id.usec != 0)
		buf_str(b, qid_text(r->id, id));
	if (r->client_addr.len > 0 && r->recipient.len > 0) {
		buf_span(b, SPAN("\n\tfor <"));
		address_quote(b, r->recipient);
		buf_span(b, SPAN(">; "));
	} else {
		buf_str(b, r->client_addr.len > 0 ? ";\n\t" : "; ");
	}
	buf_put(b, date, date_text(r->arrival, date));
	buf_char(b, '\n');
}

void
message_id_put(struct buf *b, int64_t wall, struct qid id, struct span hostname)
{
	char date[DATE_TEXT], text[QID_TEXT];
	buf_char(b, '<');
	buf_put(b, date, date_compact(wall, date));
	buf_char(b, '.');
	buf_str(b, qid_text(id, text));
	buf_char(b, '@');
	buf_span(b, hostname);
	buf_char(b, '>');
}
