#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "queue/sorter.h"

enum kind { RISING, FALLING, EQUAL, MIXED, LATE };	/* LATE: in order but for the last one */

static const struct {
	const char	*name;
	size_t		 count;
	enum kind	 kind;
	bool		 text, reverse;
} cases[] = {
	{ "nothing", 0, RISING, false, false },
	{ "one", 1, RISING, true, true },
	{ "rising", 10000, RISING, false, false },
	{ "rising, wanted from its end", 10000, RISING, false, true },
	{ "falling", 10000, FALLING, false, false },
	{ "equal keys go by the queue ID", 9000, EQUAL, true, false },
	{ "equal keys, reversed", 9000, EQUAL, true, true },
	{ "mixed", 20000, MIXED, false, false },
	{ "mixed texts", 20000, MIXED, true, false },
	{ "mixed texts, reversed", 20000, MIXED, true, true },
	{ "a run and one", 4097, MIXED, true, false },
	{ "exactly two runs", 8192, MIXED, false, false },
	{ "late", 8192, LATE, false, false },
	{ "late, in a run of its own", 8193, LATE, true, false },
};

static struct sort_item
made(enum kind kind, size_t n, size_t count)
{
	struct sort_item item = { .usec = 1000 + n * 7919 % 30011, .writer = (uint32_t)n, .hint = (uint32_t)n };
	size_t key = kind == RISING ? n : kind == FALLING ? count - n : kind == EQUAL ? 5 : n * 7919 % 1009;

	if (kind == LATE)
		key = n + 1 == count ? 0 : n + 1;
	item.number = kind == MIXED && n % 3 == 0 ? 0 : (int64_t)key;
	(void)snprintf(item.text, sizeof item.text, "%zu", key);
	return item;
}

static bool with_text;

static int
compare(const void *a, const void *b)
{
	const struct sort_item *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	int by = with_text ? memcmp(x->text, y->text, sizeof x->text) : 0;
	return by != 0 ? by : qid_cmp(sort_item_id(x), sort_item_id(y));
}

/* Beside qsort over all at once. */
static void
test_order(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
		size_t count = cases[c].count;
		struct sort_item *want = mem_new((count + 1) * sizeof *want);
		struct sorter s;
		sorter_begin(&s, cases[c].text, cases[c].reverse);
		for (size_t i = 0; i < count; i++) {
			want[i] = made(cases[c].kind, i, count);
			sorter_add(&s, &want[i]);
		}
		sorter_end(&s);
		with_text = cases[c].text;
		qsort(want, count, sizeof *want, compare);
		for (size_t i = 0; i < count; i++) {
			size_t at = cases[c].reverse ? count - 1 - i : i;
			if (i == 0)
				for (size_t k = 0; k < count; k += 997)
					assert_int_equal(sorter_rank(&s, &want[cases[c].reverse ? count - 1 - k : k]), k);
			const struct sort_item *peeked = sorter_peek(&s), *got = sorter_next(&s);
			if (got == NULL || peeked != got || got->writer != want[at].writer || got->hint != want[at].hint)
				fail_msg("%s: place %zu is wrong", cases[c].name, i);
		}
		assert_null(sorter_peek(&s));
		assert_null(sorter_next(&s));
		sorter_clear(&s);
		free(want);
	}
}

/* What is not yet filled is empty: a question that was refused frees it so. */
static void
test_zeroed(void **state)
{
	struct sorter s = { 0 };

	(void)state;
	sorter_end(&s);
	assert_null(sorter_peek(&s));
	assert_null(sorter_next(&s));
	sorter_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order), cmocka_unit_test(test_zeroed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
