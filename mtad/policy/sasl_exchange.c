#include "policy/sasl_exchange.h"

#include <gnutls/crypto.h>
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "policy/scram_secret.h"

#define USER_MAX	256
#define RESPONSE_MAX	16384
/* The entry whose iterations and salt stand in for those of users that are not there (mtactl sasl passwd makes it). */
#define NOBODY		"."

enum step { STEP_FIRST, STEP_USER, STEP_PASSWORD, STEP_SCRAM, STEP_LAST };

struct sasl_exchange {
	const struct sasl *sasl;
	const struct sasl_mechanism *mechanism;
	const struct sasl_channel *channel;
	enum step	 step;
	char		*user;
	Gsasl_session	*scram;
	bool		 refused;	/* goes on to the end, so that nobody sees where it failed */
};

static Gsasl *library;
static struct sasl_exchange *current;	/* for the library's callback */

/* -- the library ------------------------------------------------------------------------ */

static int
on_property(Gsasl *g, Gsasl_session *s, Gsasl_property p)
{
	struct span value = SPAN_NONE;
	struct buf text = BUF_INIT(4096);

	(void)g;
	if (current == NULL || !current->mechanism->binding)
		return GSASL_NO_CALLBACK;
	if (p == GSASL_CB_TLS_EXPORTER)
		value = current->channel->exporter;
	else if (p == GSASL_CB_TLS_UNIQUE)
		value = current->channel->unique;
	if (value.len == 0)
		return GSASL_NO_CALLBACK;
	base64_encode(&text, value);
	int rc = gsasl_property_set(s, p, text.ptr);
	buf_clear(&text);
	return rc;
}

static Gsasl *
the_library(void)
{
	if (library == NULL && gsasl_init(&library) == GSASL_OK)
		gsasl_callback_set(library, on_property);
	return library;
}

/* -- the beginning ---------------------------------------------------------------------- */

bool
sasl_mechanism_fits(const struct sasl_mechanism *m, const struct sasl_channel *c)
{
	if (m->binding && (!c->tls || (c->exporter.len == 0 && c->unique.len == 0)))
		return false;
	return !m->certificate || c->certificate.len > 0;
}

static const struct sasl_mechanism *
find(const struct sasl *s, struct span name, const struct sasl_channel *c)
{
	const struct sasl_mechanism *m;

	for (size_t i = 0; (m = sasl_mechanism(i)) != NULL; i++)
		if (span_caseeqs(name, m->name))
			return sasl_may(s, span_str(m->name), m->properties, c->tls) && sasl_mechanism_fits(m, c) ? m : NULL;
	return NULL;
}

struct sasl_exchange *
sasl_exchange_new(const struct sasl *s, struct span mechanism, const struct sasl_channel *channel)
{
	const struct sasl_mechanism *m = find(s, mechanism, channel);
	struct sasl_exchange *x;

	if (m == NULL)
		return NULL;
	MEM_NEW(x);
	*x = (struct sasl_exchange){ .sasl = s, .mechanism = m, .channel = channel };
	return x;
}

void
sasl_exchange_free(struct sasl_exchange *x)
{
	if (x == NULL)
		return;
	if (x->scram != NULL)
		gsasl_finish(x->scram);
	free(x->user);
	free(x);
}

const char *
sasl_exchange_user(const struct sasl_exchange *x)
{
	return x->user;
}

/* -- users ------------------------------------------------------------------------------ */

/* An unqualified name gets smtpd_sasl_local_domain. */
static bool
set_user(struct sasl_exchange *x, struct span name)
{
	struct buf user = BUF_INIT(2 * USER_MAX);
	struct span domain = sasl_local_domain(x->sasl);

	if (name.len == 0 || name.len > USER_MAX || span_has(name, '\0'))
		return false;
	buf_span(&user, name);
	if (domain.len > 0 && !span_has(name, '@')) {
		buf_char(&user, '@');
		buf_span(&user, domain);
	}
	free(x->user);
	x->user = user.over ? NULL : mem_str(user.ptr);
	buf_clear(&user);
	return x->user != NULL;
}

static struct span
process_key(void)
{
	static unsigned char key[32];
	static bool made;

	if (!made)
		made = gnutls_rnd(GNUTLS_RND_KEY, key, sizeof key) == 0;
	return span_of(key, sizeof key);
}

/* For a user that is not there: the same salt whenever it is asked for, and as many iterations as the site's users have. */
static enum sasl_status
fake_secret(const struct sasl_exchange *x, enum scram_hash hash, struct facts *facts, struct scram_secret *s)
{
	struct buf value = BUF_INIT(RESPONSE_MAX);
	struct scram_secret nobody;
	enum table_result r = tables_get(sasl_passwords(x->sasl), facts, SPAN(NOBODY), &value, NULL);

	if (r == TABLE_FOUND && scram_secret_parse(buf_view(&value), hash, &nobody))
		scram_secret_fake(span_str(x->user), span_of(nobody.stored, nobody.key_len), hash, nobody.iterations, s);
	else
		scram_secret_fake(span_str(x->user), process_key(), hash, SCRAM_ITERATIONS, s);
	buf_clear(&value);
	return r == TABLE_PENDING ? SASL_PENDING : SASL_MORE;
}

/* MORE: *s is the user's secret, or a false one where it has none (x->refused). */
static enum sasl_status
secret_of(struct sasl_exchange *x, enum scram_hash hash, struct facts *facts, struct scram_secret *s, struct buf *out)
{
	struct buf value = BUF_INIT(RESPONSE_MAX);
	struct err err = { ERR_NONE, "" };
	bool there = !span_eqs(span_str(x->user), NOBODY);
	enum table_result r = there ? tables_get(sasl_passwords(x->sasl), facts, span_str(x->user), &value, &err) : TABLE_ABSENT;
	enum sasl_status status = SASL_MORE;

	if (r == TABLE_FAILED) {
		buf_str(out, "the table of users cannot be read");
		status = SASL_TEMP;
	} else if (r == TABLE_PENDING) {
		status = SASL_PENDING;
	} else if (r == TABLE_ABSENT || !scram_secret_parse(buf_view(&value), hash, s)) {
		x->refused = true;
		status = fake_secret(x, hash, facts, s);
	}
	buf_clear(&value);
	return status;
}

/* -- PLAIN, LOGIN: a password in clear -------------------------------------------------- */

static enum sasl_status
check_password(struct sasl_exchange *x, struct span password, struct facts *facts, struct buf *out)
{
	struct scram_secret s;
	enum sasl_status status = secret_of(x, SCRAM_SHA_256, facts, &s, out);

	if (status != SASL_MORE)
		return status;
	/* Also for users that are not there, so that it takes as long. */
	bool right = scram_secret_verify(&s, password);
	return right && !x->refused ? SASL_DONE : SASL_FAILED;
}

/* RFC 4616: [authzid] NUL authcid NUL passwd. Nobody may act for another. */
static enum sasl_status
plain(struct sasl_exchange *x, struct span message, struct facts *facts, struct buf *out)
{
	struct span authzid, user;

	if (!span_cut(&message, '\0', &authzid) || message.ptr == NULL || !span_cut(&message, '\0', &user) || message.ptr == NULL ||
	    !set_user(x, user))
		return SASL_FAILED;
	if (authzid.len > 0 && !span_eq(authzid, user) && !span_eqs(authzid, x->user))
		x->refused = true;
	return check_password(x, message, facts, out);
}

static enum sasl_status
ask(struct sasl_exchange *x, enum step next, struct span prompt, struct buf *out)
{
	x->step = next;
	base64_encode(out, prompt);
	return SASL_MORE;
}

static enum sasl_status
login(struct sasl_exchange *x, struct span message, struct facts *facts, struct buf *out)
{
	if (x->step == STEP_FIRST && message.len == 0)
		return ask(x, STEP_USER, SPAN("Username:"), out);
	if (x->step != STEP_PASSWORD)
		return set_user(x, message) ? ask(x, STEP_PASSWORD, SPAN("Password:"), out) : SASL_FAILED;
	return check_password(x, message, facts, out);
}

/* -- EXTERNAL: RFC 4422, appendix A ------------------------------------------------------ */

static enum sasl_status
external(struct sasl_exchange *x, struct span message, struct facts *facts, struct buf *out)
{
	struct scram_secret s;

	if (!set_user(x, x->channel->certificate) || (message.len > 0 && !span_eqs(message, x->user)))
		return SASL_FAILED;
	/* The certificate proves who it is; the table says whether that is one of our users. */
	enum sasl_status status = secret_of(x, SCRAM_SHA_256, facts, &s, out);
	return status != SASL_MORE ? status : x->refused ? SASL_FAILED : SASL_DONE;
}

/* -- SCRAM ------------------------------------------------------------------------------- */

/* The name in "n,,n=user,r=nonce" (RFC 5802, section 5.1), its =2C and =3D undone. */
static bool
scram_user(struct sasl_exchange *x, struct span message)
{
	char name[USER_MAX];
	struct span flag, authzid, user, rest = message;
	size_t n = 0;

	if (!span_cut(&rest, ',', &flag) || !span_cut(&rest, ',', &authzid) || !span_cut(&rest, ',', &user) || !span_starts(user, "n=") ||
	    user.len > sizeof name)
		return false;
	if (span_starts(flag, "p=") != x->mechanism->binding)
		return false;
	/* "y": the client believes that we have no channel binding. Where we told it that we have, somebody took that out. */
	if (span_eqs(flag, "y") && (x->channel->exporter.len > 0 || x->channel->unique.len > 0))
		return false;
	for (size_t i = 2; i < user.len; i++) {
		struct span at = span_skip(user, i);
		if (user.ptr[i] != '=') {
			name[n++] = user.ptr[i];
			continue;
		}
		if (!span_starts(at, "=2C") && !span_starts(at, "=3D"))
			return false;
		name[n++] = span_starts(at, "=2C") ? ',' : '=';
		i += 2;
	}
	return set_user(x, span_of(name, n));
}

static void
set_key(Gsasl_session *g, Gsasl_property p, const void *bytes, size_t len)
{
	struct buf text = BUF_INIT(1024);

	base64_encode(&text, span_of(bytes, len));
	(void)gsasl_property_set(g, p, text.ptr);
	buf_clear(&text);
}

static bool
scram_start(struct sasl_exchange *x, const struct scram_secret *s)
{
	char iterations[16];

	if (the_library() == NULL)
		return false;
	current = x;
	bool ok = gsasl_server_start(library, x->mechanism->name, &x->scram) == GSASL_OK;
	current = NULL;
	if (!ok) {
		x->scram = NULL;
		return false;
	}
	(void)snprintf(iterations, sizeof iterations, "%u", s->iterations);
	(void)gsasl_property_set(x->scram, GSASL_SCRAM_ITER, iterations);
	set_key(x->scram, GSASL_SCRAM_SALT, s->salt, s->salt_len);
	set_key(x->scram, GSASL_SCRAM_STOREDKEY, s->stored, s->key_len);
	set_key(x->scram, GSASL_SCRAM_SERVERKEY, s->server, s->key_len);
	return true;
}

/* An authorisation identity that is somebody else's. */
static bool
acts_for_another(const struct sasl_exchange *x)
{
	const char *authzid = gsasl_property_fast(x->scram, GSASL_AUTHZID);
	const char *user = gsasl_property_fast(x->scram, GSASL_AUTHID);

	return authzid != NULL && *authzid != '\0' && strcmp(authzid, x->user) != 0 && (user == NULL || strcmp(authzid, user) != 0);
}

static enum sasl_status
scram_step(struct sasl_exchange *x, struct span message, struct buf *out)
{
	char *answer = NULL;
	size_t len = 0;

	current = x;
	int rc = gsasl_step(x->scram, message.ptr == NULL ? "" : message.ptr, message.len, &answer, &len);
	current = NULL;
	if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
		base64_encode(out, span_of(answer, len));
	gsasl_free(answer);
	if (rc == GSASL_NEEDS_MORE)
		return SASL_MORE;
	if (rc != GSASL_OK || x->refused || acts_for_another(x)) {
		buf_reset(out);
		return SASL_FAILED;
	}
	/* Success has no room for the server's signature (RFC 4954, section 4): it is a challenge that the client answers with nothing. */
	x->step = STEP_LAST;
	return SASL_MORE;
}

static enum sasl_status
scram(struct sasl_exchange *x, struct span message, struct facts *facts, struct buf *out)
{
	bool sha1 = strncmp(x->mechanism->name, "SCRAM-SHA-1", 11) == 0 && x->mechanism->name[11] != '2';
	struct scram_secret s;

	if (x->step == STEP_LAST)
		return message.len == 0 ? SASL_DONE : SASL_FAILED;
	if (x->step == STEP_SCRAM)
		return scram_step(x, message, out);
	if (message.len == 0 && x->step == STEP_FIRST) {
		x->step = STEP_USER;
		return SASL_MORE;
	}
	if (!scram_user(x, message))
		return SASL_FAILED;
	enum sasl_status status = secret_of(x, sha1 ? SCRAM_SHA_1 : SCRAM_SHA_256, facts, &s, out);
	if (status != SASL_MORE)
		return status;
	if (!scram_start(x, &s)) {
		buf_str(out, "the library does not begin");
		return SASL_TEMP;
	}
	x->step = STEP_SCRAM;
	return scram_step(x, message, out);
}

/* -- a step ------------------------------------------------------------------------------ */

static enum sasl_status
dispatch(struct sasl_exchange *x, struct span message, struct facts *facts, struct buf *out)
{
	if (strcmp(x->mechanism->name, "LOGIN") == 0)
		return login(x, message, facts, out);
	if (strcmp(x->mechanism->name, "PLAIN") == 0)
		return plain(x, message, facts, out);
	if (x->mechanism->certificate)
		return external(x, message, facts, out);
	return scram(x, message, facts, out);
}

/* Tables fold their keys, so "Bob" and "bob" are one user: one name for logs, limits by user, and policy servers. */
static void
fold_user(struct sasl_exchange *x)
{
	for (char *p = x->user; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
}

enum sasl_status
sasl_exchange_step(struct sasl_exchange *x, struct span response, struct facts *facts, struct buf *out)
{
	struct buf message = BUF_INIT(RESPONSE_MAX);
	bool first = x->step == STEP_FIRST;
	enum sasl_status status;

	if (response.ptr == NULL && first && strcmp(x->mechanism->name, "LOGIN") != 0) {
		x->step = STEP_USER;
		return SASL_MORE;
	}
	/* "=" is an empty initial response (RFC 4954, section 4). */
	if (first && span_eqs(response, "="))
		response = SPAN("");
	if (!base64_decode(&message, response) || message.over) {
		buf_printf(out, "Invalid base64 data in %s response", first ? "initial" : "continued");
		status = SASL_FAILED;
	} else {
		status = dispatch(x, buf_view(&message), facts, out);
	}
	if (message.ptr != NULL)
		gnutls_memset(message.ptr, 0, message.cap);
	buf_clear(&message);
	if (status == SASL_DONE)
		fold_user(x);
	return status;
}
