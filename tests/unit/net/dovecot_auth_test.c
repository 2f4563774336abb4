#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net/dovecot_auth.h"

#define HELLO	"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n" \
	"MECH\tEXTERNAL\tprivate\nMECH\tGSSAPI\tmutual-auth\tforward-secrecy\nSPID\t15\nCUID\t3\nCOOKIE\tabc\nDONE\n"

static void
on_reply(void *arg, const struct dovecot_reply *r)
{
	buf_printf(arg, "{%u %d data=%.*s user=%.*s%s reason=%.*s%s}", r->id, (int)r->answer, SPAN_ARG(r->data), SPAN_ARG(r->user),
	    r->user.ptr == NULL ? "?" : "", SPAN_ARG(r->reason), r->temporary ? " temp" : "");
}

static const struct {
	const char	*name, *in;
	const char	*replies;
	const char	*error;		/* NULL: none */
	size_t		 mechanisms;
} cases[] = {
	{ "handshake", HELLO, "", NULL, 5 },
	{ "ok", HELLO "OK\t1\tuser=ann@site.test\tnologin\n", "{1 1 data= user=ann@site.test reason=}", NULL, 5 },
	{ "two at once", HELLO "CONT\t7\tVXNlcm5hbWU6\nFAIL\t6\tuser=bob\treason=no way\n",
	    "{7 0 data=VXNlcm5hbWU6 user=? reason=}{6 2 data= user=bob reason=no way}", NULL, 5 },
	{ "an empty challenge", HELLO "CONT\t7\t\nCONT\t8\n", "{7 0 data= user=? reason=}{8 0 data= user=? reason=}", NULL, 5 },
	{ "temporary", HELLO "FAIL\t2\ttemp\tauthz\n", "{2 2 data= user=? reason= temp}", NULL, 5 },
	{ "escapes", HELLO "FAIL\t2\tuser=a\001tb\0011c\treason=x\001\n", "{2 2 data= user=a\tb\001c reason=x\001}", NULL, 5 },
	{ "empty user", HELLO "FAIL\t2\tuser=\n", "{2 2 data= user= reason=}", NULL, 5 },
	{ "what is new", HELLO "FUTURE\tx\n\nOK\t1\tuser=a\n", "{1 1 data= user=a reason=}", NULL, 5 },
	{ "wrong version", "VERSION\t2\t0\n", "", "version 2", 0 },
	{ "an empty version", "VERSION\n", "", "version ", 0 },
	{ "no version", "MECH\tPLAIN\tplaintext\nDONE\n", "", "before it told its version", 1 },
	{ "too early", "VERSION\t1\t1\nOK\t1\tuser=a\n", "", "too early", 0 },
	{ "no number", HELLO "OK\tx\tuser=a\n", "", "without a number", 5 },
	{ "no number at all", HELLO "FAIL\n", "", "without a number", 5 },
	{ "names of mechanisms", "VERSION\t1\t1\nMECH\t\nMECH\nMECH\ta b\nMECH\tABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ\nMECH\tX\nDONE\nMECH\tLATE\n",
	    "", NULL, 1 },
};

static void
test_input(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step < 100; step += 13) {
			struct dovecot_auth d = { .done = false };
			struct buf out = BUF_INIT(65536), got = BUF_INIT(65536);
			struct err err = { ERR_NONE, "" };
			struct span in = span_str(cases[i].in);
			bool ok = true;
			dovecot_auth_begin(&d, 4711, &out);
			assert_string_equal(out.ptr, "VERSION\t1\t1\nCPID\t4711\n");
			buf_str(&got, "");
			for (; ok && in.len > 0; in = span_skip(in, step))
				ok = dovecot_auth_input(&d, span_head(in, step), on_reply, &got, &err);
			assert_string_equal(got.ptr, cases[i].replies);
			assert_int_equal(ok, cases[i].error == NULL);
			if (cases[i].error != NULL && strstr(err.text, cases[i].error) == NULL)
				fail_msg("%s: %s", cases[i].name, err.text);
			assert_int_equal(d.mechanism_count, cases[i].mechanisms);
			dovecot_auth_clear(&d);
			buf_clear(&out);
			buf_clear(&got);
		}
}

static void
test_mechanisms(void **state)
{
	struct dovecot_auth d = { .done = false };
	struct buf out = BUF_INIT(65536);

	(void)state;
	dovecot_auth_begin(&d, 1, &out);
	assert_true(dovecot_auth_input(&d, SPAN(HELLO), on_reply, &out, NULL));
	assert_true(d.done);
	assert_int_equal(dovecot_auth_mechanism(&d, SPAN("plain"))->properties, DOVECOT_PLAINTEXT);
	assert_int_equal(dovecot_auth_mechanism(&d, SPAN("CRAM-MD5"))->properties, DOVECOT_DICTIONARY | DOVECOT_ACTIVE);
	assert_int_equal(dovecot_auth_mechanism(&d, SPAN("GSSAPI"))->properties, DOVECOT_MUTUAL_AUTH | DOVECOT_FORWARD_SECRECY);
	assert_int_equal(dovecot_auth_mechanism(&d, SPAN("EXTERNAL"))->properties, DOVECOT_PRIVATE);
	assert_null(dovecot_auth_mechanism(&d, SPAN("NTLM")));
	assert_null(dovecot_auth_mechanism(&d, SPAN("")));
	dovecot_auth_clear(&d);
	buf_clear(&out);
}

static void
test_bounds(void **state)
{
	struct dovecot_auth d = { .done = false };
	struct buf out = BUF_INIT(65536), many = BUF_INIT(1 << 20);
	struct err err = { ERR_NONE, "" };

	(void)state;
	dovecot_auth_begin(&d, 1, &out);
	for (int i = 0; i < 70000; i++)
		buf_char(&many, 'x');
	assert_false(dovecot_auth_input(&d, buf_view(&many), on_reply, &out, &err));
	assert_non_null(strstr(err.text, "a line of over"));
	buf_reset(&many);
	dovecot_auth_begin(&d, 1, &out);
	for (int i = 0; i < 1000; i++)
		buf_printf(&many, "MECH\tM%d\n", i);
	assert_true(dovecot_auth_input(&d, buf_view(&many), on_reply, &out, &err));
	assert_int_equal(d.mechanism_count, DOVECOT_MECHANISMS);
	dovecot_auth_clear(&d);
	buf_clear(&out);
	buf_clear(&many);
}

static void
test_requests(void **state)
{
	struct dovecot_request r = { .id = 5, .mechanism = SPAN("PLAIN"), .service = SPAN("smtp"), .local_addr = SPAN("192.0.2.1"),
	    .remote_addr = SPAN("2001:db8::1") };
	struct buf out = BUF_INIT(65536);

	(void)state;
	assert_true(dovecot_auth_request(&out, &r));
	assert_string_equal(out.ptr, "AUTH\t5\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=2001:db8::1\n");
	buf_reset(&out);
	r.response = SPAN("AGE=");
	r.secured = true;
	assert_true(dovecot_auth_request(&out, &r));
	assert_string_equal(out.ptr, "AUTH\t5\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.1\trip=2001:db8::1\tsecured\tresp=AGE=\n");
	buf_reset(&out);
	r.response = SPAN("AGE=\tvalid-client-cert");
	assert_false(dovecot_auth_request(&out, &r));
	r.response = SPAN("AGE=\nAUTH");
	assert_false(dovecot_auth_request(&out, &r));
	r.response = SPAN("");
	r.mechanism = SPAN("PLAIN\tx");
	assert_false(dovecot_auth_request(&out, &r));
	assert_false(dovecot_auth_continue(&out, 5, SPAN("a\nb")));
	assert_int_equal(out.len, 0);
	assert_true(dovecot_auth_continue(&out, 5, SPAN("")));
	dovecot_auth_cancel(&out, 5);
	assert_string_equal(out.ptr, "CONT\t5\t\nCANCEL\t5\n");
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_input), cmocka_unit_test(test_mechanisms), cmocka_unit_test(test_bounds), cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
