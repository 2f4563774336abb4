#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

#define KILLED	1000

/* Each runs in a process of its own after sandbox_enter; its result is the exit status. */
static int
open_path(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int
make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : errno;
}

static int
execute(void)
{
	char *argv[] = { NULL };
	(void)execv("/bin/true", argv);
	return errno;
}

static int
become_root(void)
{
	return setuid(0) == 0 ? 0 : errno;
}

static void *
in_thread(void *arg)
{
	(void)prctl(PR_SET_NAME, "helper");
	return arg;
}

static int
make_thread(void)
{
	pthread_t t;
	void *result;
	int token;

	char *memory = malloc(50 << 20);
	free(memory);
	return pthread_create(&t, NULL, in_thread, &token) == 0 && pthread_join(t, &result) == 0 && result == &token ? 0 : 99;
}

static int
crash(void)
{
	abort();
}

static int
in_sandbox(enum role role, int (*fn)(void))
{
	struct err err;
	int status;

	pid_t pid = fork();
	if (pid == 0)
		_exit(sandbox_enter(role, &err) ? fn() : 98);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_rows(void **state)
{
	static const struct {
		const char *what;
		enum role role;
		int (*fn)(void);
		int result;
	} rows[] = {
		{ "receive opens", ROLE_RECEIVE, open_path, EACCES },
		{ "send opens", ROLE_SEND, open_path, EACCES },
		{ "state opens", ROLE_STATE, open_path, 0 },		/* its root is the data directory */
		{ "control opens", ROLE_CONTROL, open_path, EACCES },
		{ "lookup opens", ROLE_LOOKUP, open_path, 0 },
		{ "queue opens", ROLE_QUEUE, open_path, 0 },
		{ "local opens", ROLE_LOCAL, open_path, 0 },
		{ "send connects", ROLE_SEND, make_socket, 0 },
		{ "queue makes a socket", ROLE_QUEUE, make_socket, EACCES },
		{ "state makes a socket", ROLE_STATE, make_socket, EACCES },
		{ "receive executes", ROLE_RECEIVE, execute, KILLED + SIGSYS },
		{ "queue executes", ROLE_QUEUE, execute, KILLED + SIGSYS },
		{ "lookup executes", ROLE_LOOKUP, execute, KILLED + SIGSYS },
		{ "send becomes root", ROLE_SEND, become_root, KILLED + SIGSYS },
		{ "queue makes a thread", ROLE_QUEUE, make_thread, 0 },
		{ "receive makes a thread", ROLE_RECEIVE, make_thread, 0 },
		{ "control aborts", ROLE_CONTROL, crash, KILLED + SIGABRT },
	};

	(void)state;
	if (!sandbox_has_filter(ROLE_RECEIVE))
		skip();		/* built with sanitizers */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		print_message("%s\n", rows[i].what);
		assert_int_equal(in_sandbox(rows[i].role, rows[i].fn), rows[i].result);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
