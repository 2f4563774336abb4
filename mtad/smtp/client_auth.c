/*
 * AUTH on the client's side (RFC 4954): after hello, and after TLS where there is some. Where a login is meant for the server and it offers AUTH,
 * the login has to succeed; texts of failures are Postfix's.
 */
#include <string.h>

#include "base/base64.h"
#include "smtp/client_state.h"
#include "smtp/sasl_client.h"

void
client_auth_offered(struct smtp_client *c, struct span words)
{
	struct span word;

	while (span_word(&words, " \t\r=", &word))
		c->mechanisms |= sasl_client_mechanism(word);
}

static enum client_event
ready(struct smtp_client *c)
{
	c->stage = CLIENT_READY;
	return CLIENT_GREETED;
}

static enum client_event
cannot(struct smtp_client *c, const char *why)
{
	return client_fail(c, client_own_verdict("4.7.0", arena_printf(&c->texts,
	    "SASL authentication failed; cannot authenticate to server %s: %s", c->peer, why)));
}

/* The response that stands in the buffer, behind the words before it. */
static void
send_response(struct smtp_client *c, const char *words, struct buf *response, bool given)
{
	size_t from = c->out.len;

	buf_str(&c->out, words);
	if (given && words[0] != '\0')
		buf_str(&c->out, response->len > 0 ? " " : " =");
	base64_encode(&c->out, buf_view(response));
	buf_str(&c->out, "\r\n");
	client_show_out(c, from);
	if (response->ptr != NULL)
		explicit_bzero(response->ptr, response->len);
	buf_clear(response);
}

static enum client_event
begin(struct smtp_client *c, unsigned mechanism)
{
	const struct client_login *l = c->options->login;
	struct sasl_who who = { l->user, l->password, l->host, l->port };
	struct buf response = BUF_INIT(64 << 10), words = BUF_INIT(100);

	c->sasl = sasl_client_new(mechanism, &who);
	if (c->sasl == NULL || (sasl_client_first(c->sasl) && !sasl_client_step(c->sasl, SPAN_NONE, &response)) || response.over) {
		buf_clear(&response);
		return cannot(c, "the login cannot be used");
	}
	buf_printf(&words, "AUTH %s", sasl_client_name(mechanism));
	send_response(c, words.ptr, &response, sasl_client_first(c->sasl));
	buf_clear(&words);
	c->stage = CLIENT_AUTH;
	return CLIENT_MORE;
}

static enum client_event
refused_before(struct smtp_client *c)
{
	const struct client_login *l = c->options->login;
	bool hard = l->refused_dsn.len > 0 && l->refused_dsn.ptr[0] == '5' && !l->soft;
	struct span rest = span_skip(l->refused_dsn, l->refused_dsn.len > 0);
	char *dsn = arena_printf(&c->texts, "%c%.*s", hard ? '5' : '4', SPAN_ARG(rest));

	return client_fail(c, client_own_verdict(dsn, arena_printf(&c->texts, "SASL [CACHED] authentication failed; server %s said: %.*s",
	    c->peer, SPAN_ARG(l->refused))));
}

enum client_event
client_authenticate(struct smtp_client *c)
{
	const struct client_login *l = c->options->login;

	if (l == NULL || !(c->caps & EHLO_AUTH)) {
		c->caps &= ~(uint32_t)EHLO_AUTH;
		return ready(c);
	}
	unsigned offered = c->mechanisms & l->mechanisms;
	if (offered == 0 && l->filtered)
		return client_fail(c, client_own_verdict("4.7.0", arena_printf(&c->texts, "SASL authentication failed: server %s offered "
		    "no compatible authentication mechanisms for this type of connection security", c->peer)));
	if (l->refused.len > 0)
		return refused_before(c);
	unsigned mechanism = sasl_client_choose(offered, l->forbidden[c->secure]);
	if (mechanism == 0)
		return cannot(c, "no mechanism available");
	return begin(c, mechanism);
}

static enum client_event
challenged(struct smtp_client *c)
{
	struct span text = span_trim(span_skip(buf_view(&c->reply.text), 4));
	struct buf challenge = BUF_INIT(CLIENT_REPLY_MAX), response = BUF_INIT(64 << 10);
	bool good = (text.len == 0 || span_eqs(text, "=") || base64_decode(&challenge, text)) &&
	    sasl_client_step(c->sasl, buf_view(&challenge), &response) && !response.over;

	buf_clear(&challenge);
	if (good) {
		send_response(c, "", &response, true);
		return CLIENT_MORE;
	}
	buf_clear(&response);
	return cannot(c, text.len > 0 ? "the server's challenge cannot be answered" : "the server asks for more than there is to say");
}

enum client_event
client_on_auth(struct smtp_client *c)
{
	if (c->reply.code / 100 == 3)
		return challenged(c);
	bool satisfied = sasl_client_satisfied(c->sasl);
	sasl_client_free(c->sasl);
	c->sasl = NULL;
	if (c->reply.code / 100 == 2 && satisfied)
		return ready(c);
	if (c->reply.code / 100 == 2)
		return cannot(c, "it said yes without showing that it knows the password");
	struct client_verdict v = client_reply_verdict(c);
	c->login_refused = c->reply.code == 535;
	if (c->options->login->soft && v.dsn.len > 0 && v.dsn.ptr[0] == '5') {
		char *dsn = arena_str(&c->texts, v.dsn);
		dsn[0] = '4';
		v.dsn = span_str(dsn);
	}
	v.result = v.dsn.ptr[0] == '5' ? CLIENT_HARD : CLIENT_SOFT;
	v.text = span_str(arena_printf(&c->texts, "SASL authentication failed; server %s said: %.*s", c->peer, SPAN_ARG(v.reply)));
	return client_fail(c, v);
}
