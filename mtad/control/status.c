/*
 * status: every role is asked for its counters, and what came within a second is shown, a row a process.
 */
#include "control/private.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/role.h"
#include "base/version.h"
#include "ctl/jsonl.h"

#define PATIENCE	(1 * SECOND)

static void
put_row(struct ask *a, enum role role, uint32_t slot, const char *key, struct span value)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "role", span_str(role_name(role)));
	jsonl_i64(&j, "slot", slot);
	jsonl_raw(&j, key, value);
	jsonl_end_object(&j);
	reply_row(a, buf_view(&row));
	buf_clear(&row);
}

static void
put_own(struct ask *a)
{
	struct control *ctl = a->client->control;
	struct buf stats = BUF_INIT(0);
	struct jsonl j = { .out = &stats };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "version", span_str(MTAD_VERSION));
	jsonl_str(&j, "hostname", span_str(role_hostname()));
	jsonl_i64(&j, "pid", getpid());
	jsonl_i64(&j, "uptime", (clock_wall() - ctl->started) / SECOND);
	jsonl_i64(&j, "clients", ctl->client_count);
	jsonl_i64(&j, "requests", (int64_t)ctl->requests);
	jsonl_end_object(&j);
	put_row(a, ROLE_CONTROL, role_slot(), "stats", buf_view(&stats));
	buf_clear(&stats);
}

static void
wait_for(struct ask *a, struct ipc *ipc, enum role role, uint32_t slot)
{
	if (ipc == NULL || a->waiting_count == ROLES_MAX)
		return;
	a->waiting[a->waiting_count].role = role;
	a->waiting[a->waiting_count++].slot = slot;
	ipc_send_stats_ask(ipc, &(struct ipc_stats_ask){ .request = a->number }, -1);
}

static void
finish(void *arg)
{
	struct ask *a = arg;

	for (unsigned i = 0; i < a->waiting_count; i++)
		put_row(a, a->waiting[i].role, a->waiting[i].slot, "error", SPAN("\"no answer within a second\""));
	reply_done(a, a->waiting_count == 0 ? 0 : 75,
	    a->waiting_count == 0 ? NULL : "not every role has answered");
}

void
status_begin(struct ask *a)
{
	struct control *ctl = a->client->control;

	put_own(a);
	wait_for(a, role_master(), ROLE_MASTER, 0);
	for (unsigned i = 0; i < ctl->peer_count; i++)
		wait_for(a, ctl->peers[i], ipc_peer(ctl->peers[i]), ipc_slot(ctl->peers[i]));
	if (ctl->queue == NULL && a->waiting_count < ROLES_MAX) {
		/* So that 0 means: all of it works. */
		a->waiting[a->waiting_count].role = ROLE_QUEUE;
		a->waiting[a->waiting_count++].slot = 0;
	}
	client_wake(a->client);
	if (a->waiting_count == 0) {
		finish(a);
		return;
	}
	loop_timer_init(&a->timer, finish, a);
	loop_timer_set(&a->timer, PATIENCE);
}

static bool
not_waiting(struct ask *a, enum role role, uint32_t slot)
{
	for (unsigned i = 0; i < a->waiting_count; i++) {
		if (a->waiting[i].role != role || a->waiting[i].slot != slot)
			continue;
		a->waiting[i] = a->waiting[--a->waiting_count];
		return true;
	}
	return false;
}

static void
put_degraded(struct ask *a, enum role role, uint32_t slot, struct span text)
{
	struct buf quoted = BUF_INIT(0);

	jsonl_quote(&quoted, text);
	put_row(a, role, slot, "degraded", buf_view(&quoted));
	buf_clear(&quoted);
}

/* What a look at the counters does not tell, in words: of the master's processes, and of the spool. */
static void
look_closer(struct ask *a, enum role role, uint32_t slot, struct span stats)
{
	struct jsonl_walk w;
	struct span value, text;

	if (role == ROLE_MASTER && jsonl_find(stats, "degraded", &value) && jsonl_walk_array(&w, value))
		while (jsonl_element(&w, &text))
			put_row(a, role, slot, "degraded", text);
	if (role == ROLE_QUEUE && jsonl_find(stats, "full", &value) && jsonl_true(value))
		put_degraded(a, role, slot, SPAN("the disk has less room than queue_minfree asks for: new mail gets 452"));
	if (role == ROLE_QUEUE && jsonl_find(stats, "lagging", &value) && jsonl_true(value))
		put_degraded(a, role, slot, SPAN("more comes in than goes out or to the disk: new mail waits (in_flow_delay)"));
}

void
status_answer(struct control *ctl, struct ipc *ipc, const struct ipc_stats *m)
{
	struct ask *a = ask_find(ctl, m->request);
	bool master = ipc == role_master();
	enum role role = master ? ROLE_MASTER : ipc_peer(ipc);
	uint32_t slot = master ? 0 : ipc_slot(ipc);

	if (a == NULL || a->command != CMD_status || !not_waiting(a, role, slot))
		return;
	if (m->json.len > 0 && *m->json.ptr == '{' && !span_has(m->json, '\n'))
		put_row(a, role, slot, "stats", m->json);
	else
		put_row(a, role, slot, "stats", SPAN("{}"));
	look_closer(a, role, slot, m->json);
	client_wake(a->client);
	if (a->waiting_count == 0)
		finish(a);
}

void
status_gone(struct control *ctl, enum role role, uint32_t slot)
{
	struct ask *next;

	for (struct ask *a = ctl->asks; a != NULL; a = next) {
		next = a->next;
		if (a->command != CMD_status || !not_waiting(a, role, slot))
			continue;
		put_row(a, role, slot, "error", SPAN("\"ended meanwhile\""));
		if (a->waiting_count == 0)
			finish(a);
	}
}
