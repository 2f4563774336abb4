#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/role.h"

/* The role is a process of its own, with its end of the channel on descriptor 3; the test is its master. It tells what it does by "stats". */
static struct ipc *child;
static pid_t pid;
static char told[2000];

/* -- in the role ---------------------------------------------------------------------------------- */

static char story[2000];

static void
tell(const char *what)
{
	(void)snprintf(story + strlen(story), sizeof story - strlen(story), "%s ", what);
}

static void
tell_fd(void *arg, const char *rest, int fd)
{
	struct stat st;
	char text[64];

	(void)arg;
	(void)snprintf(text, sizeof text, "%s=%d:%s", rest, fd, fstat(fd, &st) == 0 ? "open" : "closed");
	tell(text);
}

static bool
configure(void *arg, struct span frozen, struct err *err)
{
	(void)arg;
	if (span_eqs(frozen, "bad")) {
		err_set(err, ERR_SYS, "bad configuration");
		return false;
	}
	tell("configure");
	tell(frozen.ptr[0] == 'A' ? "A" : "B");
	return true;
}

static bool
prepare(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	tell(role_fd("file:1") >= 0 && role_fd("file:9") < 0 ? "prepare" : "wrong descriptors");
	return true;
}

static bool
start(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	tell(role_slot() == 5 && role_epoch() == 42 && strcmp(role_hostname(), "mx.example.com") == 0 ? "start" : "wrong identity");
	return true;
}

static void
switched(void *arg)
{
	(void)arg;
	tell("switched");
	role_fd_each("file:", tell_fd, NULL);
}

static void
on_pickup(void *arg, struct ipc *c, const struct ipc_pickup *m, int fd)
{
	(void)arg;
	close(fd);
	tell("pickup");
	role_fd_each("file:", tell_fd, NULL);
	/* The way back for what was told. */
	ipc_send_pickup_done(c, &(struct ipc_pickup_done){ span_str(story), 1 }, -1);
	(void)m;
}

static void
on_stop(void *arg, int64_t within)
{
	(void)arg;
	loop_stop(within == 77 ? 7 : 8);
}

static int
be_role(void)
{
	static const struct ipc_handlers none = { 0 };
	static const struct ipc_handlers from_master = { .pickup = on_pickup };
	static const struct role_spec spec = {
		.role = ROLE_RECEIVE, .program = "smtpd", .handlers = &none, .configure = configure, .prepare = prepare, .start = start,
		.switched = switched, .stop = on_stop, .master_handlers = &from_master,
	};

	return role_main(&spec, 5);
}

/* -- in the master --------------------------------------------------------------------------------- */

static void
on_ready(void *arg, struct ipc *c, const struct ipc_ready *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	(void)snprintf(told, sizeof told, "ready %u %.*s", m->generation, SPAN_ARG(m->error));
	loop_stop(0);
}

static void
on_told(void *arg, struct ipc *c, const struct ipc_pickup_done *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	(void)snprintf(told, sizeof told, "%.*s", SPAN_ARG(m->name));
	loop_stop(0);
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
	child = NULL;
	loop_stop(0);
}

static int
file_with(const char *text)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
send_fd(const char *key)
{
	ipc_send_descriptor(child, &(struct ipc_descriptor){ 1, span_str(key) }, 0);
}

static void
begin(const char *conf)
{
	static const struct ipc_handlers h = { .ready = on_ready, .pickup_done = on_told, .closed = on_closed };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		if (pair[1] != 3)
			(void)dup2(pair[1], 3);
		_exit(be_role());
	}
	close(pair[1]);
	loop_init();
	child = ipc_new(pair[0], ROLE_MASTER, ROLE_RECEIVE, 5, 42, &h, NULL);
	int fd = file_with(conf);
	ipc_send_init(child, &(struct ipc_init){ .generation = 1, .epoch = 42, .hostname = SPAN("mx.example.com"), .syslog_name = SPAN("mtad") }, fd);
	close(fd);
	send_fd("file:1");
	send_fd("file:2");
	ipc_send_go(child, &(struct ipc_go){ 1 }, -1);
	(void)loop_run();
}

static int
status(void)
{
	int s;

	ipc_free(child);
	child = NULL;
	event_base_free(loop_base());
	assert_int_equal(waitpid(pid, &s, 0), pid);
	return WIFEXITED(s) ? WEXITSTATUS(s) : 1000 + WTERMSIG(s);
}

static void
ask(void)
{
	ipc_send_pickup(child, &(struct ipc_pickup){ .name = SPAN("x") }, 0);
	(void)loop_run();
}

static void
test_life(void **state)
{
	(void)state;
	begin("A");
	assert_string_equal(told, "ready 1 ");
	assert_int_equal(kill(pid, SIGTERM) | kill(pid, SIGHUP) | kill(pid, SIGINT), 0);
	ask();
	assert_int_equal(strncmp(told, "configure A prepare start pickup 1=", 35), 0);

	/* Reload: 1 stays, 2 goes, 3 comes. */
	ipc_send_descriptor_drop(child, &(struct ipc_descriptor_drop){ 2, SPAN("file:2") }, -1);
	send_fd("file:3");
	int fd = file_with("B");
	ipc_send_go(child, &(struct ipc_go){ 2 }, fd);
	close(fd);
	(void)loop_run();
	assert_string_equal(told, "ready 2 ");
	ask();
	const char *after = strstr(told, "configure B switched ");
	assert_non_null(after);
	assert_non_null(strstr(after, " 1="));
	assert_null(strstr(after, " 2="));
	assert_non_null(strstr(after, " 3="));
	assert_null(strstr(after, "closed"));

	ipc_send_stop(child, &(struct ipc_stop){ 77 }, -1);
	(void)loop_run();
	assert_int_equal(status(), 7);
}

static void
test_bad_configuration(void **state)
{
	(void)state;
	begin("bad");
	assert_string_equal(told, "ready 1 bad configuration");
	assert_int_equal(status(), 78);
}

/* A reload that fails leaves the role as it was. */
static void
test_bad_reload(void **state)
{
	(void)state;
	begin("A");
	int fd = file_with("bad");
	ipc_send_go(child, &(struct ipc_go){ 2 }, fd);
	close(fd);
	(void)loop_run();
	assert_string_equal(told, "ready 2 bad configuration");
	ask();
	assert_null(strstr(told, "switched"));
	assert_non_null(strstr(told, "pickup"));
	ipc_send_stop(child, &(struct ipc_stop){ 1 }, -1);
	(void)loop_run();
	assert_int_equal(status(), 8);
}

static void
test_master_dies(void **state)
{
	(void)state;
	begin("A");
	assert_int_equal(status(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life), cmocka_unit_test(test_bad_configuration), cmocka_unit_test(test_bad_reload),
		cmocka_unit_test(test_master_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
