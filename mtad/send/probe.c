/* A probe of an address: its envelope is put to the server as mail's would be, and there is no content. */
#include "mail/address.h"
#include "send/core.h"

void
delivery_probe(struct delivery *d, struct conn *conn)
{
	bool utf8 = !span_is_ascii(d->sender) || !span_is_ascii(d->rcpts[0].address);

	d->mail = (struct client_mail){ .sender = d->sender, .converted = true, .utf8 = utf8, .probe = true,
		.probe_data = d->settings->probe_data, .rcpts = d->rcpts, .rcpt_count = d->count };
	if (d->onward_known)
		d->mail.sender = span_str(d->onward.ptr);
	conn_deliver(conn, &d->mail);
}
