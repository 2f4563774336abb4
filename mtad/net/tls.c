#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <event2/event.h>

#include "base/mem.h"
#include "net/tls_private.h"

#define SEND_MAX	(64 * 1024)
#define RECORD		(16 * 1024)
#define NAME_MAX_LEN	255

/*
 * The library asks for five bytes of a record, then for the rest. So everything that is there is read at once into this, which all sessions share: what is
 * left when a call ends is kept with the session.
 */
static char ahead[32 * 1024];
static size_t ahead_at, ahead_len;

static void
keep_rest(struct tls *t)
{
	if (ahead_len > ahead_at)
		buf_put(&t->raw, ahead + ahead_at, ahead_len - ahead_at);
	else if (t->raw.len == 0 && t->raw.cap > 0)
		buf_clear(&t->raw);
	ahead_at = ahead_len = 0;
}

/* Clients at the wrong port: what they said tells who they are. */
static void
look_at_first(struct tls *t, const char *bytes, size_t n)
{
	static const char begins[] = { 22, 21, (char)128 };	/* a handshake, an alert, SSL 2's hello */
	size_t at = 0;

	t->is_tls = memchr(begins, bytes[0], sizeof begins) != NULL;
	for (; at < n && at < sizeof t->first - 1 && bytes[at] != '\r' && bytes[at] != '\n'; at++)
		t->first[at] = bytes[at] >= ' ' && bytes[at] <= '~' ? bytes[at] : '?';
	t->first[at] = '\0';
}

static ssize_t
fill(struct tls *t)
{
	ssize_t n;

	if (t->eof)
		return 0;
	do
		n = recv(t->fd, ahead, sizeof ahead, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		gnutls_transport_set_errno(t->session, errno);
	t->eof = n == 0;
	ahead_at = 0;
	ahead_len = n > 0 ? (size_t)n : 0;
	if (t->server && n > 0 && t->first[0] == '\0')
		look_at_first(t, ahead, ahead_len);
	return n;
}

static ssize_t
pull(gnutls_transport_ptr_t arg, void *to, size_t size)
{
	struct tls *t = arg;

	if (t->raw.len > 0) {
		size_t n = t->raw.len < size ? t->raw.len : size;
		memcpy(to, t->raw.ptr, n);
		buf_drop(&t->raw, n);
		return (ssize_t)n;
	}
	if (ahead_at == ahead_len) {
		ssize_t got = fill(t);
		if (got <= 0)
			return got;
	}
	size_t n = ahead_len - ahead_at < size ? ahead_len - ahead_at : size;
	memcpy(to, ahead + ahead_at, n);
	ahead_at += n;
	return (ssize_t)n;
}

static int
pull_timeout(gnutls_transport_ptr_t arg, unsigned ms)
{
	const struct tls *t = arg;

	(void)ms;
	return t->raw.len > 0 || ahead_len > ahead_at;
}

static ssize_t
vec_push(gnutls_transport_ptr_t arg, const giovec_t *v, int count)
{
	struct tls *t = arg;
	struct iovec iov[16];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	for (int i = 0; i < count && i < 16; i++)
		iov[msg.msg_iovlen++] = (struct iovec){ .iov_base = v[i].iov_base, .iov_len = v[i].iov_len };
	do
		n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		gnutls_transport_set_errno(t->session, errno);
	return n;
}

/* -- beginning and end --------------------------------------------------------------------- */

/* The hook that the library calls once it has the client's name. */
static int
on_hello(gnutls_session_t session)
{
	struct tls *t = gnutls_session_get_ptr(session);
	char name[NAME_MAX_LEN + 1];
	size_t len = sizeof name;
	unsigned type;

	if (gnutls_server_name_get(session, name, &len, &type, 0) != 0 || type != GNUTLS_NAME_DNS || len == 0)
		return 0;
	name[sizeof name - 1] = '\0';
	free(t->server_name);
	t->server_name = mem_str(name);
	struct tls_creds *c = t->by_name == NULL ? NULL : t->by_name(t->arg, name);
	if (c == NULL || !c->ready)
		return 0;
	tls_creds_unref(t->named);
	t->named = tls_creds_ref(c);
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, c->own);
}

static int
set_up_server(struct tls *t, const struct tls_options *o)
{
	static const gnutls_certificate_request_t ask[] = { [TLS_ASK_NOT] = GNUTLS_CERT_IGNORE, [TLS_ASK] = GNUTLS_CERT_REQUEST,
		[TLS_REQUIRE] = GNUTLS_CERT_REQUEST };
	int rc = 0;

	gnutls_certificate_server_set_request(t->session, ask[o->ask]);
	gnutls_handshake_set_post_client_hello_function(t->session, on_hello);
	if (o->ticket_lifetime > 0)
		gnutls_db_set_cache_expiration(t->session, (int)o->ticket_lifetime);
	if (o->ticket_key != NULL) {
		unsigned char key[TLS_TICKET_KEY];
		memcpy(key, o->ticket_key, sizeof key);
		rc = gnutls_session_ticket_enable_server(t->session, &(gnutls_datum_t){ key, sizeof key });
		gnutls_memset(key, 0, sizeof key);
	}
	return rc;
}

static int
set_up_client(struct tls *t, const struct tls_options *o)
{
	int rc = 0;

	if (o->server_name != NULL)
		rc = gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, o->server_name, strlen(o->server_name));
	/* What cannot be resumed is begun anew. */
	if (rc == 0 && o->resume.len > 0)
		(void)gnutls_session_set_data(t->session, o->resume.ptr, o->resume.len);
	return rc;
}

static int
set_up(struct tls *t, const struct tls_options *o)
{
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | (o->server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
	    (o->server && o->ticket_key == NULL ? GNUTLS_NO_TICKETS : 0u);
	int rc = gnutls_init(&t->session, flags);

	if (rc == 0)
		rc = gnutls_priority_set(t->session, o->priority->priority);
	if (rc == 0)
		rc = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->creds->own);
	if (rc != 0)
		return rc;
	gnutls_session_set_ptr(t->session, t);
	gnutls_transport_set_ptr(t->session, t);
	gnutls_transport_set_pull_function(t->session, pull);
	gnutls_transport_set_pull_timeout_function(t->session, pull_timeout);
	gnutls_transport_set_vec_push_function(t->session, vec_push);
	gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);
	return o->server ? set_up_server(t, o) : set_up_client(t, o);
}

/* For clients without a certificate of their own. */
static struct tls_creds *
nobody(void)
{
	static struct tls_creds *none;

	if (none == NULL) {
		none = tls_creds_new();
		(void)tls_creds_ready(none, NULL);
	}
	return none;
}

struct tls *
tls_new(int fd, const struct tls_options *o, struct err *err)
{
	struct tls *t;

	MEM_NEW(t);
	t->fd = fd;
	t->server = o->server;
	t->raw = BUF_INIT(128 * 1024);
	t->creds = tls_creds_ref(o->creds == NULL ? nobody() : o->creds);
	t->by_name = o->by_name;
	t->arg = o->arg;
	t->wants = EV_READ;
	int rc = set_up(t, o);
	if (rc == 0)
		return t;
	err_set(err, ERR_SYS, "cannot begin TLS: %s", gnutls_strerror(rc));
	tls_free(t);
	return NULL;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	if (t->session != NULL)
		gnutls_deinit(t->session);
	tls_creds_unref(t->creds);
	tls_creds_unref(t->named);
	free(t->server_name);
	buf_clear(&t->raw);
	free(t);
}

/* -- what goes wrong ----------------------------------------------------------------------- */

static const char *
alert_name(const struct tls *t)
{
	const char *name = gnutls_alert_get_name(gnutls_alert_get(t->session));

	return name == NULL ? "unknown" : name;
}

static void
fail(struct tls *t, int rc)
{
	if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED)
		(void)snprintf(t->error, sizeof t->error, "the peer's alert: %s", alert_name(t));
	else if (rc == GNUTLS_E_PREMATURE_TERMINATION || rc == GNUTLS_E_PULL_ERROR || rc == GNUTLS_E_PUSH_ERROR || t->eof)
		(void)snprintf(t->error, sizeof t->error, "lost connection");
	else if (t->server && !t->done && t->first[0] != '\0' && !t->is_tls)
		(void)snprintf(t->error, sizeof t->error, "the client speaks no TLS, it began with \"%s\"", t->first);
	else
		(void)snprintf(t->error, sizeof t->error, "%s", gnutls_strerror(rc));
}

static bool
again(struct tls *t, int rc)
{
	if (rc != GNUTLS_E_AGAIN)
		return false;
	t->wants = gnutls_record_get_direction(t->session) == 1 ? EV_WRITE : EV_READ;
	errno = EAGAIN;
	return true;
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}

short
tls_wants(const struct tls *t)
{
	return t->wants;
}

bool
tls_truncated(const struct tls *t)
{
	return t->truncated;
}

/* -- the handshake ------------------------------------------------------------------------- */

enum tls_step
tls_handshake(struct tls *t, struct err *err)
{
	int rc;

	do
		rc = gnutls_handshake(t->session);
	while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED || rc == GNUTLS_E_GOT_APPLICATION_DATA);
	keep_rest(t);
	if (rc == 0) {
		t->done = true;
		return TLS_DONE;
	}
	if (again(t, rc))
		return TLS_AGAIN;
	fail(t, rc);
	err_set(err, ERR_TEMP, "%s", t->error);
	if (!t->eof)
		(void)gnutls_alert_send_appropriate(t->session, rc);
	return TLS_FAILED;
}

/* -- data ---------------------------------------------------------------------------------- */

/* A peer that wants to negotiate anew is told no (RFC 5246, 7.2.2), and that was it. */
static void
refuse_rehandshake(struct tls *t)
{
	(void)gnutls_alert_send(t->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
}

static ssize_t
ended(struct tls *t, int rc)
{
	t->eof = true;
	if (rc == 0)
		return 0;
	if (rc == GNUTLS_E_PREMATURE_TERMINATION) {
		t->truncated = true;
		return 0;
	}
	fail(t, rc);
	errno = EPROTO;
	return -1;
}

static size_t
unread(const struct tls *t)
{
	return t->raw.len + (ahead_len - ahead_at);
}

static ssize_t
recv_records(struct tls *t, char *to, size_t size, int *rc)
{
	size_t got = 0;

	while (got < size) {
		size_t before = unread(t);
		ssize_t n = gnutls_record_recv(t->session, to + got, size - got);
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED)
			continue;
		/* Said after each ticket, whatever follows it. */
		if (n == GNUTLS_E_AGAIN && unread(t) > 0 && unread(t) != before)
			continue;
		if (n == GNUTLS_E_REHANDSHAKE)
			refuse_rehandshake(t);
		*rc = (int)n;
		break;
	}
	return (ssize_t)got;
}

ssize_t
tls_recv(struct tls *t, void *to, size_t size)
{
	int rc = 1, saved;

	if (t->failed != 0)
		return ended(t, t->failed == 1 ? 0 : t->failed);
	ssize_t got = recv_records(t, to, size, &rc);
	keep_rest(t);
	if (rc == GNUTLS_E_PULL_ERROR && got == 0) {
		saved = errno;
		fail(t, rc);
		errno = saved == EAGAIN ? ECONNRESET : saved;
		return -1;
	}
	if (rc <= 0 && rc != GNUTLS_E_AGAIN && got > 0)
		t->failed = rc == 0 ? 1 : rc;
	if (got > 0 || rc == 1)
		return got;
	if (again(t, rc))
		return -1;
	return ended(t, rc);
}

bool
tls_pending(const struct tls *t)
{
	return t->failed != 0 || t->raw.len > 0 || gnutls_record_check_pending(t->session) > 0;
}

static ssize_t
sent(struct tls *t, ssize_t rc)
{
	if (rc >= 0) {
		ssize_t n = (ssize_t)t->held;
		t->held = 0;
		t->corked = false;
		return n;
	}
	if (again(t, (int)rc)) {
		/* Whatever it waits for: what was taken must be offered again. */
		return -1;
	}
	fail(t, (int)rc);
	errno = rc == GNUTLS_E_PUSH_ERROR ? EPIPE : EPROTO;
	return -1;
}

static ssize_t
push_held(struct tls *t)
{
	ssize_t rc;

	do
		rc = t->corked ? gnutls_record_uncork(t->session, 0) : gnutls_record_send(t->session, NULL, 0);
	while (rc == GNUTLS_E_INTERRUPTED);
	return sent(t, rc);
}

ssize_t
tls_send(struct tls *t, const void *from, size_t size)
{
	ssize_t rc;

	if (t->held > 0)
		return push_held(t);
	if (size == 0)
		return 0;
	if (size <= RECORD) {
		t->held = size;
		rc = gnutls_record_send(t->session, from, size);
		if (rc == GNUTLS_E_INTERRUPTED)
			return push_held(t);
		/* A peer may have limited the size of records. */
		if (rc > 0)
			t->held = (size_t)rc;
		return sent(t, rc);
	}
	size = size < SEND_MAX ? size : SEND_MAX;
	gnutls_record_cork(t->session);
	t->corked = true;
	rc = gnutls_record_send(t->session, from, size);
	if (rc < 0)
		return sent(t, rc);
	t->held = (size_t)rc;
	return push_held(t);
}

void
tls_bye(struct tls *t)
{
	if (!t->done || t->said_bye || t->held > 0)
		return;
	t->said_bye = true;
	(void)gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

void
tls_ticket_key(unsigned char out[TLS_TICKET_KEY])
{
	gnutls_datum_t key;

	if (gnutls_session_ticket_key_generate(&key) < 0 || key.size < TLS_TICKET_KEY)
		fatal("no key for session tickets can be made");
	memcpy(out, key.data, TLS_TICKET_KEY);
	gnutls_memset(key.data, 0, key.size);
	gnutls_free(key.data);
}
