#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/tls_cipher.h"
#include "net/tls_priority.h"

static void
hear(void *arg, const char *text)
{
	struct buf *b = arg;

	buf_printf(b, "%s\n", text);
}

#define ALL_CIPHERS	":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-256-CCM:+AES-128-GCM:+AES-128-CCM:+AES-256-CBC:+AES-128-CBC"
#define ALL_KX		":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:+RSA"
#define ALL_MACS	":-MAC-ALL:+AEAD:+SHA384:+SHA256:+SHA1"
#define TLS12		"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static const struct row {
	const char	*main_cf, *protocols, *grade, *exclude, *eecdh;
	const char	*has[3];	/* parts of the string; NULL: it is refused */
	const char	*not;		/* what it must not have */
	const char	*says;		/* a part of the note, or of the error; NULL: nothing is said */
} rows[] = {
	{ "", ">=TLSv1.2", "medium", "", "auto", { TLS12 ALL_KX ALL_CIPHERS ALL_MACS, ":-GROUP-ALL:+GROUP-X25519:+GROUP-X448:+GROUP-SECP256R1" },
		"3DES", NULL },
	{ "", "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "high", "", NULL, { TLS12 ALL_KX }, "ANON", NULL },
	{ "", ">=TLSv1", "medium", "", NULL, { ":+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0" }, NULL, NULL },
	{ "", "", "medium", "", NULL, { ":+VERS-TLS1.1:+VERS-TLS1.0" }, "SSL", NULL },
	{ "", "TLSv1.2", "medium", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX" }, "TLS1.3", NULL },
	{ "", ">=TLSv1.2 <=TLSv1.2", "medium", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX" }, "TLS1.3", NULL },
	{ "", ">=0x0304", "medium", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX" }, "TLS1.2", NULL },
	{ "", ">=", "medium", "", NULL, { "+VERS-TLS1.0" }, NULL, NULL },
	{ "", "SSLv3, TLSv1.2", "medium", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX" }, NULL, "SSLv2 and SSLv3 are not" },
	{ "", "!TLSv1.4", "medium", "", NULL, { NULL }, NULL, "\"!TLSv1.4\" is no TLS protocol" },
	{ "", "SSLv3", "medium", "", NULL, { NULL }, NULL, "leaves no TLS protocol" },
	{ "", "", "best", "", NULL, { NULL }, NULL, "\"best\" is no cipher grade" },
	{ "", ">=TLSv1.2", "medium", "aNULL, eNULL, EXPORT, DES, RC4, MD5, PSK, aECDH, EDH-DSS-DES-CBC3-SHA, KRB5-DES", NULL, { TLS12 ALL_KX ALL_CIPHERS ALL_MACS }, NULL, NULL },
	{ "", ">=TLSv1.2", "medium", "kRSA", NULL, { ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:-CIPHER" }, ":+RSA:", NULL },
	{ "", ">=TLSv1.2", "medium", "RSA+AES128 SHA1 SHA256 SHA384", NULL, { ":-MAC-ALL:+AEAD:-GROUP" }, "+SHA1", "are not used either" },
	{ "", ">=TLSv1.2", "medium", "SHA", NULL, { ":-MAC-ALL:+AEAD:+SHA384:+SHA256:-GROUP" }, "+SHA1", NULL },
	{ "", ">=TLSv1.2", "medium", "AES256-SHA", NULL, { TLS12 }, NULL, "cannot choose single cipher suites" },
	{ "", ">=TLSv1.2", "medium", "BLOWFISH", NULL, { TLS12 }, NULL, "ciphers that nothing knows: BLOWFISH" },
	{ "", ">=TLSv1.2", "medium", "ALL", NULL, { NULL }, NULL, "no cipher is left" },
	{ "", ">=TLSv1.2", "null", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX", "-CIPHER-ALL:+NULL:" }, "AES", "does not speak TLSv1.3" },
	{ "tls_high_cipherlist = ECDHE+AESGCM:ECDHE+CHACHA20\n", ">=TLSv1.2", "high", "", NULL,
		{ ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:-" }, NULL, NULL },
	{ "tls_medium_cipherlist = HIGH:!AES128:@STRENGTH\n", ">=TLSv1.2", "medium", "", NULL, { "+AES-256-GCM" }, "AES-128", NULL },
	{ "tls_medium_cipherlist = HIGH:-AES128:AES128\n", ">=TLSv1.2", "medium", "", NULL, { "+AES-128-GCM" }, NULL, NULL },
	{ "tls_medium_cipherlist = !AES128:HIGH:AES128\n", ">=TLSv1.2", "medium", "", NULL, { "+AES-256-GCM" }, "AES-128", NULL },
	{ "tls_medium_cipherlist = AES128-SHA:AES256-SHA\n", "", "medium", "", NULL, { "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:-KX-ALL:+RSA:" },
		NULL, "does not speak TLSv1.3" },
	{ "", ">=TLSv1.2", "medium", "", "strong", { ":-GROUP-ALL:+GROUP-SECP256R1:+GROUP-FFDHE2048" }, "X25519", NULL },
	{ "", ">=TLSv1.2", "medium", "", "ultra", { ":-GROUP-ALL:+GROUP-SECP384R1:+GROUP-FFDHE2048" }, "X25519", NULL },
	{ "", ">=TLSv1.2", "medium", "", "none", { ":-KX-ALL:+DHE-RSA:+RSA:-CIPHER" }, "ECDHE", NULL },
	{ "", ">=TLSv1.2", "medium", "", "best", { NULL }, NULL, "no grade of curves" },
	{ "tls_eecdh_auto_curves = X25519 brainpoolP256r1\n", ">=TLSv1.2", "medium", "", "auto", { "+GROUP-X25519:+GROUP-FFDHE2048" }, "SECP", "no curve or group \"brainpoolP256r1\"" },
	{ "tls_preempt_cipherlist = yes\n", ">=TLSv1.2", "medium", "", NULL, { ":%SERVER_PRECEDENCE" }, NULL, NULL },
	{ "tls_ssl_options = NO_TICKET, NO_COMPRESSION, 0x20\n", ">=TLSv1.2", "medium", "", NULL, { ":%NO_TICKETS" }, NULL, "\"0x20\" means nothing" },
};

static void
priorities(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		struct conf_problems problems = { 0 };
		struct buf out = BUF_INIT(4096), said = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		struct conf *c = conf_parse("/nowhere", span_str(r->main_cf), SPAN(""), &problems);
		assert_non_null(c);
		const struct tls_choice choice = { .view = conf_main(c), .protocols = r->protocols, .grade = r->grade, .exclude = r->exclude,
			.eecdh_grade = r->eecdh, .server = true };
		bool ok = tls_priority_text(&choice, &out, hear, &said, &err);
		assert_int_equal(ok, r->has[0] != NULL);
		for (size_t n = 0; n < 3 && r->has[n] != NULL; n++)
			assert_non_null(strstr(out.ptr, r->has[n]));
		if (r->not != NULL)
			assert_null(strstr(out.ptr, r->not));
		if (r->says == NULL)
			assert_int_equal(said.len, 0);
		else
			assert_non_null(strstr(ok ? said.ptr : err.text, r->says));
		/* The library takes every one. */
		if (ok)
			assert_non_null(tls_priority_get(&choice, &err));
		buf_clear(&out);
		buf_clear(&said);
		conf_unref(c);
		conf_problems_clear(&problems);
	}
}

static void
same_string_same_thing(void **state)
{
	struct conf_problems problems = { 0 };
	struct conf *c = conf_parse("/nowhere", SPAN(""), SPAN(""), &problems);
	struct tls_choice a = { .view = conf_main(c), .protocols = ">=TLSv1.2", .grade = "medium" }, b = a, other = a;

	(void)state;
	b.protocols = "!TLSv1, !TLSv1.1";
	other.protocols = "TLSv1.3";
	assert_ptr_equal(tls_priority_get(&a, NULL), tls_priority_get(&b, NULL));
	assert_ptr_not_equal(tls_priority_get(&a, NULL), tls_priority_get(&other, NULL));
	conf_unref(c);
	conf_problems_clear(&problems);
}

static void
suite_names(void **state)
{
	static const char *const known[] = { "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "DHE-RSA-AES128-SHA256", "AES256-SHA",
		"NULL-SHA", "AES128-CCM" };
	uint64_t set;

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		assert_true(tls_suites_named(span_str(known[i]), &set));
		assert_int_equal(__builtin_popcountll(set), 1);
	}
	assert_true(tls_suites_named(SPAN("ECDHE-RSA-CAMELLIA128-SHA256"), &set) && set == 0);
	assert_false(tls_suites_named(SPAN("HUSH"), &set));
	assert_false(tls_suites_named(SPAN("AES+HUSH"), &set));
	assert_false(tls_suites_named(SPAN(""), &set));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(priorities), cmocka_unit_test(same_string_same_thing), cmocka_unit_test(suite_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
