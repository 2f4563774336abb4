#include "receive/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/role.h"
#include "receive/session.h"
#include "receive/state.h"

#define ACCEPT_BATCH	16		/* a wake-up; the other receive roles get their share */
#define SESSIONS_MAX	20000
#define PAUSE		(SECOND / 2)	/* out of descriptors */

struct listener {
	struct receive	*rx;
	struct settings	*settings;
	struct loop_io	 io;
	struct loop_timer timer;
	int		 fd;
	bool		 local;		/* the submission socket */
};

static void
pause_listener(struct listener *l)
{
	loop_io_watch(&l->io, 0);
	loop_timer_set(&l->timer, PAUSE);
}

static void
on_timer(void *arg)
{
	struct listener *l = arg;

	if (l->rx->session_count < SESSIONS_MAX)
		loop_io_watch(&l->io, EV_READ);
	else
		loop_timer_set(&l->timer, PAUSE);
}

static void
on_ready(void *arg, short what)
{
	struct listener *l = arg;
	struct sockaddr_storage from;

	(void)what;
	for (int n = 0; n < ACCEPT_BATCH; n++) {
		socklen_t len = sizeof from;
		if (l->rx->session_count >= SESSIONS_MAX) {
			pause_listener(l);
			return;
		}
		int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (l->local)
				session_local(l->rx, l->settings, fd);
			else
				session_accept(l->rx, l->settings, fd, (struct sockaddr *)&from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warning(NULL, "accept: %s", strerror(errno));
			pause_listener(l);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void
add(struct receive *rx, struct settings *settings, int fd, bool local)
{
	struct listener *l;
	int on = 1;

	MEM_NEW(l);
	l->rx = rx;
	l->settings = settings;
	l->fd = fd;
	l->local = local;
	/* Accepted sockets inherit it. */
	if (!local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	loop_timer_init(&l->timer, on_timer, l);
	loop_io_init(&l->io, fd, on_ready, l);
	loop_io_watch(&l->io, EV_READ);
	rx->listeners.items = mem_grow(rx->listeners.items, rx->listeners.count + 1, sizeof *rx->listeners.items);
	rx->listeners.items[rx->listeners.count++] = l;
}

/* "N:NAME" */
static void
add_service(void *arg, const char *rest, int fd)
{
	struct receive *rx = arg;
	struct generation *g = rx->now;
	struct span left = span_str(rest), number;
	uint64_t n;

	if (!span_cut(&left, ':', &number) || !num_u64(number, &n) || n >= g->service_count ||
	    g->services[n].view == NULL) {
		log_warning(NULL, "listener \"%s\" belongs to no smtpd service", rest);
		return;
	}
	add(rx, &g->services[n], fd, false);
}

void
listeners_open(struct receive *rx)
{
	int fd = role_fd("submit");

	listeners_close(rx);
	role_fd_each("listen:", add_service, rx);
	if (fd >= 0)
		add(rx, &rx->now->submission, fd, true);
}

void
listeners_close(struct receive *rx)
{
	for (size_t i = 0; i < rx->listeners.count; i++) {
		loop_io_watch(&rx->listeners.items[i]->io, 0);
		loop_timer_stop(&rx->listeners.items[i]->timer);
		free(rx->listeners.items[i]);
	}
	free(rx->listeners.items);
	rx->listeners = (struct listeners){ 0 };
}
