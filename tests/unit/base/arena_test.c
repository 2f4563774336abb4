#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void
test_memory(void **state)
{
	struct arena a = ARENA_INIT(0);
	char *all[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		size_t n = i * 37 % 9000 + 1;
		all[i] = arena_new(&a, n);
		assert_int_equal((uintptr_t)all[i] % sizeof(void *), 0);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(all[i][k], 0);
		memset(all[i], (int)i, n);
	}
	for (size_t i = 0; i < 300; i++)
		assert_int_equal((unsigned char)all[i][0], (unsigned char)i);
	arena_clear(&a);
}

static void
test_text(void **state)
{
	struct arena a = ARENA_INIT(0);

	(void)state;
	assert_string_equal(arena_str(&a, span_of("abcdef", 3)), "abc");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 42), "x-42");
	assert_true(span_eqs(arena_span(&a, SPAN("hello")), "hello"));
	assert_string_equal(arena_str(&a, SPAN_NONE), "");
	arena_clear(&a);
}

static void
test_bound(void **state)
{
	struct arena a = ARENA_INIT(100);

	(void)state;
	assert_non_null(arena_new(&a, 90));
	assert_null(arena_new(&a, 20));
	assert_null(arena_new(&a, SIZE_MAX));
	assert_null(arena_span(&a, SPAN("0123456789012345678901234567890123456789")).ptr);
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	char *p = arena_new(&a, 90);
	assert_non_null(p);
	assert_int_equal(p[0], 0);
	arena_clear(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory), cmocka_unit_test(test_text), cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
