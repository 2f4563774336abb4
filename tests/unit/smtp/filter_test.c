#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "smtp/filter.h"

/* However the bytes come: the replies, a "|" behind each, with its class. */
static void
replies(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "250 ok\r\n", "2 250 ok|" },
		{ "250-a\r\n250 b\r\n354\r\n", "2 250-a\r\n250 b|3 354|" },
		{ "550-5.1.1 x\ty\n550 z\r\n", "5 550-5.1.1 x?y\r\n550 z|" },
		{ "hello\r\n", "0 hello|" },
		{ "\r\n650 x\r\n", "0 |0 650 x|" },
		{ "25", "" },
		{ "2x0 y\r\n150 z\r\n", "0 2x0 y|0 150 z|" },
		{ "421 \xc3\xa9\x01\r\n", "4 421 ???|" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t step = 1; step < 9; step++) {
			struct filter_reply r = { .text = BUF_INIT(2 * FILTER_REPLY_MAX), .line = BUF_INIT(2 * FILTER_REPLY_MAX) };
			struct buf out = BUF_INIT(0);
			struct span in = span_str(rows[i].in);
			buf_str(&out, "");
			while (in.len > 0) {
				in = span_skip(in, filter_reply_take(&r, span_head(in, step)));
				if (!r.whole)
					continue;
				buf_printf(&out, "%c %s|", filter_reply_class(&r) == 0 ? '0' : filter_reply_class(&r), r.text.ptr == NULL ? "" : r.text.ptr);
			}
			assert_string_equal(out.ptr, rows[i].out);
			filter_reply_clear(&r);
			buf_clear(&out);
		}
}

static void
forward(void **state)
{
	struct filter_reply r = { .text = BUF_INIT(2 * FILTER_REPLY_MAX), .line = BUF_INIT(2 * FILTER_REPLY_MAX) };
	struct span values[FILTER_XATTRS] = { [FILTER_NAME] = SPAN("a.test"), [FILTER_PORT] = SPAN("25"), [FILTER_HELO] = SPAN("a b") };
	struct buf out = BUF_INIT(0);
	char name[301];

	(void)state;
	(void)filter_reply_take(&r, SPAN("250-mx\r\n250-XFORWARDS ADDR\r\n250-xforward NAME Addr HELO FOO\r\n250 DSN\r\n"));
	unsigned left = filter_xforward_offered(&r);
	assert_true(filter_xforward(&left, values, &out));
	assert_string_equal(out.ptr, "XFORWARD NAME=a.test ADDR=[UNAVAILABLE] HELO=a+20b");
	assert_false(filter_xforward(&left, values, &out));
	/* What has no room in one line goes into another. */
	memset(name, 'x', 300);
	values[FILTER_NAME] = values[FILTER_HELO] = span_of(name, 300);
	left = 1u << FILTER_NAME | 1u << FILTER_HELO | 1u << FILTER_SOURCE;
	buf_reset(&out);
	assert_true(filter_xforward(&left, values, &out) && out.len == strlen("XFORWARD NAME=") + 300);
	buf_reset(&out);
	assert_true(filter_xforward(&left, values, &out) && left == 0);
	(void)filter_reply_take(&r, SPAN("250 mx\r\n"));
	assert_int_equal(filter_xforward_offered(&r), 0);
	filter_reply_clear(&r);
	buf_clear(&out);
}

static void
content(void **state)
{
	static const char in[] = ".a\nb.\n\n..\n.\nend", want[] = "..a\r\nb.\r\n\r\n...\r\n..\r\nend";

	(void)state;
	for (size_t step = 1; step < sizeof in; step++) {
		struct buf out = BUF_INIT(0);
		bool begun = false;
		for (struct span rest = span_str(in); rest.len > 0; rest = span_skip(rest, step < rest.len ? step : rest.len))
			filter_content(&out, span_head(rest, step < rest.len ? step : rest.len), &begun);
		assert_string_equal(out.ptr, want);
		buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(replies), cmocka_unit_test(forward), cmocka_unit_test(content) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
