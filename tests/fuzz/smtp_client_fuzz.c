/*
 * What a server says to the SMTP client: the first byte picks the options, the rest comes in two pieces a transaction. Whatever it is, a
 * transaction ends with a verdict for each recipient or with the failure of the session, and no command that was put out has a stray line end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct client_rcpt rcpts[2];
static struct client_mail mail;

static void
check(struct smtp_client *c, enum client_event event)
{
	struct buf *out = smtp_client_output(c);

	for (size_t i = 0; i < out->len; i++)
		if (out->ptr[i] == '\n' && (i == 0 || out->ptr[i - 1] != '\r'))
			abort();
	buf_reset(out);
	if (event == CLIENT_DONE && (rcpts[0].verdict.result == CLIENT_PENDING ||
	    rcpts[1].verdict.result == CLIENT_PENDING))
		abort();
	if (event == CLIENT_FAILED && smtp_client_failure(c)->dsn.len == 0)
		abort();
}

static enum client_event
deliver(struct smtp_client *c, unsigned options)
{
	rcpts[0] = (struct client_rcpt){ .address = SPAN("b@y.test"), .orcpt = SPAN("rfc822;x"), .notify = 2 };
	rcpts[1] = (struct client_rcpt){ .address = SPAN("c d@y.test") };
	static const struct client_origin origin = { .name = SPAN("n a=me"), .addr = SPAN("::1"), .helo = SPAN("h"), .ident = SPAN("X") };
	mail = (struct client_mail){ .origin = &origin, .sender = SPAN("a@x.test"), .size = 100, .eightbit = true, .utf8 = (options & 8) != 0,
		.rcpts = rcpts, .rcpt_count = 2, .content.parts = { SPAN("h: 1\n\n"), SPAN(".\n..\nx") } };
	return smtp_client_deliver(c, &mail);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned bits = size == 0 ? 0 : data[0];
	struct client_options options = { .lmtp = bits & 1, .always_ehlo = bits & 2, .skip_5xx_greeting = bits & 4,
		.quote = true, .pix = bits >> 2 & 3, .line_limit = 998, .helo_name = "me.test", .myhostname = "me.test", .nexthop = "y.test" };
	/* Any mechanism may be first: the upper bits say which are left out. */
	const struct client_login login = { .user = SPAN("user"), .password = SPAN("pencil"), .host = SPAN("mx"), .port = 25,
		.mechanisms = 127u >> (bits >> 6), .soft = bits & 64 };
	if (bits & 32)
		options.login = &login;
	struct smtp_client *c = smtp_client_new(&options, "mx[1.2.3.4]");
	char *copy = malloc(size + 1);
	unsigned transactions = 0;

	if (size > 0)
		memcpy(copy, data, size);
	/* A byte 0xff ends a piece: what comes in one read matters. */
	for (size_t at = 1; at < size && smtp_client_stage(c) != CLIENT_CLOSED;) {
		size_t n = 0;
		while (at + n < size && data[at + n] != 0xff)
			n++;
		enum client_event event = smtp_client_input(c, span_of(copy + at, n));
		at += n + 1;
		for (;;) {
			check(c, event);
			/* As the driver does: it writes, asks for more content, and waits where it is told to. */
			if (event == CLIENT_MORE && smtp_client_stage(c) == CLIENT_BODY && smtp_client_pump(c) == CLIENT_PAUSE)
				check(c, smtp_client_end_content(c));
			bool ready = event == CLIENT_GREETED || event == CLIENT_DONE;
			if (!ready || !smtp_client_usable(c) || ++transactions > 20)
				break;
			event = deliver(c, bits);
		}
	}
	check(c, smtp_client_lost(c, bits & 16 ? LOST_TIME : LOST_CONNECTION));
	smtp_client_free(c);
	free(copy);
	return 0;
}
