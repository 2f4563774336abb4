/*
 * The header block as it is kept: Received: first, then what came without the headers that are dropped, then
 * what is missing, as Postfix's cleanup(8) does it.
 */
#include "base/clock.h"
#include "base/log.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/received.h"
#include "receive/state.h"

#define SUBJECT_MAX	200

static bool
has_word(struct span list, struct span name)
{
	struct span each;

	while (span_word(&list, "\t\r\n ,", &each))
		if (span_caseeq(each, name))
			return true;
	return false;
}

/* The headers that came, but for those that are dropped, and none longer than the limit. */
static void
copy_headers(struct intake *in, struct span block)
{
	struct span rest = block, list = in->settings->drop_headers;
	const char *from = block.ptr;
	struct header h;

	if (in->facts.longest > in->settings->header_limit && in->settings->header_limit > 0) {
		struct buf cut = BUF_INIT(0);
		header_copy_limited(&cut, block, in->settings->header_limit);
		in->facts.longest = 0;
		copy_headers(in, buf_view(&cut));
		buf_clear(&cut);
		return;
	}
	/* Runs of kept ones are copied at once. */
	while (header_next(&rest, &h)) {
		if (!has_word(list, h.name))
			continue;
		buf_put(&in->header, from, (size_t)(h.raw.ptr - from));
		from = h.raw.ptr + h.raw.len;
	}
	buf_put(&in->header, from, (size_t)(block.ptr + block.len - from));
	if (in->header.len > 0 && in->header.ptr[in->header.len - 1] != '\n')
		buf_char(&in->header, '\n');
}

void
intake_received(struct intake *in)
{
	const struct envelope *e = &in->envelope;
	struct received r = {
		.hostname = in->settings->hostname,
		.mail_name = in->settings->mail_name,
		.id = e->id,
		.arrival = e->arrival,
		.helo = e->helo,
		.client_name = e->client_name,
		.client_addr = e->client_addr,
		.protocol = e->protocol,
		.sasl_user = in->settings->sasl_header ? e->sasl_user : SPAN_NONE,
		.tls = in->tls,
		.hidden = in->settings->hide_client,
		.recipient = e->recipient_count == 1 ? in->first_recipient : SPAN_NONE,
		.uid = in->uid,
	};

	/* As postdrop's mail says nobody's address. */
	if (e->client_addr.len == 0)
		r.recipient = SPAN_NONE;
	buf_span(&in->header, buf_view(&in->prepend));
	received_put(&in->header, &r);
}

static void
put_message_id(struct intake *in, const char *name, struct span *value)
{
	struct buf *text = &in->rx->text;

	buf_reset(text);
	message_id_put(text, in->envelope.arrival, in->envelope.id, in->settings->hostname);
	*value = arena_span(&in->arena, buf_view(text));
	buf_printf(&in->header, "%s: %.*s\n", name, SPAN_ARG(*value));
}

static void
put_date(struct intake *in, const char *name)
{
	char date[DATE_TEXT];

	(void)date_text(in->envelope.arrival, date);
	buf_printf(&in->header, "%s: %s\n", name, date);
}

static void
put_from(struct intake *in, const char *name)
{
	buf_printf(&in->header, "%s: ", name);
	if (in->envelope.sender.len > 0)
		address_quote(&in->header, in->envelope.sender);
	else
		buf_printf(&in->header, "MAILER-DAEMON@%.*s (Mail Delivery System)", SPAN_ARG(in->settings->origin));
	buf_char(&in->header, '\n');
}

static void
add_missing(struct intake *in, struct span *id)
{
	unsigned seen = in->facts.seen;
	bool resent = (seen & HEADER_RESENT) != 0;

	if (!(seen & (resent ? HEADER_RESENT_MESSAGE_ID : HEADER_MESSAGE_ID)))
		put_message_id(in, resent ? "Resent-Message-Id" : "Message-Id", id);
	if (!(seen & (resent ? HEADER_RESENT_DATE : HEADER_DATE)))
		put_date(in, resent ? "Resent-Date" : "Date");
	if (!(seen & (resent ? HEADER_RESENT_FROM : HEADER_FROM)))
		put_from(in, resent ? "Resent-From" : "From");
}

static bool
hops_ok(struct intake *in)
{
	char id[QID_TEXT];

	if (in->facts.received + (in->check == NULL) < in->settings->hopcount_limit)
		return true;
	log_warning("cleanup", "%s: message rejected: hopcount exceeded", qid_text(in->envelope.id, id));
	in->fault = "554 5.4.0 Error: too many hops";
	return false;
}

/* One line, without what surrounds it. */
static struct span
unfolded(struct intake *in, struct span value, size_t max)
{
	struct buf *text = &in->rx->text;

	buf_reset(text);
	header_unfold(text, span_head(value, 4 * max));
	return arena_span(&in->arena, span_trim(span_head(buf_view(text), max)));
}

/* Received: of ours is looked at as the others are; what is left of all of them is what counts from here on. */
static struct span
checked(struct intake *in, struct span block)
{
	struct span all;

	intake_received(in);
	if (in->facts.longest > in->settings->header_limit && in->settings->header_limit > 0)
		header_copy_limited(&in->header, block, in->settings->header_limit);
	else
		buf_span(&in->header, block);
	all = intake_check_header(in, buf_view(&in->header));
	buf_reset(&in->header);
	header_look(all, &in->facts);
	intake_check_begin(in, block);
	return all;
}

bool
intake_header(struct intake *in, size_t *body)
{
	struct span content = buf_view(&in->content), block, id;
	char qid[QID_TEXT];

	intake_id(in);
	header_look(content, &in->facts);
	*body = in->facts.length;
	/* The empty line goes with the header; where another line ends the header, that one begins the body. */
	if (span_starts(span_skip(content, *body), "\n"))
		*body += 1;
	block = span_head(content, in->facts.length);
	buf_reset(&in->header);
	if (in->check != NULL)
		block = checked(in, block);
	if (in->fault != NULL || !hops_ok(in))
		return false;
	id = unfolded(in, in->facts.message_id, 500);
	in->envelope.subject = unfolded(in, in->facts.subject, SUBJECT_MAX);
	if (in->check == NULL)
		intake_received(in);
	copy_headers(in, block);
	if (in->rewrite_local || in->settings->add_missing)
		add_missing(in, &id);
	if (in->settings->undisclosed.len > 0 && !(in->facts.seen & HEADER_RECIPIENT))
		buf_printf(&in->header, "%.*s\n", SPAN_ARG(in->settings->undisclosed));
	buf_char(&in->header, '\n');
	in->envelope.message_id = id;
	log_info("cleanup", "%s: %smessage-id=%.*s", qid_text(in->envelope.id, qid),
	    in->facts.seen & HEADER_RESENT ? "resent-" : "", SPAN_ARG(id.len > 0 ? id : SPAN("<>")));
	return true;
}
