#include "spool/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"

struct list {
	struct job	*first, **last;
};

struct jobs {
	const char	*name;
	size_t		 waiting;	/* the loop's */
	struct loop_io	 io;
	int		 fd;
	pthread_t	 thread;
	pthread_mutex_t	 lock;		/* for what follows */
	pthread_cond_t	 wake;
	struct list	 todo, finished;
	bool		 quit;
};

static void
put(struct list *l, struct job *j)
{
	j->next = NULL;
	*l->last = j;
	l->last = &j->next;
}

static struct job *
take(struct list *l)
{
	struct job *j = l->first;

	if (j == NULL)
		return NULL;
	l->first = j->next;
	if (l->first == NULL)
		l->last = &l->first;
	return j;
}

static void *
thread_main(void *arg)
{
	struct jobs *q = arg;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		struct job *j = take(&q->todo);
		if (j == NULL && q->quit)
			break;
		if (j == NULL) {
			pthread_cond_wait(&q->wake, &q->lock);
			continue;
		}
		pthread_mutex_unlock(&q->lock);
		j->run(j);
		pthread_mutex_lock(&q->lock);
		put(&q->finished, j);
		(void)eventfd_write(q->fd, 1);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void
call_done(struct jobs *q)
{
	for (;;) {
		pthread_mutex_lock(&q->lock);
		struct job *j = take(&q->finished);
		pthread_mutex_unlock(&q->lock);
		if (j == NULL)
			break;
		q->waiting--;
		if (j->done != NULL)
			j->done(j);
	}
}

static void
on_ready(void *arg, short what)
{
	struct jobs *q = arg;
	eventfd_t count;

	(void)what;
	if (eventfd_read(q->fd, &count) == 0)
		call_done(q);
}

struct jobs *
jobs_new(const char *name)
{
	sigset_t all, old;
	struct jobs *q;

	MEM_NEW(q);
	q->name = name;
	q->todo.last = &q->todo.first;
	q->finished.last = &q->finished.first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wake, NULL);
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0)
		fatal("eventfd: %s", strerror(errno));
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int failed = pthread_create(&q->thread, NULL, thread_main, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed != 0)
		fatal("cannot start the %s thread: %s", name, strerror(failed));
	loop_io_init(&q->io, q->fd, on_ready, q);
	loop_io_watch(&q->io, EV_READ);
	return q;
}

void
jobs_post(struct jobs *q, struct job *j)
{
	q->waiting++;
	pthread_mutex_lock(&q->lock);
	put(&q->todo, j);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

size_t
jobs_waiting(const struct jobs *q)
{
	return q->waiting;
}

void
jobs_free(struct jobs *q)
{
	if (q == NULL)
		return;
	pthread_mutex_lock(&q->lock);
	q->quit = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	call_done(q);
	loop_io_watch(&q->io, 0);
	close(q->fd);
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
