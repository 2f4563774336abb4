#include "policy/scram_secret.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/num.h"

#define SALT_NEW	16
#define PASSWORD_MAX	1024

static const struct {
	const char	*name;
	gnutls_mac_algorithm_t mac;
	gnutls_digest_algorithm_t digest;
	size_t		 len;
} hashes[] = {
	[SCRAM_SHA_1] = { "SCRAM-SHA-1$", GNUTLS_MAC_SHA1, GNUTLS_DIG_SHA1, 20 },
	[SCRAM_SHA_256] = { "SCRAM-SHA-256$", GNUTLS_MAC_SHA256, GNUTLS_DIG_SHA256, 32 },
};

/* Base64 of at least min and at most max bytes. */
static bool
decode(struct span text, unsigned char *out, size_t *len, size_t min, size_t max)
{
	struct buf b = BUF_INIT(2 * SCRAM_SALT_MAX);
	bool ok = text.len > 0 && base64_decode(&b, text) && !b.over && b.len >= min && b.len <= max;

	if (ok) {
		memcpy(out, b.ptr, b.len);
		*len = b.len;
	}
	buf_clear(&b);
	return ok;
}

static bool
parse_one(struct span text, struct scram_secret *s)
{
	struct span salt, iterations, stored, server = text;
	size_t n, len = hashes[s->hash].len;

	return span_cut(&server, '$', &salt) && span_cut(&salt, ':', &iterations) && span_cut(&server, ':', &stored) &&
	    num_u32(iterations, &s->iterations) && s->iterations > 0 && s->iterations <= SCRAM_ITERATIONS_MAX &&
	    decode(salt, s->salt, &s->salt_len, 1, SCRAM_SALT_MAX) && decode(stored, s->stored, &n, len, len) &&
	    decode(server, s->server, &n, len, len);
}

bool
scram_secret_parse(struct span value, enum scram_hash hash, struct scram_secret *s)
{
	struct span word;

	while (span_word(&value, " \t", &word)) {
		if (!span_starts(word, hashes[hash].name))
			continue;
		*s = (struct scram_secret){ .hash = hash, .key_len = hashes[hash].len };
		return parse_one(span_skip(word, strlen(hashes[hash].name)), s);
	}
	return false;
}

/* StoredKey and ServerKey of a prepared password, with the secret's salt and iterations. */
static bool
derive(const struct scram_secret *s, const char *password, unsigned char *stored, unsigned char *server)
{
	gnutls_mac_algorithm_t mac = hashes[s->hash].mac;
	unsigned char salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
	gnutls_datum_t key = { (unsigned char *)(uintptr_t)password, (unsigned)strlen(password) };
	gnutls_datum_t salt = { (unsigned char *)(uintptr_t)s->salt, (unsigned)s->salt_len };

	bool ok = gnutls_pbkdf2(mac, &key, &salt, s->iterations, salted, s->key_len) == 0 &&
	    gnutls_hmac_fast(mac, salted, s->key_len, "Client Key", 10, client) == 0 &&
	    gnutls_hash_fast(hashes[s->hash].digest, client, s->key_len, stored) == 0 &&
	    gnutls_hmac_fast(mac, salted, s->key_len, "Server Key", 10, server) == 0;
	gnutls_memset(salted, 0, sizeof salted);
	gnutls_memset(client, 0, sizeof client);
	return ok;
}

/* SASLprep (RFC 4013). NULL where it may not be used; to be forgotten with forget. */
static char *
prepare(struct span password, bool stored)
{
	char *text, *ready = NULL;

	if (password.len == 0 || password.len > PASSWORD_MAX || span_has(password, '\0'))
		return NULL;
	text = span_dup(password);
	if (gsasl_saslprep(text, stored ? (Gsasl_saslprep_flags)0 : GSASL_ALLOW_UNASSIGNED, &ready, NULL) != GSASL_OK)
		ready = NULL;
	gnutls_memset(text, 0, password.len);
	free(text);
	if (ready != NULL && *ready == '\0') {
		gsasl_free(ready);
		ready = NULL;
	}
	return ready;
}

static void
forget(char *password)
{
	if (password == NULL)
		return;
	gnutls_memset(password, 0, strlen(password));
	gsasl_free(password);
}

static void
put(const struct scram_secret *s, struct buf *out)
{
	buf_printf(out, "%s%u:", hashes[s->hash].name, s->iterations);
	base64_encode(out, span_of(s->salt, s->salt_len));
	buf_char(out, '$');
	base64_encode(out, span_of(s->stored, s->key_len));
	buf_char(out, ':');
	base64_encode(out, span_of(s->server, s->key_len));
}

bool
scram_secrets_make(struct span password, uint32_t iterations, struct buf *out, struct err *err)
{
	static const enum scram_hash order[] = { SCRAM_SHA_256, SCRAM_SHA_1 };
	struct scram_secret s;
	char *ready = prepare(password, true);
	bool usable = ready != NULL, ok = usable;

	for (size_t i = 0; ok && i < sizeof order / sizeof *order; i++) {
		s = (struct scram_secret){ .hash = order[i], .iterations = iterations, .salt_len = SALT_NEW, .key_len = hashes[order[i]].len };
		ok = gnutls_rnd(GNUTLS_RND_NONCE, s.salt, s.salt_len) == 0 && derive(&s, ready, s.stored, s.server);
		if (i > 0)
			buf_char(out, ' ');
		put(&s, out);
	}
	forget(ready);
	if (!ok)
		err_set(err, ERR_PERM, !usable ? "a password is 1 to %d bytes of UTF-8 without control characters" :
		    "the library does not make keys of a password of up to %d bytes", PASSWORD_MAX);
	return ok;
}

bool
scram_secret_verify(const struct scram_secret *s, struct span password)
{
	unsigned char stored[SCRAM_KEY_MAX] = { 0 }, server[SCRAM_KEY_MAX] = { 0 };
	char *ready = prepare(password, false);
	/* A password that cannot be one costs as much as a wrong one. */
	bool ok = derive(s, ready == NULL ? "x" : ready, stored, server) && ready != NULL &&
	    gnutls_memcmp(stored, s->stored, s->key_len) == 0;

	forget(ready);
	return ok;
}

void
scram_secret_fake(struct span name, struct span key, enum scram_hash hash, uint32_t iterations, struct scram_secret *s)
{
	unsigned char mac[32] = { 0 };

	*s = (struct scram_secret){ .hash = hash, .iterations = iterations, .salt_len = SALT_NEW, .key_len = hashes[hash].len };
	(void)gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.ptr, key.len, name.ptr == NULL ? "" : name.ptr, name.len, mac);
	memcpy(s->salt, mac + (hash == SCRAM_SHA_1 ? SALT_NEW : 0), SALT_NEW);
	/* No password leads to keys that are drawn by lot. */
	(void)gnutls_rnd(GNUTLS_RND_NONCE, s->stored, s->key_len);
	(void)gnutls_rnd(GNUTLS_RND_NONCE, s->server, s->key_len);
}
