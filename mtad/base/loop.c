#include "base/loop.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

static struct {
	struct event_base	*base;
	struct loop_task	*first, **last;
	bool			 stop;
	int			 status;
} loop;

void
loop_init(void)
{
	struct event_config *cfg = event_config_new();

	if (cfg == NULL)
		fatal("libevent: no memory");
	(void)event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	loop.base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (loop.base == NULL)
		fatal("libevent: cannot make an event base");
	loop.last = &loop.first;
	loop.stop = false;
}

struct event_base *
loop_base(void)
{
	return loop.base;
}

/* A task may defer itself or others again; bounded, so that sockets get their turn. */
#define TASKS_A_ROUND	10000

static void
run_tasks(void)
{
	struct loop_task *t;

	for (int n = 0; (t = loop.first) != NULL && n < TASKS_A_ROUND; n++) {
		loop.first = t->next;
		if (loop.first == NULL)
			loop.last = &loop.first;
		t->queued = false;
		t->fn(t->arg);
	}
}

int
loop_run(void)
{
	while (!loop.stop) {
		run_tasks();
		log_flush();
		if (loop.stop)
			break;
		int flags = EVLOOP_ONCE | (loop.first != NULL ? EVLOOP_NONBLOCK : 0);
		if (event_base_loop(loop.base, flags) < 0)
			panic("libevent: event_base_loop failed");
	}
	run_tasks();
	log_flush();
	loop.stop = false;
	return loop.status;
}

void
loop_stop(int status)
{
	loop.stop = true;
	loop.status = status;
	event_base_loopbreak(loop.base);
}

static void
io_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	(void)fd;
	io->fn(io->arg, what);
}

void
loop_io_init(struct loop_io *io, int fd, void (*fn)(void *arg, short what), void *arg)
{
	*io = (struct loop_io){ .fn = fn, .arg = arg, .fd = fd };
}

void
loop_io_watch(struct loop_io *io, short what)
{
	if (what == io->what)
		return;
	if (io->what != 0)
		event_del(&io->ev);
	io->what = what;
	if (what == 0)
		return;
	if (event_assign(&io->ev, loop.base, io->fd, (short)(what | EV_PERSIST), io_ready, io) < 0 ||
	    event_add(&io->ev, NULL) < 0)
		panic("libevent: cannot watch descriptor %d", io->fd);
}

static void
timer_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

void
loop_timer_init(struct loop_timer *t, void (*fn)(void *arg), void *arg)
{
	*t = (struct loop_timer){ .fn = fn, .arg = arg, .made = true };
	evtimer_assign(&t->ev, loop.base, timer_ready, t);
}

void
loop_timer_set(struct loop_timer *t, int64_t usec)
{
	if (usec < 0)
		usec = 0;
	struct timeval tv = { .tv_sec = usec / 1000000, .tv_usec = usec % 1000000 };
	if (!t->made)
		panic("loop_timer_set: the timer was not initialised");
	if (evtimer_add(&t->ev, &tv) < 0)
		panic("libevent: cannot set a timer");
}

void
loop_timer_stop(struct loop_timer *t)
{
	if (t->made)
		evtimer_del(&t->ev);
}

void
loop_defer(struct loop_task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*loop.last = t;
	loop.last = &t->next;
}

void
loop_undefer(struct loop_task *task)
{
	for (struct loop_task **at = &loop.first; *at != NULL; at = &(*at)->next) {
		if (*at != task)
			continue;
		*at = task->next;
		if (loop.last == &task->next)
			loop.last = at;
		break;
	}
	task->queued = false;
}

struct signal_watch {
	struct event	 ev;
	void		(*fn)(void *arg);
	void		*arg;
};

static void
signal_ready(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *w = arg;

	(void)signo;
	(void)what;
	w->fn(w->arg);
}

void
loop_signal(int signo, void (*fn)(void *arg), void *arg)
{
	struct signal_watch *w;

	MEM_NEW(w);
	w->fn = fn;
	w->arg = arg;
	if (evsignal_assign(&w->ev, loop.base, signo, signal_ready, w) < 0 || evsignal_add(&w->ev, NULL) < 0)
		fatal("libevent: cannot watch signal %d", signo);
}
