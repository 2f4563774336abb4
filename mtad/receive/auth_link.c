#include "receive/auth_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "receive/dial.h"

#define PROGRAM		"smtpd"
#define CONNECT_TIME	(5 * SECOND)
#define ANSWER_TIME	(10 * SECOND)	/* Postfix waits as long */
#define AGAIN		(5 * SECOND)	/* before a server that was not there is tried again unasked */
/* A connection keeps a process of Dovecot's alive, with the settings that it had: so none gets old. */
#define AGE_MAX		(60 * SECOND)
#define OUT_MAX		(1 << 20)
#define REQUESTS_MAX	10000		/* waiting at once */

enum link_state { LINK_DOWN, LINK_DIALLING, LINK_GREETING, LINK_UP };

struct auth_request {
	struct auth_request *next;
	struct auth_link *link;
	uint32_t	 id;
	bool		 sent;		/* on this connection */
	bool		 begun;		/* the server answered: another connection knows nothing of it */
	char		*line;		/* to be sent (again) */
	int64_t		 until;		/* monotonic; 0: the client is waited for */
	auth_reply_fn	*fn;
	void		*arg;
};

struct auth_link {
	struct auth_link *next;
	char		*path;
	enum link_state	 state;
	bool		 settled;
	bool		 warned;
	bool		 resting;	/* closed by us: the next client's session connects again */
	struct dovecot_auth server;
	struct dovecot_auth known;	/* mechanisms alone: what it was the last time */
	struct dial	*dial;
	int		 fd;
	struct loop_io	 io;
	struct loop_timer timer;	/* of the connection, or until it is tried again */
	struct loop_timer answers;	/* of requests */
	bool		 answers_set;
	struct buf	 out;
	struct auth_request *requests;
	size_t		 count;
	uint32_t	 last_id;
};

static struct auth_link *links;
static uint32_t connections;
static void (*on_settled)(void *arg);
static void *on_settled_arg;

static void start(struct auth_link *);

void
auth_link_on_settled(void (*told)(void *arg), void *arg)
{
	on_settled = told;
	on_settled_arg = arg;
}

static void
settle(struct auth_link *l)
{
	if (l->settled)
		return;
	l->settled = true;
	if (on_settled != NULL)
		on_settled(on_settled_arg);
}

/* -- requests ----------------------------------------------------------------------------- */

static void
free_request(struct auth_request *r)
{
	struct auth_request **at = &r->link->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	r->link->count--;
	if (r->line != NULL)
		explicit_bzero(r->line, strlen(r->line));
	free(r->line);
	free(r);
}

static void
fail(struct auth_request *r, const char *error)
{
	auth_reply_fn *fn = r->fn;
	void *arg = r->arg;

	free_request(r);
	fn(arg, NULL, error);
}

/* Those that wait; with `begun` alone those that another connection could not answer. */
static void
fail_all(struct auth_link *l, bool begun, const char *error)
{
	for (struct auth_request *r = l->requests, *next; r != NULL; r = next) {
		next = r->next;
		if (!begun || r->begun)
			fail(r, error);
		else
			r->sent = false;
	}
}

static void
on_answers(void *arg)
{
	struct auth_link *l = arg;
	int64_t now = clock_mono(), first = 0;

	l->answers_set = false;

	for (struct auth_request *r = l->requests, *next; r != NULL; r = next) {
		next = r->next;
		if (r->until != 0 && r->until <= now)
			fail(r, "Connection lost to authentication server");
		else if (r->until != 0 && (first == 0 || r->until < first))
			first = r->until;
	}
	if (first == 0)
		return;
	l->answers_set = true;
	loop_timer_set(&l->answers, first - now);
}

static void
wait_for_answer(struct auth_request *r)
{
	r->until = clock_mono() + ANSWER_TIME;
	/* One that is set already comes soon enough. */
	if (r->link->answers_set)
		return;
	r->link->answers_set = true;
	loop_timer_set(&r->link->answers, ANSWER_TIME);
}

/* -- the connection ------------------------------------------------------------------------- */

static void
disconnect(struct auth_link *l)
{
	if (l->fd >= 0) {
		loop_io_watch(&l->io, 0);
		close(l->fd);
		l->fd = -1;
	}
	dial_drop(l->dial);
	l->dial = NULL;
	buf_clear(&l->out);
	l->out = BUF_INIT(OUT_MAX);
	l->state = LINK_DOWN;
}

static void
lost(struct auth_link *l, const char *what, const char *error)
{
	bool was_up = l->state == LINK_UP;

	disconnect(l);
	if (!l->warned)
		log_warning(PROGRAM, "SASL: %s Dovecot auth socket '%s' failed: %s", what, l->path, error);
	l->warned = !was_up;
	fail_all(l, was_up, was_up ? "Connection lost to authentication server" : "Can't connect to authentication server");
	settle(l);
	if (l->state != LINK_DOWN)
		return;
	/* One that worked is tried again at once. */
	if (was_up && l->requests != NULL)
		start(l);
	else
		loop_timer_set(&l->timer, was_up ? 0 : AGAIN);
}

static void
flush(struct auth_link *l)
{
	while (l->out.len > 0) {
		ssize_t n = send(l->fd, l->out.ptr, l->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		/* A broken connection shows when it is read from. */
		if (n < 0)
			break;
		explicit_bzero(l->out.ptr, (size_t)n);
		buf_drop(&l->out, (size_t)n);
	}
	loop_io_watch(&l->io, l->out.len > 0 ? EV_READ | EV_WRITE : EV_READ);
}

static void
send_waiting(struct auth_link *l)
{
	for (struct auth_request *r = l->requests; r != NULL; r = r->next) {
		if (r->sent || r->line == NULL)
			continue;
		buf_str(&l->out, r->line);
		r->sent = true;
	}
	flush(l);
}

static void
on_reply(void *arg, const struct dovecot_reply *reply)
{
	struct auth_link *l = arg;
	struct auth_request *r = l->requests;

	while (r != NULL && r->id != reply->id)
		r = r->next;
	if (r == NULL)
		return;
	auth_reply_fn *fn = r->fn;
	void *to = r->arg;
	r->begun = true;
	r->until = 0;
	if (reply->answer != DOVECOT_CONT)
		free_request(r);
	fn(to, reply, NULL);
}

static void
greeted(struct auth_link *l)
{
	l->state = LINK_UP;
	l->warned = false;
	memcpy(l->known.mechanisms, l->server.mechanisms, sizeof l->known.mechanisms);
	l->known.mechanism_count = l->server.mechanism_count;
	loop_timer_set(&l->timer, AGE_MAX);
	send_waiting(l);
	settle(l);
}

static void
read_some(struct auth_link *l)
{
	char bytes[8192];
	struct err err = { ERR_NONE, "" };
	ssize_t n = recv(l->fd, bytes, sizeof bytes, 0);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0)
		lost(l, "Connection to", n < 0 ? strerror(errno) : "it closed the connection");
	else if (!dovecot_auth_input(&l->server, span_of(bytes, (size_t)n), on_reply, l, &err))
		lost(l, "Reading from", err.text);
	else if (l->server.done && l->state == LINK_GREETING)
		greeted(l);
}

static void
on_io(void *arg, short what)
{
	struct auth_link *l = arg;

	if (what & EV_READ)
		read_some(l);
	if (l->fd >= 0 && (what & EV_WRITE))
		flush(l);
}

/* A server that sees a process number a second time while it has not noticed the first one's end refuses it. */
static uint32_t
number(void)
{
	return ((uint32_t)getpid() & 0x3fffff) | (connections++ & 0x1ff) << 22;
}

static void
on_dialled(void *arg, int fd, const char *error)
{
	struct auth_link *l = arg;

	l->dial = NULL;
	if (fd < 0) {
		lost(l, "Connect to", error);
		return;
	}
	l->fd = fd;
	l->state = LINK_GREETING;
	loop_io_init(&l->io, fd, on_io, l);
	dovecot_auth_begin(&l->server, number(), &l->out);
	flush(l);
}

static void
on_timer(void *arg)
{
	struct auth_link *l = arg;

	if (l->state == LINK_DOWN) {
		start(l);
	} else if (l->state != LINK_UP) {
		lost(l, "Connect to", "Connection timed out");
	} else if (l->count > 0) {
		loop_timer_set(&l->timer, SECOND);
	} else {
		disconnect(l);
		l->resting = true;
	}
}

static void
start(struct auth_link *l)
{
	l->state = LINK_DIALLING;
	l->resting = false;
	loop_timer_set(&l->timer, CONNECT_TIME);
	l->dial = dial(span_str(l->path), CONNECT_TIME, on_dialled, l);
}

/* -- for sessions ------------------------------------------------------------------------------ */

struct auth_link *
auth_link_get(const char *path)
{
	struct auth_link *l = links;

	while (l != NULL && strcmp(l->path, path) != 0)
		l = l->next;
	if (l == NULL) {
		MEM_NEW(l);
		l->path = mem_str(path);
		l->fd = -1;
		l->out = BUF_INIT(OUT_MAX);
		loop_timer_init(&l->timer, on_timer, l);
		loop_timer_init(&l->answers, on_answers, l);
		l->next = links;
		links = l;
		start(l);
	} else if (l->resting) {
		start(l);
	}
	return l;
}

bool
auth_link_settled(const struct auth_link *l)
{
	return l->settled;
}

const struct dovecot_auth *
auth_link_server(const struct auth_link *l)
{
	return l->state == LINK_UP ? &l->server : &l->known;
}

struct auth_request *
auth_link_ask(struct auth_link *l, struct dovecot_request *q, auth_reply_fn *fn, void *arg)
{
	struct auth_request *r;
	struct buf line = BUF_INIT(OUT_MAX / 2);

	q->id = ++l->last_id;
	if (l->count >= REQUESTS_MAX || !dovecot_auth_request(&line, q) || line.over) {
		buf_clear(&line);
		return NULL;
	}
	MEM_NEW(r);
	*r = (struct auth_request){ .next = l->requests, .link = l, .id = q->id, .line = buf_take(&line), .fn = fn, .arg = arg };
	l->requests = r;
	l->count++;
	wait_for_answer(r);
	if (l->state == LINK_UP)
		send_waiting(l);
	else if (l->state == LINK_DOWN)
		start(l);
	return r;
}

bool
auth_request_continue(struct auth_request *r, struct span response)
{
	if (!dovecot_auth_continue(&r->link->out, r->id, response))
		return false;
	wait_for_answer(r);
	flush(r->link);
	return true;
}

void
auth_request_drop(struct auth_request *r)
{
	if (r == NULL)
		return;
	if (r->sent && r->link->state == LINK_UP) {
		dovecot_auth_cancel(&r->link->out, r->id);
		flush(r->link);
	}
	free_request(r);
}
