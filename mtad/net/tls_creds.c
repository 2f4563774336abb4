/*
 * Certificates, keys and authorities.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_private.h"

#define PEM_MAX		(1 << 20)
#define CHAIN_MAX	16u
#define AUTHORITIES_MAX	10000u

gnutls_datum_t
tls_datum(struct span s)
{
	union { const char *in; unsigned char *out; } u = { .in = s.ptr };	/* the library does not write there */

	return (gnutls_datum_t){ u.out, (unsigned)s.len };
}

struct tls_creds *
tls_creds_new(void)
{
	struct tls_creds *c;

	MEM_NEW(c);
	c->refs = 1;
	if (gnutls_certificate_allocate_credentials(&c->own) < 0 || gnutls_x509_trust_list_init(&c->trust, 0) < 0)
		fatal("out of memory for TLS");
	return c;
}

struct tls_creds *
tls_creds_ref(struct tls_creds *c)
{
	c->refs++;
	return c;
}

static void
wipe(char *key)
{
	if (key != NULL)
		gnutls_memset(key, 0, strlen(key));
	free(key);
}

static void
drop_pairs(struct tls_creds *c)
{
	for (size_t i = 0; i < c->pair_count; i++) {
		free(c->pairs[i].certs);
		wipe(c->pairs[i].key);
	}
	free(c->pairs);
	c->pairs = NULL;
	c->pair_count = 0;
}

void
tls_creds_unref(struct tls_creds *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	drop_pairs(c);
	if (!c->ready)
		gnutls_x509_trust_list_deinit(c->trust, 1);
	gnutls_certificate_free_credentials(c->own);
	free(c);
}

static void
pem_error(struct err *err, int rc, const char *what)
{
	switch (rc) {
	case GNUTLS_E_CERTIFICATE_KEY_MISMATCH:
		err_set(err, ERR_PERM, "the private key does not belong to the certificate");
		break;
	case GNUTLS_E_DECRYPTION_FAILED:
		err_set(err, ERR_PERM, "the private key is encrypted");
		break;
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
	case GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR:
	case GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE:
		err_set(err, ERR_PERM, "there is no %s in it", what);
		break;
	default:
		err_set(err, ERR_PERM, "%s: %s", what, gnutls_strerror(rc));
	}
}

/* The end's own certificate: its algorithm, and how long it holds. */
static bool
first_certificate(struct tls_creds *c, struct tls_pair *p, struct err *err)
{
	gnutls_datum_t pem = tls_datum(span_str(p->certs));
	gnutls_x509_crt_t *list = NULL;
	unsigned n = 0;

	int rc = gnutls_x509_crt_list_import2(&list, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0 || n == 0) {
		pem_error(err, rc, "certificate");
		return false;
	}
	p->algorithm = (gnutls_pk_algorithm_t)gnutls_x509_crt_get_pk_algorithm(list[0], NULL);
	int64_t from = gnutls_x509_crt_get_activation_time(list[0]), until = gnutls_x509_crt_get_expiration_time(list[0]);
	if (c->from < from)
		c->from = from;
	if (c->until == 0 || c->until > until)
		c->until = until;
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	gnutls_free(list);
	if (n <= CHAIN_MAX)
		return true;
	err_set(err, ERR_PERM, "there are more than %u certificates in it", CHAIN_MAX);
	return false;
}

static int
load(gnutls_certificate_credentials_t to, const struct tls_pair *p)
{
	gnutls_datum_t certs = tls_datum(span_str(p->certs)), key = tls_datum(span_str(p->key));

	return gnutls_certificate_set_x509_key_mem2(to, &certs, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

bool
tls_creds_add_pair(struct tls_creds *c, struct span certs, struct span key, struct err *err)
{
	gnutls_certificate_credentials_t try;

	if (certs.len > PEM_MAX || key.len > PEM_MAX) {
		err_set(err, ERR_PERM, "it is too large");
		return false;
	}
	c->pairs = mem_grow(c->pairs, c->pair_count + 1, sizeof *c->pairs);
	struct tls_pair *p = &c->pairs[c->pair_count++];
	*p = (struct tls_pair){ .certs = span_dup(certs), .key = span_dup(key) };
	if (!first_certificate(c, p, err))
		return false;
	/* What is wrong is wrong with this one: the order of loading is another. */
	if (gnutls_certificate_allocate_credentials(&try) < 0)
		fatal("out of memory for TLS");
	int rc = load(try, p);
	gnutls_certificate_free_credentials(try);
	if (rc >= 0)
		return true;
	pem_error(err, rc, "private key");
	return false;
}

/* -- PEM, a block after the other ---------------------------------------------------------- */

enum pem_kind { PEM_OTHER, PEM_CERTIFICATE, PEM_KEY };

/* The next block of *rest, whole. */
static bool
pem_next(struct span *rest, struct span *block, enum pem_kind *kind)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ";
	const char *at = rest->len == 0 ? NULL : memmem(rest->ptr, rest->len, begin, sizeof begin - 1);

	if (at == NULL)
		return false;
	struct span from = span_skip(*rest, (size_t)(at - rest->ptr)), label = span_skip(from, sizeof begin - 1);
	label = span_head(label, span_find(label, '-'));
	const char *last = memmem(from.ptr, from.len, end, sizeof end - 1);
	if (last == NULL)
		return false;
	size_t len = (size_t)(last - from.ptr);
	len += span_find(span_skip(from, len), '\n');
	*block = span_head(from, len);
	*rest = span_skip(from, len);
	*kind = span_ends(label, "PRIVATE KEY") ? PEM_KEY : span_ends(label, "CERTIFICATE") ? PEM_CERTIFICATE : PEM_OTHER;
	return true;
}

static bool
end_group(struct tls_creds *c, struct span key, struct buf *certs, struct err *err)
{
	bool ok = false;

	if (key.len == 0 && certs->len == 0)
		return true;
	if (key.len == 0)
		err_set(err, ERR_PERM, "a certificate comes before any private key");
	else if (certs->len == 0)
		err_set(err, ERR_PERM, "no certificate follows a private key");
	else
		ok = tls_creds_add_pair(c, buf_view(certs), key, err);
	buf_reset(certs);
	return ok;
}

bool
tls_creds_add_chains(struct tls_creds *c, struct span pem, struct err *err)
{
	struct buf certs = BUF_INIT(PEM_MAX);
	struct span block, key = SPAN_NONE;
	enum pem_kind kind;
	size_t before = c->pair_count;
	bool ok = true;

	while (ok && pem_next(&pem, &block, &kind)) {
		if (kind == PEM_KEY) {
			ok = end_group(c, key, &certs, err);
			key = block;
		} else if (kind == PEM_CERTIFICATE) {
			buf_span(&certs, block);
			buf_char(&certs, '\n');
		}
	}
	ok = ok && end_group(c, key, &certs, err);
	if (ok && c->pair_count == before) {
		err_set(err, ERR_PERM, "there is no private key and certificate in it");
		ok = false;
	}
	buf_clear(&certs);
	return ok;
}

bool
tls_creds_add_authorities(struct tls_creds *c, struct span pem, struct err *err)
{
	gnutls_datum_t data = tls_datum(pem);

	if (c->authorities >= AUTHORITIES_MAX) {
		err_set(err, ERR_PERM, "there are too many authorities");
		return false;
	}
	int n = gnutls_x509_trust_list_add_trust_mem(c->trust, &data, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	if (n <= 0) {
		pem_error(err, n == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : n, "certificate");
		return false;
	}
	c->authorities += (size_t)n;
	return true;
}

/* -- ready --------------------------------------------------------------------------------- */

/* Under TLS 1.3 the first that fits is taken: those whose signatures cost least. */
static int
order(gnutls_pk_algorithm_t a)
{
	return a == GNUTLS_PK_RSA || a == GNUTLS_PK_RSA_PSS ? 1 : 0;
}

bool
tls_creds_ready(struct tls_creds *c, struct err *err)
{
	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < c->pair_count; i++) {
			if (order(c->pairs[i].algorithm) != turn)
				continue;
			int rc = load(c->own, &c->pairs[i]);
			if (rc < 0) {
				pem_error(err, rc, "certificate");
				return false;
			}
			c->has_certificate = true;
		}
	drop_pairs(c);
	gnutls_certificate_set_trust_list(c->own, c->trust, 0);
	gnutls_certificate_set_known_dh_params(c->own, GNUTLS_SEC_PARAM_MEDIUM);
	c->ready = true;
	return true;
}

bool
tls_creds_has_certificate(const struct tls_creds *c)
{
	return c->has_certificate || c->pair_count > 0;
}

bool
tls_creds_has_authorities(const struct tls_creds *c)
{
	return c->authorities > 0;
}

int64_t
tls_creds_valid_from(const struct tls_creds *c)
{
	return c->from;
}

int64_t
tls_creds_valid_until(const struct tls_creds *c)
{
	return c->until;
}
