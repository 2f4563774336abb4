#include "receive/policy_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "receive/dial.h"

#define IDLE_MAX	100u	/* connections that are kept */

/* A connection. With an ask it is at work, else it waits in the list. */
struct connection {
	struct connection *next, **prev;
	struct policy_ask *ask;
	char		*where;
	int		 fd;
	struct loop_io	 io;
	struct loop_timer timer;	/* idle: for so long */
	int64_t		 until;		/* monotonic: max_ttl */
	uint32_t	 requests;
	bool		 reused;
};

struct policy_ask {
	const struct policy_server *server;
	char		*request;
	size_t		 len, sent;
	struct buf	 in;
	policy_ask_fn	*fn;
	void		*arg;
	uint64_t	 id;
	uint32_t	 tries;
	struct dial	*dial;
	struct connection *conn;
	struct loop_timer timer;	/* of an answer, or of the pause before the next try */
	bool		 pausing;
};

static struct connection *idle;
static unsigned idle_count;

/* -- connections ------------------------------------------------------------------------------ */

static void
idle_leave(struct connection *c)
{
	if (c->prev == NULL)
		return;
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->prev = NULL;
	c->next = NULL;
	loop_timer_stop(&c->timer);
	idle_count--;
}

static void
connection_close(struct connection *c)
{
	if (c == NULL)
		return;
	idle_leave(c);
	loop_io_watch(&c->io, 0);
	close(c->fd);
	free(c->where);
	free(c);
}

static void
on_idle_timer(void *arg)
{
	connection_close(arg);
}

static void on_io(void *arg, short what);

static struct connection *
connection_new(const struct policy_server *server, int fd)
{
	struct connection *c;

	MEM_NEW(c);
	c->where = mem_str(server->where);
	c->fd = fd;
	c->until = clock_mono() + server->max_ttl;
	loop_io_init(&c->io, fd, on_io, c);
	loop_timer_init(&c->timer, on_idle_timer, c);
	return c;
}

/* The answer came: for the next question, or not any more. */
static void
connection_keep(struct connection *c, const struct policy_server *server)
{
	c->ask = NULL;
	c->requests++;
	if (idle_count >= IDLE_MAX || server->max_idle <= 0 || clock_mono() >= c->until ||
	    (server->request_limit > 0 && c->requests >= server->request_limit)) {
		connection_close(c);
		return;
	}
	c->next = idle;
	if (c->next != NULL)
		c->next->prev = &c->next;
	c->prev = &idle;
	idle = c;
	idle_count++;
	loop_io_watch(&c->io, EV_READ);
	loop_timer_set(&c->timer, server->max_idle);
}

static struct connection *
connection_idle(const char *where)
{
	int64_t now = clock_mono();

	for (struct connection *c = idle, *next; c != NULL; c = next) {
		next = c->next;
		if (strcmp(c->where, where) != 0)
			continue;
		if (c->until <= now) {
			connection_close(c);
			continue;
		}
		idle_leave(c);
		c->reused = true;
		return c;
	}
	return NULL;
}

void
policy_connections_close(void)
{
	while (idle != NULL)
		connection_close(idle);
}

/* -- questions -------------------------------------------------------------------------------------- */

static void
ask_free(struct policy_ask *a)
{
	loop_timer_stop(&a->timer);
	dial_drop(a->dial);
	connection_close(a->conn);
	buf_clear(&a->in);
	free(a->request);
	free(a);
}

void
policy_ask_drop(struct policy_ask *a)
{
	if (a != NULL)
		ask_free(a);
}

static void
answer(struct policy_ask *a, enum fact_state state, struct span value)
{
	policy_ask_fn *fn = a->fn;
	void *arg = a->arg;
	uint64_t id = a->id;
	char *kept = span_dup(value);

	ask_free(a);
	fn(arg, id, state, span_str(kept));
	free(kept);
}

static void begin(struct policy_ask *);

/* A connection that was kept may be closed by now: that is no failure of the server. */
static void
failed(struct policy_ask *a, const char *why)
{
	bool stale = a->conn != NULL && a->conn->reused && a->in.len == 0;

	connection_close(a->conn);
	a->conn = NULL;
	if (stale) {
		begin(a);
		return;
	}
	if (++a->tries >= a->server->try_limit) {
		answer(a, FACT_FAILED, span_str(why));
		return;
	}
	a->pausing = true;
	loop_timer_set(&a->timer, a->server->retry_delay);
}

static void
on_timer(void *arg)
{
	struct policy_ask *a = arg;

	if (a->pausing) {
		a->pausing = false;
		begin(a);
		return;
	}
	if (a->conn != NULL)
		a->conn->reused = false;
	failed(a, "Connection timed out");
}

static void
send_more(struct policy_ask *a)
{
	while (a->sent < a->len) {
		ssize_t n = send(a->conn->fd, a->request + a->sent, a->len - a->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			failed(a, strerror(errno));
			return;
		}
		a->sent += (size_t)n;
	}
	loop_io_watch(&a->conn->io, a->sent < a->len ? EV_WRITE : EV_READ);
}

static void
take_reply(struct policy_ask *a)
{
	struct span action;
	const char *fault;
	size_t used;

	switch (server_reply_parse(buf_view(&a->in), &action, &used, &fault)) {
	case SERVER_REPLY_MORE:
		return;
	case SERVER_REPLY_BAD:
		a->conn->reused = false;
		failed(a, fault);
		return;
	case SERVER_REPLY_GOOD:
		break;
	}
	struct connection *c = a->conn;
	a->conn = NULL;
	/* What came behind the answer would be taken for the next one's. */
	if (used == a->in.len)
		connection_keep(c, a->server);
	else
		connection_close(c);
	answer(a, FACT_KNOWN, action);
}

static void
read_reply(struct policy_ask *a)
{
	char *room = buf_room(&a->in, 4096);
	ssize_t n = room == NULL ? 0 : recv(a->conn->fd, room, 4096, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		failed(a, n == 0 ? "Connection reset by peer" : strerror(errno));
		return;
	}
	buf_added(&a->in, (size_t)n);
	take_reply(a);
}

static void
on_io(void *arg, short what)
{
	struct connection *c = arg;

	if (c->ask == NULL)		/* closed by the server, or it speaks unasked */
		connection_close(c);
	else if (what & EV_WRITE)
		send_more(c->ask);
	else
		read_reply(c->ask);
}

static void
use(struct policy_ask *a, struct connection *c)
{
	a->conn = c;
	c->ask = a;
	a->sent = 0;
	buf_reset(&a->in);
	loop_timer_set(&a->timer, a->server->timeout);
	loop_io_watch(&c->io, EV_WRITE);
}

static void
dialled(void *arg, int fd, const char *error)
{
	struct policy_ask *a = arg;

	a->dial = NULL;
	if (fd < 0)
		failed(a, error);
	else
		use(a, connection_new(a->server, fd));
}

static void
begin(struct policy_ask *a)
{
	struct connection *c = connection_idle(a->server->where);

	if (c != NULL)
		use(a, c);
	else
		a->dial = dial(span_str(a->server->where), a->server->timeout, dialled, a);
}

struct policy_ask *
policy_ask(const struct policy_server *server, struct span request, policy_ask_fn *fn, void *arg, uint64_t id)
{
	struct policy_ask *a;

	MEM_NEW(a);
	*a = (struct policy_ask){ .server = server, .request = span_dup(request), .len = request.len, .in = BUF_INIT(2 * SERVER_REPLY_MAX),
	    .fn = fn, .arg = arg, .id = id };
	loop_timer_init(&a->timer, on_timer, a);
	begin(a);
	return a;
}
