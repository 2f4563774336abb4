#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/control/stage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "control/control.h"

/* -- a queue role that is played by the test -------------------------------- */

struct played queue;
struct control *ctl;


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

void
answer(uint64_t request, const char *rows, bool done, int status, const char *error)
{
	ipc_send_answer(queue.ipc, &(struct ipc_answer){ .request = request, .done = done, .status = (uint8_t)status,
	    .rows = span_str(rows), .error = span_str(error) }, -1);
}

/* -- the stage ------------------------------------------------------------- */

static char dir[] = "/tmp/control_test.XXXXXX";

static void
end_round(void *arg)
{
	(void)arg;
	loop_stop(0);
}

/* Lets everything happen that is due. */
void
run(void)
{
	static struct loop_timer timer;

	loop_timer_init(&timer, end_round, NULL);
	loop_timer_set(&timer, 20000);
	loop_run();
}

void
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

int
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

int
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

int
join(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof addr.sun_path, "%s/ctl", dir);
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
	run();
	return fd;
}

void
say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	run();
}

/* All that is there now. */
const char *
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
