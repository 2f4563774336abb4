#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/control.h"
#include "control/private.h"
#include "ctl/base64.h"
#include "ctl/jsonl.h"
#include "spool/record.h"
#include "spool/writer.h"

/* -- a queue role that is played by the test -------------------------------- */

static struct {
	struct ipc	*ipc;
	uint64_t	 asked;		/* the last request's number */
	char		 command[40], selector[200], who[60];
	uint8_t		 rights;
	unsigned	 asks, mores, drops;
} queue;

static void
copy(char *to, size_t size, struct span s)
{
	snprintf(to, size, "%.*s", SPAN_ARG(s));
}

static void
on_ask(void *arg, struct ipc *ipc, const struct ipc_ask *m, int fd)
{
	struct span selector = SPAN("");

	(void)arg;
	(void)ipc;
	(void)fd;
	queue.asks++;
	queue.asked = m->request;
	queue.rights = m->rights;
	copy(queue.command, sizeof queue.command, m->command);
	copy(queue.who, sizeof queue.who, m->who);
	args_get(m->args, "selector", &selector);
	copy(queue.selector, sizeof queue.selector, selector);
}

static void
on_more(void *arg, struct ipc *ipc, const struct ipc_ask_more *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)m;
	(void)fd;
	queue.mores++;
}

static void
on_drop(void *arg, struct ipc *ipc, const struct ipc_ask_drop *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)m;
	(void)fd;
	queue.drops++;
}

static void
on_closed(void *arg, struct ipc *ipc)
{
	(void)arg;
	ipc_free(ipc);
	queue.ipc = NULL;
}

static const struct ipc_handlers queue_handlers = { .ask = on_ask, .ask_more = on_more, .ask_drop = on_drop,
	.closed = on_closed };

static void
answer(uint64_t request, const char *rows, bool done, int status, const char *error)
{
	ipc_send_answer(queue.ipc, &(struct ipc_answer){ .request = request, .done = done, .status = (uint8_t)status,
	    .rows = span_str(rows), .error = span_str(error) }, -1);
}

/* -- the stage ------------------------------------------------------------- */

static char dir[] = "/tmp/control_test.XXXXXX";
static struct control *ctl;

static void
end_round(void *arg)
{
	(void)arg;
	loop_stop(0);
}

/* Lets everything happen that is due. */
static void
run(void)
{
	static struct loop_timer timer;

	loop_timer_init(&timer, end_round, NULL);
	loop_timer_set(&timer, 20000);
	loop_run();
}

static void
connect_queue(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	memset(&queue, 0, sizeof queue);
	queue.ipc = ipc_new(ends[0], ROLE_QUEUE, ROLE_CONTROL, 0, 1, &queue_handlers, NULL);
	const struct role_spec *spec = control_role();
	spec->peer(spec->state, ipc_new(ends[1], ROLE_CONTROL, ROLE_QUEUE, 0, 1, spec->handlers, spec->state));
}

static void
on_connection(void *arg, short what)
{
	(void)what;
	client_accept(arg);
}

static void
listen_here(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/ctl", dir);
	ctl->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ctl->listen_fd, (const struct sockaddr *)&addr, sizeof addr), 0);
	assert_int_equal(listen(ctl->listen_fd, 100), 0);
	loop_io_init(&ctl->listener, ctl->listen_fd, on_connection, ctl);
	loop_io_watch(&ctl->listener, EV_READ);
}

static int
set_up(void **state)
{
	struct conf_override o[] = { { "authorized_mailq_users", "!daemon, static:anyone" },
		{ "authorized_flush_users", "bin" }, { "mtad_read_users", "bin 12345" }, { "mtad_admin_users", "sys" } };
	struct conf_problems problems = { .count = 0 };

	(void)state;
	loop_init();
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "host", "mtad");
	assert_non_null(mkdtemp(dir));
	ctl = control_role()->state;
	ctl->conf = conf_load(dir, o, 4, &problems);
	conf_problems_clear(&problems);
	assert_non_null(ctl->conf);
	users_init(&ctl->users);
	users_configure(&ctl->users, conf_main(ctl->conf));
	listen_here();
	connect_queue();
	return 0;
}

static int
tear_down(void **state)
{
	char path[200];

	(void)state;
	client_free_all(ctl);
	loop_io_watch(&ctl->listener, 0);
	close(ctl->listen_fd);
	segments_clear(ctl);
	snprintf(path, sizeof path, "%s/ctl", dir);
	unlink(path);
	rmdir(dir);
	users_clear(&ctl->users);
	conf_unref(ctl->conf);
	return 0;
}

/* -- a client --------------------------------------------------------------- */

static int
join(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/ctl", dir);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
	run();
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	run();
}

/* All that is there now. */
static const char *
hear(int fd, struct buf *b)
{
	buf_reset(b);
	for (;;) {
		char *room = buf_room(b, 65536);
		ssize_t n = read(fd, room, 65536);
		if (n <= 0)
			break;
		buf_added(b, (size_t)n);
	}
	buf_str(b, "");
	return b->ptr;
}

/* -- tests ------------------------------------------------------------------ */

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
	assert_non_null(strstr(b.ptr, "\"protocol\":1,\"rights\":[\"view\",\"read\",\"flush\",\"administer\"]}\n"));
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

/* -- cat --------------------------------------------------------------------- */

static const char content_head[] = "Subject: gr\xc3\xbc\xc3\x9f\xff\n\n";

/* A segment with one message; the spill, if any, in *spill. */
static int
make_segment(struct span body, uint64_t spill_length, struct loc *loc)
{
	struct envelope e = { .id = { 1700000000000000, 65 }, .sender = SPAN("a@b.c"), .spill = spill_length > 0 ? 9 : 0 };
	struct iovec iov[MESSAGE_IOV];
	struct buf head = BUF_INIT(0), record = BUF_INIT(0);
	struct record_head h = { .type = RECORD_MESSAGE };
	unsigned char space[RECORD_HEADER] = { 0 };

	int n = message_layout(&head, &e, span_of(content_head, sizeof content_head - 1), body, spill_length, iov);
	buf_put(&record, space, sizeof space);
	for (int i = 0; i < n; i++)
		if (iov[i].iov_len > 0)
			buf_put(&record, iov[i].iov_base, iov[i].iov_len);
	h.length = (uint32_t)(record.len - RECORD_HEADER);
	record_finish((unsigned char *)record.ptr, 77, 4096, &h);
	*loc = loc_make(3, 4096, (uint32_t)record.len);
	int fd = memfd_create("segment", MFD_CLOEXEC);
	assert_int_equal(pwrite(fd, record.ptr, record.len, 4096), (ssize_t)record.len);
	buf_clear(&head);
	buf_clear(&record);
	return fd;
}

/* The rows' content put together again. */
static void
gather(const char *lines, struct buf *content, unsigned *rows)
{
	struct span left = span_str(lines), line, row, value;
	struct buf text = BUF_INIT(0);

	buf_reset(content);
	for (*rows = 0; span_cut(&left, '\n', &line) && jsonl_find(line, "row", &row); ++*rows) {
		buf_reset(&text);
		if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value))
			assert_true(jsonl_text(value, content));
		else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value))
			assert_true(jsonl_text(value, &text) && base64_decode(content, buf_view(&text)));
	}
	buf_clear(&text);
}

static void
cat_once(struct span body, bool spilled)
{
	struct buf b = BUF_INIT(0), all = BUF_INIT(0), got = BUF_INIT(0), want = BUF_INIT(0);
	struct loc loc;
	int spill = -1;
	unsigned rows;

	int segment = make_segment(spilled ? SPAN("") : body, spilled ? body.len : 0, &loc);
	if (spilled) {
		spill = memfd_create("spill", MFD_CLOEXEC);
		assert_int_equal(write(spill, body.ptr, body.len), (ssize_t)body.len);
	}
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"cat\",\"args\":{\"id\":\"4SVLCh0000z3m\"}}\n");
	ipc_send_segment_open(queue.ipc, &(struct ipc_segment_open){ .segment = 3, .nonce = 77 }, segment);
	ipc_send_answer_content(queue.ipc, &(struct ipc_answer_content){ .request = queue.asked, .segment = 3,
	    .offset = loc_offset(loc), .length = loc.length, .header = SPAN("{\"queue_id\":\"x\"}") }, spill);
	for (int i = 0; i < 2000 && (all.ptr == NULL || strstr(all.ptr, "\"done\":true") == NULL); i++) {
		run();
		hear(fd, &b);
		buf_span(&all, buf_view(&b));
	}
	gather(all.ptr, &got, &rows);
	buf_put(&want, content_head, sizeof content_head - 1);
	buf_span(&want, body);
	assert_non_null(strstr(all.ptr, "{\"id\":1,\"row\":{\"envelope\":{\"queue_id\":\"x\"}}}\n"));
	assert_non_null(strstr(all.ptr, "{\"id\":1,\"done\":true,\"status\":0}\n"));
	assert_true(span_eq(buf_view(&got), buf_view(&want)));
	close(fd);
	close(segment);
	if (spill >= 0)
		close(spill);
	run();
	buf_clear(&b);
	buf_clear(&all);
	buf_clear(&got);
	buf_clear(&want);
}

static void
content(void **state)
{
	size_t n = (size_t)3 << 20;
	char *big = malloc(n);

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < n; i++)
		big[i] = i % 40 == 39 ? '\n' : i % 40000 < 20000 ? "\xc3\xa9"[i % 2] : (char)(i * 7);
	cat_once(SPAN("text\n"), false);
	cat_once(SPAN(""), false);
	cat_once(span_of("nul \0 and \xfe\n", 12), false);
	cat_once(span_of(big, 500000), false);
	cat_once(span_of(big, n), true);
	free(big);
}

static void
damaged_content(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"cat\",\"args\":{\"id\":\"4SVLCh0000z3m\"}}\n");
	ipc_send_answer_content(queue.ipc, &(struct ipc_answer_content){ .request = queue.asked, .segment = 99,
	    .offset = 4096, .length = 100 }, -1);
	run();
	assert_non_null(strstr(hear(fd, &b), "\"status\":65"));
	close(fd);
	run();
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
		cmocka_unit_test(too_many), cmocka_unit_test(content), cmocka_unit_test(damaged_content),
		cmocka_unit_test(queue_ends), cmocka_unit_test(rights),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
