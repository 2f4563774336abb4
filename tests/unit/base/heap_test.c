#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/heap.h"

#define ITEMS	500

struct item {
	int		 number;
	struct heap_node node;
};

static void
check_first(const struct heap *h, const struct item *items)
{
	int64_t least = INT64_MAX;
	size_t in = 0;

	for (size_t i = 0; i < ITEMS; i++) {
		if (items[i].node.index == 0)
			continue;
		in++;
		if (items[i].node.at < least)
			least = items[i].node.at;
	}
	assert_int_equal(h->count, in);
	if (in > 0)
		assert_true(heap_first(h)->at == least);
	else
		assert_null(heap_first(h));
}

static void
test_random(void **state)
{
	static struct item items[ITEMS];
	struct heap h = { 0 };

	(void)state;
	clock_seed(2);
	for (int step = 0; step < 20000; step++) {
		struct heap_node *n = &items[clock_random() % ITEMS].node;
		if (clock_random() % 3 == 0)
			heap_del(&h, n);
		else
			heap_set(&h, n, (int64_t)(clock_random() % 1000) - 500);
		if (step % 50 == 0)
			check_first(&h, items);
	}
	int64_t last = INT64_MIN;
	while (heap_first(&h) != NULL) {
		struct item *it = HEAP_ITEM(heap_first(&h), struct item, node);
		assert_true(it >= items && it < items + ITEMS);
		assert_true(it->node.at >= last);
		last = it->node.at;
		heap_del(&h, &it->node);
		heap_del(&h, &it->node);	/* twice is fine */
	}
	heap_clear(&h);
}

static void
test_clear(void **state)
{
	struct heap h = { 0 };
	struct heap_node n = { 0 };

	(void)state;
	heap_set(&h, &n, 5);
	heap_clear(&h);
	assert_int_equal(n.index, 0);
	assert_null(heap_first(&h));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_clear) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
