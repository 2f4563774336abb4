#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/verp.h"

/* As Debian's Postfix (3.7) makes them. */
static void
senders(void **state)
{
	static const struct { const char *delimiters, *sender, *recipient, *want; } rows[] = {
		{ "+=", "list@site.test", "user@far.test", "list+user=far.test@site.test" },
		{ "-=", "list+x@site.test", "user@far.test", "list+x-user=far.test@site.test" },
		{ "+=", "list", "user@far.test", "list+user=far.test" },
		{ "+=", "list@site.test", "user", "list+user@site.test" },
		{ "==", "a@b@site.test", "c@d@far.test", "a@b=c@d=far.test@site.test" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf out = BUF_INIT(0);
		verp_sender(&out, rows[i].delimiters, span_str(rows[i].sender), span_str(rows[i].recipient));
		assert_string_equal(out.ptr, rows[i].want);
		buf_clear(&out);
	}
}

static void
delimiters(void **state)
{
	static const struct { const char *text, *filter; bool good; } rows[] = {
		{ "+=", "-=+", true }, { "==", "-=+", true }, { "", "-=+", false }, { "+", "-=+", false }, { "+=-", "-=+", false }, { "ab", "-=+", false },
		{ "+a", "-=+", false }, { "  ", " ", false }, { "\xc3\xbc", "\xc3\xbc", false }, { "+=", "", false },
	};
	char d[2];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct span text = span_str(rows[i].text);
		assert_int_equal(verp_delimiters_ok(text, rows[i].filter), rows[i].good);
		if (rows[i].good) {
			assert_true(verp_delimiters(verp_flags(text) | 0x1ff, d));
			assert_true(d[0] == text.ptr[0] && d[1] == text.ptr[1]);
		}
	}
	assert_false(verp_delimiters(0x1ff, d));
	assert_int_equal(verp_flags(SPAN("\xc3\xbc")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(senders), cmocka_unit_test(delimiters) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
