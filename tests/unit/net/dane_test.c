#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "net/dane.h"
#include "net/tls.h"
#include "net/tls_cert.h"

/* -- certificates made here --------------------------------------------------------------- */

enum { CA, LEAF, LATE, STRANGER, FOREIGN, CERTS };

static struct {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	struct buf	 der, spki;
} made[CERTS];

static void
make(int i, const char *name, int issuer, bool authority, bool late)
{
	time_t now = time(NULL);
	unsigned char serial[] = { 1, (unsigned char)(i + 1) };
	gnutls_datum_t der;

	assert_int_equal(gnutls_x509_privkey_init(&made[i].key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(made[i].key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	gnutls_x509_crt_init(&made[i].crt);
	gnutls_x509_crt_set_version(made[i].crt, 3);
	gnutls_x509_crt_set_serial(made[i].crt, serial, sizeof serial);
	gnutls_x509_crt_set_key(made[i].crt, made[i].key);
	gnutls_x509_crt_set_dn_by_oid(made[i].crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	gnutls_x509_crt_set_activation_time(made[i].crt, now - 100000);
	gnutls_x509_crt_set_expiration_time(made[i].crt, late ? now - 1000 : now + 100000);
	gnutls_x509_crt_set_basic_constraints(made[i].crt, authority, -1);
	gnutls_x509_crt_set_key_usage(made[i].crt, authority ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (!authority)
		gnutls_x509_crt_set_subject_alt_name(made[i].crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), 0);
	assert_int_equal(gnutls_x509_crt_sign2(made[i].crt, made[issuer].crt, made[issuer].key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(made[i].crt, GNUTLS_X509_FMT_DER, &der), 0);
	buf_put(&made[i].der, der.data, der.size);
	gnutls_free(der.data);
	assert_true(tls_public_key(buf_view(&made[i].der), &made[i].spki));
}

static int
set_up(void **state)
{
	(void)state;
	make(CA, "Test CA", CA, true, false);
	make(LEAF, "mx.test", CA, false, false);
	make(LATE, "mx.test", CA, false, true);
	make(STRANGER, "Other CA", STRANGER, true, false);
	make(FOREIGN, "mx.test", STRANGER, false, false);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < CERTS; i++) {
		gnutls_x509_crt_deinit(made[i].crt);
		gnutls_x509_privkey_deinit(made[i].key);
		buf_clear(&made[i].der);
		buf_clear(&made[i].spki);
	}
	return 0;
}

/* "USAGE SELECTOR MATCHING" of a certificate, as it stands in DNS. */
static void
put_record(struct buf *out, unsigned usage, unsigned selector, unsigned matching, int cert)
{
	struct span what = buf_view(selector == 1 ? &made[cert].spki : &made[cert].der);
	unsigned char digest[64];

	buf_char(out, (char)usage);
	buf_char(out, (char)selector);
	buf_char(out, (char)matching);
	if (matching == 0) {
		buf_span(out, what);
		return;
	}
	gnutls_hash_fast(matching == 2 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256, what.ptr, what.len, digest);
	buf_put(out, digest, matching == 2 ? 64 : 32);
}

static const struct dane_rules rules = { .digests = "sha512 sha256", .agility = true, .ta_digest = true };

/* -- chains -------------------------------------------------------------------------------------- */

struct row {
	const char	*name;
	unsigned	 usage, selector, matching;
	int		 cert;		/* of the record */
	int		 chain[3];	/* -1 ends it */
	enum dane_verdict verdict;
};

static const struct row rows[] = {
	{ "its own key", 3, 1, 1, LEAF, { LEAF, -1 }, DANE_MATCH_EE },
	{ "its own key, sha512", 3, 1, 2, LEAF, { LEAF, -1 }, DANE_MATCH_EE },
	{ "its own certificate", 3, 0, 1, LEAF, { LEAF, CA, -1 }, DANE_MATCH_EE },
	{ "its own certificate, whole", 3, 0, 0, LEAF, { LEAF, -1 }, DANE_MATCH_EE },
	{ "its own key, whole", 3, 1, 0, LEAF, { LEAF, -1 }, DANE_MATCH_EE },
	{ "expired, and its own", 3, 1, 1, LATE, { LATE, -1 }, DANE_MATCH_EE },
	{ "another's", 3, 1, 1, FOREIGN, { LEAF, CA, -1 }, DANE_NO_MATCH },
	{ "an authority's as if its own", 3, 1, 1, CA, { LEAF, CA, -1 }, DANE_NO_MATCH },
	{ "its authority", 2, 0, 1, CA, { LEAF, CA, -1 }, DANE_MATCH_TA },
	{ "its authority's key", 2, 1, 2, CA, { LEAF, CA, -1 }, DANE_MATCH_TA },
	{ "its authority, not sent", 2, 0, 1, CA, { LEAF, -1 }, DANE_NO_MATCH },
	{ "its authority, not sent but in the record", 2, 0, 0, CA, { LEAF, -1 }, DANE_MATCH_TA },
	{ "its authority, and expired", 2, 0, 1, CA, { LATE, CA, -1 }, DANE_NOT_TRUSTED },
	{ "an authority appended to a foreign chain", 2, 0, 1, CA, { FOREIGN, CA, -1 }, DANE_NOT_TRUSTED },
	{ "an authority appended to a whole foreign chain", 2, 0, 1, CA, { FOREIGN, STRANGER, CA }, DANE_NOT_TRUSTED },
	{ "an authority in the record, a foreign chain", 2, 0, 0, CA, { FOREIGN, STRANGER, -1 }, DANE_NOT_TRUSTED },
	{ "its own certificate as authority", 2, 0, 1, LEAF, { LEAF, -1 }, DANE_NO_MATCH },
	{ "usage for the web", 1, 1, 1, LEAF, { LEAF, -1 }, DANE_NO_MATCH },
	{ "usage for the web, authority", 0, 0, 1, CA, { LEAF, CA, -1 }, DANE_NO_MATCH },
	{ "nothing was sent", 3, 1, 1, LEAF, { -1 }, DANE_NO_MATCH },
};

static void
chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span chain[3], record;
		struct buf wire = BUF_INIT(0);
		struct dane_result result;
		struct dane d;
		size_t n = 0;

		print_message("%s\n", rows[i].name);
		put_record(&wire, rows[i].usage, rows[i].selector, rows[i].matching, rows[i].cert);
		record = buf_view(&wire);
		dane_take(&d, &record, 1, &rules);
		while (n < 3 && rows[i].chain[n] >= 0) {
			chain[n] = buf_view(&made[rows[i].chain[n]].der);
			n++;
		}
		dane_check(&d, chain, n, &result);
		assert_int_equal(result.verdict, rows[i].verdict);
		assert_int_equal(result.faults != 0, rows[i].verdict == DANE_NOT_TRUSTED);
		dane_clear(&d);
		buf_clear(&wire);
	}
}

/* -- records -------------------------------------------------------------------------------------- */

#define D32	"0123456789abcdef0123456789abcdef"
#define R(bytes)	{ bytes, sizeof(bytes) - 1 }

static const struct {
	const char	*name;
	struct span	 wire[3];
	const char	*digests;
	enum tlsa_fault	 faults[3];
	size_t		 usable;
} sets[] = {
	{ "one that is fine", { R("\3\1\1" D32) }, "sha512 sha256", { TLSA_USABLE }, 1 },
	{ "usages of the web, and one that is none", { R("\0\0\1" D32), R("\1\1\1" D32), R("\4\1\1" D32) }, "sha256", { TLSA_USAGE, TLSA_USAGE, TLSA_USAGE }, 0 },
	{ "selector", { R("\3\2\1" D32) }, "sha256", { TLSA_SELECTOR }, 0 },
	{ "matching type", { R("\3\1\3" D32), R("\3\1\2" D32 D32) }, "sha256", { TLSA_MATCHING, TLSA_MATCHING }, 0 },
	{ "length", { R("\3\1\1" "short"), R("\3\1\1"), R("\3\1\2" D32) }, "sha512 sha256", { TLSA_DATA, TLSA_DATA, TLSA_DATA }, 0 },
	{ "no certificate, no key", { R("\3\0\0" "x"), R("\2\1\0" "x"), R("\3\1\0") }, "sha256", { TLSA_DATA, TLSA_DATA, TLSA_DATA }, 0 },
	{ "cut short", { R("\3\1"), R(""), R("\3") }, "sha256", { TLSA_MALFORMED, TLSA_MALFORMED, TLSA_MALFORMED }, 0 },
	{ "a stronger digest beside it", { R("\3\1\1" D32), R("\3\1\2" D32 D32), R("\2\1\1" D32) }, "sha512 sha256",
	    { TLSA_WEAKER, TLSA_USABLE, TLSA_USABLE }, 2 },
	{ "the site's own order", { R("\3\1\1" D32), R("\3\1\2" D32 D32) }, "sha256 sha512=2", { TLSA_USABLE, TLSA_WEAKER }, 1 },
	{ "a stronger one that is of no use", { R("\3\1\1" D32), R("\3\1\2" D32) }, "sha512 sha256", { TLSA_USABLE, TLSA_DATA }, 1 },
};

static void
records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		struct dane_rules r = { .digests = sets[i].digests, .agility = true, .ta_digest = true };
		struct dane d, copy;
		size_t n = 0;

		print_message("%s\n", sets[i].name);
		while (n < 3 && sets[i].wire[n].ptr != NULL)
			n++;
		dane_take(&d, sets[i].wire, n, &r);
		dane_copy(&copy, &d);
		dane_clear(&d);
		assert_int_equal(copy.count, n);
		assert_int_equal(copy.usable, sets[i].usable);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(copy.list[k].fault, sets[i].faults[k]);
		dane_clear(&copy);
	}
}

static void
as_text(void **state)
{
	struct span wire = { "\3\1\1" D32, 3 + 32 };
	struct buf text = BUF_INIT(0);
	struct dane d;

	(void)state;
	dane_take(&d, &wire, 1, &rules);
	dane_text(&d.list[0], 4, &text);
	assert_string_equal(text.ptr, "3 1 1 30313233...");
	dane_clear(&d);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(chains), cmocka_unit_test(records), cmocka_unit_test(as_text) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
