#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void
test_put(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	buf_str(&b, "ab");
	buf_char(&b, 'c');
	buf_put(&b, "\0d", 2);
	buf_span(&b, SPAN_NONE);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.ptr, "abc\0d", 6);	/* with the closing NUL */
	buf_drop(&b, 2);
	assert_memory_equal(b.ptr, "c\0d", 4);
	buf_cut(&b, 1);
	assert_string_equal(b.ptr, "c");
	buf_drop(&b, 0);
	buf_reset(&b);
	assert_string_equal(b.ptr, "");
	buf_clear(&b);
	assert_null(b.ptr);
}

static void
test_printf(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	for (int width = 1; width < 3000; width += 251) {
		buf_reset(&b);
		buf_printf(&b, "[%*d]", width, 7);
		assert_int_equal(b.len, width + 2);
		assert_int_equal(strlen(b.ptr), b.len);
		assert_int_equal(b.ptr[b.len - 2], '7');
	}
	buf_clear(&b);
}

/* What does not fit is lost as a whole, and so is everything after it. */
static void
test_maximum(void **state)
{
	struct buf b = BUF_INIT(10);

	(void)state;
	buf_str(&b, "12345678");
	buf_str(&b, "90");
	assert_false(b.over);
	buf_char(&b, 'x');
	assert_true(b.over);
	assert_int_equal(b.len, 10);
	buf_cut(&b, 2);
	buf_char(&b, 'y');
	assert_string_equal(b.ptr, "12");
	assert_null(buf_room(&b, 1));
	assert_null(buf_room(&b, SIZE_MAX));
	buf_reset(&b);
	assert_false(b.over);
	buf_printf(&b, "%020d", 1);
	assert_true(b.over);
	assert_int_equal(b.len, 0);
	buf_clear(&b);
	assert_int_equal(b.max, 10);
}

static void
test_room(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	char *room = buf_room(&b, 5000);
	assert_non_null(room);
	memset(room, 'z', 5000);
	buf_added(&b, 3);
	assert_string_equal(b.ptr, "zzz");
	buf_clear(&b);
}

static void
test_take(void **state)
{
	struct buf b = BUF_INIT(77);

	(void)state;
	char *empty = buf_take(&b);
	assert_string_equal(empty, "");
	buf_str(&b, "text");
	char *s = buf_take(&b);
	assert_string_equal(s, "text");
	assert_null(b.ptr);
	assert_int_equal(b.max, 77);
	free(s);
	free(empty);
}

static void
test_fit(void **state)
{
	struct buf b = BUF_INIT(0);
	char big[20000];

	(void)state;
	memset(big, 'x', sizeof big);
	buf_put(&b, big, sizeof big);
	buf_fit(&b);
	assert_true(b.cap > sizeof big);	/* well filled */
	buf_drop(&b, sizeof big - 5);
	buf_fit(&b);
	assert_int_equal(b.cap, 6);
	assert_string_equal(b.ptr, "xxxxx");
	buf_str(&b, "y");
	assert_string_equal(b.ptr, "xxxxxy");
	buf_reset(&b);
	buf_fit(&b);
	assert_null(b.ptr);
	buf_fit(&b);
	assert_null(b.ptr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put), cmocka_unit_test(test_printf), cmocka_unit_test(test_maximum), cmocka_unit_test(test_room),
		cmocka_unit_test(test_take), cmocka_unit_test(test_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
