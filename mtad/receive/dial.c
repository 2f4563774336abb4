#include "receive/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/role.h"
#include "net/addr.h"

struct dial {
	struct dial	*prev, *next;
	dial_fn		*fn;
	void		*arg;
	uint64_t	 request;	/* of the master; 0: TCP */
	int		 fd;
	struct loop_io	 io;
	struct loop_timer timer;
	char		 error[200];
};

static struct dial *dials;
static uint64_t last_request;

static void
unlink_dial(struct dial *d)
{
	if (d->prev != NULL)
		d->prev->next = d->next;
	else
		dials = d->next;
	if (d->next != NULL)
		d->next->prev = d->prev;
	loop_timer_stop(&d->timer);
	if (d->fd >= 0)
		loop_io_watch(&d->io, 0);
}

void
dial_drop(struct dial *d)
{
	if (d == NULL)
		return;
	unlink_dial(d);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

static void
done(struct dial *d, int fd, const char *error)
{
	dial_fn *fn = d->fn;
	void *arg = d->arg;

	unlink_dial(d);
	if (fd < 0 && d->fd >= 0)
		close(d->fd);
	fn(arg, fd, error);
	free(d);
}

static void
on_timer(void *arg)
{
	struct dial *d = arg;

	done(d, -1, *d->error != '\0' ? d->error : "Connection timed out");
}

/* Told from the loop, so that the caller has the dial before it is called. */
static void
fail_later(struct dial *d, const char *error)
{
	(void)snprintf(d->error, sizeof d->error, "%s", error);
	loop_timer_set(&d->timer, 0);
}

static void
on_io(void *arg, short what)
{
	struct dial *d = arg;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0)
		done(d, -1, strerror(error));
	else
		done(d, d->fd, NULL);
}

static bool
address(struct span where, struct net_addr *a)
{
	size_t colon = span_rfind(where, ':');
	struct span host = span_head(where, colon);
	uint16_t port;

	if (colon == where.len || !net_port(span_skip(where, colon + 1), &port))
		return false;
	if (span_starts(host, "[") && span_ends(host, "]"))
		host = span_of(host.ptr + 1, host.len - 2);
	return net_addr_parse(span_caseeqs(host, "localhost") ? SPAN("127.0.0.1") : host, port, a);
}

static void
dial_inet(struct dial *d, struct span where)
{
	struct net_addr a;

	if (!address(where, &a)) {
		fail_later(d, "an address and a port number are needed (inet:192.0.2.1:12345)");
		return;
	}
	d->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd >= 0)
		loop_io_init(&d->io, d->fd, on_io, d);
	if (d->fd < 0 || (connect(d->fd, &a.sa, a.len) < 0 && errno != EINPROGRESS))
		fail_later(d, strerror(errno));
	else
		loop_io_watch(&d->io, EV_WRITE);
}

struct dial *
dial(struct span where, int64_t within, dial_fn *fn, void *arg)
{
	struct dial *d;

	MEM_NEW(d);
	*d = (struct dial){ .fn = fn, .arg = arg, .fd = -1, .next = dials };
	if (d->next != NULL)
		d->next->prev = d;
	dials = d;
	loop_timer_init(&d->timer, on_timer, d);
	loop_timer_set(&d->timer, within);
	if (span_starts(where, "inet:")) {
		dial_inet(d, span_skip(where, 5));
		return d;
	}
	d->request = ++last_request;
	ipc_send_unix_connect(role_master(), &(struct ipc_unix_connect){ .request = d->request,
	    .path = span_starts(where, "unix:") ? span_skip(where, 5) : where }, -1);
	return d;
}

void
dial_unix_answer(const struct ipc_unix_connected *m, int fd)
{
	struct dial *d = dials;
	char text[200];

	while (d != NULL && d->request != m->request)
		d = d->next;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	(void)snprintf(text, sizeof text, "%.*s", SPAN_ARG(m->error));
	done(d, fd, fd < 0 ? text : NULL);
}
