/*
 * The master's own state, shared by the files of this folder.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/ipc.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "master/descs.h"
#include "master/instance.h"
#include "master/options.h"

struct master;

enum child_state {
	CHILD_NONE,		/* no process; `restart` may be running */
	CHILD_STARTING,
	CHILD_READY,
};

/* A process slot. */
struct child {
	struct master	*master;
	enum role	 role;
	uint32_t	 slot, epoch;
	enum child_state state;
	pid_t		 pid;
	struct ipc	*ipc;
	uint32_t	 generation;	/* that it said it uses */
	int64_t		 started;	/* monotonic */
	unsigned	 failures;	/* early ends in a row */
	unsigned	 restarts;
	int64_t		 restarted;	/* monotonic: the last time */
	struct loop_timer restart;
	bool		 wanted;	/* by mtad_receive_workers and the like */
	bool		 stopping;	/* asked to end */
	bool		 rolls;		/* to be replaced */
	struct loop_timer leave;	/* retiring: out of patience */
	/* The watchdog's. */
	uint64_t	 ping, pong;	/* the numbers of the last ones */
	int64_t		 silent;	/* microseconds without an answer */
	bool		 hung;		/* and that was said */
	bool		 bitten;	/* and killed for it */
	char		 last_words[256];	/* why it ended, as it said */
	char		 last_end[96];	/* how the last process here ended */
};

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_STOPPING };

struct reload_wait;
struct maildrop;

struct master {
	struct options	 options;
	struct instance	 instance;
	struct conf	*conf;
	struct conf	*first;		/* with which it started */
	uint32_t	 generation;
	int		 conf_fd;	/* the frozen configuration, sealed */
	struct descs	 descs;
	int		 log_fd;
	bool		 log_on_stderr;
	struct child	*children;
	size_t		 child_count;
	uint32_t	 receive_slots;
	enum phase	 phase;
	int		 ready_pipe;	/* to the waiting parent, or -1 */
	int64_t		 started;	/* wall */

	unsigned	 stop_step;
	int64_t		 stop_asked;	/* monotonic */
	struct loop_timer stop_timer;
	int		 stop_status;

	uint64_t	 reload_request;	/* of the control role, to be answered */
	bool		 reload_asked;
	bool		 reload_later;	/* asked for while it started */
	bool		 reloading;
	struct loop_timer reload_timer;
	char		 reload_note[400];	/* what more is to be said of it */
	char		 waits[200];	/* parameters that wait for a restart */
	struct loop_timer watchdog;
	struct loop_timer roll;
	bool		 rolling;	/* send processes are replaced, one after the other */
	int		 seats_fd;
	struct seats	*seats;		/* base/seats.h */

	struct maildrop	*maildrop;
};

/* -- children.c: processes ------------------------------------------------------------------- */

bool	children_make(struct master *);			/* the table; nothing runs yet */
void	children_start(struct master *);
void	children_reap(struct master *);			/* on SIGCHLD */
uint32_t children_receivers(const struct conf *);	/* how many it asks for */
/* As many workers as the configuration asks for: starts more, retires the last ones. What it does is added to `note`. */
void	children_fit(struct master *, char *note, size_t size);
/* Send processes are replaced one after the other: they read some things only at their start. */
void	children_roll(struct master *);
struct child *child_find(struct master *, enum role, uint32_t slot);
size_t	children_alive(const struct master *, unsigned role_mask);
extern const struct ipc_handlers child_handlers;	/* messages.c; arg is the child */

/* -- messages.c: what children say -------------------------------------------------------------- */

void	child_connect(struct child *);			/* channels to every role that it talks to */
void	master_answer(struct master *, uint64_t request, bool ok, const char *text);

/* -- generation.c: configuration and descriptors ------------------------------------------------- */

bool	generation_load(struct master *, struct conf_problems *, struct conf **);
void	log_problems(const struct conf_problems *);
/* The frozen configuration and the descriptors of `conf`; false leaves everything as it was. */
bool	generation_use(struct master *, struct conf *, struct err *);
void	generation_tell(struct child *);		/* everything, to a new process */
/* `request`: of the control role; 0: a signal. */
void	reload(struct master *, uint64_t request, bool asked);
void	reload_progress(struct master *);
bool	log_to(struct master *, struct err *);		/* opens the log that the configuration names */

/* -- watchdog.c: roles that answer no more -------------------------------------------------------- */

void	watchdog_start(struct master *);
void	watchdog_heard(struct child *, uint64_t number);
/* What is not as it should be, an element of a JSON array each. */
void	degraded_put(const struct master *, struct buf *json);

/* -- stop.c ----------------------------------------------------------------------------------------- */

void	stop_begin(struct master *, int status);	/* again: at once */
void	stop_progress(struct master *);

/* -- master.c ------------------------------------------------------------------------------------------ */

void	master_progress(struct master *);		/* a child became ready, or ended */
/* During the start: says why to the log and to whoever started us, and ends what runs. */
void	master_give_up(struct master *, int status, const char *why);
void	master_leave_terminal(void);			/* standard input, output and error become /dev/null */
int	master_main(int argc, char **argv);

#endif
