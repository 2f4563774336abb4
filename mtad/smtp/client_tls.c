/*
 * STARTTLS. The handshake itself is the driver's.
 */
#include "smtp/client_state.h"

enum client_event
client_after_hello(struct smtp_client *c)
{
	if (c->secure != CLIENT_CLEAR || c->options->tls == CLIENT_TLS_NEVER)
		return client_authenticate(c);
	if (c->caps & EHLO_STARTTLS) {
		client_send_line(c, "STARTTLS\r\n");
		c->stage = CLIENT_STARTTLS;
		return CLIENT_MORE;
	}
	if (c->options->tls == CLIENT_TLS_ALWAYS)
		return client_fail(c, client_own_verdict("4.7.4", arena_printf(&c->texts,
		    "TLS is required, but was not offered by host %s", c->peer)));
	return client_authenticate(c);
}

enum client_event
client_on_starttls(struct smtp_client *c)
{
	if (c->reply.code / 100 == 2) {
		c->stage = CLIENT_TLS;
		return CLIENT_HANDSHAKE;
	}
	c->caps &= ~(uint32_t)EHLO_STARTTLS;
	if (c->options->tls != CLIENT_TLS_ALWAYS)
		return client_authenticate(c);
	struct client_verdict v = client_reply_verdict(c);
	v.text = span_str(arena_printf(&c->texts, "TLS is required, but host %s refused to start TLS: %.*s", c->peer, SPAN_ARG(v.reply)));
	return client_fail(c, v);
}

/* What the server said before is forgotten: anybody could have put it there. RFC 3207 section 4.2. */
enum client_event
smtp_client_secured(struct smtp_client *c, enum client_secure how)
{
	c->secure = how;
	if (c->stage != CLIENT_TLS)
		return CLIENT_MORE;
	c->helo = false;
	c->caps = 0;
	c->mechanisms = 0;
	c->size_limit = 0;
	c->stage = CLIENT_HELLO;
	client_send_hello(c);
	return CLIENT_MORE;
}

enum client_event
smtp_client_refuse(struct smtp_client *c, const char *dsn, const char *text)
{
	return client_fail(c, client_own_verdict(arena_str(&c->texts, span_str(dsn)), arena_str(&c->texts, span_str(text))));
}

enum client_secure
smtp_client_security(const struct smtp_client *c)
{
	return c->secure;
}
