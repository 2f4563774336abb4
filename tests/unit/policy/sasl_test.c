#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "base/base64.h"
#include "policy/sasl_exchange.h"
#include "policy/scram_secret.h"
#include "tests/unit/conf/conf_helper.h"

/* RFC 7677, section 3, and RFC 5802, section 5: user, pencil. */
#define SHA256	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SHA1	"SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="

static void
test_secret(void **state)
{
	static const struct {
		const char	*value;
		enum scram_hash	 hash;
		bool		 ok;
	} cases[] = {
		{ SHA256, SCRAM_SHA_256, true },
		{ SHA256 " " SHA1, SCRAM_SHA_1, true },
		{ SHA1 "  " SHA256, SCRAM_SHA_256, true },
		{ SHA256, SCRAM_SHA_1, false },
		{ "", SCRAM_SHA_256, false },
		{ "pencil", SCRAM_SHA_256, false },
		{ "{PLAIN}pencil", SCRAM_SHA_256, false },
		{ "SCRAM-SHA-256$", SCRAM_SHA_256, false },
		{ "SCRAM-SHA-256$4096:W22Z", SCRAM_SHA_256, false },
		{ "SCRAM-SHA-256$0:W22Z$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", SCRAM_SHA_256, false },
		{ "SCRAM-SHA-256$4000000000:W22Z$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", SCRAM_SHA_256,
		    false },
		{ "SCRAM-SHA-256$4096:$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", SCRAM_SHA_256, false },
		{ "SCRAM-SHA-256$4096:W22Z$WG5d:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", SCRAM_SHA_256, false },
	};
	struct scram_secret s;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (scram_secret_parse(span_str(cases[i].value), cases[i].hash, &s) != cases[i].ok)
			fail_msg("%s", cases[i].value);
		if (!cases[i].ok)
			continue;
		assert_true(scram_secret_verify(&s, SPAN("pencil")));
		assert_false(scram_secret_verify(&s, SPAN("pencil ")));
		assert_false(scram_secret_verify(&s, SPAN("pen")));
		assert_false(scram_secret_verify(&s, SPAN("")));
		assert_false(scram_secret_verify(&s, SPAN("pencil\0x")));
		assert_false(scram_secret_verify(&s, SPAN("pen\ncil")));
	}
}

static void
test_make(void **state)
{
	static const struct {
		struct span	 password, other;
		bool		 ok;
	} cases[] = {
		{ SPAN("correct horse"), SPAN("correct horse"), true },
		{ SPAN("gr\xc3\xbc\xc3\x9f"), SPAN("gr\xc3\xbc\xc3\x9f"), true },
		{ SPAN("I\xc2\xadX"), SPAN("IX"), true },		/* SASLprep: a soft hyphen is nothing */
		{ SPAN("\xc2\xaa"), SPAN("a"), true },
		{ SPAN(""), SPAN(""), false },
		{ SPAN("\xc2\xad"), SPAN(""), false },
		{ SPAN("a\x07""b"), SPAN(""), false },
		{ SPAN("\xff\xfe"), SPAN(""), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		struct scram_secret s;
		assert_int_equal(scram_secrets_make(cases[i].password, 4096, &out, &err), cases[i].ok);
		assert_int_equal(err.kind == ERR_NONE, cases[i].ok);
		for (int h = SCRAM_SHA_1; cases[i].ok && h <= SCRAM_SHA_256; h++) {
			assert_true(scram_secret_parse(buf_view(&out), (enum scram_hash)h, &s));
			assert_int_equal(s.iterations, 4096);
			assert_true(scram_secret_verify(&s, cases[i].other));
			assert_false(scram_secret_verify(&s, SPAN("wrong")));
		}
		buf_clear(&out);
	}
}

static void
test_fake(void **state)
{
	struct scram_secret a, b, c;

	(void)state;
	scram_secret_fake(SPAN("x"), SPAN("key"), SCRAM_SHA_256, 4096, &a);
	scram_secret_fake(SPAN("x"), SPAN("key"), SCRAM_SHA_256, 4096, &b);
	scram_secret_fake(SPAN("y"), SPAN("key"), SCRAM_SHA_256, 4096, &c);
	assert_memory_equal(a.salt, b.salt, a.salt_len);
	assert_memory_not_equal(a.salt, c.salt, a.salt_len);
	assert_memory_not_equal(a.stored, b.stored, a.key_len);
}

/* -- exchanges ---------------------------------------------------------------------------------- */

struct site {
	struct conf	*conf;
	struct sasl	*sasl;
};

/* "$" stands twice in main.cf. */
static void
put_dollars(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		buf_char(b, *text);
		if (*text == '$')
			buf_char(b, '$');
	}
}

static bool
site_open(struct site *site, const char *extra, struct err *err)
{
	struct buf text = BUF_INIT(65536);

	buf_str(&text, "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = gsasl\nmtad_sasl_password_maps = inline:{ { user = ");
	put_dollars(&text, SHA256 " " SHA1);
	buf_printf(&text, " }, { odd = nonsense } }\n%s", extra);
	site->conf = test_conf_good(text.ptr, NULL);
	buf_clear(&text);
	site->sasl = NULL;
	return sasl_new(conf_main(site->conf), &site->sasl, err);
}

static void
site_close(struct site *site)
{
	sasl_free(site->sasl);
	conf_unref(site->conf);
}

/* What is said, in clear; a line each. The replies are "+" a challenge in clear, "OK user", "NO". */
static void
talk(struct sasl_exchange *x, const char *const *lines, struct buf *out)
{
	enum sasl_status status = SASL_MORE;

	for (; *lines != NULL && status == SASL_MORE; lines++) {
		struct buf encoded = BUF_INIT(65536), reply = BUF_INIT(65536);
		struct span line = span_str(*lines);
		if (span_starts(line, "!"))		/* raw */
			buf_span(&encoded, span_skip(line, 1));
		for (size_t i = 0; !span_starts(line, "!") && i < line.len; i++)
			buf_char(&encoded, line.ptr[i] == '~' ? '\0' : line.ptr[i]);
		struct buf b64 = BUF_INIT(65536);
		buf_str(&b64, "");
		if (!span_starts(line, "!"))
			base64_encode(&b64, buf_view(&encoded));
		else
			buf_span(&b64, buf_view(&encoded));
		status = sasl_exchange_step(x, span_eqs(line, "-") ? SPAN_NONE : buf_view(&b64), NULL, &reply);
		buf_char(out, status == SASL_MORE ? '+' : status == SASL_DONE ? 'Y' : 'N');
		if (status == SASL_MORE)
			assert_true(base64_decode(out, buf_view(&reply)));
		else if (status == SASL_DONE)
			buf_str(out, sasl_exchange_user(x));
		else
			buf_span(out, buf_view(&reply));
		buf_clear(&encoded);
		buf_clear(&reply);
		buf_clear(&b64);
	}
}

static void
test_exchanges(void **state)
{
	static const struct {
		const char	*mechanism;
		const char	*lines[5];
		const char	*replies;
	} cases[] = {
		{ "PLAIN", { "~user~pencil" }, "Yuser" },
		{ "plain", { "-", "~user~pencil" }, "+Yuser" },
		{ "PLAIN", { "user~user~pencil" }, "Yuser" },
		{ "PLAIN", { "other~user~pencil" }, "N" },
		{ "PLAIN", { "~USER~pencil" }, "Yuser" },
		{ "PLAIN", { "~user~pencils" }, "N" },
		{ "PLAIN", { "~user~" }, "N" },
		{ "PLAIN", { "~~pencil" }, "N" },
		{ "PLAIN", { "~nobody~pencil" }, "N" },
		{ "PLAIN", { "~odd~nonsense" }, "N" },
		{ "PLAIN", { "~.~pencil" }, "N" },
		{ "PLAIN", { "user" }, "N" },
		{ "PLAIN", { "~user" }, "N" },
		{ "PLAIN", { "!=" }, "N" },
		{ "PLAIN", { "!AA" }, "NInvalid base64 data in initial response" },
		{ "PLAIN", { "-", "!A===" }, "+NInvalid base64 data in continued response" },
		{ "LOGIN", { "-", "user", "pencil" }, "+Username:+Password:Yuser" },
		{ "LOGIN", { "user", "pencil" }, "+Password:Yuser" },
		{ "LOGIN", { "!=", "user", "pencil" }, "+Username:+Password:Yuser" },
		{ "LOGIN", { "-", "user", "pen" }, "+Username:+Password:N" },
		{ "LOGIN", { "-", "!", "pen" }, "+Username:N" },
		{ "LOGIN", { "-", "user~x", "pencil" }, "+Username:N" },
		{ "SCRAM-SHA-256", { "-", "!" }, "+N" },
		{ "SCRAM-SHA-256", { "n,,n=,r=abc" }, "N" },
		{ "SCRAM-SHA-256", { "n,,n=us=er,r=abc" }, "N" },
		{ "SCRAM-SHA-256", { "n,,r=abc" }, "N" },
		{ "SCRAM-SHA-256", { "user" }, "N" },
		{ "SCRAM-SHA-256", { ",,,,,,,,," }, "N" },
		{ "SCRAM-SHA-256", { "p=tls-unique,,n=user,r=abc" }, "N" },
	};
	static const char *const absent[] = { "SCRAM-SHA-256-PLUS", "EXTERNAL", "CRAM-MD5", "DIGEST-MD5", "", "PLAI", "PLAINX" };
	struct sasl_channel none = { .tls = false };
	struct site site;
	struct err err = { ERR_NONE, "" };

	(void)state;
	assert_true(site_open(&site, "", &err));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = BUF_INIT(65536);
		struct sasl_exchange *x = sasl_exchange_new(site.sasl, span_str(cases[i].mechanism), &none);
		assert_non_null(x);
		talk(x, cases[i].lines, &out);
		assert_string_equal(out.ptr, cases[i].replies);
		sasl_exchange_free(x);
		buf_clear(&out);
	}
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		assert_null(sasl_exchange_new(site.sasl, span_str(absent[i]), &none));
	site_close(&site);
}

/* EXTERNAL takes the certificate's name, if that is a user; a realm is added to names without one. */
static void
test_external_and_realm(void **state)
{
	struct sasl_channel channel = { .tls = true, .certificate = SPAN("user") };
	const char *empty[] = { "!=", NULL }, *same[] = { "user", NULL }, *other[] = { "root", NULL }, *plain[] = { "~user~pencil", NULL };
	const struct {
		const char *const *lines;
		const char	*certificate, *replies;
	} cases[] = { { empty, "user", "Yuser" }, { same, "user", "Yuser" }, { other, "user", "N" }, { empty, "nobody", "N" } };
	struct site site;
	struct err err = { ERR_NONE, "" };

	(void)state;
	assert_true(site_open(&site, "smtpd_sasl_mechanism_filter = static:all\n", &err));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf out = BUF_INIT(65536);
		channel.certificate = span_str(cases[i].certificate);
		struct sasl_exchange *x = sasl_exchange_new(site.sasl, SPAN("EXTERNAL"), &channel);
		talk(x, cases[i].lines, &out);
		assert_string_equal(out.ptr, cases[i].replies);
		sasl_exchange_free(x);
		buf_clear(&out);
	}
	site_close(&site);
	assert_true(site_open(&site, "smtpd_sasl_local_domain = realm.test\n", &err));
	struct buf out = BUF_INIT(65536);
	struct sasl_exchange *x = sasl_exchange_new(site.sasl, SPAN("PLAIN"), &channel);
	talk(x, plain, &out);
	assert_string_equal(out.ptr, "N");
	assert_string_equal(sasl_exchange_user(x), "user@realm.test");
	sasl_exchange_free(x);
	buf_clear(&out);
	site_close(&site);
}

/* -- SCRAM, against the library's client ------------------------------------------------------------ */

static int
client_property(Gsasl *g, Gsasl_session *s, Gsasl_property p)
{
	const char *const *login = gsasl_session_hook_get(s);

	(void)g;
	if (p == GSASL_AUTHID)
		return gsasl_property_set(s, p, login[0]);
	if (p == GSASL_PASSWORD)
		return gsasl_property_set(s, p, login[1]);
	if (p == GSASL_AUTHZID && login[2] != NULL)
		return gsasl_property_set(s, p, login[2]);
	if (p == GSASL_CB_TLS_EXPORTER && login[3] != NULL)
		return gsasl_property_set(s, p, login[3]);
	return GSASL_NO_CALLBACK;
}

static enum sasl_status
scram(const struct sasl *sasl, const char *mechanism, const struct sasl_channel *channel, const char **login)
{
	struct sasl_exchange *x = sasl_exchange_new(sasl, span_str(mechanism), channel);
	enum sasl_status status = SASL_MORE;
	struct buf challenge = BUF_INIT(65536);
	Gsasl *g;
	Gsasl_session *c;

	assert_non_null(x);
	assert_int_equal(gsasl_init(&g), GSASL_OK);
	gsasl_callback_set(g, client_property);
	assert_int_equal(gsasl_client_start(g, mechanism, &c), GSASL_OK);
	gsasl_session_hook_set(c, login);
	buf_str(&challenge, "");
	for (int i = 0; i < 6 && status == SASL_MORE; i++) {
		char *line = NULL;
		int rc = gsasl_step64(c, challenge.ptr, &line);
		/* After the last word of the server the client has nothing to say. */
		if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
			gsasl_free(line);
			break;
		}
		buf_reset(&challenge);
		status = sasl_exchange_step(x, span_str(line), NULL, &challenge);
		gsasl_free(line);
	}
	gsasl_finish(c);
	gsasl_done(g);
	sasl_exchange_free(x);
	buf_clear(&challenge);
	return status;
}

static void
test_scram(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	struct sasl_channel none = { .tls = false }, bound = { .tls = true, .exporter = span_of(secret, 32) };
	char right[64], wrong[64];
	struct buf b = BUF_INIT(100);
	struct site site;
	struct err err = { ERR_NONE, "" };

	(void)state;
	base64_encode(&b, bound.exporter);
	(void)snprintf(right, sizeof right, "%s", b.ptr);
	(void)snprintf(wrong, sizeof wrong, "%s", b.ptr);
	wrong[0] ^= 1;
	buf_clear(&b);
	const struct {
		const char	*mechanism;
		const struct sasl_channel *channel;
		const char	*login[4];
		enum sasl_status status;
	} cases[] = {
		{ "SCRAM-SHA-256", &none, { "user", "pencil", NULL, NULL }, SASL_DONE },
		{ "SCRAM-SHA-1", &none, { "user", "pencil", NULL, NULL }, SASL_DONE },
		{ "SCRAM-SHA-256", &none, { "user", "pencil", "user", NULL }, SASL_DONE },
		{ "SCRAM-SHA-256", &none, { "user", "pencil", "root", NULL }, SASL_FAILED },
		{ "SCRAM-SHA-256", &none, { "user", "pencils", NULL, NULL }, SASL_FAILED },
		{ "SCRAM-SHA-1", &none, { "nobody", "pencil", NULL, NULL }, SASL_FAILED },
		{ "SCRAM-SHA-256", &none, { "odd", "nonsense", NULL, NULL }, SASL_FAILED },
		{ "SCRAM-SHA-256-PLUS", &bound, { "user", "pencil", NULL, right }, SASL_DONE },
		{ "SCRAM-SHA-1-PLUS", &bound, { "user", "pencil", NULL, right }, SASL_DONE },
		{ "SCRAM-SHA-256-PLUS", &bound, { "user", "pencil", NULL, wrong }, SASL_FAILED },
		{ "SCRAM-SHA-256", &bound, { "user", "pencil", NULL, NULL }, SASL_DONE },
	};
	assert_true(site_open(&site, "", &err));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *login[4] = { cases[i].login[0], cases[i].login[1], cases[i].login[2], cases[i].login[3] };
		enum sasl_status status = scram(site.sasl, cases[i].mechanism, cases[i].channel, login);
		if (status != cases[i].status)
			fail_msg("%zu: %s as %s: %d", i, cases[i].mechanism, login[0], (int)status);
	}
	/* It could bind, and was told that we cannot: somebody is between. */
	const char *downgraded[] = { "y,,n=user,r=abc", NULL }, *unbound[] = { "n,,n=user,r=abc", NULL };
	const char *mechanisms[] = { "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" };
	for (size_t i = 0; i < 2; i++) {
		struct buf out = BUF_INIT(65536);
		struct sasl_exchange *x = sasl_exchange_new(site.sasl, span_str(mechanisms[i]), &bound);
		talk(x, i == 0 ? downgraded : unbound, &out);
		assert_string_equal(out.ptr, "N");
		sasl_exchange_free(x);
		buf_clear(&out);
	}
	site_close(&site);
}

static void
test_settings(void **state)
{
	static const struct {
		const char	*extra;
		bool		 tls;
		const char	*offered;	/* of PLAIN SCRAM-SHA-256 ANONYMOUS */
	} cases[] = {
		{ "", false, "PS" },
		{ "smtpd_sasl_security_options = noplaintext\n", false, "SA" },
		{ "smtpd_sasl_security_options = noplaintext, noanonymous\nsmtpd_sasl_tls_security_options = noanonymous\n", false, "S" },
		{ "smtpd_sasl_security_options = noplaintext, noanonymous\nsmtpd_sasl_tls_security_options = noanonymous\n", true, "PS" },
		{ "smtpd_sasl_security_options = NODICTIONARY\n", true, "PA" },
		{ "smtpd_sasl_security_options = mutual_auth\n", true, "S" },
		{ "smtpd_sasl_security_options = forward_secrecy\n", true, "" },
		{ "smtpd_sasl_security_options =\n", true, "PSA" },
		{ "smtpd_sasl_mechanism_filter = plain\n", true, "P" },
		{ "smtpd_sasl_mechanism_filter = !plain, static:all\n", true, "S" },
		{ "smtpd_sasl_mechanism_filter =\n", true, "" },
	};
	struct err err = { ERR_NONE, "" };
	struct site site;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char got[4] = "";
		assert_true(site_open(&site, cases[i].extra, &err));
		if (sasl_may(site.sasl, SPAN("PLAIN"), SASL_PLAINTEXT, cases[i].tls))
			strcat(got, "P");
		if (sasl_may(site.sasl, SPAN("SCRAM-SHA-256"), SASL_DICTIONARY | SASL_MUTUAL_AUTH, cases[i].tls))
			strcat(got, "S");
		if (sasl_may(site.sasl, SPAN("ANONYMOUS"), SASL_ANONYMOUS, cases[i].tls))
			strcat(got, "A");
		if (strcmp(got, cases[i].offered) != 0)
			fail_msg("%s: %s", cases[i].extra, got);
		assert_false(sasl_may(site.sasl, SPAN("X"), SASL_PRIVATE, cases[i].tls));
		site_close(&site);
	}
	assert_true(site_open(&site, "smtpd_sasl_auth_enable = no\n", &err));
	assert_null(site.sasl);
	site_close(&site);
	assert_false(site_open(&site, "smtpd_sasl_type = cyrus\n", &err));
	assert_non_null(strstr(err.text, "smtpd_sasl_type: \"cyrus\" is not built in"));
	site_close(&site);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret), cmocka_unit_test(test_make), cmocka_unit_test(test_fake), cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_external_and_realm), cmocka_unit_test(test_scram), cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
