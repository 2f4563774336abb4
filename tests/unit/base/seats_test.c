#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/seats.h"

static struct seats *
table(int *fd)
{
	struct err err;

	*fd = seats_new(&err);
	assert_true(*fd >= 0);
	struct seats *s = seats_map(*fd, &err);
	assert_non_null(s);
	return s;
}

static void
test_take_and_give(void **state)
{
	int fd;
	struct seats *s = table(&fd);
	struct seats_row *row = seats_row(s, SPAN("inet smtp")), *other = seats_row(s, SPAN("inet submission"));

	(void)state;
	assert_ptr_equal(row, seats_row(s, SPAN("inet smtp")));
	assert_ptr_not_equal(row, other);
	assert_true(seats_take(row, 0, 2));
	assert_true(seats_take(row, 5, 2));
	assert_false(seats_take(row, 0, 2));
	assert_int_equal(seats_taken(row), 2);
	assert_true(seats_take(other, 0, 1));
	seats_give(row, 5);
	assert_true(seats_take(row, 31, 2));
	/* No limit, no table, no such column: nobody is refused. */
	assert_true(seats_take(row, 0, 0));
	assert_true(seats_take(NULL, 0, 1));
	assert_true(seats_take(row, SEATS_COLUMNS, 1));
	seats_give(NULL, 0);
	seats_clear(s, 0);
	seats_give(row, 0);
	assert_int_equal(seats_taken(row), 1);
	seats_unmap(s);
	close(fd);
}

static void
test_wanted(void **state)
{
	int fd;
	struct seats *s = table(&fd);
	struct seats_row *row = seats_row(s, SPAN("inet smtp")), *other = seats_row(s, SPAN("inet submission"));

	(void)state;
	assert_int_equal(seats_any_wanted_at(s), 0);
	seats_want(s, row, 17);
	assert_int_equal(seats_wanted_at(row), 17);
	assert_int_equal(seats_wanted_at(other), 0);
	assert_int_equal(seats_any_wanted_at(s), 17);
	seats_want(NULL, row, 18);
	seats_want(s, NULL, 18);
	assert_int_equal(seats_any_wanted_at(s), 17);
	assert_int_equal(seats_wanted_at(NULL), 0);
	assert_int_equal(seats_any_wanted_at(NULL), 0);
	seats_unmap(s);
	close(fd);
}

static void
test_full_of_names(void **state)
{
	int fd;
	struct seats *s = table(&fd);
	char name[32];
	unsigned rows = 0;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof name, "service %u", i);
		rows += seats_row(s, span_str(name)) != NULL;
	}
	assert_int_equal(rows, 2048);
	assert_null(seats_row(NULL, SPAN("x")));
	seats_unmap(s);
	close(fd);
}

/* Processes that take and give as fast as they can: never more than the limit, and nothing is left over. */
static void
test_many_processes(void **state)
{
	int fd, status;
	struct seats *s = table(&fd);
	struct seats_row *row = seats_row(s, SPAN("inet smtp"));

	(void)state;
	for (unsigned c = 0; c < 4; c++) {
		if (fork() > 0)
			continue;
		for (int i = 0; i < 100000; i++)
			if (seats_take(row, c, 3)) {
				if (seats_taken(row) > 3 + 4)	/* the others' tries count for a moment */
					_exit(1);
				seats_give(row, c);
			}
		_exit(0);
	}
	for (unsigned c = 0; c < 4; c++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(seats_taken(row), 0);
	seats_unmap(s);
	close(fd);
}

static void
test_a_table_that_is_none(void **state)
{
	struct err err;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_null(seats_map(ends[0], &err));
	close(ends[0]);
	close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take_and_give), cmocka_unit_test(test_wanted), cmocka_unit_test(test_full_of_names),
		cmocka_unit_test(test_many_processes), cmocka_unit_test(test_a_table_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
