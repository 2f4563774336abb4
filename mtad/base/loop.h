/*
 * The event loop of a role: one a process, on libevent. After each round of
 * events the tasks put off with loop_defer run, then the log is flushed, then the
 * loop sleeps: that is where batches (IPC, commits) leave together.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <event2/event.h>
#include <event2/event_struct.h>

/* Once, after fork and exec. The base is for libraries that want it (libunbound, evhttp). */
void	loop_init(void);
struct event_base *loop_base(void);
/* Runs until loop_stop; returns its status. May be called again. */
int	loop_run(void);
void	loop_stop(int status);

/* Watches a descriptor. Embed it; zeroed is a valid idle one. The callback may free or stop anything. */
struct loop_io {
	struct event	 ev;
	void		(*fn)(void *arg, short what);	/* EV_READ, EV_WRITE or both */
	void		*arg;
	int		 fd;
	short		 what;		/* what is watched now; 0: nothing */
};

void	loop_io_init(struct loop_io *, int fd, void (*fn)(void *arg, short what), void *arg);
/* Level-triggered; 0 stops watching. Cheap when nothing changes. */
void	loop_io_watch(struct loop_io *, short what);

/* A one-shot timer. Embed it; zeroed is a valid idle one. */
struct loop_timer {
	struct event	 ev;
	void		(*fn)(void *arg);
	void		*arg;
	bool		 made;
};

void	loop_timer_init(struct loop_timer *, void (*fn)(void *arg), void *arg);
void	loop_timer_set(struct loop_timer *, int64_t usec);	/* from now; sets anew where it runs */
void	loop_timer_stop(struct loop_timer *);

/* A task that runs once after this round of events; setting it again before that changes nothing. */
struct loop_task {
	void		(*fn)(void *arg);
	void		*arg;
	struct loop_task *next;
	bool		 queued;
};

void	loop_defer(struct loop_task *);
void	loop_undefer(struct loop_task *);

/* Calls fn in the loop when the signal came. For the life of the process. */
void	loop_signal(int signo, void (*fn)(void *arg), void *arg);

#endif
