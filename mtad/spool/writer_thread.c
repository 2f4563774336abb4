/*
 * The writer's helper thread: it alone waits for the disk.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/err.h"
#include "spool/fileops.h"
#include "spool/writer_private.h"

static void
batch_fail(struct batch *b, const char *doing)
{
	b->fault_errno = errno != 0 ? errno : EIO;
	b->fault = doing;
}

/* Spill files first: a message must not be there before its body is. */
static bool
sync_spills(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		int fd = b->entries[i].sync_first;
		if (fd >= 0 && fileops->fdatasync(fd) < 0) {
			batch_fail(b, "syncing a spill file");
			return false;
		}
	}
	return true;
}

void
writer_batch_write(struct batch *b, bool sync)
{
	if (b->spills && !sync_spills(b))
		return;
	if (!fileops_write_all(b->fd, b->bytes, b->len, (off_t)b->offset))
		batch_fail(b, "writing");
	else if (sync && fileops->fdatasync(b->fd) < 0)
		batch_fail(b, "syncing");
}

static void *
thread_main(void *arg)
{
	struct spool_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->have_work && !w->quit)
			pthread_cond_wait(&w->wake, &w->lock);
		if (!w->have_work)
			break;
		w->have_work = false;
		struct batch *b = w->work;
		struct segment *s = w->work_sync;
		pthread_mutex_unlock(&w->lock);
		int failed = 0;
		if (b != NULL)
			writer_batch_write(b, true);
		else if (fileops->fdatasync(s->fd) < 0)
			failed = errno;
		pthread_mutex_lock(&w->lock);
		w->sync_errno = failed;
		(void)eventfd_write(w->done_fd, 1);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void
writer_thread_start(struct spool_writer *w)
{
	sigset_t all, old;

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->done_fd < 0)
		fatal("eventfd: %s", strerror(errno));
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int failed = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failed != 0)
		fatal("cannot start the thread that writes the spool: %s", strerror(failed));
}

void
writer_hand_over(struct spool_writer *w, struct batch *b, struct segment *s)
{
	w->busy = true;
	pthread_mutex_lock(&w->lock);
	w->work = b;
	w->work_sync = s;
	w->have_work = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}
