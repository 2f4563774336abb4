#include "receive/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/role.h"
#include "receive/screen.h"
#include "receive/session.h"
#include "receive/state.h"

#define ACCEPT_BATCH	16		/* a wake-up; the other receive roles get their share */
#define SESSIONS_MAX	20000
#define RESERVE		1000		/* of these, or a quarter where there are few */
#define BACKLOG_MAX	4096
#define SEND_BUFFER	(32 * 1024)
#define PAUSE		(SECOND / 2)	/* out of descriptors */
#define STRESS_TIME	(1000 * SECOND)	/* that a service is taken to be under stress after its last session was */
#define PAUSE_FULL	(SECOND / 20)	/* out of seats: other processes may free one */
#define PAUSE_COUNTERS	(SECOND / 100)
#define PATIENCE	(SECOND / 4)	/* that a client waits for a seat before idle sessions are asked for theirs */

struct listener {
	struct receive	*rx;
	struct settings	*settings;
	struct loop_io	 io;
	struct loop_timer timer;
	int		 fd;
	bool		 paused;
	bool		 local;		/* the submission socket */
	int64_t		 short_since;	/* monotonic: since when somebody waits for a seat; 0: nobody does */
};

/* The last places are for services that have few sessions: a flood of one keeps nobody from the others. */
static bool
no_room(const struct listener *l)
{
	const struct receive *rx = l->rx;
	size_t reserve = rx->sessions_max / 4 < RESERVE ? rx->sessions_max / 4 : RESERVE;

	return rx->session_count >= rx->sessions_max ||
	    (rx->session_count >= rx->sessions_max - reserve && l->settings->sessions >= reserve);
}

static void
pause_listener(struct listener *l, int64_t time)
{
	loop_io_watch(&l->io, 0);
	l->paused = true;
	loop_timer_set(&l->timer, time);
}

/* Of the service, over all receive roles; clients that come meanwhile wait in the backlog, as Postfix's do. */
static bool
take_seat(struct listener *l)
{
	struct settings *s = l->settings;

	if (l->local || seats_take(s->seats, role_slot(), s->limit)) {
		s->sessions++;
		if (!l->local && s->limit > 0 && seats_taken(s->seats) >= s->limit)
			seats_note_full(s->seats, clock_mono());
		return true;
	}
	seats_note_full(s->seats, clock_mono());
	if (s->warned == 0 || clock_mono() - s->warned >= MINUTE) {
		s->warned = clock_mono();
		log_warning(NULL, "service \"%s\" has reached its process limit \"%u\": new clients may experience noticeable delays "
		    "(see maxproc in master.cf, default_process_limit)", s->name, s->limit);
	}
	return false;
}

static void
give_seat(struct settings *s)
{
	s->sessions--;
	seats_give(s->seats, role_slot());
}

void
listeners_seat_give(struct settings *s)
{
	seats_give(s->seats, role_slot());
}

void
listeners_seat_take(struct settings *s)
{
	(void)seats_take(s->seats, role_slot(), 0);
}

/* Nobody is kept waiting for long by sessions that do nothing. True: try again. */
static bool
find_seat(struct listener *l)
{
	struct receive *rx = l->rx;
	int64_t now = clock_mono();

	if (l->short_since == 0)
		l->short_since = now;
	if (!l->settings->parks || now - l->short_since < PATIENCE)
		return false;
	seats_want(rx->seats, l->settings->seats, now);
	return sessions_park(rx, now);
}

void
listeners_session_ended(struct receive *rx, struct settings *s, bool seated)
{
	if (seated)
		give_seat(s);
	else
		s->sessions--;
	for (size_t i = 0; i < rx->listeners.count; i++)
		if (rx->listeners.items[i]->paused)
			loop_timer_set(&rx->listeners.items[i]->timer, 0);
}

static void
on_timer(void *arg)
{
	struct listener *l = arg;

	l->paused = false;
	loop_io_watch(&l->io, EV_READ);
}

/* A session that begins while the service is under stress has those settings to its end, as Postfix's processes have. */
static struct settings *
settings_now(struct listener *l)
{
	struct settings *s = l->settings;
	int64_t full = seats_full_at(s->seats);

	if (full == 0 || clock_mono() - full >= STRESS_TIME)
		return s;
	struct settings *stressed = generation_stress(s, &l->rx->scratch);
	s->sessions--;
	stressed->sessions++;
	return stressed;
}

static void
begin(struct listener *l, int fd, const struct sockaddr *from)
{
	struct net_addr client = { .len = 0 };
	/* The screener's state is the usual settings'. */
	struct settings *s = l->settings->screen != NULL ? l->settings : settings_now(l);

	(void)net_addr_from(from, &client);
	if (s->screen != NULL && !s->screen->proxy)
		screen_client(l->rx, s, fd, &client, NULL);
	else if (s->screen != NULL || s->proxy)
		session_proxied(l->rx, s, fd, &client);
	else
		session_accept(l->rx, s, fd, &client, NULL);
}

/* False where it makes no sense to go on for now. */
static bool
accept_one(struct listener *l)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;

	int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		if (l->local)
			session_local(l->rx, l->settings, fd);
		else
			begin(l, fd, (struct sockaddr *)&from);
		return true;
	}
	give_seat(l->settings);
	if (errno == EAGAIN)
		l->short_since = 0;
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		log_warning(NULL, "accept: %s", strerror(errno));
		pause_listener(l, PAUSE);
		return false;
	}
	return errno == EINTR || errno == ECONNABORTED;
}

/* At a start, and after an end of the state role, for a moment: else the first clients would not be counted. */
static bool
uncounted(const struct listener *l)
{
	return l->rx->counters.ipc == NULL && !l->local && clock_mono() < l->rx->counters_by;
}

static void
accept_some(struct listener *l, int most)
{
	for (int n = 0; n < most; n++) {
		if (no_room(l) && !sessions_crowd_out(l->rx, clock_mono())) {
			pause_listener(l, PAUSE_FULL);
			return;
		}
		if (!take_seat(l) && !(find_seat(l) && take_seat(l))) {
			pause_listener(l, PAUSE_FULL);
			return;
		}
		if (!accept_one(l))
			return;
	}
}

static void
on_ready(void *arg, short what)
{
	(void)what;
	if (uncounted(arg))
		pause_listener(arg, PAUSE_COUNTERS);
	else
		accept_some(arg, ACCEPT_BATCH);
}

static void
add(struct receive *rx, struct settings *settings, int fd, bool local)
{
	struct listener *l;
	int on = 1, small = SEND_BUFFER;

	MEM_NEW(l);
	l->rx = rx;
	l->settings = settings;
	l->fd = fd;
	l->local = local;
	/* Accepted sockets inherit them. The system would keep megabytes of replies for a client that reads none. */
	if (!local) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	}
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

/* Each is a descriptor; other things need some as well. */
static size_t
sessions_room(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= SESSIONS_MAX + RESERVE)
		return SESSIONS_MAX;
	return files.rlim_cur > 2 * RESERVE ? files.rlim_cur - RESERVE : files.rlim_cur / 2;
}

void
listeners_open(struct receive *rx)
{
	int fd = role_fd("submit");

	listeners_close(rx);
	rx->sessions_max = sessions_room();
	role_fd_each("listen:", add_service, rx);
	if (fd >= 0)
		add(rx, &rx->now->submission, fd, true);
}

struct search {
	int		 fd;
	bool		 found;
};

static void
is_it(void *arg, const char *rest, int fd)
{
	struct search *s = arg;

	(void)rest;
	s->found = s->found || fd == s->fd;
}

void
listeners_drain(struct receive *rx)
{
	for (size_t i = 0; i < rx->listeners.count; i++) {
		struct listener *l = rx->listeners.items[i];
		struct search s = { .fd = l->fd };
		role_fd_each("listen:", is_it, &s);
		if (!l->local && !s.found)
			accept_some(l, BACKLOG_MAX);
	}
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
