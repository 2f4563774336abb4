#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/watch.h"

static char heard[400];
static unsigned lines;
static uint32_t lost;

static void
on_log_line(void *arg, struct ipc *c, const struct ipc_log_line *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	lines++;
	lost += m->lost;
	if (lines < 5)
		snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%u %.*s: %.*s\n", m->level, SPAN_ARG(m->program),
		    SPAN_ARG(m->text));
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
}

static const struct ipc_handlers handlers = { .log_line = on_log_line, .closed = on_closed };

static void
end_round(void *arg)
{
	(void)arg;
	loop_stop(0);
}

static void
run(void)
{
	static struct loop_timer timer;

	loop_timer_init(&timer, end_round, NULL);
	loop_timer_set(&timer, 30000);
	loop_run();
}

static void
forget(void)
{
	heard[0] = '\0';
	lines = lost = 0;
}

static void
told(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct ipc *role = ipc_new(ends[0], ROLE_SEND, ROLE_CONTROL, 0, 0, &handlers, NULL);
	struct ipc *control = ipc_new(ends[1], ROLE_CONTROL, ROLE_SEND, 0, 0, &handlers, NULL);
	log_info("smtp", "nobody is there");
	watch_control(role);
	log_info("smtp", "not wanted");
	log_warning("smtp", "always \xe2\x80\xae");
	log_error("qmgr", "this, too");
	run();
	assert_string_equal(heard, "1 smtp: always ?\n2 qmgr: this, too\n");
	forget();
	watch_lines(true);
	log_info("smtp", "wanted");
	/* A child's lines would break into the parent's messages. */
	pid_t pid = fork();
	if (pid == 0) {
		log_info("smtp", "the child's");
		_exit(watch_channel() == NULL ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	run();
	assert_string_equal(heard, "0 smtp: wanted\n");
	forget();
	for (int i = 0; i < 20000; i++)
		log_info("smtp", "a line of some length, so that the channel is full before they are all told");
	assert_true(ipc_unsent(role) < 300000);
	run();
	log_info("smtp", "later");
	run();
	assert_true(lost > 10000);
	assert_int_equal(lines + lost, 20001);
	forget();
	watch_closed(control);		/* another one */
	log_info("smtp", "still");
	watch_closed(role);
	log_error("smtp", "nobody");
	run();
	assert_string_equal(heard, "0 smtp: still\n");
	assert_null(log_watch);
	ipc_free(role);
	ipc_free(control);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(told) };

	loop_init();
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "host", "mtad");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
