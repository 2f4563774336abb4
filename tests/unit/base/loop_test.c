#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

static int order[8];
static int ran;

static void
note(void *arg)
{
	if (ran < 8)
		order[ran] = *(int *)arg;
	ran++;
}

static void
note_and_stop(void *arg)
{
	note(arg);
	loop_stop(7);
}

static void
test_tasks(void **state)
{
	static int ids[] = { 0, 1, 2, 3 };
	struct loop_task t[4];

	(void)state;
	ran = 0;
	for (int i = 0; i < 4; i++) {
		t[i] = (struct loop_task){ .fn = i == 3 ? note_and_stop : note, .arg = &ids[i] };
		loop_defer(&t[i]);
		loop_defer(&t[i]);
	}
	loop_undefer(&t[1]);
	loop_undefer(&t[1]);
	assert_int_equal(loop_run(), 7);
	assert_int_equal(ran, 3);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 3);
}

/* Taking out the last one must leave a list that can be added to. */
static void
test_undefer_last(void **state)
{
	static int ids[] = { 0, 1 };
	struct loop_task a = { .fn = note, .arg = &ids[0] }, b = { .fn = note_and_stop, .arg = &ids[1] };

	(void)state;
	ran = 0;
	loop_defer(&a);
	loop_undefer(&a);
	loop_defer(&b);
	assert_int_equal(loop_run(), 7);
	assert_int_equal(ran, 1);
}

static void
test_timers(void **state)
{
	static int ids[] = { 0, 1, 2 };
	struct loop_timer first, second, never;
	struct loop_timer idle = { .made = false };

	(void)state;
	ran = 0;
	loop_timer_stop(&idle);
	loop_timer_init(&first, note, &ids[0]);
	loop_timer_init(&second, note_and_stop, &ids[1]);
	loop_timer_init(&never, note, &ids[2]);
	loop_timer_set(&second, 20000);
	loop_timer_set(&first, 500 * SECOND);
	loop_timer_set(&first, -5);
	loop_timer_set(&never, 10000);
	loop_timer_stop(&never);
	int64_t start = clock_mono();
	assert_int_equal(loop_run(), 7);
	assert_true(clock_mono() - start >= 19000);
	assert_int_equal(ran, 2);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], 1);
}

static struct loop_io io;
static int pipe_fds[2];

static void
on_readable(void *arg, short what)
{
	char c;

	(void)arg;
	assert_int_equal(what, EV_READ);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	ran++;
	if (c == 'z') {
		loop_io_watch(&io, 0);
		loop_stop(0);
	}
}

static void
test_io(void **state)
{
	(void)state;
	ran = 0;
	assert_int_equal(pipe(pipe_fds), 0);
	loop_io_init(&io, pipe_fds[0], on_readable, NULL);
	loop_io_watch(&io, EV_READ);
	loop_io_watch(&io, EV_READ);
	assert_int_equal(write(pipe_fds[1], "xyz", 3), 3);
	assert_int_equal(loop_run(), 0);
	assert_int_equal(ran, 3);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int
set_up(void **state)
{
	(void)state;
	loop_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tasks), cmocka_unit_test(test_undefer_last), cmocka_unit_test(test_timers), cmocka_unit_test(test_io),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
