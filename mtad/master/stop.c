#include "master/master.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/listen.h"
#include "master/maildrop.h"
#include "master/notify.h"

/*
 * New mail first, then deliveries, then what serves them, and who may be asked about it last. What takes longer than
 * its time is killed; by the design of the spool that loses nothing.
 */
static const struct {
	unsigned	 roles;
	int		 share;		/* of mtad_stop_time, in tenths */
} steps[] = {
	{ 1u << ROLE_RECEIVE, 4 },
	{ 1u << ROLE_SEND | 1u << ROLE_LOCAL, 6 },
	{ 1u << ROLE_QUEUE | 1u << ROLE_LOOKUP | 1u << ROLE_STATE, 5 },
	{ 1u << ROLE_CONTROL, 1 },
};
#define STEPS	(sizeof steps / sizeof *steps)

static void	begin_step(struct master *);

static void
kill_step(struct master *m)
{
	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		if (c->pid != 0 && (steps[m->stop_step].roles & 1u << c->role) != 0)
			(void)kill(c->pid, SIGKILL);
	}
}

static void
too_late(void *arg)
{
	struct master *m = arg;

	if (m->stop_step >= STEPS)
		return;
	log_warning(NULL, "%zu processes did not end in time and are killed", children_alive(m, steps[m->stop_step].roles));
	kill_step(m);
}

static void
begin_step(struct master *m)
{
	int64_t within = conf_time(conf_main(m->conf), P_mtad_stop_time) * steps[m->stop_step].share / 10;

	for (size_t i = 0; i < m->child_count; i++) {
		struct child *c = &m->children[i];
		if (c->pid == 0 || (steps[m->stop_step].roles & 1u << c->role) == 0)
			continue;
		c->stopping = true;
		ipc_send_stop(c->ipc, &(struct ipc_stop){ within }, -1);
	}
	loop_timer_set(&m->stop_timer, within + SECOND / 2);
}

static void
finish(struct master *m)
{
	loop_timer_stop(&m->stop_timer);
	listen_remove_paths(&m->instance);
	instance_close(&m->instance);
	loop_stop(m->stop_status);
}

void
stop_progress(struct master *m)
{
	bool moved = false;

	while (m->stop_step < STEPS && children_alive(m, steps[m->stop_step].roles) == 0) {
		m->stop_step++;
		moved = true;
	}
	if (m->stop_step >= STEPS)
		finish(m);
	else if (moved)
		begin_step(m);
}

void
stop_begin(struct master *m, int status)
{
	if (m->phase == PHASE_STOPPING) {
		/* Asked again: at once. Who signals the process and then its group means one. */
		if (clock_mono() - m->stop_asked < SECOND)
			return;
		for (size_t i = 0; i < m->child_count; i++)
			if (m->children[i].pid != 0)
				(void)kill(m->children[i].pid, SIGKILL);
		return;
	}
	notify("STOPPING=1");
	m->phase = PHASE_STOPPING;
	m->stop_status = status;
	m->stop_asked = clock_mono();
	maildrop_stop(m->maildrop);
	for (size_t i = 0; i < m->child_count; i++)
		loop_timer_stop(&m->children[i].restart);
	loop_timer_init(&m->stop_timer, too_late, m);
	m->stop_step = 0;
	begin_step(m);
	stop_progress(m);
}
