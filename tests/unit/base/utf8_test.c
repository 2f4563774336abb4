#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/utf8.h"

static void
lengths(void **state)
{
	static const struct { const char *text; size_t want; uint32_t point; } cases[] = {
		{ "a", 1, 'a' }, { "\xc3\xa9", 2, 0xe9 }, { "\xe2\x82\xac", 3, 0x20ac }, { "\xf0\x9f\x93\xa7", 4, 0x1f4e7 },
		{ "\xc0\x80", 0, 0 }, { "\xe0\x80\x80", 0, 0 }, { "\xed\xa0\x80", 0, 0 }, { "\xf4\x90\x80\x80", 0, 0 },
		{ "\x80", 0, 0 }, { "\xe2\x82", 0, 0 }, { "\xff", 0, 0 }, { "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span s = span_str(cases[i].text);
		assert_int_equal(utf8_length(s), cases[i].want);
		if (cases[i].want > 0)
			assert_int_equal(utf8_point(s), cases[i].point);
	}
}

static void
cleaning(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "plain ~", "plain ~" },
		{ "a\tb\r\n\x1b[31m\x7f", "a?b???[31m?" },
		{ "J\xc3\xb6rg \xf0\x9f\x93\xa7", "J\xc3\xb6rg \xf0\x9f\x93\xa7" },
		{ "x\xe2\x80\xaey", "x?y" },			/* U+202E */
		{ "x\xe2\x81\xa6y\xe2\x80\x8bz", "x?y?z" },	/* U+2066, U+200B */
		{ "x\xc2\x9by", "x?y" },			/* CSI */
		{ "x\xef\xbb\xbfy\xf3\xa0\x81\xa1", "x?y?" },	/* U+FEFF, a tag */
		{ "\xe9t\xe9", "?t?" },				/* Latin-1 */
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[100];
		strcpy(text, cases[i].text);
		text[utf8_clean(text, strlen(text))] = '\0';
		assert_string_equal(text, cases[i].want);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(lengths), cmocka_unit_test(cleaning) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
