/*
 * Every role is asked now and then whether it is there, through its loop; one that does not answer is told of, and in the end killed and started anew.
 */
#include "master/master.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/jsonl.h"

#define SAY_AFTER	(30 * SECOND)
#define TICKS		6		/* until it is said */
#define LATELY		(60 * MINUTE)	/* so long a restart is shown */

/* A short watchdog time has short steps, and speaks before it bites. */
static int64_t
say_after(const struct master *m)
{
	int64_t bite = conf_time(conf_main(m->conf), P_mtad_watchdog_time);

	return bite > 0 && bite / 2 < SAY_AFTER ? bite / 2 : SAY_AFTER;
}

static void
bite(struct child *c)
{
	log_error(NULL, "%s %u (pid %d) has not answered for %lld s (mtad_watchdog_time): it is killed and started anew",
	    role_name(c->role), c->slot, (int)c->pid, (long long)(c->silent / SECOND));
	c->bitten = true;
	(void)kill(c->pid, SIGKILL);
}

/* Time is counted in ticks of ours: a machine that slept, or a master that was stopped, has not waited for anybody. */
static void
look_at(struct child *c, int64_t tick)
{
	int64_t limit = conf_time(conf_main(c->master->conf), P_mtad_watchdog_time);

	if (c->state != CHILD_READY || c->ipc == NULL || c->bitten)
		return;
	if (c->pong == c->ping) {
		ipc_send_ping(c->ipc, &(struct ipc_ping){ .number = ++c->ping }, -1);
		c->silent = 0;
		return;
	}
	c->silent += tick;
	if (!c->hung && c->silent >= say_after(c->master)) {
		c->hung = true;
		log_warning(NULL, "%s %u (pid %d) has not answered for %lld s: it is busy, waits for the disk, or hangs",
		    role_name(c->role), c->slot, (int)c->pid, (long long)(c->silent / SECOND));
	}
	if (limit > 0 && c->silent >= limit)
		bite(c);
}

static void
on_tick(void *arg)
{
	struct master *m = arg;
	int64_t tick = say_after(m) / TICKS;

	if (m->phase == PHASE_STOPPING)
		return;
	for (size_t i = 0; i < m->child_count; i++)
		look_at(&m->children[i], tick);
	loop_timer_set(&m->watchdog, tick);
}

void
watchdog_start(struct master *m)
{
	loop_timer_init(&m->watchdog, on_tick, m);
	loop_timer_set(&m->watchdog, say_after(m) / TICKS);
}

void
watchdog_heard(struct child *c, uint64_t number)
{
	if (number != c->ping)
		return;
	c->pong = number;
	if (c->hung && !c->bitten)
		log_info(NULL, "%s %u (pid %d) answers again, after %lld s", role_name(c->role), c->slot, (int)c->pid,
		    (long long)(c->silent / SECOND));
	c->hung = false;
}

/* -- for status ------------------------------------------------------------------------------- */

static void
put_child(const struct child *c, struct buf *text)
{
	const char *name = role_name(c->role);
	int64_t ago = (clock_mono() - c->restarted) / SECOND;

	if (c->hung)
		buf_printf(text, "%s %u (pid %d) has not answered for %lld s", name, c->slot, (int)c->pid,
		    (long long)(c->silent / SECOND));
	else if (c->wanted && c->state == CHILD_NONE && c->failures > 1)
		buf_printf(text, "%s %u is down: it ended early %u times in a row, the last time by %s%s%s", name, c->slot,
		    c->failures, c->last_end, c->last_words[0] == '\0' ? "" : ": ", c->last_words);
	else if (!c->wanted && c->pid != 0)
		buf_printf(text, "%s %u (pid %d) is not wanted any more and finishes what it is at", name, c->slot, (int)c->pid);
	else if (c->stopping && c->pid != 0)
		buf_printf(text, "%s %u (pid %d) finishes what it is at, and is then started anew", name, c->slot, (int)c->pid);
	else if (c->restarts > 0 && ago * SECOND < LATELY)
		buf_printf(text, "%s %u was started anew %u time%s, last %lld s ago (%s)", name, c->slot, c->restarts,
		    c->restarts == 1 ? "" : "s", (long long)ago, c->last_end);
}

void
degraded_put(const struct master *m, struct buf *json)
{
	struct jsonl j = { .out = json };
	struct buf text = BUF_INIT(0);

	jsonl_array(&j, NULL);
	for (size_t i = 0; m->phase != PHASE_STOPPING && i < m->child_count; i++) {
		buf_reset(&text);
		put_child(&m->children[i], &text);
		if (text.len > 0)
			jsonl_str(&j, NULL, buf_view(&text));
	}
	buf_reset(&text);
	if (m->waits[0] != '\0') {
		buf_printf(&text, "%s: changed, but the old value is in use until a restart", m->waits);
		jsonl_str(&j, NULL, buf_view(&text));
	}
	jsonl_end_array(&j);
	buf_clear(&text);
}
