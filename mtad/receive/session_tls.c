#include "receive/session_tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls_server.h"
#include "receive/session.h"
#include "receive/session_auth.h"
#include "receive/session_rates.h"
#include "receive/state.h"

#define RECEIVED_MAX	2000

static const struct tls_server *
settings(const struct session *s)
{
	return s->settings->tls;
}

/* -- what is known after it ------------------------------------------------------------------ */

/* "Trusted", "Untrusted", "Anonymous": as Postfix's log begins. */
static const char *
standing(const struct session_tls *t)
{
	return !t->has_certificate ? "Anonymous" : t->trusted ? "Trusted" : "Untrusted";
}

static void
log_fault(struct session *s, unsigned faults)
{
	struct tls *tls = s->tls->tls;
	const struct tls_complaint c = { faults, "client", tls_peer_der(tls, 0), tls_peer_der(tls, tls_peer_count(tls) - 1), settings(s)->depth };
	struct buf *text = &s->rx->text, subject = BUF_INIT(200);
	char client[CLIENT_TEXT];

	buf_reset(text);
	tls_fault_text(&c, text);
	tls_fault_subject(&c, text->ptr, &subject);
	log_info(session_program(s), "%s for %s: %s", subject.ptr, session_client(s, client), text->ptr);
	buf_clear(&subject);
}

static void
look_at_certificate(struct session *s)
{
	struct session_tls *t = s->tls;
	const struct tls_server *set = settings(s);
	struct span der = tls_peer_der(t->tls, 0);

	t->fingerprint = t->key_fingerprint = BUF_INIT(512);
	if (der.len == 0 || !tls_cert_names(der, &t->names))
		return;
	t->has_certificate = true;
	(void)tls_fingerprint(der, set->digest, TLS_PRINT_CERTIFICATE, &t->fingerprint);
	(void)tls_fingerprint(der, set->digest, set->key_print, &t->key_fingerprint);
	unsigned fault = tls_verify(t->tls, set->creds, set->depth, set->server_too);
	t->trusted = fault == 0;
	/* Where it is not demanded nobody minds. */
	if (!t->trusted && set->loglevel >= (set->ask == TLS_REQUIRE ? 1 : 2))
		log_fault(s, fault);
}

static void
log_established(struct session *s)
{
	struct session_tls *t = s->tls;
	const struct tls_server *set = settings(s);
	const struct tls_facts *f = tls_facts(t->tls);
	struct buf *text = &s->rx->text;
	char client[CLIENT_TEXT];

	session_client(s, client);
	if (f->server_name[0] != '\0' && !f->name_found && set->sni.count > 0)
		log_info(session_program(s), "TLS SNI %s from %s not matched, using default chain", f->server_name, client);
	if (set->loglevel < 1)
		return;
	if (t->has_certificate && set->loglevel >= 2)
		log_info(session_program(s), "%s: subject_CN=%s, issuer=%s, fingerprint=%s, pkey_fingerprint=%s", client, t->names.subject_cn,
		    t->names.issuer_cn, t->fingerprint.len > 0 ? t->fingerprint.ptr : "", t->key_fingerprint.len > 0 ? t->key_fingerprint.ptr : "");
	buf_reset(text);
	tls_describe(t->tls, text);
	log_info(session_program(s), "%s TLS connection %s from %s%s%s: %s", standing(t), f->resumed ? "reused" : "established",
	    client, f->name_found ? " to " : "", f->name_found ? f->server_name : "", text->ptr);
}

/* What stands in a comment of a header must not end it. */
static void
put_comment(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		buf_char(b, strchr("()\\\"<>", *text) != NULL || (unsigned char)*text < ' ' ? '?' : *text);
}

static void
put_part(struct buf *b, const char *label, const char *name, const char *curve, unsigned bits)
{
	if (name[0] == '\0')
		return;
	buf_printf(b, "%s %s", label, name);
	if (curve[0] != '\0')
		buf_printf(b, " (%s)", curve);
	else if (bits > 0)
		buf_printf(b, " (%u bits)", bits);
}

/* The lines that Postfix puts between the client and "by". */
static void
make_received(struct session *s)
{
	struct session_tls *t = s->tls;
	const struct tls_facts *f = tls_facts(t->tls);
	struct buf *b = &t->received;

	*b = BUF_INIT(RECEIVED_MAX);
	buf_printf(b, "\n\t(using %s with cipher %s (%u/%u bits)", f->protocol, f->cipher, f->bits_used, f->bits);
	if (f->key_exchange[0] != '\0') {
		put_part(b, "\n\t key-exchange", f->key_exchange, f->curve, f->key_exchange_bits);
		put_part(b, " server-signature", f->signature, f->signature_curve, f->signature_bits);
		put_part(b, " server-digest", f->digest, "", 0);
	}
	if (f->client_signature[0] != '\0') {
		put_part(b, "\n\t client-signature", f->client_signature, f->client_signature_curve, f->client_signature_bits);
		put_part(b, " client-digest", f->client_digest, "", 0);
	}
	buf_str(b, ")\n\t(");
	if (t->has_certificate) {
		buf_str(b, "Client CN \"");
		put_comment(b, t->names.subject_cn);
		buf_str(b, "\", Issuer \"");
		put_comment(b, t->names.issuer_cn);
		buf_printf(b, "\" (%s))", t->trusted ? "verified OK" : "not verified");
	} else {
		buf_printf(b, "%s)", settings(s)->ask != TLS_ASK_NOT ? "Client did not present a certificate" : "No client certificate requested");
	}
}

void
session_tls_facts(const struct session *s, struct policy_tls *out)
{
	const struct session_tls *t = s->tls;

	*out = (struct policy_tls){ 0 };
	if (t == NULL || t->shaking)
		return;
	const struct tls_facts *f = tls_facts(t->tls);
	out->protocol = span_str(f->protocol);
	out->cipher = span_str(f->cipher);
	out->keysize = f->bits_used;
	if (!t->has_certificate)
		return;
	out->ccert_subject = span_str(t->names.subject_cn);
	out->ccert_issuer = span_str(t->names.issuer_cn);
	out->ccert_fingerprint = buf_view(&t->fingerprint);
	out->ccert_pubkey_fingerprint = buf_view(&t->key_fingerprint);
	out->trusted = t->trusted;
}

/* -- the handshake --------------------------------------------------------------------------- */

static void
failed(struct session *s, const char *why)
{
	char client[CLIENT_TEXT];

	session_client(s, client);
	log_info(session_program(s), "SSL_accept error from %s: %s", client, strcmp(why, "lost connection") == 0 ? why : "-1");
	if (strcmp(why, "lost connection") != 0)
		log_warning(session_program(s), "TLS library problem: %s", why);
	session_lost(s, "lost connection");
	session_end(s);
}

/* A certificate that is demanded: none, or one that nobody vouches for, ends the session. */
static void
demand_certificate(struct session *s)
{
	const struct session_tls *t = s->tls;
	const char *why = t->has_certificate ? "Client certificate not trusted" : "No client certificate presented";
	char client[CLIENT_TEXT];

	if (settings(s)->ask != TLS_REQUIRE || t->trusted)
		return;
	log_info(session_program(s), "NOQUEUE: abort: TLS from %s: %s", session_client(s, client), why);
	smtp_server_distrust(s->server, why);
}

void
session_tls_step(struct session *s)
{
	struct session_tls *t = s->tls;
	struct err err = { ERR_NONE, "" };

	switch (tls_handshake(t->tls, &err)) {
	case TLS_AGAIN:
		loop_io_watch(&s->io, tls_wants(t->tls));
		return;
	case TLS_FAILED:
		failed(s, err.text);
		return;
	case TLS_DONE:
		break;
	}
	/* The client's last words of the handshake ask for no answer: it may hold its next ones back until these are acknowledged. */
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
	t->shaking = false;
	s->timer_for = TIMER_CLIENT;
	s->deadline = 0;
	look_at_certificate(s);
	log_established(s);
	demand_certificate(s);
	if (settings(s)->received)
		make_received(s);
	t->then(s);
}

void
session_tls_late(struct session *s)
{
	char client[CLIENT_TEXT];

	log_info(session_program(s), "SSL_accept error from %s: Connection timed out", session_client(s, client));
	session_lost(s, "lost connection");
	session_end(s);
}

void
session_tls_begin(struct session *s, void (*then)(struct session *))
{
	const struct tls_server *set = settings(s);
	const struct tls_options o = {
		.server = true, .creds = set->creds, .priority = set->priority, .ask = set->ask,
		.ticket_key = set->ticket_lifetime > 0 && s->generation->has_ticket_key ? s->generation->ticket_key : NULL,
		.ticket_lifetime = set->ticket_lifetime, .by_name = tls_server_by_name, .arg = s->settings->tls,
	};
	struct err err = { ERR_NONE, "" };

	MEM_NEW(s->tls);
	s->tls->then = then;
	s->tls->tls = tls_new(s->fd, &o, &err);
	if (s->tls->tls == NULL) {
		failed(s, err.text);
		return;
	}
	s->tls->shaking = true;
	s->timer_for = TIMER_TLS;
	loop_timer_set(&s->timer, set->timeout);
	session_tls_step(s);
}

static void
secured(struct session *s)
{
	free(s->helo);
	s->helo = NULL;
	smtp_server_secured(s->server);
	session_auth_begin(s);
}

void
session_tls_start(struct session *s)
{
	char client[CLIENT_TEXT];

	/* Sent in clear behind STARTTLS, perhaps by somebody else: CVE-2011-0411. */
	if (s->in.len > 0)
		log_warning(session_program(s), "improper command pipelining after STARTTLS from %s: %zu bytes are thrown away", session_client(s, client),
		    s->in.len);
	buf_clear(&s->in);
	session_note(s, "TLS begins");
	session_tls_begin(s, secured);
}

static void
granted(struct session *s, const char *reply)
{
	smtp_server_answer(s->server, reply);
}

void
session_on_starttls(void *arg)
{
	struct session *s = arg;

	if (s->settings->tls != NULL && s->settings->tls->usable)
		session_rates(s, RATE_TLS, granted);
	else
		granted(s, "454 4.7.0 TLS not available due to local problem");
}

/* Whoever called may go on with the session, which may have ended here. */
static void
wrapper_counted(struct session *s, const char *reply)
{
	bool busy = s->busy;
	char client[CLIENT_TEXT];

	s->busy = true;
	if (reply == NULL) {
		session_tls_begin(s, s->tls_then);
	} else {
		log_warning(session_program(s), "Refusing TLS service request from %s for service %s", session_client(s, client), s->settings->name);
		smtp_server_bye(s->server, NULL);
	}
	s->busy = busy;
}

void
session_tls_wrap(struct session *s, void (*then)(struct session *))
{
	char client[CLIENT_TEXT];

	if (s->settings->tls->usable) {
		s->tls_then = then;
		session_rates(s, RATE_TLS, wrapper_counted);
		return;
	}
	log_warning(session_program(s), "Wrapper-mode request dropped from %s for service %s. TLS context initialization failed. For details "
	    "see earlier warnings in your logs.", session_client(s, client), s->settings->name);
	smtp_server_bye(s->server, NULL);
}

void
session_tls_clear(struct session *s)
{
	struct session_tls *t = s->tls;

	if (t == NULL)
		return;
	if (t->tls != NULL && !t->shaking)
		tls_bye(t->tls);
	tls_free(t->tls);
	tls_cert_names_clear(&t->names);
	buf_clear(&t->fingerprint);
	buf_clear(&t->key_fingerprint);
	buf_clear(&t->received);
	free(t);
	s->tls = NULL;
}

/* -- bytes ----------------------------------------------------------------------------------- */

static bool
is_on(const struct session *s)
{
	return s->tls != NULL && !s->tls->shaking;
}

ssize_t
session_recv(struct session *s, void *to, size_t size)
{
	return is_on(s) ? tls_recv(s->tls->tls, to, size) : recv(s->fd, to, size, 0);
}

ssize_t
session_send(struct session *s, const void *from, size_t size)
{
	return is_on(s) ? tls_send(s->tls->tls, from, size) : send(s->fd, from, size, MSG_NOSIGNAL);
}

bool
session_tls_pending(const struct session *s)
{
	return is_on(s) && tls_pending(s->tls->tls);
}
