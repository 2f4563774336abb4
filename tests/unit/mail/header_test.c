#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/header.h"

static const char block[] =
    "Received: from a (b [1.2.3.4])\n\tby c\n"
    "received: by x\n"
    "Delivered-To: Joe@Example.org\n"
    "Delivered-To: \"a b\"@example.org\n"
    "From: a@b\n"
    "To:\n"
    "Subject :  folded\n  value \n"
    "Message-ID: <1@x>\n"
    "X-From: nothing\n"
    "\n"
    "Date: in the body\n";

static void
walk(void **state)
{
	(void)state;
	struct span rest = span_str(block);
	struct header h;
	assert_true(header_next(&rest, &h));
	assert_true(span_eqs(h.name, "Received"));
	assert_true(span_eqs(h.value, "from a (b [1.2.3.4])\n\tby c"));
	assert_true(span_eqs(h.raw, "Received: from a (b [1.2.3.4])\n\tby c\n"));
	while (header_next(&rest, &h))
		;
	assert_true(span_starts(rest, "\nDate"));
	assert_int_equal(header_block_len(span_str(block)), strstr(block, "Date: in") - block);
	assert_true(header_find(span_str(block), "SUBJECT", &h));
	assert_true(span_eqs(h.name, "Subject"));
	assert_true(span_eqs(h.value, "folded\n  value "));
	assert_false(header_find(span_str(block), "date", &h));
	struct span crlf = SPAN("A: 1\r\n 2\r\nB:\r\n\r\nbody");
	assert_int_equal(header_block_len(crlf), crlf.len - 4);
	assert_true(header_next(&crlf, &h) && span_eqs(h.value, "1\r\n 2"));
	assert_true(header_next(&crlf, &h) && h.value.len == 0);
	assert_false(header_next(&crlf, &h));
}

static void
facts(void **state)
{
	(void)state;
	struct header_facts f;
	header_look(span_str(block), &f);
	assert_int_equal(f.seen, HEADER_FROM | HEADER_TO | HEADER_RECIPIENT | HEADER_MESSAGE_ID);
	assert_int_equal(f.received, 2);
	assert_int_equal(f.delivered_to, 2);
	assert_true(span_eqs(f.message_id, "<1@x>"));
	assert_true(span_eqs(f.subject, "folded\n  value "));
	assert_int_equal(f.length, strstr(block, "\n\nDate") + 1 - block);
	assert_true(header_delivered_to(span_str(block), SPAN("joe@EXAMPLE.org")));
	assert_true(header_delivered_to(span_str(block), SPAN("a b@example.org")));
	assert_false(header_delivered_to(span_str(block), SPAN("jane@example.org")));
	header_look(SPAN("Resent-From: a\nResent-Bcc: b\n\n"), &f);
	assert_int_equal(f.seen, HEADER_RESENT | HEADER_RESENT_FROM | HEADER_RECIPIENT | HEADER_BCC);
}

static void
names(void **state)
{
	(void)state;
	static const struct { const char *line; size_t len; } rows[] = {
		{ "Subject: x", 7 }, { "Subject : x", 7 }, { "S:", 1 }, { ":", 0 }, { " a: b", 0 }, { "From joe Sat", 0 }, { "", 0 },
		{ "a b: c", 0 }, { "\xc3\xa4: b", 0 }, { "a", 0 }, { "a\n:b", 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(header_name_len(span_str(rows[i].line)), rows[i].len);
}

static void
check(struct buf *b, const char *expect)
{
	assert_string_equal(b->ptr, expect);
	buf_reset(b);
}

static void
making(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(0);
	header_unfold(&b, SPAN("a\n  b\r\n\tc "));
	check(&b, "a b c ");
	header_put(&b, "To", SPAN("  one  two "));
	check(&b, "To: one two\n");
	header_put(&b, "X", SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"));
	check(&b, "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\tbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n");
	header_copy_without(&b, SPAN("A: 1\nbcc: x\n y\nB: 2\n\nbcc: body"), "Bcc");
	check(&b, "A: 1\nB: 2\n\nbcc: body");
	header_copy_limited(&b, SPAN("A: 12345\n 6789\n abc\nB: 2\nCccc: ddddddddddddddddddd\n\n"), 15);
	check(&b, "A: 12345\n 6789\nB: 2\nCccc: ddddddddd\n\n");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk), cmocka_unit_test(facts), cmocka_unit_test(names), cmocka_unit_test(making),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
