#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "net/idn.h"

static void
names(void **state)
{
	static const struct { const char *in, *out, *old; } rows[] = {
		{ "example.com", "example.com", "example.com" }, { "EXAMPLE.com", "EXAMPLE.com", "EXAMPLE.com" }, { "", "", "" },
		{ "m\u00fcnchen.example", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example" },
		{ "M\u00dcNCHEN.example", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example" },
		{ "stra\u00dfe.example", "xn--strae-oqa.example", "strasse.example" },
		{ "\u4f8b\u3048.\u30c6\u30b9\u30c8", "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah" },
		/* What has no such form stays, and is no name for whoever looks it up. */
		{ "\xff\xfe.example", "\xff\xfe.example", "\xff\xfe.example" },
		{ "\u2665.\xc3", "\u2665.\xc3", "\u2665.\xc3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *got = idn_ascii(span_str(rows[i].in), false), *old = idn_ascii(span_str(rows[i].in), true);
		assert_string_equal(got, rows[i].out);
		assert_string_equal(old, rows[i].old);
		free(got);
		free(old);
	}
	/* Too long for a name, however it is written. */
	char long_name[5001];
	for (size_t i = 0; i + 1 < sizeof long_name; i += 2)
		memcpy(long_name + i, "\u00fc", 2);
	long_name[5000] = '\0';
	char *got = idn_ascii(span_str(long_name), false);
	assert_string_equal(got, long_name);
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
