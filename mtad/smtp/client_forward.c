/*
 * XFORWARD on the client's side: the next server (a content filter, as a rule) hears whose mail it is. Two commands, each with the attributes that the server
 * takes and that are known; their replies change nothing.
 */
#include <stdio.h>

#include "mail/dsn.h"
#include "smtp/client_state.h"

static const char *const attributes[] = { "NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE" };

#define COUNT		(sizeof attributes / sizeof attributes[0])
#define SECOND_FROM	3	/* of the second command */

void
client_forward_offered(struct smtp_client *c, struct span words)
{
	struct span word;

	while (span_word(&words, " \t\r", &word))
		for (unsigned i = 0; i < COUNT; i++)
			if (span_caseeqs(word, attributes[i]))
				c->xforward |= 1u << i;
}

static struct span
value_of(const struct client_origin *o, unsigned i)
{
	const struct span values[COUNT] = { o->name, o->addr, o->port, o->protocol, o->helo, o->ident, o->local ? SPAN("LOCAL") : SPAN("REMOTE") };

	/* A name that is not known is left out, not told. */
	return i != 4 && span_caseeqs(values[i], "unknown") ? SPAN_NONE : values[i];
}

bool
client_send_forward(struct smtp_client *c, unsigned part)
{
	const struct client_origin *o = c->mail->origin;
	unsigned end = part == 0 ? SECOND_FROM : (unsigned)COUNT;
	size_t from = c->out.len;
	bool any = false;

	if (o == NULL || !(c->caps & EHLO_XFORWARD))
		return false;
	for (unsigned i = part == 0 ? 0 : SECOND_FROM; i < end; i++) {
		struct span value = value_of(o, i);
		if (!(c->xforward >> i & 1) || value.len == 0)
			continue;
		buf_printf(&c->out, "%s %s=", any ? "" : "XFORWARD", attributes[i]);
		if (i == 1 && span_has(value, ':'))
			buf_str(&c->out, "IPV6:");
		xtext_encode(&c->out, value);
		any = true;
	}
	if (any)
		buf_str(&c->out, "\r\n");
	client_show_out(c, from);
	return any;
}
