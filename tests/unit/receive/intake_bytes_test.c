#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "receive/intake_bytes.h"

static void
test_escapes(void **state)
{
	static const struct {
		const char *text, *bytes;
		size_t count;
	} rows[] = {
		{ "", "", 0 }, { "a", "a", 1 }, { "aba", "ab", 2 }, { "\\0", "\0", 1 }, { "\\000", "\0", 1 }, { "\\0001", "\0001", 2 },
		{ "\\377x", "\377x", 2 }, { "\\777", "\377", 1 }, { "\\18", "\0018", 2 }, { "\\a\\b\\f\\r\\t\\v", "\a\b\f\r\t\v", 6 },
		{ "\\n", "", 0 }, { "\\012", "", 0 }, { "\\\\", "\\", 1 }, { "\\q", "q", 1 }, { "\\", "\\", 1 }, { "\\\\\\", "\\", 1 },
		{ " \\t", " \t", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct byte_set set = byte_set_from(span_str(rows[i].text));
		size_t count = 0;
		print_message("%s\n", rows[i].text);
		for (unsigned c = 0; c < 256; c++) {
			bool is_in = (set.bits[c / 64] >> c % 64 & 1) != 0;
			assert_int_equal(is_in, rows[i].count > 0 && memchr(rows[i].bytes, (int)c, rows[i].count) != NULL);
			count += is_in;
		}
		assert_int_equal(count, rows[i].count);
		assert_int_equal(set.any, count > 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_escapes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
