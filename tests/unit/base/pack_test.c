#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pack.h"

static void
put_all(struct buf *b)
{
	pack_u8(b, 0xfe);
	pack_u16(b, 0xfedc);
	pack_u32(b, 0xfedcba98);
	pack_u64(b, 0xfedcba9876543210u);
	pack_i64(b, -2);
	pack_span(b, SPAN("text\0more"));
	pack_span(b, SPAN_NONE);
}

static void
get_all(struct unpack *u)
{
	(void)unpack_u8(u);
	(void)unpack_u16(u);
	(void)unpack_u32(u);
	(void)unpack_u64(u);
	(void)unpack_i64(u);
	(void)unpack_span(u);
	(void)unpack_span(u);
}

static void
test_round(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	put_all(&b);
	struct unpack u = { .left = buf_view(&b) };
	assert_int_equal(unpack_u8(&u), 0xfe);
	assert_int_equal(unpack_u16(&u), 0xfedc);
	assert_int_equal(unpack_u32(&u), 0xfedcba98);
	assert_true(unpack_u64(&u) == 0xfedcba9876543210u);
	assert_true(unpack_i64(&u) == -2);
	assert_false(unpack_end(&u));
	assert_true(unpack_more(&u));
	assert_true(span_eq(unpack_span(&u), SPAN("text\0more")));
	assert_int_equal(unpack_span(&u).len, 0);
	assert_true(unpack_end(&u));
	assert_false(unpack_more(&u));
	buf_clear(&b);
}

/* Whatever is cut off or added, the end sees it; and after the first fault nothing more is read. */
static void
test_faults(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	put_all(&b);
	size_t whole = b.len;
	for (size_t n = 0; n < whole; n++) {
		struct unpack u = { .left = span_of(b.ptr, n) };
		get_all(&u);
		assert_false(unpack_end(&u));
		assert_int_equal(unpack_u32(&u), 0);
		assert_int_equal(unpack_span(&u).len, 0);
	}
	pack_u8(&b, 0);
	struct unpack u = { .left = buf_view(&b) };
	get_all(&u);
	assert_false(unpack_end(&u));
	assert_true(unpack_more(&u));
	u = (struct unpack){ .left = SPAN("\xff\xff\xff\xff" "abc") };
	assert_int_equal(unpack_span(&u).len, 0);
	assert_false(unpack_end(&u) || unpack_more(&u));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round), cmocka_unit_test(test_faults) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
