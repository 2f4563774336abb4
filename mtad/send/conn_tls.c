/*
 * TLS on a connection: the handshake, what it was worth, and bytes within it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "send/core.h"

#define IDLE_MAX	16u	/* messages of TLS's own in a row */
#define LOG_SUMMARY	1	/* smtp_tls_loglevel: the outcome of handshakes */
#define LOG_UNTRUSTED	2	/* why a certificate that need not be trusted is not */
#define LOG_CACHE	2	/* sessions that are resumed */

static void
on_unread(void *arg)
{
	conn_read(arg);
}

ssize_t
conn_recv(struct conn *c, void *bytes, size_t size)
{
	unsigned idle = 0;
	size_t got = 0;
	ssize_t n;

	if (c->tls == NULL)
		return read(c->io.fd, bytes, size);
	/* The socket does not become readable for what TLS has read already; a session ticket in front of it gives EAGAIN once. */
	do {
		n = tls_recv(c->tls, (char *)bytes + got, size - got);
		if (n > 0)
			got += (size_t)n;
	} while ((n > 0 || (n < 0 && errno == EAGAIN && ++idle < IDLE_MAX)) && got < size && tls_pending(c->tls));
	if (tls_pending(c->tls)) {
		c->unread = (struct loop_task){ .fn = on_unread, .arg = c, .next = c->unread.next, .queued = c->unread.queued };
		loop_defer(&c->unread);
	}
	return got > 0 ? (ssize_t)got : n;
}

ssize_t
conn_send(struct conn *c, const void *bytes, size_t n)
{
	return c->tls == NULL ? send(c->io.fd, bytes, n, MSG_NOSIGNAL) : tls_send(c->tls, bytes, n);
}

static void
failed(struct conn *c, const char *why)
{
	log_info(c->settings->program, "SSL_connect error to %s: %s", c->relay, why);
	conn_look(c);
	conn_note(c, "TLS handshake failed: %s", why);
	(void)snprintf(c->tls_why, sizeof c->tls_why, "%s", why);
	c->handshaking = false;
	c->tls_failed = true;
	conn_handle(c, smtp_client_refuse(c->client, "4.7.5", "Cannot start TLS: handshake failure"));
}

void
conn_tls_timeout(struct conn *c)
{
	failed(c, "Connection timed out");
}

static void
tell(struct conn *c, const struct tls_judgement *j)
{
	struct buf text = BUF_INIT(4096);
	int level = c->settings->tls.loglevel;

	tls_describe(c->tls, &text);
	if (j->reason[0] != '\0' && level >= (tls_level_matches(c->plan->level) ? LOG_SUMMARY : LOG_UNTRUSTED))
		log_info(c->settings->program, "%s for %s: %s", j->subject, c->relay, j->reason);
	if (level >= LOG_SUMMARY)
		log_info(c->settings->program, "%s TLS connection established to %s: %s", tls_judgement_word(j), c->relay, text.ptr);
	conn_look(c);
	conn_note(c, "%s TLS connection: %s", tls_judgement_word(j), text.ptr);
	buf_clear(&text);
}

static void
established(struct conn *c)
{
	struct tls_judgement j;

	c->handshaking = false;
	tls_judge(c->plan, c->tls, &j);
	tell(c, &j);
	const char *refusal = tls_judgement_refusal(c->plan, &j);
	if (refusal != NULL) {
		c->tls_kept = true;	/* is not to be */
		(void)snprintf(c->tls_why, sizeof c->tls_why, "%s", tls_judgement_detail(c->plan, &j));
		conn_handle(c, smtp_client_refuse(c->client, "4.7.5", refusal));
		return;
	}
	enum client_event event = smtp_client_secured(c->client, j.secured ? CLIENT_VERIFIED : CLIENT_ENCRYPTED);
	if (!c->wrapped) {
		conn_handle(c, event);
		return;
	}
	conn_set_deadline(c, c->settings->stage_timeout[CLIENT_GREETING]);
	loop_io_watch(&c->io, EV_READ);
	if (tls_pending(c->tls))
		conn_read(c);
}

void
conn_tls_step(struct conn *c)
{
	struct err err = { ERR_NONE, "" };

	switch (tls_handshake(c->tls, &err)) {
	case TLS_AGAIN:
		loop_io_watch(&c->io, tls_wants(c->tls));
		break;
	case TLS_FAILED:
		failed(c, err.text);
		break;
	case TLS_DONE:
		established(c);
		break;
	}
}

/* A session is resumed only as what it would be anew: the same server, level, name, protocols and ciphers, by the same transport. */
static void
session_key(const struct conn *c, struct buf *key)
{
	buf_printf(key, "%s\n%s\n%s\n%s\n%p", c->settings->transport, c->relay, tls_level_name(c->plan->level),
	    c->plan->servername == NULL ? "" : c->plan->servername, (const void *)c->plan->priority);
}

/* TLS 1.3 has no session before the server has sent its ticket, which comes with its first data or later. */
void
conn_tls_keep(struct conn *c)
{
	struct buf key = BUF_INIT(8192), data = BUF_INIT(TLS_SESSION_BYTES);

	if (c->tls == NULL || c->tls_failed || c->tls_kept || c->settings->tls.session_time == 0)
		return;
	session_key(c, &key);
	if (!key.over && tls_resume_data(c->tls, &data) && !data.over) {
		tls_sessions_put(&c->send->tls_sessions, buf_view(&key), buf_view(&data), clock_mono());
		c->tls_kept = true;
	}
	if (data.cap > 0)
		explicit_bzero(data.ptr, data.len);
	buf_clear(&key);
	buf_clear(&data);
}

static struct span
session_for(const struct conn *c)
{
	struct buf key = BUF_INIT(8192);

	if (c->settings->tls.session_time == 0)
		return SPAN_NONE;
	session_key(c, &key);
	struct span got = tls_sessions_get(&c->send->tls_sessions, buf_view(&key), clock_mono(), c->settings->tls.session_time);
	if (got.len > 0 && c->settings->tls.loglevel >= LOG_CACHE)
		log_info(c->settings->program, "reloaded session %s from smtp cache", c->relay);
	buf_clear(&key);
	return got;
}

void
conn_tls_begin(struct conn *c)
{
	struct tls_options options = { .creds = c->settings->tls.own, .priority = c->plan->priority, .server_name = c->plan->servername };
	struct err err = { ERR_NONE, "" };

	c->handshaking = true;
	conn_set_deadline(c, c->settings->tls.timeout);
	if (c->plan->priority == NULL) {
		failed(c, "no usable protocols or ciphers are configured");
		return;
	}
	options.resume = session_for(c);
	c->tls = tls_new(c->io.fd, &options, &err);
	if (c->tls == NULL)
		failed(c, err.text);
	else
		conn_tls_step(c);
}

void
conn_tls_end(struct conn *c)
{
	loop_undefer(&c->unread);
	if (!c->handshaking)
		conn_tls_keep(c);
	if (c->tls != NULL && !c->tls_failed)
		tls_bye(c->tls);
	tls_free(c->tls);
	c->tls = NULL;
	if (c->plan != NULL)
		tls_plan_clear(c->plan);
	free(c->plan);
	c->plan = NULL;
}
