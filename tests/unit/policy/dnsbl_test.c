#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/action.h"
#include "policy/dnsbl.h"
#include "policy/server.h"

static void
filters(void **state)
{
	static const struct { const char *text; bool good; const char *hit, *miss; } rows[] = {
		{ "bl.example", true, "127.0.0.2", "::1" }, { "bl.example=127.0.0.2", true, "127.0.0.2", "127.0.0.3" },
		{ "bl.example=127.0.[0;2].[1..5;9]", true, "127.0.2.9", "127.0.1.1" }, { "bl.example=127.0.0.[2..11;15]", true, "127.0.0.11", "127.0.0.12" },
		{ "bl.example=127.0.0", false, "", "" }, { "bl.example=127.0.0.256", false, "", "" }, { "bl.example=127.0.0.[5..2]", false, "", "" },
		{ "bl.example=127.0.0.[1;]", false, "", "" }, { "bl.example=127.0.0.[]", false, "", "" }, { "bl.example=127.0.0.1.1", false, "", "" },
		{ "bl.example=", false, "", "" }, { "=127.0.0.1", false, "", "" }, { "b l.example", false, "", "" }, { "bl..example", false, "", "" },
	};
	struct buf q = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dnsbl d;
		struct err err = { ERR_NONE, "" };
		bool good = dnsbl_parse(span_str(rows[i].text), &d, &err);
		if (good != rows[i].good || (good && (!dnsbl_hit(&d, span_str(rows[i].hit)) || dnsbl_hit(&d, span_str(rows[i].miss)))))
			fail_msg("%s: %d %s", rows[i].text, good, err.text);
		dnsbl_clear(&d);
	}
	struct dnsbl d = { .domain = "bl.example" };
	assert_true(dnsbl_query(&d, SPAN("192.0.2.33"), &q));
	assert_string_equal(q.ptr, "33.2.0.192.bl.example");
	buf_reset(&q);
	assert_true(dnsbl_query(&d, SPAN("2001:db8::1"), &q));
	assert_string_equal(q.ptr, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example");
	assert_false(dnsbl_query(&d, SPAN("unknown"), &q));
	buf_clear(&q);
}

static void
actions(void **state)
{
	static const struct { const char *value; enum access_action action; int code; const char *dsn, *text; } rows[] = {
		{ "REJECT", ACCESS_REJECT, 0, "5.7.1", "" }, { "reject 5.1.8  no", ACCESS_REJECT, 0, "5.1.8", "no" }, { "REJECT 5.7 x", ACCESS_REJECT, 0, "5.7.1", "5.7 x" },
		{ "550 x y", ACCESS_CODE, 550, "5.7.1", "x y" }, { "451 4.3.9 x", ACCESS_CODE, 451, "4.3.9", "x" }, { "550", ACCESS_OK, 0, "", "550" },
		{ "250 x", ACCESS_LIST, 0, "", "250 x" }, { "12345678", ACCESS_OK, 0, "", "12345678" }, { "OK then", ACCESS_OK, 0, "", "then" },
		{ "permit_mynetworks, reject", ACCESS_LIST, 0, "", "permit_mynetworks, reject" }, { " ", ACCESS_EMPTY, 0, "", "" }, { "DUNNO", ACCESS_DUNNO, 0, "", "" },
		{ "PREPEND X: y", ACCESS_PREPEND, 0, "", "X: y" }, { "DEFER_IF_PERMIT", ACCESS_DEFER_IF_PERMIT, 0, "4.7.1", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct access a;
		access_parse(span_str(rows[i].value), &a);
		if (a.action != rows[i].action || a.code != rows[i].code || strcmp(a.dsn, rows[i].dsn) != 0 || !span_eqs(a.text, rows[i].text))
			fail_msg("%s: %d %d %s \"%.*s\"", rows[i].value, a.action, a.code, a.dsn, SPAN_ARG(a.text));
	}
}

static void
replies(void **state)
{
	static const struct { const char *in; enum server_reply want; const char *action; size_t used; } rows[] = {
		{ "", SERVER_REPLY_MORE, "", 0 }, { "action=DUNNO\n", SERVER_REPLY_MORE, "", 0 }, { "action=DUNNO\n\nmore", SERVER_REPLY_GOOD, "DUNNO", 14 },
		{ "x=y\naction= REJECT no\r\n\r\n", SERVER_REPLY_GOOD, "REJECT no", 25 }, { "\n", SERVER_REPLY_BAD, "", 0 }, { "action=\n\n", SERVER_REPLY_BAD, "", 0 },
		{ "junk\n\n", SERVER_REPLY_BAD, "", 0 }, { "x=y\n\n", SERVER_REPLY_BAD, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct span action = SPAN_NONE;
		const char *fault = NULL;
		size_t used = 0;
		enum server_reply r = server_reply_parse(span_str(rows[i].in), &action, &used, &fault);
		if (r != rows[i].want || (r == SERVER_REPLY_GOOD && (!span_eqs(action, rows[i].action) || used != rows[i].used)))
			fail_msg("%s: %d \"%.*s\" %zu", rows[i].in, r, SPAN_ARG(action), used);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(filters), cmocka_unit_test(actions), cmocka_unit_test(replies) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
