#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/dsn.h"

static void
codes(void **state)
{
	(void)state;
	static const struct { unsigned reply; const char *text, *code, *rest; } rows[] = {
		{ 550, "5.1.1 no such user", "5.1.1", "no such user" },
		{ 250, "2.0.0", "2.0.0", "" },
		{ 450, "4.7.100 greylisted", "4.7.100", "greylisted" },
		{ 550, "no such user", "5.0.0", "no such user" },
		{ 450, "5.1.1 confused", "4.0.0", "confused" },
		{ 550, "5.1.1234 x", "5.0.0", "5.1.1234 x" },
		{ 550, "5.1.1x", "5.0.0", "5.1.1x" },
		{ 550, "3.1.1 x", "5.0.0", "3.1.1 x" },
		{ 550, "5.1 x", "5.0.0", "5.1 x" },
		{ 550, "5..1 x", "5.0.0", "5..1 x" },
		{ 354, "go on", "4.0.0", "go on" },
		{ 0, "", "4.0.0", "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char out[DSN_TEXT];
		struct span rest;
		assert_string_equal(dsn_of_reply(rows[i].reply, span_str(rows[i].text), out, &rest), rows[i].code);
		assert_true(span_eqs(rest, rows[i].rest));
	}
	char out[DSN_TEXT];
	assert_string_equal(dsn_with_class(SPAN("5.7.26"), '4', out), "4.7.26");
	assert_string_equal(dsn_with_class(SPAN("junk"), '5', out), "5.0.0");
}

static void
xtext(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(0);
	xtext_encode(&b, SPAN("a+b=c d\x80"));
	assert_string_equal(b.ptr, "a+2Bb+3Dc+20d+80");
	struct buf d = BUF_INIT(0);
	assert_true(xtext_decode(&d, buf_view(&b)));
	assert_string_equal(d.ptr, "a+b=c d\x80");
	static const char *const bad[] = { "a+", "a+2", "a+2g", "a=b", "a b", "\x80" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(xtext_decode(&d, span_str(bad[i])));
	assert_string_equal(d.ptr, "a+b=c d\x80");
	buf_clear(&b);
	buf_clear(&d);
}

static void
notify(void **state)
{
	(void)state;
	static const struct { const char *in; int value; const char *out; } rows[] = {
		{ "NEVER", NOTIFY_NEVER, "NEVER" },
		{ "delay,success", NOTIFY_SUCCESS | NOTIFY_DELAY, "SUCCESS,DELAY" },
		{ "SUCCESS,FAILURE,DELAY", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, "SUCCESS,FAILURE,DELAY" },
		{ "", -1, "" }, { "NEVER,DELAY", -1, "" }, { "SUCCESS,", -1, "" }, { "FAILURES", -1, "" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t value = 0;
		struct buf b = BUF_INIT(0);
		assert_int_equal(dsn_notify_parse(span_str(rows[i].in), &value), rows[i].value >= 0);
		buf_str(&b, "");
		dsn_notify_put(&b, value);
		assert_string_equal(b.ptr, rows[i].out);
		buf_clear(&b);
	}
	enum dsn_ret ret;
	assert_true(dsn_ret_parse(SPAN("full"), &ret) && ret == DSN_RET_FULL);
	assert_true(dsn_ret_parse(SPAN("HDRS"), &ret) && ret == DSN_RET_HDRS);
	assert_false(dsn_ret_parse(SPAN("BODY"), &ret));
}

static void
orcpt(void **state)
{
	(void)state;
	/* in, decoded (NULL: refused), and as it goes out again (NULL: as it came) */
	static const struct { const char *in, *decoded, *out; } rows[] = {
		{ "rfc822;joe+2Bx@example.org", "rfc822;joe+x@example.org", NULL },
		{ "rfc822;joe", "rfc822;joe", NULL },
		{ "utf-8;\\x{E4}@b", "utf-8;\xc3\xa4@b", "utf-8;\xc3\xa4@b" },
		{ "utf-8;\xe2\x82\xac@b", "utf-8;\xe2\x82\xac@b", NULL },
		{ "utf-8;a\\x{2B}b\\x{5C}", "utf-8;a+b\\", NULL },
		{ "utf-8;\\x{1F600}", "utf-8;\xf0\x9f\x98\x80", "utf-8;\xf0\x9f\x98\x80" },
		{ "utf-8;\\x{D800}", NULL, NULL }, { "utf-8;\\x{110000}", NULL, NULL }, { "utf-8;\\x{A}", NULL, NULL },
		{ "utf-8;\\y", NULL, NULL }, { "utf-8;\xff", NULL, NULL },
		{ "rfc822;", NULL, NULL }, { "joe@example.org", NULL, NULL }, { ";joe", NULL, NULL }, { "rfc822;a+0Ab", NULL, NULL },
		{ "rfc822;a b", NULL, NULL }, { "x y;a", NULL, NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b = BUF_INIT(0), again = BUF_INIT(0);
		bool ok = dsn_orcpt_parse(span_str(rows[i].in), &b);
		if (ok != (rows[i].decoded != NULL))
			fail_msg("%s", rows[i].in);
		if (ok) {
			assert_string_equal(b.ptr, rows[i].decoded);
			dsn_orcpt_put(&again, buf_view(&b));
			assert_string_equal(again.ptr, rows[i].out != NULL ? rows[i].out : rows[i].in);
		}
		buf_clear(&b);
		buf_clear(&again);
	}
	struct buf b = BUF_INIT(0);
	assert_true(dsn_envid_parse(SPAN("QQ314159+20x"), &b));
	assert_string_equal(b.ptr, "QQ314159 x");
	assert_false(dsn_envid_parse(SPAN(""), &b));
	assert_false(dsn_envid_parse(SPAN("a+0D+0Ab"), &b));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes), cmocka_unit_test(xtext), cmocka_unit_test(notify), cmocka_unit_test(orcpt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
