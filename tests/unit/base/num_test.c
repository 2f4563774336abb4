#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/num.h"

#define COUNT(a)	(sizeof (a) / sizeof *(a))
#define UNTOUCHED	77

static void
test_text(void **state)
{
	static const struct {
		const char *in;
		bool u64, u32, i64;
		uint64_t value;
	} rows[] = {
		{ "0", true, true, true, 0 }, { "007", true, true, true, 7 }, { "4294967295", true, true, true, UINT32_MAX },
		{ "4294967296", true, false, true, 4294967296u }, { "9223372036854775807", true, false, true, INT64_MAX },
		{ "9223372036854775808", true, false, false, (uint64_t)INT64_MAX + 1 },
		{ "18446744073709551615", true, false, false, UINT64_MAX }, { "18446744073709551616", false, false, false, 0 },
		{ "99999999999999999999999", false, false, false, 0 }, { "", false, false, false, 0 }, { " 1", false, false, false, 0 },
		{ "1 ", false, false, false, 0 }, { "+1", false, false, false, 0 }, { "0x1", false, false, false, 0 },
		{ "-5", false, false, true, (uint64_t)-5 }, { "-", false, false, false, 0 }, { "--5", false, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span s = span_str(rows[i].in);
		uint64_t u64 = UNTOUCHED;
		uint32_t u32 = UNTOUCHED;
		int64_t i64 = UNTOUCHED;
		assert_int_equal(num_u64(s, &u64), rows[i].u64);
		assert_true(u64 == (rows[i].u64 ? rows[i].value : UNTOUCHED));
		assert_int_equal(num_u32(s, &u32), rows[i].u32);
		assert_true(u32 == (rows[i].u32 ? rows[i].value : UNTOUCHED));
		assert_int_equal(num_i64(s, &i64), rows[i].i64);
		assert_true(i64 == (rows[i].i64 ? (int64_t)rows[i].value : UNTOUCHED));
	}
}

static void
test_hex(void **state)
{
	uint64_t v = UNTOUCHED;

	(void)state;
	assert_false(num_hex(SPAN(""), &v) || num_hex(SPAN("0x1"), &v) || num_hex(SPAN("11112222333344445"), &v) || num_hex(SPAN("g"), &v));
	assert_int_equal(v, UNTOUCHED);
	assert_true(num_hex(SPAN("DeadBeef00000001"), &v) && v == 0xdeadbeef00000001u);
	assert_true(num_hex(SPAN("f"), &v) && v == 15);
}

static void
test_bytes(void **state)
{
	unsigned char p[8];

	(void)state;
	num_put64(p, 0x8877665544332211u);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(p[i], 0x11 * (i + 1));
	assert_int_equal(num_get16(p), 0x2211);
	assert_int_equal(num_get32(p), 0x44332211);
	assert_true(num_get64(p) == 0x8877665544332211u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_hex), cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
