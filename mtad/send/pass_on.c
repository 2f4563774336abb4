/*
 * Mail for a domain whose best mail exchanger is this machine, and which nothing here knows (best_mx_transport): it becomes a message for that transport.
 */
#include <stdio.h>

#include "mail/forward.h"
#include "send/core.h"

/* The filter of a message that is handed on: without a next hop it is the one there was. */
static void
put_filter(const struct delivery *d, struct buf *to)
{
	buf_str(to, d->settings->best_mx_transport);
	if (!span_has(buf_view(to), ':'))
		buf_printf(to, ":%.*s", SPAN_ARG(d->nexthop));
}

bool
delivery_pass_on(struct delivery *d)
{
	struct buf filter = BUF_INIT(8192), address = BUF_INIT(8192), packed = BUF_INIT(0);
	struct client_verdict v = { .result = CLIENT_SENT, .dsn = SPAN("2.0.0") };
	char text[200];

	if (d->settings->best_mx_transport[0] == '\0')
		return false;
	put_filter(d, &filter);
	(void)snprintf(text, sizeof text, "handed to %.150s (best_mx_transport)", d->settings->best_mx_transport);
	v.text = span_str(text);
	for (size_t i = 0; i < d->count; i++) {
		const struct client_rcpt *r = &d->rcpts[i];
		pack_span(&address, r->address);
		/* That it went well is told when it became another message. */
		struct forward f = { .sender = d->sender, .filter = buf_view(&filter), .count = 1, .addresses = buf_view(&address),
			.original = r->original, .orcpt = r->orcpt,
			.notify = r->notify == NOTIFY_SUCCESS ? NOTIFY_NEVER : (uint8_t)(r->notify & ~NOTIFY_SUCCESS) };
		forward_pack(&packed, &f);
		pack_u32(&d->forwards, d->numbers[i]);
		pack_span(&d->forwards, buf_view(&packed));
		delivery_outcome(d, i, &v, NULL);
		buf_reset(&address);
		buf_reset(&packed);
	}
	buf_clear(&filter);
	buf_clear(&address);
	buf_clear(&packed);
	return true;
}
