/*
 * Certificates of the made-up machine: "certificate PATH word ...", each file with its key. Words: days=N (it is valid so long yet), starts=N (days from now),
 * name=HOST, alone (signed by itself), leaf (without the authority's), swapped (the authority's first), small (a key of 1024 bits), foreign (another's key).
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gnutls/x509.h>

#include "base/num.h"

enum key { AUTHORITY, SERVER, OTHER, SMALL, KEYS };

static gnutls_x509_privkey_t
key_of(enum key k)
{
	static gnutls_x509_privkey_t keys[KEYS];

	if (keys[k] == NULL && (gnutls_x509_privkey_init(&keys[k]) < 0 || gnutls_x509_privkey_generate(keys[k], k == SMALL ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
	    k == SMALL ? 1024u : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0))
		abort();
	return keys[k];
}

static gnutls_x509_crt_t
certificate(const char *name, enum key k, bool authority, int64_t from, int64_t until)
{
	gnutls_x509_crt_t crt;

	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, "\1", 1);
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	gnutls_x509_crt_set_activation_time(crt, from);
	gnutls_x509_crt_set_expiration_time(crt, until);
	gnutls_x509_crt_set_basic_constraints(crt, authority, -1);
	if (!authority)
		gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), 0);
	gnutls_x509_crt_set_key(crt, key_of(k));
	return crt;
}

static void
put(struct buf *out, gnutls_x509_crt_t crt)
{
	gnutls_datum_t d;

	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &d) < 0)
		abort();
	buf_put(out, d.data, d.size);
	gnutls_free(d.data);
}

static void
put_key(struct buf *out, enum key k)
{
	gnutls_datum_t d;

	if (gnutls_x509_privkey_export2(key_of(k), GNUTLS_X509_FMT_PEM, &d) < 0)
		abort();
	buf_put(out, d.data, d.size);
	gnutls_free(d.data);
}

static int64_t
days(struct span word, size_t skip)
{
	struct span text = span_skip(word, skip);
	bool minus = span_starts(text, "-");
	uint32_t n = 0;

	(void)num_u32(minus ? span_skip(text, 1) : text, &n);
	return (minus ? -1 : 1) * (int64_t)n * 86400;
}

void
world_pem(struct span words, struct buf *out)
{
	int64_t now = time(NULL), from = now - 100 * 86400, until = now + 300 * 86400;
	bool alone = false, leaf = false, swapped = false;
	enum key k = SERVER, shown = KEYS;
	char name[100] = "mail.example.com";
	struct span word;

	while (span_word(&words, " ", &word)) {
		if (span_starts(word, "days="))
			until = now + days(word, 5);
		else if (span_starts(word, "starts="))
			from = now + days(word, 7);
		else if (span_starts(word, "name="))
			(void)snprintf(name, sizeof name, "%.*s", SPAN_ARG(span_skip(word, 5)));
		alone = alone || span_eqs(word, "alone");
		leaf = leaf || span_eqs(word, "leaf");
		swapped = swapped || span_eqs(word, "swapped");
		k = span_eqs(word, "small") ? SMALL : k;
		shown = span_eqs(word, "foreign") ? OTHER : shown;
	}
	gnutls_x509_crt_t ca = certificate("Middle CA", AUTHORITY, true, from, until + 100 * 86400), own = certificate(name, k, false, from, until);
	gnutls_x509_crt_sign2(ca, ca, key_of(AUTHORITY), GNUTLS_DIG_SHA256, 0);
	gnutls_x509_crt_sign2(own, alone ? own : ca, alone ? key_of(k) : key_of(AUTHORITY), GNUTLS_DIG_SHA256, 0);
	put_key(out, shown == KEYS ? (swapped ? AUTHORITY : k) : shown);
	if (swapped)
		put(out, ca);
	put(out, own);
	if (!swapped && !leaf && !alone)
		put(out, ca);
	gnutls_x509_crt_deinit(ca);
	gnutls_x509_crt_deinit(own);
}
