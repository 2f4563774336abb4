#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"
#include "ctl/client.h"
#include "ctl/jsonl.h"

static void
strings(void **state)
{
	static const struct { const char *in; size_t len; const char *want; } cases[] = {
		{ "", 0, "\"\"" }, { "plain", 5, "\"plain\"" }, { "a\"b\\c", 5, "\"a\\\"b\\\\c\"" },
		{ "\n\t\r\0\x1b\x7f", 6, "\"\\n\\t\\r\\u0000\\u001b\\u007f\"" },
		{ "gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "a\xe2\x80\xae" "b", 5, "\"a\\u202eb\"" }, { "\xc2\x9b", 2, "\"\\u009b\"" },	/* not for terminals */
		{ "\xf3\xa0\x81\xa1", 4, "\"\\udb40\\udc61\"" },
		{ "\xff\xc3", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },		/* overlong */
		{ "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },	/* surrogate */
		{ "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"" },
	};
	struct buf b = BUF_INIT(0), back = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&b);
		buf_reset(&back);
		jsonl_quote(&b, span_of(cases[i].in, cases[i].len));
		assert_string_equal(b.ptr, cases[i].want);
		assert_true(jsonl_text(buf_view(&b), &back));
		if (strstr(cases[i].want, "\xef\xbf\xbd") == NULL)
			assert_true(span_eq(buf_view(&back), span_of(cases[i].in, cases[i].len)));
	}
	buf_clear(&b);
	buf_clear(&back);
}

static void
objects(void **state)
{
	struct buf b = BUF_INIT(0);
	struct jsonl j = { .out = &b };
	struct jsonl_walk w;
	struct span key, value, one;
	int64_t n;

	(void)state;
	jsonl_object(&j, NULL);
	jsonl_i64(&j, "n", -INT64_MAX);
	jsonl_array(&j, "list");
	jsonl_i64(&j, NULL, 0);
	jsonl_str(&j, NULL, SPAN("x]},\""));
	jsonl_object(&j, NULL);
	jsonl_end_object(&j);
	jsonl_end_array(&j);
	jsonl_bool(&j, "yes", true);
	jsonl_raw(&j, "raw", SPAN("{\"a\":[1]}"));
	jsonl_end_object(&j);
	assert_string_equal(b.ptr, "{\"n\":-9223372036854775807,\"list\":[0,\"x]},\\\"\",{}],\"yes\":true,"
	    "\"raw\":{\"a\":[1]}}");

	assert_true(jsonl_walk_object(&w, buf_view(&b)));
	assert_true(jsonl_member(&w, &key, &value));
	assert_true(jsonl_int(value, &n) && n == -INT64_MAX);
	assert_true(jsonl_find(buf_view(&b), "list", &value));
	assert_true(jsonl_walk_array(&w, value));
	assert_true(jsonl_element(&w, &one) && jsonl_element(&w, &one) && jsonl_element(&w, &one));
	assert_false(jsonl_element(&w, &one));
	assert_false(w.fault);
	assert_true(jsonl_find(buf_view(&b), "yes", &value) && jsonl_true(value));
	buf_clear(&b);
}

static void
broken(void **state)
{
	static const char *const lines[] = { "", "{", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":[", "{a:1}", "[1]", "{\"a\":}",
	    "{\"a\":\"\\", "{\"id\":1}", "{\"id\":1,\"row\":3}", "{\"id\":1,\"row\":{},\"done\":true}" };
	struct buf text = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct ctl_reply r;
		if (ctl_reply_parse(span_str(lines[i]), &text, &r))
			fail_msg("was taken: %s", lines[i]);
	}
	assert_false(jsonl_text(SPAN("\"\\ud800\""), &text));
	assert_false(jsonl_text(SPAN("\"\\x\""), &text));
	buf_reset(&text);
	assert_true(jsonl_text(SPAN("\"\\ud83d\\ude00\\/\""), &text));
	assert_string_equal(text.ptr, "\xf0\x9f\x98\x80/");
	buf_clear(&text);
}

static void
replies(void **state)
{
	struct buf text = BUF_INIT(0);
	struct ctl_reply r;

	(void)state;
	assert_true(ctl_reply_parse(SPAN("{\"id\":7,\"row\":{\"a\":\"}\"}}"), &text, &r));
	assert_int_equal(r.kind, REPLY_ROW);
	assert_int_equal(r.id, 7);
	assert_true(span_eqs(r.row, "{\"a\":\"}\"}"));
	assert_true(ctl_reply_parse(SPAN("{\"id\":null,\"done\":true,\"status\":65,\"error\":\"no \\\"x\\\"\"}"), &text, &r));
	assert_int_equal(r.kind, REPLY_DONE);
	assert_int_equal(r.id, -1);
	assert_int_equal(r.status, 65);
	assert_true(span_eqs(r.error, "no \"x\""));
	buf_clear(&text);
}

static void
base64(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" } };
	struct buf b = BUF_INIT(0);

	(void)state;
	buf_str(&b, "");
	for (size_t i = 0; i < 5; i++) {
		buf_reset(&b);
		base64_encode(&b, span_str(pairs[i][0]));
		assert_true(span_eqs(buf_view(&b), pairs[i][1]));
		buf_reset(&b);
		assert_true(base64_decode(&b, span_str(pairs[i][1])));
		assert_true(span_eqs(buf_view(&b), pairs[i][0]));
	}
	assert_false(base64_decode(&b, SPAN("Zg=")));
	assert_false(base64_decode(&b, SPAN("Z===")));
	assert_false(base64_decode(&b, SPAN("Zg==Zg==")));
	assert_false(base64_decode(&b, SPAN("Zm9!")));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings), cmocka_unit_test(objects), cmocka_unit_test(broken), cmocka_unit_test(replies),
		cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
