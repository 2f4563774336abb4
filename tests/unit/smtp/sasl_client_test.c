#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/sasl_client.h"

#define CHALLENGES	3

/* What is said, and what is answered; NULL ends, "!" is no answer. The first answer stands with AUTH itself where there is one. */
static const struct row {
	const char	*name;
	unsigned	 mechanism;
	const char	*user, *password;
	const char	*first;
	size_t		 first_len;	/* 0: strlen */
	const char	*said[CHALLENGES], *answered[CHALLENGES];
} rows[] = {
	{ "PLAIN", MECH_PLAIN, "tim", "tan:st", "\0tim\0tan:st", 11, { "again" }, { "!" } },
	{ "PLAIN without a password", MECH_PLAIN, "tim", "", "\0tim\0", 5, { NULL }, { NULL } },
	{ "LOGIN", MECH_LOGIN, "tim", "tanstaaf", NULL, 0, { "User Name", "Password", "More" }, { "tim", "tanstaaf", "!" } },
	{ "CRAM-MD5 (RFC 2195)", MECH_CRAM_MD5, "tim", "tanstaaftanstaaf", NULL, 0, { "<1896.697170952@postoffice.reston.mci.net>" },
	    { "tim b913a602c7eda7a495b4e6e7334d3890" } },
	{ "XOAUTH2", MECH_XOAUTH2, "u@x.test", "ya29.tok", "user=u@x.test\1auth=Bearer ya29.tok\1\1", 0, { "{}", "more" }, { "", "!" } },
	{ "OAUTHBEARER (RFC 7628)", MECH_OAUTHBEARER, "u=1,2@x.test", "tok", "n,a=u=3D1=2C2@x.test,\1host=mx.test\1port=587\1auth=Bearer tok\1\1",
	    0, { "{}", "more" }, { "\1", "!" } },
};

static void
play(const struct row *r)
{
	struct sasl_who who = { span_str(r->user), span_str(r->password), SPAN("mx.test"), 587 };
	struct sasl_client *c = sasl_client_new(r->mechanism, &who);
	struct buf out = BUF_INIT(4096);

	assert_non_null(c);
	assert_int_equal(sasl_client_first(c), r->first != NULL);
	if (r->first != NULL) {
		assert_true(sasl_client_step(c, SPAN_NONE, &out));
		assert_true(span_eq(buf_view(&out), span_of(r->first, r->first_len > 0 ? r->first_len : strlen(r->first))));
	}
	for (size_t i = 0; i < CHALLENGES && r->said[i] != NULL; i++) {
		buf_reset(&out);
		bool done = sasl_client_step(c, span_str(r->said[i]), &out);
		assert_int_equal(done, strcmp(r->answered[i], "!") != 0);
		if (done)
			assert_true(span_eqs(buf_view(&out), r->answered[i]));
	}
	sasl_client_free(c);
	buf_clear(&out);
}

static void
test_mechanisms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		print_message("%s\n", rows[i].name);
		play(&rows[i]);
	}
}

/* A server that is content before it has shown that it knows the password, or that shows it wrongly. */
static void
test_scram_wants_proof(void **state)
{
	struct sasl_who who = { SPAN("user"), SPAN("pencil"), SPAN("mx.test"), 25 };
	struct sasl_client *c = sasl_client_new(MECH_SCRAM_SHA_256, &who);
	struct buf out = BUF_INIT(4096), challenge = BUF_INIT(4096);

	(void)state;
	assert_true(sasl_client_step(c, SPAN_NONE, &out));
	assert_true(span_starts(buf_view(&out), "n,,n=user,r="));
	assert_false(sasl_client_satisfied(c));
	struct span nonce = span_skip(buf_view(&out), strlen("n,,n=user,r="));
	buf_printf(&challenge, "r=%.*sserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", SPAN_ARG(nonce));
	buf_reset(&out);
	assert_true(sasl_client_step(c, buf_view(&challenge), &out));
	assert_false(sasl_client_satisfied(c));
	buf_reset(&out);
	assert_false(sasl_client_step(c, SPAN("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &out));
	assert_false(sasl_client_satisfied(c));
	sasl_client_free(c);
	buf_clear(&out);
	buf_clear(&challenge);
}

static void
test_choice(void **state)
{
	unsigned all = 127, bits;
	struct span bad;

	(void)state;
	assert_int_equal(sasl_client_choose(all, 0), MECH_SCRAM_SHA_256);
	assert_int_equal(sasl_client_choose(MECH_LOGIN | MECH_PLAIN, 0), MECH_PLAIN);
	assert_int_equal(sasl_client_choose(MECH_LOGIN | MECH_PLAIN | MECH_XOAUTH2, MECH_NO_PLAINTEXT), 0);
	assert_int_equal(sasl_client_choose(all & ~3u, MECH_NO_PLAINTEXT), MECH_CRAM_MD5);
	assert_int_equal(sasl_client_choose(all, MECH_MUTUAL_AUTH), MECH_SCRAM_SHA_256);
	assert_int_equal(sasl_client_choose(all, MECH_FORWARD_SECRECY), 0);
	assert_true(sasl_client_forbids(SPAN("noplaintext, NoAnonymous\n mutual_auth"), &bits, &bad));
	assert_int_equal(bits, MECH_NO_PLAINTEXT | MECH_NO_ANONYMOUS | MECH_MUTUAL_AUTH);
	assert_false(sasl_client_forbids(SPAN("noactive, wrong"), &bits, &bad));
	assert_true(span_eqs(bad, "wrong"));
	assert_int_equal(sasl_client_mechanism(SPAN("scram-sha-1")), MECH_SCRAM_SHA_1);
	assert_int_equal(sasl_client_mechanism(SPAN("NTLM")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_scram_wants_proof),
		cmocka_unit_test(test_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
