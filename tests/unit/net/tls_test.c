/*
 * Credentials from bytes, sessions over a socket pair, chains and names; certificates are made here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/tls.h"

struct made {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	char		*cert_pem, *key_pem;
	struct buf	 der;
};

static char *
text(gnutls_datum_t d)
{
	char *s = span_dup(span_of(d.data, d.size));

	gnutls_free(d.data);
	return s;
}

struct kind {
	const char	*cn, *dns;
	gnutls_pk_algorithm_t algorithm;
	bool		 ca;
	long		 from, until;	/* seconds from now; 0: the usual */
	const char	*purpose;
};

static void
make(struct made *m, const struct kind *k, const struct made *issuer)
{
	static unsigned char serial = 1;
	gnutls_datum_t d;
	time_t now = time(NULL);

	assert_int_equal(gnutls_x509_privkey_init(&m->key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(m->key, k->algorithm, k->algorithm == GNUTLS_PK_RSA ? 2048u :
	    (unsigned)GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&m->crt), 0);
	gnutls_x509_crt_set_version(m->crt, 3);
	gnutls_x509_crt_set_serial(m->crt, &serial, 1);
	serial++;
	gnutls_x509_crt_set_dn_by_oid(m->crt, GNUTLS_OID_X520_COMMON_NAME, 0, k->cn, (unsigned)strlen(k->cn));
	gnutls_x509_crt_set_activation_time(m->crt, now + (k->from == 0 ? -1000 : k->from));
	gnutls_x509_crt_set_expiration_time(m->crt, now + (k->until == 0 ? 100000 : k->until));
	gnutls_x509_crt_set_basic_constraints(m->crt, k->ca, -1);
	gnutls_x509_crt_set_key_usage(m->crt, k->ca ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (k->purpose != NULL)
		gnutls_x509_crt_set_key_purpose_oid(m->crt, k->purpose, 0);
	if (k->dns != NULL)
		gnutls_x509_crt_set_subject_alt_name(m->crt, GNUTLS_SAN_DNSNAME, k->dns, (unsigned)strlen(k->dns), 0);
	gnutls_x509_crt_set_key(m->crt, m->key);
	assert_int_equal(gnutls_x509_crt_sign2(m->crt, issuer == NULL ? m->crt : issuer->crt, issuer == NULL ? m->key : issuer->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(m->crt, GNUTLS_X509_FMT_PEM, &d), 0);
	m->cert_pem = text(d);
	assert_int_equal(gnutls_x509_privkey_export2(m->key, GNUTLS_X509_FMT_PEM, &d), 0);
	m->key_pem = text(d);
	assert_int_equal(gnutls_x509_crt_export2(m->crt, GNUTLS_X509_FMT_DER, &d), 0);
	m->der = BUF_INIT(0);
	buf_put(&m->der, d.data, d.size);
	gnutls_free(d.data);
}

static void
unmake(struct made *m)
{
	gnutls_x509_crt_deinit(m->crt);
	gnutls_x509_privkey_deinit(m->key);
	free(m->cert_pem);
	free(m->key_pem);
	buf_clear(&m->der);
}

static struct made ca, ec, rsa, expired, early, coder, alone, client, wild;

static int
set_up(void **state)
{
	(void)state;
	make(&ca, &(struct kind){ .cn = "Test CA", .algorithm = GNUTLS_PK_ECDSA, .ca = true }, NULL);
	make(&ec, &(struct kind){ .cn = "old name", .dns = "mx.test", .algorithm = GNUTLS_PK_ECDSA, .purpose = GNUTLS_KP_TLS_WWW_SERVER }, &ca);
	make(&rsa, &(struct kind){ .cn = "mx.test", .algorithm = GNUTLS_PK_RSA }, &ca);
	make(&expired, &(struct kind){ .cn = "mx.test", .algorithm = GNUTLS_PK_ECDSA, .until = -10 }, &ca);
	make(&early, &(struct kind){ .cn = "mx.test", .algorithm = GNUTLS_PK_ECDSA, .from = 5000 }, &ca);
	make(&coder, &(struct kind){ .cn = "mx.test", .algorithm = GNUTLS_PK_ECDSA, .purpose = GNUTLS_KP_CODE_SIGNING }, &ca);
	make(&alone, &(struct kind){ .cn = "mx.test", .algorithm = GNUTLS_PK_ECDSA }, NULL);
	make(&client, &(struct kind){ .cn = "client.test", .algorithm = GNUTLS_PK_ECDSA, .purpose = GNUTLS_KP_TLS_WWW_CLIENT }, &ca);
	make(&wild, &(struct kind){ .cn = "x", .dns = "*.example.test", .algorithm = GNUTLS_PK_ECDSA }, &ca);
	return 0;
}

static int
tear_down(void **state)
{
	struct made *all[] = { &ca, &ec, &rsa, &expired, &early, &coder, &alone, &client, &wild };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		unmake(all[i]);
	return 0;
}

/* -- credentials ---------------------------------------------------------------------------- */

static void
pairs(void **state)
{
	struct { const char *certs, *key, *says; } rows[] = {
		{ ec.cert_pem, ec.key_pem, NULL }, { rsa.cert_pem, rsa.key_pem, NULL },
		{ ec.cert_pem, rsa.key_pem, "the private key does not belong to the certificate" },
		{ ec.cert_pem, client.key_pem, "the private key does not belong to the certificate" },
		{ ec.key_pem, ec.key_pem, "there is no certificate in it" }, { "", "", "there is no certificate in it" },
		{ ec.cert_pem, "", "private key" }, { "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", ec.key_pem, "certificate" },
		{ ec.cert_pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "private key" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tls_creds *c = tls_creds_new();
		struct err err = { ERR_NONE, "" };
		bool ok = tls_creds_add_pair(c, span_str(rows[i].certs), span_str(rows[i].key), &err) && tls_creds_ready(c, &err);
		if (ok != (rows[i].says == NULL) || (!ok && strstr(err.text, rows[i].says) == NULL))
			fail_msg("row %zu: \"%s\"", i, err.text);
		assert_int_equal(tls_creds_has_certificate(c) && ok, ok);
		tls_creds_unref(c);
	}
}

static void
chains(void **state)
{
	struct { const char *parts[5]; const char *says; } rows[] = {
		{ { ec.key_pem, ec.cert_pem, ca.cert_pem }, NULL }, { { rsa.key_pem, rsa.cert_pem, ec.key_pem, ec.cert_pem }, NULL },
		{ { "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", ec.key_pem, ec.cert_pem }, NULL },
		{ { ec.cert_pem, ec.key_pem }, "a certificate comes before any private key" }, { { ec.key_pem }, "no certificate follows a private key" },
		{ { ec.key_pem, rsa.key_pem, rsa.cert_pem }, "no certificate follows a private key" },
		{ { rsa.key_pem, ec.cert_pem }, "the private key does not belong to the certificate" }, { { "nothing" }, "there is no private key and certificate in it" },
		{ { "" }, "there is no private key and certificate in it" }, { { "-----BEGIN PRIVATE KEY-----\nnever ends" }, "there is no private key" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tls_creds *c = tls_creds_new();
		struct buf all = BUF_INIT(0);
		struct err err = { ERR_NONE, "" };
		for (size_t n = 0; n < 5 && rows[i].parts[n] != NULL; n++)
			buf_str(&all, rows[i].parts[n]);
		bool ok = tls_creds_add_chains(c, buf_view(&all), &err);
		if (ok != (rows[i].says == NULL) || (!ok && strstr(err.text, rows[i].says) == NULL))
			fail_msg("row %zu: \"%s\"", i, err.text);
		tls_creds_unref(c);
		buf_clear(&all);
	}
}

/* -- sessions -------------------------------------------------------------------------------- */

struct ends {
	int		 fd[2];
	struct tls_creds *server_creds, *client_creds;
	struct tls	*server, *client;
};

static const struct tls_priority *
priority(const char *protocols)
{
	struct conf_problems problems = { 0 };
	struct conf *c = conf_parse("/nowhere", SPAN(""), SPAN(""), &problems);
	const struct tls_choice choice = { .view = conf_main(c), .protocols = protocols, .grade = "medium" };
	const struct tls_priority *p = tls_priority_get(&choice, NULL);

	assert_non_null(p);
	conf_unref(c);
	conf_problems_clear(&problems);
	return p;
}

static struct tls_creds *
creds(const struct made *own, bool trust)
{
	struct tls_creds *c = tls_creds_new();

	if (own != NULL)
		assert_true(tls_creds_add_pair(c, span_str(own->cert_pem), span_str(own->key_pem), NULL));
	if (trust)
		assert_true(tls_creds_add_authorities(c, span_str(ca.cert_pem), NULL));
	assert_true(tls_creds_ready(c, NULL));
	return c;
}

static void
connect_ends(struct ends *e, const char *protocols, const struct made *server, const struct made *who, const unsigned char *tickets, struct span resume)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fd), 0);
	e->server_creds = creds(server, true);
	e->client_creds = creds(who, true);
	e->server = tls_new(e->fd[0], &(struct tls_options){ .server = true, .creds = e->server_creds, .priority = priority(protocols), .ask = TLS_ASK,
	    .ticket_key = tickets }, NULL);
	e->client = tls_new(e->fd[1], &(struct tls_options){ .creds = e->client_creds, .priority = priority(protocols), .server_name = "mx.test",
	    .resume = resume }, NULL);
	assert_non_null(e->server);
	assert_non_null(e->client);
}

/* Both in turn until both are done; a bounded number of turns. */
static bool
shake(struct ends *e, struct err *err)
{
	enum tls_step a = TLS_AGAIN, b = TLS_AGAIN;

	for (int n = 0; n < 50 && (a == TLS_AGAIN || b == TLS_AGAIN); n++) {
		b = b == TLS_AGAIN ? tls_handshake(e->client, err) : b;
		a = a == TLS_AGAIN ? tls_handshake(e->server, err) : a;
		if (a == TLS_FAILED || b == TLS_FAILED)
			return false;
	}
	return a == TLS_DONE && b == TLS_DONE;
}

static void
close_ends(struct ends *e)
{
	tls_free(e->server);
	tls_free(e->client);
	tls_creds_unref(e->server_creds);
	tls_creds_unref(e->client_creds);
	(void)close(e->fd[0]);
	(void)close(e->fd[1]);
}

/* Much more than a socket holds: both directions wait for each other now and then. */
static void
transfer(struct ends *e)
{
	static char from[1 << 20], to[1 << 20];
	size_t sent = 0, got = 0;

	for (size_t i = 0; i < sizeof from; i++)
		from[i] = (char)(i * 7 + i / 1000);
	for (int n = 0; n < 100000 && got < sizeof to; n++) {
		ssize_t w = sent < sizeof from ? tls_send(e->client, from + sent, sizeof from - sent) : 0;
		assert_true(w >= 0 || errno == EAGAIN);
		sent += w > 0 ? (size_t)w : 0;
		ssize_t r = tls_recv(e->server, to + got, sizeof to - got < 50000 ? sizeof to - got : 50000);
		assert_true(r > 0 || (r < 0 && errno == EAGAIN && tls_wants(e->server) == EV_READ && !tls_pending(e->server)));
		got += r > 0 ? (size_t)r : 0;
	}
	assert_int_equal(got, sizeof to);
	assert_memory_equal(from, to, sizeof to);
}

static void
sessions(void **state)
{
	static const struct { const char *protocols, *version; } rows[] = { { "TLSv1.2", "TLSv1.2" }, { ">=TLSv1.2", "TLSv1.3" } };
	char byte;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ends e;
		struct buf one = BUF_INIT(100), other = BUF_INIT(100);
		connect_ends(&e, rows[i].protocols, i == 0 ? &rsa : &ec, &client, NULL, SPAN_NONE);
		assert_true(shake(&e, NULL));
		assert_string_equal(tls_facts(e.server)->protocol, rows[i].version);
		assert_string_equal(tls_facts(e.server)->cipher, tls_facts(e.client)->cipher);
		assert_string_equal(tls_facts(e.server)->server_name, "mx.test");
		assert_int_equal(tls_peer_count(e.server), 1);
		assert_true(span_eq(tls_peer_der(e.server, 0), buf_view(&client.der)));
		assert_int_equal(tls_verify(e.server, e.server_creds, 9, false), 0);
		assert_int_equal(tls_verify(e.client, e.client_creds, 9, false), 0);
		transfer(&e);
		assert_true(tls_channel_binding(e.server, TLS_BINDING_EXPORTER, &one) && tls_channel_binding(e.client, TLS_BINDING_EXPORTER, &other));
		assert_true(one.len > 0 && span_eq(buf_view(&one), buf_view(&other)));
		tls_bye(e.client);
		assert_int_equal(tls_recv(e.server, &byte, 1), 0);
		assert_false(tls_truncated(e.server));
		(void)shutdown(e.fd[0], SHUT_RDWR);
		assert_int_equal(tls_recv(e.client, &byte, 1), 0);
		assert_true(tls_truncated(e.client));
		buf_clear(&one);
		buf_clear(&other);
		close_ends(&e);
	}
}

static void
no_common_version(void **state)
{
	struct ends e;
	struct err err = { ERR_NONE, "" };

	(void)state;
	connect_ends(&e, "TLSv1.2", &ec, NULL, NULL, SPAN_NONE);
	tls_free(e.client);
	e.client = tls_new(e.fd[1], &(struct tls_options){ .creds = e.client_creds, .priority = priority("TLSv1.3") }, NULL);
	assert_false(shake(&e, &err));
	assert_true(strlen(err.text) > 5);
	close_ends(&e);
}

static void
resumption(void **state)
{
	static const char *const protocols[] = { "TLSv1.2", "TLSv1.3" };
	unsigned char key[TLS_TICKET_KEY], other[TLS_TICKET_KEY];
	char byte;

	(void)state;
	tls_ticket_key(key);
	tls_ticket_key(other);
	assert_memory_not_equal(key, other, sizeof key);
	for (size_t i = 0; i < 2; i++) {
		struct ends e;
		struct buf data = BUF_INIT(10000);
		connect_ends(&e, protocols[i], &ec, NULL, key, SPAN_NONE);
		assert_true(shake(&e, NULL));
		assert_int_equal(tls_send(e.server, "x", 1), 1);
		assert_int_equal(tls_recv(e.client, &byte, 1), 1);
		assert_true(tls_resume_data(e.client, &data));
		close_ends(&e);
		connect_ends(&e, protocols[i], &ec, NULL, key, buf_view(&data));
		assert_true(shake(&e, NULL));
		assert_true(tls_facts(e.server)->resumed && tls_facts(e.client)->resumed);
		close_ends(&e);
		/* Under another key it begins anew. */
		connect_ends(&e, protocols[i], &ec, NULL, other, buf_view(&data));
		assert_true(shake(&e, NULL));
		assert_false(tls_facts(e.server)->resumed);
		close_ends(&e);
		buf_clear(&data);
	}
}

/* -- chains and names ------------------------------------------------------------------------- */

static void
verdicts(void **state)
{
	struct { const struct made *end; enum tls_purpose purpose; unsigned faults; const char *says; } rows[] = {
		{ &ec, TLS_FOR_SERVER, 0, "" }, { &rsa, TLS_FOR_SERVER, 0, "" }, { &client, TLS_FOR_CLIENT, 0, "" },
		{ &client, TLS_FOR_SERVER, TLS_FAULT_PURPOSE, "not designated for use as" },
		{ &expired, TLS_FOR_SERVER, TLS_FAULT_EXPIRED, "certificate has expired" }, { &early, TLS_FOR_SERVER, TLS_FAULT_NOT_YET, "certificate not yet valid" },
		{ &coder, TLS_FOR_SERVER, TLS_FAULT_PURPOSE, "not designated for use as" }, { &alone, TLS_FOR_SERVER, TLS_FAULT_SELF_SIGNED, "self-signed certificate" },
	};
	struct tls_creds *trust = creds(NULL, true), *nobody = creds(NULL, false);
	struct buf text_of = BUF_INIT(200);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span chain[] = { buf_view(&rows[i].end->der) };
		unsigned f = tls_verify_chain(chain, 1, trust, 9, rows[i].purpose);
		if (f != rows[i].faults)
			fail_msg("row %zu: faults %u, not %u", i, f, rows[i].faults);
		buf_reset(&text_of);
		buf_str(&text_of, "");
		tls_fault_text(&(struct tls_complaint){ f, "server", chain[0], chain[0], 9 }, &text_of);
		assert_non_null(strstr(text_of.ptr, rows[i].says));
	}
	/* Of wrong dates it is said whose they are. */
	struct { struct span end; unsigned faults; const char *text, *says; } subjects[] = {
		{ buf_view(&expired.der), TLS_FAULT_EXPIRED, "certificate has expired", "client certificate verification failed" },
		{ buf_view(&ec.der), TLS_FAULT_EXPIRED, "certificate has expired", "CA certificate verification failed" },
		{ buf_view(&ec.der), 0, "num=62:hostname mismatch", "client certificate verification failed" },
		{ buf_view(&ec.der), TLS_FAULT_SELF_SIGNED, "self-signed certificate", "certificate verification failed" },
	};
	for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
		buf_reset(&text_of);
		tls_fault_subject(&(struct tls_complaint){ subjects[i].faults, "client", subjects[i].end, subjects[i].end, 9 }, subjects[i].text, &text_of);
		assert_string_equal(text_of.ptr, subjects[i].says);
	}
	struct span chain[] = { buf_view(&ec.der), buf_view(&ca.der) };
	assert_int_equal(tls_verify_chain(chain, 2, nobody, 9, TLS_FOR_SERVER), TLS_FAULT_UNKNOWN_ISSUER);
	assert_int_equal(tls_verify_chain(chain, 0, trust, 9, TLS_FOR_SERVER), TLS_FAULT_NO_CERTIFICATE);
	assert_int_equal(tls_verify_chain(&(struct span){ "junk", 4 }, 1, trust, 9, TLS_FOR_SERVER), TLS_FAULT_OTHER);
	assert_int_equal(tls_verify_anchor(chain, 2, buf_view(&ca.der), 9, TLS_FOR_SERVER), 0);
	assert_true(tls_verify_anchor(chain, 2, buf_view(&alone.der), 9, TLS_FOR_SERVER) != 0);
	tls_creds_unref(trust);
	tls_creds_unref(nobody);
	buf_clear(&text_of);
}

static void
names(void **state)
{
	struct { const struct made *end; const char *name; bool multiple, matches; } rows[] = {
		{ &ec, "mx.test", false, true }, { &ec, "MX.test", false, true }, { &ec, "old name", false, false }, { &ec, "a.mx.test", true, false },
		{ &rsa, "mx.test", false, true }, { &wild, "a.example.test", false, true }, { &wild, "a.b.example.test", false, false },
		{ &wild, "a.b.example.test", true, true }, { &wild, "example.test", true, false }, { &wild, ".example.test", false, false }, { &ec, ".test", false, true },
		{ &ec, "", false, false },
	};
	struct tls_cert_names n;
	struct buf out = BUF_INIT(500);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (tls_cert_matches(buf_view(&rows[i].end->der), rows[i].name, rows[i].multiple) != rows[i].matches)
			fail_msg("row %zu: %s", i, rows[i].name);
	assert_true(tls_cert_names(buf_view(&ec.der), &n));
	assert_string_equal(n.subject_cn, "old name");
	assert_string_equal(n.issuer_cn, "Test CA");
	tls_cert_names_clear(&n);
	assert_false(tls_cert_names(SPAN("junk"), &n));
	tls_issuer_line(buf_view(&ec.der), &out);
	assert_string_equal(out.ptr, "/CN=Test CA");
	buf_reset(&out);
	assert_true(tls_fingerprint(buf_view(&ec.der), "sha256", TLS_PRINT_CERTIFICATE, &out) && out.len == 95 && out.ptr[2] == ':');
	assert_true(tls_fingerprint(buf_view(&ec.der), "md5", TLS_PRINT_KEY, &out));
	/* An elliptic curve's point: 04, and two coordinates, the last bytes of the SubjectPublicKeyInfo. */
	struct buf key = BUF_INIT(1000), bare = BUF_INIT(1000), want = BUF_INIT(1000);
	unsigned char hash[32];
	assert_true(tls_public_key(buf_view(&ec.der), &key) && key.len > 65);
	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, key.ptr + key.len - 65, 65, hash), 0);
	for (size_t i = 0; i < sizeof hash; i++)
		buf_printf(&want, "%s%02X", i == 0 ? "" : ":", hash[i]);
	assert_true(tls_fingerprint(buf_view(&ec.der), "sha256", TLS_PRINT_BARE_KEY, &bare));
	assert_string_equal(bare.ptr, want.ptr);
	buf_clear(&key);
	buf_clear(&bare);
	buf_clear(&want);
	assert_false(tls_fingerprint(buf_view(&ec.der), "sha99", TLS_PRINT_CERTIFICATE, &out));
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pairs), cmocka_unit_test(chains), cmocka_unit_test(sessions), cmocka_unit_test(no_common_version),
		cmocka_unit_test(resumption), cmocka_unit_test(verdicts), cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
