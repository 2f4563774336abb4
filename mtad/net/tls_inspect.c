#include "net/tls_inspect.h"

#include <stdio.h>

#include <gnutls/x509.h>

#include "net/tls_private.h"

#define CHAIN_MAX	16u
#define RSA_BITS	2048u
#define EC_BITS		224u

/* The certificates of one chain: behind the first one, up to a key. */
static struct span
first_chain(struct span pem)
{
	static const char certificate[] = "-----BEGIN CERTIFICATE", key[] = "PRIVATE KEY-----";
	const char *at = pem.len == 0 ? NULL : memmem(pem.ptr, pem.len, certificate, sizeof certificate - 1);

	if (at == NULL)
		return SPAN_NONE;
	struct span rest = span_skip(pem, (size_t)(at - pem.ptr));
	const char *end = memmem(rest.ptr, rest.len, key, sizeof key - 1);
	return end == NULL ? rest : span_head(rest, (size_t)(end - rest.ptr));
}

static bool
is_broken(gnutls_digest_algorithm_t d)
{
	return d == GNUTLS_DIG_MD5 || d == GNUTLS_DIG_SHA1 || d == GNUTLS_DIG_MD2;
}

static void
look_for_weakness(gnutls_x509_crt_t crt, unsigned number, struct tls_inspection *out)
{
	unsigned bits = 0;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
	bool rsa = algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS;
	int signature = gnutls_x509_crt_get_signature_algorithm(crt);
	gnutls_digest_algorithm_t digest = signature < 0 ? GNUTLS_DIG_UNKNOWN : gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)signature);

	if ((rsa && bits < RSA_BITS) || (algorithm == GNUTLS_PK_ECDSA && bits < EC_BITS))
		(void)snprintf(out->weakness, sizeof out->weakness, "a key of %s with %u bits", gnutls_pk_get_name((gnutls_pk_algorithm_t)algorithm), bits);
	else if (is_broken(digest) && gnutls_x509_crt_check_issuer(crt, crt) == 0)	/* nobody checks the signature of a root */
		(void)snprintf(out->weakness, sizeof out->weakness, "a signature by %s", gnutls_digest_get_name(digest));
	else
		return;
	out->weak = number;
}

static void
take_first(gnutls_x509_crt_t crt, struct tls_inspection *out)
{
	gnutls_datum_t der = { NULL, 0 };

	out->from = gnutls_x509_crt_get_activation_time(crt);
	out->until = gnutls_x509_crt_get_expiration_time(crt);
	out->self_signed = gnutls_x509_crt_check_issuer(crt, crt) == 1;
	out->authority_first = !out->self_signed && gnutls_x509_crt_get_ca_status(crt, NULL) > 0;
	if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) == 0)
		buf_put(&out->der, der.data, der.size);
	gnutls_free(der.data);
}

bool
tls_inspect(struct span pem, struct tls_inspection *out)
{
	struct span chain = first_chain(pem);
	gnutls_datum_t data = tls_datum(chain);
	gnutls_x509_crt_t *list = NULL;
	unsigned n = 0;

	*out = (struct tls_inspection){ .der = BUF_INIT(1 << 20) };
	if (chain.len == 0 || gnutls_x509_crt_list_import2(&list, &n, &data, GNUTLS_X509_FMT_PEM, 0) < 0 || n == 0)
		return false;
	out->count = n;
	take_first(list[0], out);
	for (unsigned i = 0; i < n; i++) {
		if (i > 0 && i < CHAIN_MAX && out->out_of_order == 0 && gnutls_x509_crt_check_issuer(list[i - 1], list[i]) != 1)
			out->out_of_order = i + 1;
		if (out->weak == 0)
			look_for_weakness(list[i], i + 1, out);
	}
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	return true;
}

bool
tls_signed_by(struct span der, struct span authorities)
{
	gnutls_datum_t data = tls_datum(authorities);
	gnutls_x509_crt_t *list = NULL, crt;
	unsigned n = 0;
	bool found = false;

	if (authorities.len == 0 || !tls_import(der, &crt))
		return false;
	if (gnutls_x509_crt_list_import2(&list, &n, &data, GNUTLS_X509_FMT_PEM, 0) >= 0) {
		for (unsigned i = 0; i < n; i++) {
			found = found || gnutls_x509_crt_check_issuer(crt, list[i]) == 1;
			gnutls_x509_crt_deinit(list[i]);
		}
		gnutls_free(list);
	}
	gnutls_x509_crt_deinit(crt);
	return found;
}
