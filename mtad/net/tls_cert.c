#include "net/tls_cert.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_private.h"

#define CHAIN_MAX	32

bool
tls_import(struct span der, gnutls_x509_crt_t *crt)
{
	gnutls_datum_t d = tls_datum(der);

	if (der.len == 0 || gnutls_x509_crt_init(crt) < 0)
		return false;
	if (gnutls_x509_crt_import(*crt, &d, GNUTLS_X509_FMT_DER) == 0)
		return true;
	gnutls_x509_crt_deinit(*crt);
	return false;
}

/* -- chains -------------------------------------------------------------------------------- */

static const struct { unsigned status, fault; } faults[] = {
	{ GNUTLS_CERT_SIGNER_NOT_FOUND, TLS_FAULT_UNKNOWN_ISSUER }, { GNUTLS_CERT_EXPIRED, TLS_FAULT_EXPIRED },
	{ GNUTLS_CERT_NOT_ACTIVATED, TLS_FAULT_NOT_YET }, { GNUTLS_CERT_REVOKED, TLS_FAULT_REVOKED },
	{ GNUTLS_CERT_PURPOSE_MISMATCH, TLS_FAULT_PURPOSE }, { GNUTLS_CERT_INSECURE_ALGORITHM, TLS_FAULT_INSECURE },
	{ GNUTLS_CERT_SIGNER_NOT_CA | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE |
	    GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, TLS_FAULT_OTHER },
};

static unsigned
fault_of(unsigned status, gnutls_x509_crt_t end)
{
	unsigned f = 0;

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
		if (status & faults[i].status)
			f |= faults[i].fault;
	if ((f & TLS_FAULT_UNKNOWN_ISSUER) && gnutls_x509_crt_check_issuer(end, end) == 1)
		f = (f & ~(unsigned)TLS_FAULT_UNKNOWN_ISSUER) | TLS_FAULT_SELF_SIGNED;
	return f == 0 && status != 0 ? TLS_FAULT_OTHER : f;
}

/* digitalSignature or keyAgreement or keyEncipherment: what an end of TLS needs its key for. */
static bool
key_usable(gnutls_x509_crt_t end)
{
	const unsigned any = GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_AGREEMENT | GNUTLS_KEY_KEY_ENCIPHERMENT;
	unsigned usage = 0, critical = 0;

	return gnutls_x509_crt_get_key_usage(end, &usage, &critical) < 0 || usage == 0 || (usage & any) != 0;
}

/* How many stand above the end's own in what it sent, without a root at the end that signed itself. */
static size_t
depth_of(gnutls_x509_crt_t *list, unsigned n)
{
	size_t depth = n - 1;

	return depth > 0 && gnutls_x509_crt_check_issuer(list[n - 1], list[n - 1]) == 1 ? depth - 1 : depth;
}

static unsigned
verify(gnutls_x509_crt_t *list, unsigned n, gnutls_x509_trust_list_t trust, unsigned depth, enum tls_purpose purpose, unsigned flags)
{
	static const char *const oids[] = { [TLS_FOR_SERVER] = GNUTLS_KP_TLS_WWW_SERVER, [TLS_FOR_CLIENT] = GNUTLS_KP_TLS_WWW_CLIENT };
	gnutls_typed_vdata_st want = { .type = GNUTLS_DT_KEY_PURPOSE_OID };
	union { const char *in; unsigned char *out; } oid = { .in = oids[purpose] };
	unsigned status = 0;

	want.data = oid.out;
	want.size = (unsigned)strlen(oid.in);
	int rc = gnutls_x509_trust_list_verify_crt2(trust, list, n, &want, 1, flags, &status, NULL);
	if (rc < 0)
		return TLS_FAULT_OTHER;
	unsigned f = fault_of(status, list[0]);
	if (!key_usable(list[0]))
		f |= TLS_FAULT_PURPOSE;
	if (depth_of(list, n) > depth)
		f |= TLS_FAULT_TOO_DEEP;
	return f;
}

/* All of them or none: n certificates. */
static unsigned
import_chain(const struct span *chain, size_t count, gnutls_x509_crt_t *list)
{
	unsigned n = 0;

	while (n < count && tls_import(chain[n], &list[n]))
		n++;
	if (n == count)
		return n;
	while (n > 0)
		gnutls_x509_crt_deinit(list[--n]);
	return 0;
}

static unsigned
verify_der(const struct span *chain, size_t count, gnutls_x509_trust_list_t trust, unsigned depth, enum tls_purpose purpose, unsigned flags)
{
	gnutls_x509_crt_t list[CHAIN_MAX];

	if (count == 0)
		return TLS_FAULT_NO_CERTIFICATE;
	if (count > CHAIN_MAX)
		return TLS_FAULT_TOO_DEEP;
	unsigned n = import_chain(chain, count, list);
	if (n == 0)
		return TLS_FAULT_OTHER;
	unsigned f = verify(list, n, trust, depth, purpose, flags);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(list[i]);
	return f;
}

unsigned
tls_verify_chain(const struct span *chain, size_t count, const struct tls_creds *trust, unsigned depth, enum tls_purpose purpose)
{
	return verify_der(chain, count, trust->trust, depth, purpose, 0);
}

unsigned
tls_verify_anchor(const struct span *chain, size_t count, struct span anchor, unsigned depth, enum tls_purpose purpose)
{
	gnutls_x509_trust_list_t trust;
	gnutls_x509_crt_t crt;
	unsigned f = TLS_FAULT_OTHER;

	if (gnutls_x509_trust_list_init(&trust, 0) < 0)
		return f;
	if (tls_import(anchor, &crt)) {
		if (gnutls_x509_trust_list_add_cas(trust, &crt, 1, 0) == 1)
			f = verify_der(chain, count, trust, depth, purpose, GNUTLS_VERIFY_ALLOW_X509_V1_CA_CRT);
		else
			gnutls_x509_crt_deinit(crt);
	}
	gnutls_x509_trust_list_deinit(trust, 1);
	return f;
}

/* -- names --------------------------------------------------------------------------------- */

/* Text of a name: what could disturb a log or a header becomes "?". */
static char *
clean(const char *in, size_t len)
{
	char *out = mem_new(len + 1);

	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)in[i] < ' ' || in[i] == 0x7f ? '?' : in[i];
	return out;
}

static char *
part_of(gnutls_x509_crt_t crt, bool issuer, const char *oid)
{
	char text[512];
	size_t len = sizeof text;
	int rc = issuer ? gnutls_x509_crt_get_issuer_dn_by_oid(crt, oid, 0, 0, text, &len) :
	    gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, text, &len);

	return clean(text, rc < 0 ? 0 : len);
}

bool
tls_cert_names(struct span der, struct tls_cert_names *out)
{
	gnutls_x509_crt_t crt;

	*out = (struct tls_cert_names){ 0 };
	if (!tls_import(der, &crt))
		return false;
	out->subject_cn = part_of(crt, false, GNUTLS_OID_X520_COMMON_NAME);
	out->issuer_cn = part_of(crt, true, GNUTLS_OID_X520_COMMON_NAME);
	if (out->issuer_cn[0] == '\0') {
		free(out->issuer_cn);
		out->issuer_cn = part_of(crt, true, GNUTLS_OID_X520_ORGANIZATION_NAME);
	}
	gnutls_x509_crt_deinit(crt);
	return true;
}

void
tls_cert_names_clear(struct tls_cert_names *n)
{
	free(n->subject_cn);
	free(n->issuer_cn);
	*n = (struct tls_cert_names){ 0 };
}

/* The i-th DNS name of the extension; -1: there is no i-th; 0: another kind of name, or one that is no name. */
static int
alternative(gnutls_x509_crt_t crt, unsigned i, char *name, size_t size)
{
	size_t len = size;
	int rc = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);

	if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return 0;
	if (rc < 0)
		return -1;
	if (rc != GNUTLS_SAN_DNSNAME || len >= size || memchr(name, '\0', len) != NULL)
		return 0;
	name[len] = '\0';
	return len > 0;
}

bool
tls_cert_dns(struct span der, size_t want, struct buf *out)
{
	gnutls_x509_crt_t crt;
	char name[256];
	size_t found = 0;
	int is = 1;

	if (!tls_import(der, &crt))
		return false;
	for (unsigned i = 0; (is = alternative(crt, i, name, sizeof name)) >= 0 && i < 1000; i++)
		if (is > 0 && found++ == want)
			break;
	if (is < 0 && found == 0 && want == 0) {
		size_t len = sizeof name - 1;
		if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) == 0 && strlen(name) == len) {
			found = 1;
			is = 1;
		}
	}
	gnutls_x509_crt_deinit(crt);
	if (is <= 0 || found != want + 1)
		return false;
	buf_str(out, name);
	return true;
}

static bool
is_host_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
			return false;
	}
	return s.len > 0;
}

/* One name of a certificate, which may begin with "*.". */
static bool
name_matches(struct span have, struct span want, bool multiple_labels)
{
	if (span_ends(have, "."))
		have.len--;
	if (span_starts(want, "."))
		return is_host_name(have) && have.len > want.len && span_caseeq(span_skip(have, have.len - want.len), want);
	if (!span_starts(have, "*."))
		return is_host_name(have) && span_caseeq(have, want);
	struct span rest = span_skip(have, 1);
	if (!is_host_name(rest) || !span_has(span_skip(rest, 1), '.') || want.len <= rest.len)
		return false;
	struct span label = span_head(want, want.len - rest.len);
	return span_caseeq(span_skip(want, label.len), rest) && (multiple_labels || !span_has(label, '.'));
}

bool
tls_cert_matches(struct span der, const char *name, bool multiple_labels)
{
	struct buf have = BUF_INIT(1024);
	bool matches = false;

	for (size_t i = 0; !matches && tls_cert_dns(der, i, &have); i++) {
		matches = name_matches(buf_view(&have), span_str(name), multiple_labels);
		buf_reset(&have);
	}
	buf_clear(&have);
	return matches;
}

bool
tls_cert_times(struct span der, int64_t *from, int64_t *until)
{
	gnutls_x509_crt_t crt;

	if (!tls_import(der, &crt))
		return false;
	*from = gnutls_x509_crt_get_activation_time(crt);
	*until = gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return true;
}

/* -- fingerprints -------------------------------------------------------------------------- */

static gnutls_digest_algorithm_t
digest_id(const char *name)
{
	return gnutls_digest_get_id(name);
}

bool
tls_digest_known(const char *name)
{
	return digest_id(name) != GNUTLS_DIG_UNKNOWN;
}

bool
tls_public_key(struct span der, struct buf *out)
{
	gnutls_x509_crt_t crt;
	gnutls_pubkey_t key;
	gnutls_datum_t d = { NULL, 0 };
	bool ok = false;

	if (!tls_import(der, &crt))
		return false;
	if (gnutls_pubkey_init(&key) == 0) {
		ok = gnutls_pubkey_import_x509(key, crt, 0) == 0 && gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &d) == 0;
		gnutls_pubkey_deinit(key);
	}
	gnutls_x509_crt_deinit(crt);
	if (ok)
		buf_put(out, d.data, d.size);
	gnutls_free(d.data);
	return ok;
}

/* One DER value of *rest: its content. */
static bool
der_take(struct span *rest, unsigned char tag, struct span *out)
{
	size_t len, at = 2;

	if (rest->len < 2 || (unsigned char)rest->ptr[0] != tag)
		return false;
	len = (unsigned char)rest->ptr[1];
	if (len >= 0x80) {
		size_t bytes = len & 0x7f;
		if (bytes == 0 || bytes > 3 || rest->len < 2 + bytes)
			return false;
		for (len = 0; at < 2 + bytes; at++)
			len = len << 8 | (unsigned char)rest->ptr[at];
	}
	if (len > rest->len - at)
		return false;
	*out = span_head(span_skip(*rest, at), len);
	*rest = span_skip(*rest, at + len);
	return true;
}

/* The bits alone of a SubjectPublicKeyInfo, as Postfix before 2.9.6 took them for the key. */
static bool
bare_key(struct span *key)
{
	struct span outer = *key, inner, algorithm, bits;

	if (!der_take(&outer, 0x30, &inner) || !der_take(&inner, 0x30, &algorithm) || !der_take(&inner, 0x03, &bits) || bits.len < 1)
		return false;
	*key = span_skip(bits, 1);
	return true;
}

bool
tls_fingerprint(struct span der, const char *digest, enum tls_print of, struct buf *out)
{
	gnutls_digest_algorithm_t id = digest_id(digest);
	unsigned char hash[64];
	struct buf key = BUF_INIT(1 << 20);
	bool ok = id != GNUTLS_DIG_UNKNOWN && gnutls_hash_get_len(id) <= sizeof hash;

	if (ok && of != TLS_PRINT_CERTIFICATE) {
		ok = tls_public_key(der, &key);
		der = buf_view(&key);
		ok = ok && (of != TLS_PRINT_BARE_KEY || bare_key(&der));
	}
	ok = ok && gnutls_hash_fast(id, der.ptr, der.len, hash) == 0;
	for (unsigned i = 0; ok && i < gnutls_hash_get_len(id); i++)
		buf_printf(out, "%s%02X", i == 0 ? "" : ":", hash[i]);
	buf_clear(&key);
	return ok;
}
