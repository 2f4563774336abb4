#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tui/list.h"

/* Each letter a row. */
static void
give(struct list *l, const char *keys, size_t first, size_t total)
{
	struct list_rows rows = { .count = 0 };

	for (; *keys != '\0'; keys++)
		list_rows_add(&rows, span_of(keys, 1), SPAN("{}"));
	list_take(l, &rows, first, total);
	assert_int_equal(rows.count, 0);
}

struct refresh_case {
	const char	*name, *before;
	size_t		 cursor;
	const char	*after;
	char		 key;
	size_t		 place;
};

static void
refresh_keeps_the_row(void **state)
{
	static const struct refresh_case cases[] = {
		{ "the same", "abcdef", 2, "abcdef", 'c', 2 },
		{ "one before is gone", "abcdef", 2, "bcdef", 'c', 1 },
		{ "one before is new", "abcdef", 2, "xabcdef", 'c', 3 },
		{ "one behind is gone", "abcdef", 2, "abcef", 'c', 2 },
		{ "it is gone itself", "abcdef", 2, "abdef", 'd', 2 },
		{ "it was the last and is gone", "abc", 2, "ab", 'b', 1 },
		{ "another order", "abcdef", 0, "fedcba", 'a', 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct refresh_case *c = &cases[i];
		struct list l = { .height = 3 };
		give(&l, c->before, 0, strlen(c->before));
		list_go(&l, c->cursor);
		give(&l, c->after, 0, strlen(c->after));
		assert_int_equal(l.cursor, c->place);
		assert_int_equal(*list_current(&l)->key, c->key);
		assert_true(l.cursor >= l.top && l.cursor < l.top + l.height);
		list_clear(&l);
	}
}

static void
row_keeps_its_height_on_the_screen(void **state)
{
	struct list l = { .height = 3 };

	(void)state;
	give(&l, "abcdefghij", 0, 10);
	list_go(&l, 5);
	size_t at = l.cursor - l.top;
	give(&l, "cdefghij", 0, 8);
	assert_int_equal(*list_current(&l)->key, 'f');
	assert_int_equal(l.cursor - l.top, at);
	list_clear(&l);
}

static void
moves_stay_inside(void **state)
{
	static const struct { enum list_move how; size_t from, to; } cases[] = {
		{ MOVE_UP, 0, 0 }, { MOVE_DOWN, 9, 9 }, { MOVE_PAGE_UP, 1, 0 }, { MOVE_PAGE_DOWN, 8, 9 }, { MOVE_PAGE_DOWN, 0, 2 },
		{ MOVE_FIRST, 7, 0 }, { MOVE_LAST, 2, 9 }, { MOVE_DOWN, 3, 4 }, { MOVE_PAGE_UP, 9, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct list l = { .height = 3 };
		give(&l, "abcdefghij", 0, 10);
		list_go(&l, cases[i].from);
		list_move(&l, cases[i].how);
		assert_int_equal(l.cursor, cases[i].to);
		assert_true(l.cursor >= l.top && l.cursor < l.top + 3 && l.top + 3 <= 10);
		list_clear(&l);
	}
}

static void
empty_list(void **state)
{
	struct list l = { .height = 3 };

	(void)state;
	for (int how = MOVE_UP; how <= MOVE_LAST; how++)
		list_move(&l, (enum list_move)how);
	give(&l, "", 0, 0);
	assert_null(list_current(&l));
	assert_true(list_covered(&l));
	list_clear(&l);
}

static void
window_of_many(void **state)
{
	struct list l = { .height = 3 };

	(void)state;
	give(&l, "abcdefghi", 0, 1000);
	list_move(&l, MOVE_LAST);
	assert_int_equal(l.cursor, 999);
	assert_null(list_current(&l));
	assert_false(list_covered(&l));
	give(&l, "rstuvwxyz", 991, 1000);
	assert_int_equal(*list_current(&l)->key, 'z');
	assert_true(list_covered(&l));
	give(&l, "stuvwxyz", 492, 500);		/* half of what was before is gone */
	assert_int_equal(l.cursor, 499);
	assert_int_equal(*list_current(&l)->key, 'z');
	list_clear(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refresh_keeps_the_row),
		cmocka_unit_test(row_keeps_its_height_on_the_screen),
		cmocka_unit_test(moves_stay_inside),
		cmocka_unit_test(empty_list),
		cmocka_unit_test(window_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
