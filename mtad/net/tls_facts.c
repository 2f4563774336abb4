/*
 * What came of a handshake, in the words that OpenSSL and Postfix have for it.
 */
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_private.h"

struct word {
	int		 id;
	const char	*name;
};

static const struct word versions[] = {
	{ GNUTLS_SSL3, "SSLv3" }, { GNUTLS_TLS1_0, "TLSv1" }, { GNUTLS_TLS1_1, "TLSv1.1" }, { GNUTLS_TLS1_2, "TLSv1.2" },
	{ GNUTLS_TLS1_3, "TLSv1.3" }, { 0, NULL },
};
static const struct word exchanges[] = {
	{ GNUTLS_KX_ECDHE_ECDSA, "ECDHE-ECDSA-" }, { GNUTLS_KX_ECDHE_RSA, "ECDHE-RSA-" }, { GNUTLS_KX_DHE_RSA, "DHE-RSA-" },
	{ GNUTLS_KX_RSA, "" }, { GNUTLS_KX_ANON_DH, "ADH-" }, { GNUTLS_KX_ANON_ECDH, "AECDH-" }, { 0, NULL },
};
static const struct word ciphers[] = {
	{ GNUTLS_CIPHER_AES_256_GCM, "AES256-GCM-SHA384" }, { GNUTLS_CIPHER_AES_128_GCM, "AES128-GCM-SHA256" },
	{ GNUTLS_CIPHER_CHACHA20_POLY1305, "CHACHA20-POLY1305" }, { GNUTLS_CIPHER_AES_256_CCM, "AES256-CCM" },
	{ GNUTLS_CIPHER_AES_128_CCM, "AES128-CCM" }, { GNUTLS_CIPHER_AES_256_CBC, "AES256" }, { GNUTLS_CIPHER_AES_128_CBC, "AES128" },
	{ GNUTLS_CIPHER_NULL, "NULL" }, { 0, NULL },
};
/* Of TLS 1.3: the suite is the cipher. */
static const struct word suites[] = {
	{ GNUTLS_CIPHER_AES_256_GCM, "TLS_AES_256_GCM_SHA384" }, { GNUTLS_CIPHER_AES_128_GCM, "TLS_AES_128_GCM_SHA256" },
	{ GNUTLS_CIPHER_CHACHA20_POLY1305, "TLS_CHACHA20_POLY1305_SHA256" }, { GNUTLS_CIPHER_AES_128_CCM, "TLS_AES_128_CCM_SHA256" },
	{ GNUTLS_CIPHER_AES_128_CCM_8, "TLS_AES_128_CCM_8_SHA256" }, { 0, NULL },
};
static const struct word macs[] = {
	{ GNUTLS_MAC_SHA1, "-SHA" }, { GNUTLS_MAC_SHA256, "-SHA256" }, { GNUTLS_MAC_SHA384, "-SHA384" }, { GNUTLS_MAC_MD5, "-MD5" },
	{ GNUTLS_MAC_AEAD, "" }, { 0, NULL },
};
static const struct word curves[] = {
	{ GNUTLS_GROUP_SECP192R1, "prime192v1" }, { GNUTLS_GROUP_SECP224R1, "secp224r1" }, { GNUTLS_GROUP_SECP256R1, "prime256v1" },
	{ GNUTLS_GROUP_SECP384R1, "secp384r1" }, { GNUTLS_GROUP_SECP521R1, "secp521r1" }, { 0, NULL },
};
static const struct word whole_exchanges[] = { { GNUTLS_GROUP_X25519, "X25519" }, { GNUTLS_GROUP_X448, "X448" }, { 0, NULL } };
static const struct word dh_groups[] = {
	{ GNUTLS_GROUP_FFDHE2048, "2048" }, { GNUTLS_GROUP_FFDHE3072, "3072" }, { GNUTLS_GROUP_FFDHE4096, "4096" },
	{ GNUTLS_GROUP_FFDHE6144, "6144" }, { GNUTLS_GROUP_FFDHE8192, "8192" }, { 0, NULL },
};
static const struct word key_curves[] = {
	{ GNUTLS_ECC_CURVE_SECP256R1, "prime256v1" }, { GNUTLS_ECC_CURVE_SECP384R1, "secp384r1" }, { GNUTLS_ECC_CURVE_SECP521R1, "secp521r1" }, { 0, NULL },
};
static const struct word signatures[] = {
	{ GNUTLS_PK_RSA, "RSA" }, { GNUTLS_PK_RSA_PSS, "RSA-PSS" }, { GNUTLS_PK_ECDSA, "ECDSA" }, { GNUTLS_PK_EDDSA_ED25519, "ED25519" },
	{ GNUTLS_PK_EDDSA_ED448, "ED448" }, { GNUTLS_PK_DSA, "DSA" }, { 0, NULL },
};
static const struct word digests[] = {
	{ GNUTLS_DIG_SHA1, "SHA1" }, { GNUTLS_DIG_SHA256, "SHA256" }, { GNUTLS_DIG_SHA384, "SHA384" }, { GNUTLS_DIG_SHA512, "SHA512" },
	{ GNUTLS_DIG_SHA224, "SHA224" }, { 0, NULL },
};

static const char *
word(const struct word *list, int id)
{
	for (; list->name != NULL; list++)
		if (list->id == id)
			return list->name;
	return NULL;
}

static const char *
word_or(const struct word *list, int id, const char *other)
{
	const char *w = word(list, id);

	return w == NULL ? other : w;
}

static void
cipher_facts(struct tls *t)
{
	struct tls_facts *f = &t->facts;
	gnutls_session_t s = t->session;
	gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(s);
	gnutls_protocol_t version = gnutls_protocol_get_version(s);
	const char *kx = word(exchanges, (int)gnutls_kx_get(s)), *name = word(ciphers, (int)cipher), *mac = word(macs, (int)gnutls_mac_get(s));

	f->protocol = word_or(versions, (int)version, gnutls_protocol_get_name(version));
	f->bits = f->bits_used = (unsigned)gnutls_cipher_get_key_size(cipher) * 8;
	if (version >= GNUTLS_TLS1_3)
		(void)snprintf(t->cipher, sizeof t->cipher, "%s", word_or(suites, (int)cipher, gnutls_cipher_get_name(cipher)));
	else if (kx != NULL && name != NULL && mac != NULL)
		(void)snprintf(t->cipher, sizeof t->cipher, "%s%s%s", kx, name, mac);
	else
		(void)snprintf(t->cipher, sizeof t->cipher, "%s-%s", gnutls_kx_get_name(gnutls_kx_get(s)), gnutls_cipher_get_name(cipher));
	f->cipher = t->cipher;
}

static void
exchange_facts(struct tls *t)
{
	struct tls_facts *f = &t->facts;
	int group = (int)gnutls_group_get(t->session);
	const char *bits = word(dh_groups, group);

	f->key_exchange = word_or(whole_exchanges, group, "");
	if (f->key_exchange[0] != '\0')
		return;
	f->curve = word_or(curves, group, "");
	if (f->curve[0] != '\0') {
		f->key_exchange = "ECDHE";
	} else if (bits != NULL) {
		f->key_exchange = "DHE";
		f->key_exchange_bits = (unsigned)strtoul(bits, NULL, 10);
	}
}

static void
signature(int algorithm, gnutls_x509_crt_t crt, const char **name, const char **curve, unsigned *bits, const char **digest)
{
	gnutls_sign_algorithm_t sign = (gnutls_sign_algorithm_t)algorithm;
	gnutls_pk_algorithm_t pk = gnutls_sign_get_pk_algorithm(sign);
	gnutls_ecc_curve_t c;

	/* RSA keys sign with PSS: its variants are algorithms of their own. */
	if (pk == GNUTLS_PK_RSA && gnutls_sign_get_name(sign) != NULL && strstr(gnutls_sign_get_name(sign), "PSS") != NULL)
		pk = GNUTLS_PK_RSA_PSS;
	*name = word_or(signatures, (int)pk, "");
	*digest = word_or(digests, (int)gnutls_sign_get_hash_algorithm(sign), "");
	if (pk == GNUTLS_PK_EDDSA_ED25519 || pk == GNUTLS_PK_EDDSA_ED448)
		*digest = "";
	if (crt == NULL)
		return;
	if (gnutls_x509_crt_get_pk_ecc_raw(crt, &c, NULL, NULL) == 0)
		*curve = word_or(key_curves, (int)c, "");
	else
		(void)gnutls_x509_crt_get_pk_algorithm(crt, bits);
}

static gnutls_x509_crt_t
import(const gnutls_datum_t *d)
{
	gnutls_x509_crt_t crt;

	return d != NULL && tls_import(span_of(d->data, d->size), &crt) ? crt : NULL;
}

static void
signature_facts(struct tls *t)
{
	struct tls_facts *f = &t->facts;
	unsigned n = 0;
	gnutls_x509_crt_t ours = import(gnutls_certificate_get_ours(t->session));
	gnutls_x509_crt_t theirs = import(gnutls_certificate_get_peers(t->session, &n));
	int server = gnutls_sign_algorithm_get(t->session), client = gnutls_sign_algorithm_get_client(t->session);

	if (server > 0)
		signature(server, t->server ? ours : theirs, &f->signature, &f->signature_curve, &f->signature_bits, &f->digest);
	if (client > 0 && (t->server ? theirs : ours) != NULL)
		signature(client, t->server ? theirs : ours, &f->client_signature, &f->client_signature_curve,
		    &f->client_signature_bits, &f->client_digest);
	if (ours != NULL)
		gnutls_x509_crt_deinit(ours);
	if (theirs != NULL)
		gnutls_x509_crt_deinit(theirs);
}

const struct tls_facts *
tls_facts(struct tls *t)
{
	if (t->has_facts)
		return &t->facts;
	t->has_facts = true;
	t->facts = (struct tls_facts){ .key_exchange = "", .curve = "", .signature = "", .signature_curve = "", .digest = "",
		.client_signature = "", .client_signature_curve = "", .client_digest = "",
		.server_name = t->server_name == NULL ? "" : t->server_name, .name_found = t->named != NULL, .resumed = gnutls_session_is_resumed(t->session) != 0 };
	cipher_facts(t);
	/* As Postfix: of older versions the cipher's name says what there is to say. */
	if (gnutls_protocol_get_version(t->session) < GNUTLS_TLS1_3)
		return &t->facts;
	exchange_facts(t);
	if (!t->facts.resumed)
		signature_facts(t);
	return &t->facts;
}

static void
describe_part(struct buf *out, const char *label, const char *name, const char *curve, unsigned bits)
{
	if (name[0] == '\0')
		return;
	buf_printf(out, " %s %s", label, name);
	if (curve[0] != '\0')
		buf_printf(out, " (%s)", curve);
	else if (bits > 0)
		buf_printf(out, " (%u bits)", bits);
}

void
tls_describe(struct tls *t, struct buf *out)
{
	const struct tls_facts *f = tls_facts(t);

	buf_printf(out, "%s with cipher %s (%u/%u bits)", f->protocol, f->cipher, f->bits_used, f->bits);
	describe_part(out, "key-exchange", f->key_exchange, f->curve, f->key_exchange_bits);
	describe_part(out, "server-signature", f->signature, f->signature_curve, f->signature_bits);
	describe_part(out, "server-digest", f->digest, "", 0);
	describe_part(out, "client-signature", f->client_signature, f->client_signature_curve, f->client_signature_bits);
	describe_part(out, "client-digest", f->client_digest, "", 0);
}

bool
tls_channel_binding(struct tls *t, enum tls_binding type, struct buf *out)
{
	static const gnutls_channel_binding_t types[] = { [TLS_BINDING_EXPORTER] = GNUTLS_CB_TLS_EXPORTER,
		[TLS_BINDING_END_POINT] = GNUTLS_CB_TLS_SERVER_END_POINT, [TLS_BINDING_UNIQUE] = GNUTLS_CB_TLS_UNIQUE };
	gnutls_datum_t data;

	if (gnutls_session_channel_binding(t->session, types[type], &data) != 0)
		return false;
	buf_put(out, data.data, data.size);
	gnutls_free(data.data);
	return true;
}

bool
tls_resume_data(struct tls *t, struct buf *out)
{
	gnutls_datum_t data;

	/* Of TLS 1.3 there is none before the server has sent its ticket. */
	if (gnutls_protocol_get_version(t->session) >= GNUTLS_TLS1_3 &&
	    !(gnutls_session_get_flags(t->session) & GNUTLS_SFLAGS_SESSION_TICKET))
		return false;
	if (gnutls_session_get_data2(t->session, &data) != 0)
		return false;
	buf_put(out, data.data, data.size);
	gnutls_free(data.data);
	return true;
}

size_t
tls_peer_count(struct tls *t)
{
	unsigned n = 0;

	return gnutls_certificate_get_peers(t->session, &n) == NULL ? 0 : n;
}

struct span
tls_peer_der(struct tls *t, size_t i)
{
	unsigned n = 0;
	const gnutls_datum_t *d = gnutls_certificate_get_peers(t->session, &n);

	return d == NULL || i >= n ? SPAN_NONE : span_of(d[i].data, d[i].size);
}

unsigned
tls_verify(struct tls *t, const struct tls_creds *trust, unsigned depth, bool server_too)
{
	struct span chain[32];
	size_t n = tls_peer_count(t);

	if (n > sizeof chain / sizeof *chain)
		return TLS_FAULT_TOO_DEEP;
	for (size_t i = 0; i < n; i++)
		chain[i] = tls_peer_der(t, i);
	unsigned faults = tls_verify_chain(chain, n, trust, depth, t->server ? TLS_FOR_CLIENT : TLS_FOR_SERVER);
	return faults == TLS_FAULT_PURPOSE && server_too ? tls_verify_chain(chain, n, trust, depth, TLS_FOR_SERVER) : faults;
}
