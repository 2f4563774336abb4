/*
 * One program on the control socket. Nothing is freed while its functions are on the stack: the task at the
 * end of the round does that.
 */
#include "control/private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "ctl/jsonl.h"

#define OUT_MAX		((size_t)8 << 20)	/* past any slice on top of OUT_HIGH; a client there is dropped */
#define READ_SIZE	((size_t)16 << 10)

size_t
client_waiting(const struct client *c)
{
	return c->out.len - c->sent;
}

void
client_wake(struct client *c)
{
	loop_defer(&c->work);
}

static void
unlink_client(struct client *c)
{
	struct client **at = &c->control->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->control->client_count--;
}

static void
client_free(struct client *c)
{
	struct ask *next;

	for (struct ask *a = c->control->asks; a != NULL; a = next) {
		next = a->next;
		if (a->client == c)
			ask_free(a);
	}
	loop_io_watch(&c->io, 0);
	loop_undefer(&c->work);
	close(c->fd);
	unlink_client(c);
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

void
client_free_all(struct control *ctl)
{
	while (ctl->clients != NULL)
		client_free(ctl->clients);
}

static void
write_out(struct client *c)
{
	while (client_waiting(c) > 0) {
		ssize_t n = send(c->fd, c->out.ptr + c->sent, client_waiting(c), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			c->sent += (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
			c->dead = true;
		break;
	}
	if (c->sent == c->out.len) {
		buf_reset(&c->out);
		c->sent = 0;
	} else if (c->sent > OUT_LOW) {
		buf_drop(&c->out, c->sent);
		c->sent = 0;
	}
}

/* Lines wait in the buffer while as many requests as may be are under way. */
static void
take_lines(struct client *c)
{
	size_t done = 0;

	while (!c->dead && c->asks < ASKS_MAX && client_waiting(c) < OUT_HIGH) {
		struct span left = span_skip(buf_view(&c->in), done);
		size_t n = span_find(left, '\n');
		if (n == left.len)
			break;
		struct span line = span_trim(span_head(left, n));
		if (line.len > 0)
			request_line(c, line);
		done += n + 1;
	}
	buf_drop(&c->in, done);
	if (c->in.len > LINE_MAX_BYTES && !span_has(buf_view(&c->in), '\n')) {
		struct jsonl j = { .out = &c->out };
		jsonl_object(&j, NULL);
		jsonl_raw(&j, "id", SPAN("null"));
		jsonl_bool(&j, "done", true);
		jsonl_i64(&j, "status", 65);
		jsonl_str(&j, "error", SPAN("a request is at most 65536 bytes"));
		jsonl_end_object(&j);
		buf_char(&c->out, '\n');
		c->eof = true;
		buf_reset(&c->in);
	}
}

static bool
has_line(const struct client *c)
{
	return span_has(buf_view(&c->in), '\n');
}

static bool
is_finished(const struct client *c)
{
	return c->dead || (c->eof && c->asks == 0 && client_waiting(c) == 0 && !has_line(c));
}

static void
watch(struct client *c)
{
	short what = 0;

	if (client_waiting(c) > 0)
		what |= EV_WRITE;
	if (!c->eof && c->in.len <= LINE_MAX_BYTES)
		what |= EV_READ;
	loop_io_watch(&c->io, what);
}

static void
work(void *arg)
{
	struct client *c = arg;

	take_lines(c);
	if (c->eof)
		streams_end(c);
	write_out(c);
	if (client_waiting(c) < OUT_LOW) {
		asks_resume(c);
		write_out(c);
	}
	if (c->out.over) {
		log_warning(NULL, "a client of the control socket was dropped: it does not read");
		c->dead = true;
	}
	if (is_finished(c)) {
		client_free(c);
		return;
	}
	/* Requests that waited for room, when there is some now. */
	if (has_line(c) && c->asks < ASKS_MAX && client_waiting(c) < OUT_LOW)
		client_wake(c);
	watch(c);
}

static void
read_in(struct client *c)
{
	char *room = buf_room(&c->in, READ_SIZE);
	ssize_t n;

	if (room == NULL) {
		c->dead = true;
		return;
	}
	n = recv(c->fd, room, READ_SIZE, MSG_DONTWAIT);
	if (n > 0) {
		buf_added(&c->in, (size_t)n);
		return;
	}
	if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		c->dead = true;
}

static void
on_event(void *arg, short what)
{
	struct client *c = arg;

	if (what & EV_READ)
		read_in(c);
	work(c);
}

/* The first line: what this is, and what the user may do. */
static void
put_hello(struct client *c)
{
	struct jsonl j = { .out = &c->out };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "mtad", span_str(MTAD_VERSION));
	jsonl_i64(&j, "protocol", 1);
	jsonl_str(&j, "hostname", span_str(conf_str(conf_main(c->control->conf), P_myhostname)));
	jsonl_array(&j, "rights");
	for (unsigned bit = CTL_VIEW; bit <= CTL_ADMINISTER; bit <<= 1)
		if (c->rights & bit)
			jsonl_str(&j, NULL, span_str(rights_name((enum ctl_rights)bit)));
	jsonl_end_array(&j);
	jsonl_end_object(&j);
	buf_char(&c->out, '\n');
}

static void
refuse(int fd)
{
	static const char text[] = "{\"id\":null,\"done\":true,\"status\":75,"
	    "\"error\":\"too many programs are on the control socket (64)\"}\n";

	if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_warning(NULL, "control socket: %s", "a client was refused, there are 64");
	close(fd);
}

static void
client_new(struct control *ctl, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	struct client *c;

	if (ctl->client_count >= CLIENTS_MAX) {
		refuse(fd);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		close(fd);
		return;
	}
	MEM_NEW(c);
	c->control = ctl;
	c->fd = fd;
	c->uid = cred.uid;
	c->rights = users_rights(&ctl->users, cred.uid);
	c->in = BUF_INIT(LINE_MAX_BYTES + READ_SIZE);
	c->out = BUF_INIT(OUT_MAX);
	c->work = (struct loop_task){ .fn = work, .arg = c };
	c->next = ctl->clients;
	ctl->clients = c;
	ctl->client_count++;
	loop_io_init(&c->io, fd, on_event, c);
	put_hello(c);
	client_wake(c);
}

/* Bounded, so that a flood of connections leaves room for the ones that are there. */
void
client_accept(struct control *ctl)
{
	for (int i = 0; i < 16; i++) {
		int fd = accept4(ctl->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED)
				log_warning(NULL, "control socket: accept: %m");
			return;
		}
		client_new(ctl, fd);
	}
}
