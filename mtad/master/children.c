#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seats.h"
#include "base/watch.h"
#include "master/maildrop.h"

#define ROLE_FD		3
#define MOST_SLOTS	SEATS_COLUMNS
#define RETIRE_TIME	(5 * MINUTE)	/* for what a worker that is not wanted any more has to finish */
#define LONG_LIFE	MINUTE	/* after this an end is not one of a row */
#define MOST_DELAY	10

static void	start(struct child *);

static void
restart_now(void *arg)
{
	start(arg);
}

static void	out_of_patience(void *arg);

static void
add_children(struct master *m, enum role role, uint32_t slots, uint32_t wanted)
{
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct child *c = &m->children[m->child_count++];
		*c = (struct child){ .master = m, .role = role, .slot = slot, .wanted = slot < wanted };
		loop_timer_init(&c->restart, restart_now, c);
		loop_timer_init(&c->leave, out_of_patience, c);
	}
}

uint32_t
children_receivers(const struct conf *conf)
{
	return conf_workers(conf, P_mtad_receive_workers);
}

/* The queue role first: it may have most to do before it is ready. Places for all workers that a reload may ask for: nothing moves then. */
bool
children_make(struct master *m)
{
	m->receive_slots = children_receivers(m->conf);
	m->children = mem_array(2 * MOST_SLOTS + 5, sizeof *m->children);
	add_children(m, ROLE_QUEUE, 1, 1);
	add_children(m, ROLE_STATE, 1, 1);
	add_children(m, ROLE_LOOKUP, 1, 1);
	add_children(m, ROLE_LOCAL, 1, 1);
	add_children(m, ROLE_SEND, MOST_SLOTS, conf_workers(m->conf, P_mtad_send_workers));
	add_children(m, ROLE_RECEIVE, MOST_SLOTS, m->receive_slots);
	add_children(m, ROLE_CONTROL, 1, 1);
	return true;
}

struct child *
child_find(struct master *m, enum role role, uint32_t slot)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].role == role && m->children[i].slot == slot)
			return &m->children[i];
	return NULL;
}

size_t
children_alive(const struct master *m, unsigned role_mask)
{
	size_t n = 0;

	for (size_t i = 0; i < m->child_count; i++)
		n += m->children[i].pid != 0 && (role_mask & 1u << m->children[i].role) != 0;
	return n;
}

/* -- start ----------------------------------------------------------------------------------- */

static _Noreturn void
become_role(const struct child *c, int fd)
{
	char title[64], role[64], slot[32];
	char *argv[] = { title, role, slot, NULL };
	sigset_t none;

	(void)snprintf(title, sizeof title, "mtad: %s %u", role_name(c->role), c->slot);
	(void)snprintf(role, sizeof role, "--role=%s", role_name(c->role));
	(void)snprintf(slot, sizeof slot, "--slot=%u", c->slot);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!c->master->options.foreground)
		master_leave_terminal();
	if (fd == ROLE_FD ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, ROLE_FD) == ROLE_FD)
		(void)execv("/proc/self/exe", argv);
	fprintf(stderr, "mtad: cannot execute itself as %s: %s (is /proc mounted?)\n", role_name(c->role), strerror(errno));
	_exit(EXIT_FAILURE);
}

static void
start_failed(struct child *c, const char *what)
{
	if (c->master->phase == PHASE_STARTING)
		fatal("cannot start %s %u: %s: %s", role_name(c->role), c->slot, what, strerror(errno));
	log_error(NULL, "cannot start %s %u: %s: %s", role_name(c->role), c->slot, what, strerror(errno));
	loop_timer_set(&c->restart, MOST_DELAY * SECOND);
}

static void
start(struct child *c)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		start_failed(c, "socketpair");
		return;
	}
	/* The receivers make queue IDs; the others count the starts under this master. */
	c->epoch = c->role == ROLE_RECEIVE ? instance_next_epoch(&c->master->instance) : c->epoch + 1;
	log_flush();
	pid_t pid = fork();
	if (pid == 0)
		become_role(c, pair[1]);
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		start_failed(c, "fork");
		return;
	}
	c->pid = pid;
	c->state = CHILD_STARTING;
	c->stopping = c->hung = c->bitten = c->rolls = false;
	c->ping = c->pong = 0;
	c->silent = 0;
	c->last_words[0] = '\0';
	c->started = clock_mono();
	c->ipc = ipc_new(pair[0], ROLE_MASTER, c->role, c->slot, c->epoch, &child_handlers, c);
	if (c->master->options.verbose)
		log_info(NULL, "started %s %u as pid %d", role_name(c->role), c->slot, (int)pid);
	generation_tell(c);
}

void
children_start(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++)
		if (m->children[i].wanted)
			start(&m->children[i]);
}

/* -- more, fewer, others ------------------------------------------------------------------------ */

static void
out_of_patience(void *arg)
{
	struct child *c = arg;
	int64_t within = conf_time(conf_main(c->master->conf), P_mtad_stop_time);

	if (c->pid == 0 || !c->stopping || c->master->phase != PHASE_RUNNING)
		return;
	if (c->ipc != NULL && !c->bitten) {
		log_warning(NULL, "%s %u (pid %d) has not finished in time: it is stopped", role_name(c->role), c->slot, (int)c->pid);
		c->bitten = true;
		ipc_send_stop(c->ipc, &(struct ipc_stop){ within }, -1);
		loop_timer_set(&c->leave, within + SECOND);
	} else {
		(void)kill(c->pid, SIGKILL);
	}
}

/* It finishes what it has; where it is wanted, another takes its place then. */
static void
retire(struct child *c)
{
	loop_timer_stop(&c->restart);
	if (c->pid == 0 || c->stopping)
		return;
	c->stopping = true;
	if (c->ipc != NULL)
		ipc_send_retire(c->ipc, &(struct ipc_retire){ RETIRE_TIME }, -1);
	loop_timer_set(&c->leave, RETIRE_TIME);
}

static void
fit(struct master *m, enum role role, uint32_t n, char *note, size_t size)
{
	unsigned more = 0, fewer = 0;
	size_t len = strlen(note);

	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		if (c->role != role || c->wanted == (c->slot < n))
			continue;
		c->wanted = c->slot < n;
		if (!c->wanted)
			retire(c);
		else if (c->pid == 0)
			start(c);
		more += c->wanted;
		fewer += !c->wanted;
	}
	if (more > 0)
		(void)snprintf(note + len, size - len, "; %u more %s process%s", more, role_name(role), more == 1 ? "" : "es");
	if (fewer > 0)
		(void)snprintf(note + len, size - len, "; %u %s process%s when what %s at is finished", fewer, role_name(role),
		    fewer == 1 ? " ends" : "es end", fewer == 1 ? "it is" : "they are");
}

void
children_fit(struct master *m, char *note, size_t size)
{
	fit(m, ROLE_SEND, conf_workers(m->conf, P_mtad_send_workers), note, size);
	fit(m, ROLE_RECEIVE, m->receive_slots, note, size);
}

#define ROLL_EVERY	(SECOND / 5)

/* The next one is asked to go when the one before is back: sending never stops altogether where there are two. */
static void
roll_on(void *arg)
{
	struct master *m = arg;
	struct child *next = NULL;

	if (m->phase != PHASE_RUNNING)
		return;
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		if (c->role != ROLE_SEND || !c->wanted)
			continue;
		if (c->rolls && c->pid == 0)
			c->rolls = false;	/* the next process has it new */
		if (c->state != CHILD_READY || c->stopping)
			next = c;
		else if (next == NULL && c->rolls)
			next = c;
	}
	if (next == NULL) {
		m->rolling = false;
		return;
	}
	if (next->rolls && next->state == CHILD_READY && !next->stopping)
		retire(next);
	loop_timer_set(&m->roll, ROLL_EVERY);
}

void
children_roll(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++)
		m->children[i].rolls = m->children[i].role == ROLE_SEND && m->children[i].wanted && m->children[i].pid != 0;
	if (!m->rolling)
		loop_timer_init(&m->roll, roll_on, m);
	m->rolling = true;
	loop_timer_set(&m->roll, 0);
}

/* -- end --------------------------------------------------------------------------------------- */

static void
say_end(struct child *c, int status)
{
	struct buf how = BUF_INIT(0);

	if (WIFSIGNALED(status))
		buf_printf(&how, "killed by signal %d%s", WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " (its sandbox forbids the system call)" : "");
	else
		buf_printf(&how, "exit status %d", WEXITSTATUS(status));
	(void)snprintf(c->last_end, sizeof c->last_end, "%s", how.ptr);
	if (WIFSIGNALED(status) || !c->stopping || WEXITSTATUS(status) != 0)
		log_warning(NULL, "process mtad:%s pid %d %s; it was %s %u%s%s", role_name(c->role), (int)c->pid, how.ptr,
		    role_name(c->role), c->slot, c->last_words[0] == '\0' ? "" : "; its last words: ", c->last_words);
	buf_clear(&how);
}

static void
tell_others(struct child *gone)
{
	struct master *m = gone->master;

	for (size_t i = 0; i < m->child_count; i++)
		if (&m->children[i] != gone && m->children[i].ipc != NULL)
			ipc_send_peer_gone(m->children[i].ipc,
			    &(struct ipc_peer_gone){ (ipc_u8)gone->role, gone->slot, gone->epoch }, -1);
}

/* The first time at once; in a row of early ends, more and more slowly. */
static void
start_again(struct child *c)
{
	if (clock_mono() - c->started > LONG_LIFE)
		c->failures = 0;
	unsigned shift = c->failures < 1 ? 0 : c->failures - 1;
	int64_t delay = c->failures == 0 ? 0 : shift > 3 ? MOST_DELAY : 1 << shift;
	c->failures++;
	c->restarts++;
	c->restarted = clock_mono();
	if (delay > 0)
		log_warning(NULL, "%s %u has ended early %u times in a row (the last: %s): the next start is in %lld s",
		    role_name(c->role), c->slot, c->failures, c->last_end, (long long)delay);
	loop_timer_set(&c->restart, delay * SECOND);
}

static void
ended(struct child *c, int status)
{
	struct master *m = c->master;
	bool asked = c->stopping;

	loop_timer_stop(&c->leave);
	if (c->ipc != NULL && c->state == CHILD_READY) {
		c->state = CHILD_NONE;
		ipc_drain(c->ipc);	/* its last words */
	}
	say_end(c, status);
	watch_closed(c->ipc);
	ipc_free(c->ipc);
	c->ipc = NULL;
	c->pid = 0;
	c->state = CHILD_NONE;
	tell_others(c);
	if (c->role == ROLE_RECEIVE) {
		seats_clear(m->seats, c->slot);
		maildrop_slot_gone(m->maildrop, c->slot);
	}
	if (m->phase == PHASE_RUNNING && c->wanted && asked)
		start(c);
	else if (m->phase == PHASE_RUNNING && c->wanted)
		start_again(c);
	master_progress(m);
}

void
children_reap(struct master *m)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < m->child_count; i++)
			if (m->children[i].pid == pid)
				ended(&m->children[i], status);
}
