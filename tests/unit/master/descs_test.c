#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "master/descs.h"
#include "unit/master/scratch.h"

static char got[1000];

static void
on_descriptor(void *arg, struct ipc *c, const struct ipc_descriptor *m, int fd)
{
	(void)arg;
	(void)c;
	(void)snprintf(got + strlen(got), sizeof got - strlen(got), "+%.*s ", SPAN_ARG(m->key));
	close(fd);
}

static void
on_drop(void *arg, struct ipc *c, const struct ipc_descriptor_drop *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	(void)snprintf(got + strlen(got), sizeof got - strlen(got), "-%.*s ", SPAN_ARG(m->key));
}

static void
on_go(void *arg, struct ipc *c, const struct ipc_go *m, int fd)
{
	(void)arg;
	(void)c;
	(void)m;
	(void)fd;
	loop_stop(0);
}

static const char *
sent(const struct descs *now, const struct descs *before, enum role role, uint32_t slot)
{
	static const struct ipc_handlers silent = { 0 };
	static const struct ipc_handlers h = { .descriptor = on_descriptor, .descriptor_drop = on_drop, .go = on_go };
	int fds[2];

	got[0] = '\0';
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	struct ipc *master = ipc_new(fds[0], ROLE_MASTER, role, slot, 1, &silent, NULL);
	struct ipc *child = ipc_new(fds[1], role, ROLE_MASTER, 0, 1, &h, NULL);
	descs_send(now, before, master, role, slot, 7);
	ipc_send_go(master, &(struct ipc_go){ 7 }, -1);
	(void)loop_run();
	ipc_free(master);
	ipc_free(child);
	return got;
}

static void
test_differences(void **state)
{
	struct descs a = { 0 }, b = { 0 };

	(void)state;
	descs_add(&a, ROLE_COUNT, EVERY_SLOT, "log", "log1", dup(0));
	descs_add(&a, ROLE_RECEIVE, 0, "listen:0:x", "x", dup(0));
	descs_add(&a, ROLE_RECEIVE, 1, "listen:0:x", "x", dup(0));
	descs_add(&a, ROLE_SEND, EVERY_SLOT, "hosts", "h1", dup(0));
	assert_string_equal(sent(&a, NULL, ROLE_RECEIVE, 0), "+log +listen:0:x ");
	assert_string_equal(sent(&a, NULL, ROLE_RECEIVE, 5), "+log ");
	assert_string_equal(sent(&a, NULL, ROLE_SEND, 5), "+log +hosts ");
	assert_string_equal(sent(&a, &a, ROLE_RECEIVE, 0), "");

	descs_add(&b, ROLE_COUNT, EVERY_SLOT, "log", "log2", dup(0));
	descs_add(&b, ROLE_RECEIVE, 0, "listen:1:x", "x", dup(0));
	descs_add(&b, ROLE_SEND, EVERY_SLOT, "hosts", "h2", dup(0));
	assert_string_equal(sent(&b, &a, ROLE_RECEIVE, 0), "+log +listen:1:x -listen:0:x ");
	assert_string_equal(sent(&b, &a, ROLE_SEND, 1), "+log +hosts ");
	assert_string_equal(sent(&b, &a, ROLE_STATE, 0), "+log ");
	int same = descs_same(&a, ROLE_RECEIVE, 1, "x");
	assert_true(same >= 0);
	close(same);
	assert_int_equal(descs_same(&a, ROLE_RECEIVE, 2, "x"), -1);
	descs_clear(&a);
	descs_clear(&b);
}

static void
test_files(void **state)
{
	struct descs a = { 0 }, b = { 0 };
	char path[100];

	(void)state;
	(void)snprintf(path, sizeof path, "%s/file", scratch_dir);
	assert_false(descs_add_file(&a, ROLE_SEND, "zone", path));
	FILE *f = fopen(path, "w");
	fputs("one", f);
	fclose(f);
	assert_true(descs_add_file(&a, ROLE_SEND, "zone", path));
	assert_true(descs_add_file(&b, ROLE_SEND, "zone", path));
	assert_string_equal(sent(&b, &a, ROLE_SEND, 0), "");
	descs_clear(&b);
	f = fopen(path, "a");
	fputs("two", f);
	fclose(f);
	assert_true(descs_add_file(&b, ROLE_SEND, "zone", path));
	assert_string_equal(sent(&b, &a, ROLE_SEND, 0), "+zone ");
	descs_clear(&a);
	descs_clear(&b);
}

static int
set_up(void **state)
{
	loop_init();
	return scratch_make(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_differences), cmocka_unit_test(test_files) };

	return cmocka_run_group_tests(tests, set_up, scratch_remove);
}
