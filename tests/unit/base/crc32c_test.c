#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/crc32c.h"

/* RFC 3720 appendix B.4, and the check value of the CRC catalogues. */
static void
test_known(void **state)
{
	unsigned char zero[32] = { 0 }, ones[32], up[32], down[32];
	const struct { const char *name; const void *bytes; size_t n; uint32_t crc; } rows[] = {
		{ "nothing", "", 0, 0 },
		{ "check", "123456789", 9, 0xe3069283 },
		{ "zeros", zero, 32, 0x8a9136aa },
		{ "ones", ones, 32, 0x62a8ab43 },
		{ "rising", up, 32, 0x46dd794e },
		{ "falling", down, 32, 0x113fdb5c },
	};

	(void)state;
	memset(ones, 0xff, sizeof ones);
	for (unsigned i = 0; i < 32; i++) {
		up[i] = (unsigned char)i;
		down[i] = (unsigned char)(31 - i);
	}
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(crc32c(0, rows[i].bytes, rows[i].n), rows[i].crc);
		assert_int_equal(crc32c_table(0, rows[i].bytes, rows[i].n), rows[i].crc);
	}
}

static void
test_pieces_and_both_ways(void **state)
{
	unsigned char bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * i + 7);
	for (size_t n = 0; n < sizeof bytes; n++) {
		uint32_t whole = crc32c(5, bytes, n);
		assert_int_equal(whole, crc32c_table(5, bytes, n));
		assert_int_equal(whole, crc32c(crc32c(5, bytes, n / 3), bytes + n / 3, n - n / 3));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_pieces_and_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
