#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/control/stage.h"

static void
hello_and_faults(void **state)
{
	static const struct { const char *line, *want; } cases[] = {
		{ "nonsense\n", "{\"id\":null,\"done\":true,\"status\":65," },
		{ "[1]\n", "\"status\":65" },
		{ "{\"cmd\":\"status\"}\n", "needs an \\\"id\\\"" },
		{ "{\"id\":1}\n", "needs a \\\"cmd\\\"" },
		{ "{\"id\":1,\"cmd\":\"qeue\"}\n", "{\"id\":1,\"done\":true,\"status\":64," },
		{ "{\"id\":2,\"cmd\":\"help\"}\n", "\"status\":64" },
		{ "{\"id\":3,\"cmd\":\"hold\"}\n", "hold needs a SELECTOR" },
		{ "{\"id\":4,\"cmd\":\"hold\",\"args\":{\"selector\":\"agee > 1\"}}\n", "did you mean \\\"age\\\"" },
		{ "{\"id\":4,\"cmd\":\"queue ls\",\"args\":{\"limit\":-1}}\n", "is not a number" },
		{ "{\"id\":4,\"cmd\":\"queue ls\",\"args\":{\"limit\":[1]}}\n", "something else" },
		{ "{\"id\":4,\"cmd\":\"queue ls\",\"args\":[]}\n", "must be an object" },
		{ "{\"id\":1,\"id\":2,\"cmd\":\"status\"}\n", "duplicate" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	int fd = join();
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "\"protocol\":1,\"hostname\":\""));
	assert_non_null(strstr(b.ptr, "\"rights\":[\"view\",\"read\",\"flush\",\"administer\"]}\n"));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		say(fd, cases[i].line);
		if (strstr(hear(fd, &b), cases[i].want) == NULL)
			fail_msg("%s: got %s", cases[i].line, b.ptr);
	}
	assert_int_equal(queue.asks, 0);
	close(fd);
	run();
	assert_int_equal(ctl->client_count, 0);
	buf_clear(&b);
}

static void
questions(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	int fd = join();
	/* In two pieces, and two at once. */
	say(fd, "{\"id\":7,\"cmd\":\"queue ls\",\"args\":{\"sel");
	say(fd, "ector\":\"age > 1h\"}}\n{\"id\":-8,\"cmd\":\"flush\"}\n");
	assert_int_equal(queue.asks, 2);
	assert_string_equal(queue.command, "flush");
	assert_true(geteuid() != 0 || strcmp(queue.who, "root") == 0);
	assert_int_equal(queue.rights, CTL_ALL);
	hear(fd, &b);
	answer(queue.asked, "{\"a\":1}\n{\"a\":2}\n", true, 0, NULL);
	answer(queue.asked - 1, "{\"b\":1}\n", false, 0, NULL);
	run();
	assert_string_equal(hear(fd, &b), "{\"id\":-8,\"row\":{\"a\":1}}\n{\"id\":-8,\"row\":{\"a\":2}}\n"
	    "{\"id\":-8,\"done\":true,\"status\":0}\n{\"id\":7,\"row\":{\"b\":1}}\n");
	assert_int_equal(queue.mores, 1);
	answer(queue.asked - 1, "", true, 1, "say \"no\"");
	run();
	assert_string_equal(hear(fd, &b), "{\"id\":7,\"done\":true,\"status\":1,\"error\":\"say \\\"no\\\"\"}\n");
	/* What comes late is for nobody. */
	answer(queue.asked, "{}\n", true, 0, NULL);
	run();
	assert_string_equal(hear(fd, &b), "");
	close(fd);
	buf_clear(&b);
}

static void
readonly_holds(void **state)
{
	struct buf b = BUF_INIT(0);
	unsigned before = queue.asks;

	(void)state;
	int fd = join();
	say(fd, "{\"id\":1,\"readonly\":true,\"cmd\":\"flush\"}\n{\"id\":2,\"cmd\":\"delete\",\"args\":{\"selector\":\"*\"}}\n");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "{\"id\":1,\"done\":true,\"status\":77"));
	assert_non_null(strstr(b.ptr, "{\"id\":2,\"done\":true,\"status\":77"));
	assert_int_equal(queue.asks, before);
	close(fd);
	buf_clear(&b);
}

/* A client that does not read pauses its own question, and nothing else. */
static void
slow_client(void **state)
{
	struct buf b = BUF_INIT(0), rows = BUF_INIT(0);

	(void)state;
	while (rows.len < 200000)
		buf_str(&rows, "{\"x\":\"0123456789012345678901234567890123456789\"}\n");
	int slow = join();
	hear(slow, &b);
	say(slow, "{\"id\":1,\"cmd\":\"queue ls\"}\n");
	uint64_t number = queue.asked;
	unsigned slices = 0, before = queue.mores;
	for (; slices < 50 && queue.mores - before == slices; slices++) {
		answer(number, rows.ptr, false, 0, NULL);
		run();
	}
	assert_in_range(slices, 4, 20);
	int quick = join();
	hear(quick, &b);
	say(quick, "{\"id\":2,\"cmd\":\"queue ls\"}\n");
	answer(queue.asked, "{\"q\":1}\n", true, 0, NULL);
	run();
	assert_non_null(strstr(hear(quick, &b), "{\"id\":2,\"done\":true"));
	before = queue.mores;
	size_t total = 0;
	for (int i = 0; i < 200 && queue.mores == before; i++) {
		hear(slow, &b);
		total += b.len;
		run();
	}
	assert_int_equal(queue.mores, before + 1);
	assert_true(total > 500000);
	/* It goes away in the midst. */
	unsigned drops = queue.drops;
	close(slow);
	run();
	assert_int_equal(queue.drops, drops + 1);
	close(quick);
	buf_clear(&b);
	buf_clear(&rows);
}

/* Its sending side closed, it still gets its replies; and requests that are too many wait. */
static void
half_closed(void **state)
{
	struct buf b = BUF_INIT(0);
	unsigned before = queue.asks;

	(void)state;
	int fd = join();
	hear(fd, &b);
	for (int i = 0; i < 20; i++)
		assert_true(write(fd, "{\"id\":5,\"cmd\":\"doctor\"}\n", 24) == 24);
	shutdown(fd, SHUT_WR);
	run();
	assert_int_equal(queue.asks - before, ASKS_MAX);
	for (uint64_t i = 0; i < ASKS_MAX; i++)
		answer(queue.asked - i, "", true, 0, NULL);
	run();
	assert_int_equal(queue.asks - before, 20);
	for (uint64_t i = 0; i < 4; i++)
		answer(queue.asked - i, "", true, 0, NULL);
	run();
	hear(fd, &b);
	size_t done = 0;
	for (const char *p = b.ptr; (p = strstr(p, "\"done\":true")) != NULL; p++)
		done++;
	assert_int_equal(done, 20);
	char byte;
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	buf_clear(&b);
}

static void
long_line(void **state)
{
	struct buf b = BUF_INIT(0);
	static char line[70000];

	(void)state;
	int fd = join();
	hear(fd, &b);
	memset(line, ' ', sizeof line);
	ssize_t n = write(fd, line, sizeof line);
	assert_int_equal(n, sizeof line);
	run();
	run();
	assert_non_null(strstr(hear(fd, &b), "at most 65536 bytes"));
	close(fd);
	run();
	assert_int_equal(ctl->client_count, 0);
	buf_clear(&b);
}

static void
too_many(void **state)
{
	int fds[CLIENTS_MAX + 1];
	struct buf b = BUF_INIT(0);

	(void)state;
	for (int i = 0; i <= CLIENTS_MAX; i++)
		fds[i] = join();
	assert_int_equal(ctl->client_count, CLIENTS_MAX);
	assert_non_null(strstr(hear(fds[CLIENTS_MAX], &b), "\"status\":75"));
	assert_non_null(strstr(hear(fds[0], &b), "\"protocol\":1"));
	for (int i = 0; i <= CLIENTS_MAX; i++)
		close(fds[i]);
	run();
	assert_int_equal(ctl->client_count, 0);
	buf_clear(&b);
}

static void
queue_ends(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"doctor\"}\n");
	ipc_free(queue.ipc);
	run();
	assert_non_null(strstr(hear(fd, &b), "{\"id\":1,\"done\":true,\"status\":75"));
	/* One that is asked meanwhile waits for the next. */
	say(fd, "{\"id\":2,\"cmd\":\"hold\",\"args\":{\"selector\":\"@x.org\"}}\n");
	assert_string_equal(hear(fd, &b), "");
	connect_queue();
	run();
	assert_int_equal(queue.asks, 1);
	assert_string_equal(queue.selector, "@x.org");
	answer(queue.asked, "", true, 0, NULL);
	run();
	assert_non_null(strstr(hear(fd, &b), "{\"id\":2,\"done\":true,\"status\":0}"));
	say(fd, "{\"id\":3,\"cmd\":\"doctor\"}\n");
	answer(queue.asked, "", true, 0, NULL);
	run();
	assert_non_null(strstr(hear(fd, &b), "{\"id\":3,\"done\":true,\"status\":0}"));
	close(fd);
	run();
	buf_clear(&b);
}

static void
rights(void **state)
{
	/* daemon 1, bin 2, sys 3 (Debian's numbers) */
	static const struct { uid_t uid; uint8_t want; } cases[] = {
		{ 0, CTL_ALL }, { 1, 0 }, { 2, CTL_VIEW | CTL_READ | CTL_FLUSH }, { 3, CTL_ALL }, { 4, CTL_VIEW },
		{ 12345, CTL_VIEW | CTL_READ },
	};
	struct users u = ctl->users;

	(void)state;
	u.owner = 0;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(users_rights(&u, cases[i].uid), cases[i].want);
	u.owner = 777;
	assert_int_equal(users_rights(&u, 777), CTL_ALL);
	assert_int_equal(users_rights(&u, 778), CTL_VIEW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_and_faults), cmocka_unit_test(questions), cmocka_unit_test(readonly_holds),
		cmocka_unit_test(slow_client), cmocka_unit_test(half_closed), cmocka_unit_test(long_line),
		cmocka_unit_test(too_many),
		cmocka_unit_test(queue_ends), cmocka_unit_test(rights),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
