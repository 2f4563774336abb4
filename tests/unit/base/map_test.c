#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"

#define ITEMS	5000

struct item {
	char	 key[16];
	bool	 in;
};

static struct span
key_of(const void *p)
{
	return span_str(((const struct item *)p)->key);
}

static void
test_empty(void **state)
{
	struct map m = MAP_INIT(key_of);
	size_t at = 0;

	(void)state;
	assert_null(map_get(&m, SPAN("x")));
	assert_null(map_del(&m, SPAN("x")));
	assert_null(map_next(&m, &at));
	map_clear(&m);
}

static void
check_all(const struct map *m, struct item *items)
{
	size_t in = 0, seen = 0, at = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		in += items[i].in;
		assert_ptr_equal(map_get(m, key_of(&items[i])), items[i].in ? &items[i] : NULL);
	}
	while (map_next(m, &at) != NULL)
		seen++;
	assert_int_equal(m->count, in);
	assert_int_equal(seen, in);
}

/* Random additions and deletions against a plain array. */
static void
test_random(void **state)
{
	struct item *items = calloc(ITEMS, sizeof *items);
	struct map m = MAP_INIT(key_of);

	(void)state;
	clock_seed(1);
	for (size_t i = 0; i < ITEMS; i++)
		(void)snprintf(items[i].key, sizeof items[i].key, "k%zu", i);
	for (int step = 0; step < 60000; step++) {
		struct item *it = &items[clock_random() % ITEMS];
		if (it->in)
			assert_ptr_equal(map_del(&m, key_of(it)), it);
		else
			map_add(&m, it);
		it->in = !it->in;
		if (step % 10000 == 0)
			check_all(&m, items);
	}
	check_all(&m, items);
	map_clear(&m);
	free(items);
}

static void
test_reserve(void **state)
{
	struct map m = MAP_INIT(key_of);

	(void)state;
	map_reserve(&m, 1000);
	size_t slots = m.slots;
	assert_true(slots >= 1250);
	map_reserve(&m, 10);
	assert_int_equal(m.slots, slots);
	map_clear(&m);
}

static void
test_hash(void **state)
{
	(void)state;
	assert_true(map_hash(SPAN("abc")) == map_hash(SPAN("abc")));
	assert_true(map_hash(SPAN("abc")) != map_hash(SPAN("abd")));
	assert_true(map_hash(SPAN("")) != map_hash(SPAN("\0")));
	assert_true(map_hash(SPAN("\0")) != map_hash(SPAN("\0\0")));
	assert_true(map_hash(SPAN("12345678")) != map_hash(SPAN("123456789")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty), cmocka_unit_test(test_random), cmocka_unit_test(test_reserve), cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
