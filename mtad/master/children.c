#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/watch.h"
#include "master/maildrop.h"

#define ROLE_FD		3
#define MOST_WORKERS	8	/* where the configuration gives no number */
#define MOST_SLOTS	32
#define LONG_LIFE	MINUTE	/* after this an end is not one of a row */
#define MOST_DELAY	10

static uint32_t
workers(const struct conf *conf, enum param p)
{
	int64_t n = conf_int(conf_main(conf), p);
	cpu_set_t cpus;

	if (n <= 0) {
		n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
		if (n > MOST_WORKERS)
			n = MOST_WORKERS;
	}
	return n < 1 ? 1 : n > MOST_SLOTS ? MOST_SLOTS : (uint32_t)n;
}

static void	start(struct child *);

static void
restart_now(void *arg)
{
	start(arg);
}

static void
add_children(struct master *m, enum role role, uint32_t n)
{
	for (uint32_t slot = 0; slot < n; slot++) {
		struct child *c = &m->children[m->child_count++];
		*c = (struct child){ .master = m, .role = role, .slot = slot };
		loop_timer_init(&c->restart, restart_now, c);
	}
}

/* The queue role first: it may have most to do before it is ready. */
bool
children_make(struct master *m)
{
	uint32_t senders = workers(m->conf, P_mtad_send_workers);

	m->receive_slots = workers(m->conf, P_mtad_receive_workers);
	m->children = mem_array(m->receive_slots + senders + 5, sizeof *m->children);
	add_children(m, ROLE_QUEUE, 1);
	add_children(m, ROLE_STATE, 1);
	add_children(m, ROLE_LOOKUP, 1);
	add_children(m, ROLE_LOCAL, 1);
	add_children(m, ROLE_SEND, senders);
	add_children(m, ROLE_RECEIVE, m->receive_slots);
	add_children(m, ROLE_CONTROL, 1);
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
		start(&m->children[i]);
}

/* -- end --------------------------------------------------------------------------------------- */

static void
say_end(const struct child *c, int status)
{
	const char *name = role_name(c->role);

	if (WIFSIGNALED(status))
		log_warning(NULL, "process mtad:%s pid %d killed by signal %d%s", name, (int)c->pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? " (its sandbox forbids the system call)" : "");
	else if (!c->stopping || WEXITSTATUS(status) != 0)
		log_warning(NULL, "process mtad:%s pid %d exit status %d", name, (int)c->pid, WEXITSTATUS(status));
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
	loop_timer_set(&c->restart, delay * SECOND);
}

static void
ended(struct child *c, int status)
{
	struct master *m = c->master;

	say_end(c, status);
	watch_closed(c->ipc);
	ipc_free(c->ipc);
	c->ipc = NULL;
	c->pid = 0;
	c->state = CHILD_NONE;
	tell_others(c);
	if (c->role == ROLE_RECEIVE)
		maildrop_slot_gone(m->maildrop, c->slot);
	if (m->phase == PHASE_RUNNING)
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
