/*
 * cat: the envelope as "*** ENVELOPE ***" lines, then header and body. Into a file or a pipe content goes byte for byte.
 */
#include "base/base64.h"
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static bool
wants_envelope(const struct display *d)
{
	struct span unused;

	return !request_get(d->request, "headers", &unused) && !request_get(d->request, "body", &unused);
}

static void
put_named(struct display *d, struct span object, const char *key, const char *label)
{
	struct span value;

	if (!jsonl_find(object, key, &value) || span_eqs(value, "\"\""))
		return;
	put(d, "%s: ", label);
	put_value(d, value);
	put(d, "\n");
}

static void
put_envelope(struct display *d, struct span object)
{
	struct queue_row q;
	struct jsonl_walk w;
	struct rcpt_row r;

	queue_row_read(object, &q);
	put_color(d, COLOR_DIM);
	put(d, "*** ENVELOPE ");
	put_value(d, q.id);
	put(d, " ***\n");
	put_color(d, COLOR_NONE);
	put(d, "queue: ");
	put_value(d, q.queue);
	put(d, "\narrival: ");
	time_text(&d->out, q.arrival, d->now);
	put(d, "\nsize: %lld\nsender: ", (long long)q.size);
	if (q.sender.len == 0 || span_eqs(q.sender, "\"\""))
		put(d, "<>");
	else
		put_value(d, q.sender);
	put(d, "\n");
	put_named(d, object, "client_name", "client");
	put_named(d, object, "client_addr", "client address");
	put_named(d, object, "client_port", "client port");
	put_named(d, object, "helo", "helo");
	put_named(d, object, "protocol", "protocol");
	put_named(d, object, "sasl_user", "user");
	put_named(d, object, "sasl_method", "login by");
	put_named(d, object, "sasl_sender", "sent for");
	put_named(d, object, "orig_client_name", "original client");
	put_named(d, object, "orig_client_addr", "original address");
	put_named(d, object, "orig_client_port", "original port");
	put_named(d, object, "orig_helo", "original helo");
	put_named(d, object, "orig_protocol", "original protocol");
	put_named(d, object, "orig_queue_id", "original queue ID");
	put_named(d, object, "hold_reason", "held");
	if (jsonl_walk_array(&w, q.recipients)) {
		while (rcpt_row_next(&w, &r)) {
			put(d, "recipient: ");
			put_value(d, r.address);
			put(d, "\n");
		}
	}
	put_color(d, COLOR_DIM);
	put(d, "*** MESSAGE ***\n");
	put_color(d, COLOR_NONE);
}

static void
put_content(struct display *d, struct span bytes)
{
	if (d->tty)
		safe_text(&d->out, bytes, true);
	else
		buf_span(&d->out, bytes);
}

static void
cat_row(struct display *d, struct span row)
{
	struct buf text = BUF_INIT(0), bytes = BUF_INIT(0);
	struct span value;

	if (jsonl_find(row, "envelope", &value)) {
		if (wants_envelope(d))
			put_envelope(d, value);
	} else if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value)) {
		if (jsonl_text(value, &text))
			put_content(d, buf_view(&text));
	} else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value)) {
		if (jsonl_text(value, &text) && base64_decode(&bytes, buf_view(&text)))
			put_content(d, buf_view(&bytes));
	}
	buf_clear(&text);
	buf_clear(&bytes);
}

const struct presenter present_cat = { NULL, cat_row, NULL };
