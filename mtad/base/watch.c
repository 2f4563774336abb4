#include "base/watch.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"

#define WAITING_MAX	((size_t)256 << 10)	/* in the channel, for a control role that is busy */

static struct {
	struct ipc	*control;
	bool		 all;
	bool		 busy;		/* what goes wrong with the channel is logged, too */
	bool		 forks;		/* pthread_atfork was called */
	uint32_t	 lost;
} watch;

struct ipc *
watch_channel(void)
{
	return watch.control != NULL && ipc_unsent(watch.control) < WAITING_MAX ? watch.control : NULL;
}

static void
on_line(enum log_level level, const char *program, const char *text)
{
	struct ipc *to = watch_channel();

	if (watch.busy || (level < LOG_LEVEL_WARNING && !watch.all))
		return;
	if (to == NULL) {
		watch.lost++;
		return;
	}
	watch.busy = true;
	ipc_send_log_line(to, &(struct ipc_log_line){ .time = clock_wall(), .level = (ipc_u8)level,
	    .lost = watch.lost, .program = span_str(program), .text = span_str(text) }, -1);
	watch.lost = 0;
	/* There is no end of this round any more. */
	if (level >= LOG_LEVEL_FATAL)
		ipc_flush(to);
	watch.busy = false;
}

/* A child that was forked shares the socket: its lines would break into ours. */
static void
in_child(void)
{
	watch.control = NULL;
	log_watch = NULL;
}

void
watch_control(struct ipc *ipc)
{
	watch.control = ipc;
	watch.all = false;
	watch.lost = 0;
	log_watch = on_line;
	if (!watch.forks)
		watch.forks = pthread_atfork(NULL, NULL, in_child) == 0;
}

void
watch_closed(const struct ipc *ipc)
{
	if (watch.control != ipc)
		return;
	watch.control = NULL;
	watch.all = false;
	log_watch = NULL;
}

void
watch_lines(bool all)
{
	watch.all = all;
}
