#include "mtactl/tls_session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

#define ROUNDS	10000u	/* of reading and writing: no honest session needs more */

static void
fail(struct tls_session *s, const char *what, const char *why)
{
	(void)snprintf(s->error, sizeof s->error, "%s%s%s", what, why[0] == '\0' ? "" : ": ", why);
}

static bool
wait_for(const struct tls_session *s, short events)
{
	struct pollfd p = { .fd = s->fd, .events = (short)((events & EV_READ ? POLLIN : 0) | (events & EV_WRITE ? POLLOUT : 0)) };
	int n;

	do
		n = poll(&p, 1, (int)(s->timeout / 1000));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

static bool
connect_to(struct tls_session *s, const struct target *t)
{
	int error = 0;
	socklen_t len = sizeof error;

	s->fd = socket(t->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd >= 0 && connect(s->fd, &t->addr.sa, t->addr.len) == 0)
		return true;
	if (s->fd >= 0 && errno == EINPROGRESS && wait_for(s, EV_WRITE)) {
		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
			return true;
		errno = error;
	}
	fail(s, "connect", strerror(errno));
	return false;
}

static bool
shake_hands(struct tls_session *s, const struct tls_session_options *o)
{
	struct tls_options options = { .creds = o->creds, .priority = o->priority, .server_name = o->servername };
	struct err err = { ERR_NONE, "" };
	enum tls_step step = TLS_FAILED;

	s->handshake_failed = true;
	if (o->priority == NULL) {
		fail(s, "no usable protocols or ciphers are configured", "");
		return false;
	}
	s->tls = tls_new(s->fd, &options, &err);
	while (s->tls != NULL && (step = tls_handshake(s->tls, &err)) == TLS_AGAIN) {
		if (!wait_for(s, tls_wants(s->tls))) {
			err_set(&err, ERR_SYS, "%s", strerror(errno));
			break;
		}
	}
	s->handshake_failed = step != TLS_DONE;
	if (s->handshake_failed)
		fail(s, "TLS handshake", err.text);
	else
		s->reached = REACHED_TLS;
	return !s->handshake_failed;
}

static bool
write_out(struct tls_session *s)
{
	struct buf *out = smtp_client_output(s->client);

	while (out->len > 0) {
		ssize_t n = s->tls != NULL ? tls_send(s->tls, out->ptr, out->len) : send(s->fd, out->ptr, out->len, MSG_NOSIGNAL);
		if (n > 0)
			buf_drop(out, (size_t)n);
		else if (n < 0 && errno == EAGAIN && wait_for(s, s->tls != NULL ? tls_wants(s->tls) : EV_WRITE))
			continue;
		else
			return false;
	}
	return true;
}

static enum client_event
read_in(struct tls_session *s)
{
	char bytes[4096];
	ssize_t n;

	for (unsigned i = 0; i < ROUNDS; i++) {
		n = s->tls != NULL ? tls_recv(s->tls, bytes, sizeof bytes) : read(s->fd, bytes, sizeof bytes);
		if (n > 0)
			return smtp_client_input(s->client, span_of(bytes, (size_t)n));
		if (n == 0 || errno != EAGAIN)
			return smtp_client_lost(s->client, LOST_CONNECTION);
		/* A session ticket came first: what followed it has left the socket already. */
		if (s->tls != NULL && tls_pending(s->tls))
			continue;
		if (!wait_for(s, s->tls != NULL ? tls_wants(s->tls) : EV_READ))
			return smtp_client_lost(s->client, LOST_TIME);
	}
	return smtp_client_lost(s->client, LOST_CONNECTION);
}

/* Up to the end of hello, or to what hinders it. */
static void
talk(struct tls_session *s, const struct tls_session_options *o)
{
	enum client_event event = CLIENT_MORE;

	for (unsigned i = 0; i < ROUNDS && event == CLIENT_MORE; i++) {
		(void)write_out(s);
		event = read_in(s);
		if (smtp_client_stage(s->client) > CLIENT_GREETING && s->reached == REACHED_NOTHING)
			s->reached = REACHED_SERVER;
		if (event == CLIENT_HANDSHAKE) {
			s->reached = REACHED_OFFER;
			if (!shake_hands(s, o))
				return;
			event = smtp_client_secured(s->client, CLIENT_ENCRYPTED);
		}
	}
	if (event == CLIENT_GREETED)
		return;
	const struct client_verdict *v = smtp_client_failure(s->client);
	(void)snprintf(s->error, sizeof s->error, "%.*s", SPAN_ARG(v->text));
}

static void
say_goodbye(struct tls_session *s)
{
	if (smtp_client_stage(s->client) != CLIENT_READY)
		return;
	smtp_client_quit(s->client);
	if (write_out(s))
		(void)read_in(s);
}

void
tls_session_run(struct tls_session *s, const struct target *t, const struct tls_session_options *o)
{
	char peer[400], text[NET_ADDR_TEXT];

	*s = (struct tls_session){ .fd = -1, .timeout = o->timeout, .options = { .lmtp = o->lmtp, .always_ehlo = true, .helo_name = o->helo,
		.myhostname = o->helo, .nexthop = "", .tls = o->wrapper ? CLIENT_TLS_NEVER : CLIENT_TLS_ALWAYS } };
	if (!connect_to(s, t))
		return;
	s->reached = REACHED_NOTHING;
	(void)snprintf(peer, sizeof peer, "%.300s[%s]", t->host, net_addr_text(&t->addr, text));
	s->client = smtp_client_new(&s->options, peer);
	if (o->wrapper) {
		if (!shake_hands(s, o))
			return;
		(void)smtp_client_secured(s->client, CLIENT_ENCRYPTED);
	}
	talk(s, o);
	say_goodbye(s);
}

void
tls_session_clear(struct tls_session *s)
{
	if (s->tls != NULL && !s->handshake_failed)
		tls_bye(s->tls);
	tls_free(s->tls);
	smtp_client_free(s->client);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct tls_session){ .fd = -1 };
}
