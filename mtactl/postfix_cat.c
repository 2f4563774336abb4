/*
 * postcat -q: a queued message in the layout of Postfix's records, as far as mtad knows what stands in them.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/span.h"
#include "base/base64.h"
#include "ctl/jsonl.h"
#include "mtactl/postfix.h"

#define USAGE	"usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] " \
	"[-h (header text)] [-q (access queue)] [-v] [file(s)...]"
#define FLUSH_AT	((size_t)64 << 10)

enum part { ENVELOPE = 1, HEADER = 2, BODY = 4 };

struct postcat {
	struct postfix	*postfix;
	unsigned	 parts;		/* enum part; 0: all, none was named */
	bool		 verbose;
	bool		 queue;		/* -q */
	struct buf	 place;		/* "deferred/ID" */
	bool		 in_body;	/* behind the empty line */
	bool		 in_line;	/* the last line is not ended yet */
};

static bool
wants(const struct postcat *c, enum part part)
{
	return c->parts == 0 || c->parts & part;
}

/* -- envelope -------------------------------------------------------------- */

static void
put_text(struct postcat *c, struct span text)
{
	struct display *d = &c->postfix->session.display;

	if (d->tty)
		safe_text(&d->out, text, false);
	else
		buf_span(&d->out, text);
}

static void
put_field(struct postcat *c, struct span object, const char *key, const char *label)
{
	struct display *d = &c->postfix->session.display;
	struct buf text = BUF_INIT(0);
	struct span raw;

	if (jsonl_find(object, key, &raw) && jsonl_text(raw, &text) && text.len > 0) {
		put(d, "%s", label);
		put_text(c, buf_view(&text));
		put(d, "\n");
	}
	buf_clear(&text);
}

static void
put_recipient(struct postcat *c, struct span recipient)
{
	struct span state = SPAN_NONE;

	jsonl_find(recipient, "state", &state);
	bool done = span_eqs(state, "\"sent\"") || span_eqs(state, "\"bounced\"") || span_eqs(state, "\"expanded\"");
	put_field(c, recipient, "address", done ? "done_recipient: " : "recipient: ");
}

static void
put_arrival(struct display *d, int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL || strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm) == 0)
		snprintf(text, sizeof text, "%lld", (long long)seconds);
	put(d, "message_arrival_time: %s\ncreate_time: %s\n", text, text);
}

static size_t
count_recipients(struct span recipients)
{
	struct jsonl_walk w;
	struct span one;
	size_t n = 0;

	if (jsonl_walk_array(&w, recipients))
		while (jsonl_element(&w, &one))
			n++;
	return n;
}

static void
put_attributes(struct postcat *c, struct span object)
{
	static const struct { const char *key, *original, *label; } rows[] = {
		{ "client_name", "orig_client_name", "log_client_name" }, { "client_addr", "orig_client_addr", "log_client_address" },
		{ "client_port", "orig_client_port", "log_client_port" }, { "helo", "orig_helo", "log_helo_name" },
		{ "protocol", "orig_protocol", "log_protocol_name" }, { "client_name", NULL, "client_name" }, { "client_addr", NULL, "client_address" },
		{ "client_port", NULL, "client_port" }, { "helo", NULL, "helo_name" }, { "protocol", NULL, "protocol_name" },
	};
	struct span ignored;
	bool forwarded = jsonl_find(object, "orig_client_name", &ignored);
	char label[64];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(label, sizeof label, "named_attribute: %s=", rows[i].label);
		put_field(c, object, forwarded && rows[i].original != NULL ? rows[i].original : rows[i].key, label);
	}
}

/* What stands in Postfix's file and not in mtad's (the place of the content, ports) is 0 or left out. */
static void
put_envelope(struct postcat *c, struct span object, const struct queue_row *q)
{
	struct display *d = &c->postfix->session.display;
	struct jsonl_walk w;
	struct span one;

	put(d, "message_size: %15lld %15d %15zu %15d %15lld %15d\n", (long long)q->size, 0, count_recipients(q->recipients), 0,
	    (long long)q->size, 0);
	put_arrival(d, q->arrival);
	put_field(c, object, jsonl_find(object, "orig_queue_id", &one) ? "orig_queue_id" : "queue_id", "named_attribute: log_ident=");
	put_field(c, object, "sasl_method", "named_attribute: sasl_method=");
	put_field(c, object, "sasl_user", "named_attribute: sasl_username=");
	put_field(c, object, "sasl_sender", "named_attribute: sasl_sender=");
	if (span_eqs(q->sender, "\"\"") || q->sender.len == 0)
		put(d, "sender: \n");
	else
		put_field(c, object, "sender", "sender: ");
	put_attributes(c, object);
	if (jsonl_walk_array(&w, q->recipients))
		while (jsonl_element(&w, &one))
			put_recipient(c, one);
}

static void
put_banner(struct postcat *c, const char *what)
{
	if (wants(c, ENVELOPE))
		put(&c->postfix->session.display, "*** %s %s ***\n", what, c->place.len > 0 ? c->place.ptr : "");
}

/* -- content --------------------------------------------------------------- */

static void
put_prefix(struct postcat *c)
{
	if (c->verbose)
		put(&c->postfix->session.display, "regular_text: ");
}

/* The empty line between header and body is the body's, as Postfix has it. */
static void
put_content(struct postcat *c, struct span bytes)
{
	struct display *d = &c->postfix->session.display;

	while (bytes.len > 0) {
		size_t end = span_find(bytes, '\n');
		bool ends = end < bytes.len;
		if (!c->in_line && end == 0)
			c->in_body = true;
		if (wants(c, c->in_body ? BODY : HEADER)) {
			if (!c->in_line)
				put_prefix(c);
			put_text(c, span_head(bytes, end));
			put(d, "%s", ends ? "\n" : "");
		}
		c->in_line = !ends;
		bytes = span_skip(bytes, end + 1);
		if (d->out.len > FLUSH_AT)
			display_flush(d);
	}
}

static void
begin_message(struct postcat *c, struct span object)
{
	struct display *d = &c->postfix->session.display;
	struct queue_row q;

	queue_row_read(object, &q);
	buf_reset(&c->place);
	if (jsonl_text(q.queue, &c->place))
		buf_char(&c->place, '/');
	jsonl_text(q.id, &c->place);
	put_banner(c, "ENVELOPE RECORDS");
	if (wants(c, ENVELOPE))
		put_envelope(c, object, &q);
	put_banner(c, "MESSAGE CONTENTS");
	if (wants(c, BODY) && !wants(c, HEADER)) {
		put_prefix(c);
		put(d, "\n");
		c->in_body = true;
	}
}

static void
on_row(struct postfix *p, struct span row)
{
	struct postcat *c = p->arg;
	struct buf text = BUF_INIT(0), bytes = BUF_INIT(0);
	struct span value;

	if (jsonl_find(row, "envelope", &value)) {
		begin_message(c, value);
	} else if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value)) {
		if (jsonl_text(value, &text))
			put_content(c, buf_view(&text));
	} else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value)) {
		if (jsonl_text(value, &text) && base64_decode(&bytes, buf_view(&text)))
			put_content(c, buf_view(&bytes));
	}
	buf_clear(&text);
	buf_clear(&bytes);
}

static int
say_failure(struct postcat *c, const char *id, int status, struct span error)
{
	const char *name = c->postfix->name;

	display_flush(&c->postfix->session.display);
	if (status == 1)
		return postfix_fatal(name, "open queue file %s: No such file or directory", id);
	if (status == 77)
		return postfix_fatal(name, "open queue file %s: Permission denied", id);
	return postfix_fatal(name, "%s: %.*s", id, SPAN_ARG(error));
}

static int
show(struct postcat *c, const char *id)
{
	struct span words[3] = { SPAN("cat"), span_str(id) };
	struct buf error = BUF_INIT(4096);
	size_t n = 2;

	if (!postfix_is_queue_id(span_str(id)))
		return postfix_fatal(c->postfix->name, "bad mail queue ID: %s", id);
	if (!wants(c, BODY))
		words[n++] = SPAN("--headers");
	else if (!wants(c, HEADER))
		words[n++] = SPAN("--body");
	c->in_body = c->in_line = false;
	int status = postfix_ask(c->postfix, words, n, &error);
	if (status != 0) {
		status = say_failure(c, id, status, buf_view(&error));
	} else {
		if (c->in_line && wants(c, c->in_body ? BODY : HEADER))
			put(&c->postfix->session.display, "\n");
		put_banner(c, "HEADER EXTRACTED");
		put_banner(c, "MESSAGE FILE END");
	}
	buf_clear(&error);
	return status;
}

/* 0, or the status to end with. */
static int
take_option(struct postcat *c, int option)
{
	switch (option) {
	case 'b':
		c->parts |= BODY;
		return 0;
	case 'c':
		c->postfix->session.conf_dir = optarg;
		return 0;
	case 'd':
		return postfix_not_yet(c->postfix->name, "-d (numbers of Postfix's record types)");
	case 'e':
		c->parts |= ENVELOPE;
		return 0;
	case 'h':
		c->parts |= HEADER;
		return 0;
	case 'o':
		return postfix_not_yet(c->postfix->name, "-o (offsets in a file of Postfix's)");
	case 'q':
		c->queue = true;
		return 0;
	case 'v':
		c->verbose = true;
		return 0;
	default:
		return postfix_fatal(c->postfix->name, USAGE);
	}
}

int
postcat_main(struct postfix *p, int argc, char **argv)
{
	struct postcat c = { .postfix = p, .place = BUF_INIT(256) };
	int option, status = 0;

	while (status == 0 && (option = getopt(argc, argv, "+bc:dehoqv")) != -1)
		status = take_option(&c, option);
	if (status == 0 && !c.queue)
		status = postfix_not_yet(p->name, "reading a file of Postfix's queue (without -q)");
	p->row = on_row;
	p->arg = &c;
	for (int i = optind; status == 0 && i < argc; i++)
		status = show(&c, argv[i]);
	p->arg = NULL;
	buf_clear(&c.place);
	return status;
}
