/*
 * session ls: the roles that have sessions give them in slices, each at its own pace. One that does not answer within a second is left
 * out, and said to be; while the client reads slowly nobody is asked for more.
 */
#include "control/private.h"

#include <stdio.h>

#include "base/role.h"
#include "ctl/jsonl.h"

#define PATIENCE	(1 * SECOND)
#define SLICES_MAX	1000	/* of one role: more than it can have sessions */
#define ROW_MAX		8192

/* session ls, and the state role's caches. */
static bool
is_of_rows(enum command c)
{
	return c == CMD_session_ls || c == CMD_cache_ls || c == CMD_cache_del;
}

static bool
has_rows(enum command c, enum role role)
{
	if (c != CMD_session_ls)
		return role == ROLE_STATE;
	return role == ROLE_RECEIVE || role == ROLE_SEND || role == ROLE_LOCAL;
}

static void
put_error(struct ask *a, enum role role, uint32_t slot, const char *text)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "role", span_str(role_name(role)));
	jsonl_i64(&j, "slot", slot);
	jsonl_str(&j, "error", span_str(text));
	jsonl_end_object(&j);
	reply_row(a, buf_view(&row));
	buf_clear(&row);
	a->failed = true;
}

static void
finish(struct ask *a)
{
	reply_done(a, a->failed ? 75 : 0, a->failed ? "not every role has answered" : NULL);
}

static void
on_impatience(void *arg)
{
	struct ask *a = arg;

	for (unsigned i = 0; i < a->waiting_count; i++)
		put_error(a, a->waiting[i].role, a->waiting[i].slot, "no answer within a second");
	finish(a);
}

static struct ipc *
channel(const struct control *ctl, enum role role, uint32_t slot)
{
	for (unsigned i = 0; i < ctl->peer_count; i++)
		if (ipc_peer(ctl->peers[i]) == role && ipc_slot(ctl->peers[i]) == slot)
			return ctl->peers[i];
	return NULL;
}

static void
ask_next(struct ask *a, struct ipc *ipc, uint64_t from)
{
	ipc_send_rows_ask(ipc, &(struct ipc_rows_ask){ .request = a->number, .what = a->command == CMD_session_ls ? SPAN("sessions") : buf_view(&a->held), .from = from }, -1);
	loop_timer_set(&a->timer, PATIENCE);
}

/* The cache's name waits with the ask, for the slices to come. */
static bool
take_cache(struct ask *a, const struct request *req, struct span *key)
{
	struct span cache;

	if (!request_get(req, "cache", &cache) || (!span_eqs(cache, "verify") && !span_eqs(cache, "screen"))) {
		reply_done(a, 64, "which cache? verify, or screen");
		return false;
	}
	*key = SPAN_NONE;
	(void)request_get(req, "text", key);
	buf_span(&a->held, cache);
	return true;
}

void
sessions_begin(struct ask *a, const struct request *req)
{
	struct control *ctl = a->client->control;
	struct span key = SPAN_NONE;

	if (a->command != CMD_session_ls && !take_cache(a, req, &key))
		return;

	loop_timer_init(&a->timer, on_impatience, a);
	for (unsigned i = 0; i < ctl->peer_count; i++) {
		struct ipc *ipc = ctl->peers[i];
		if (!has_rows(a->command, ipc_peer(ipc)) || channel(ctl, ipc_peer(ipc), ipc_slot(ipc)) != ipc)
			continue;	/* an older channel of a role that was started anew */
		a->waiting[a->waiting_count].role = ipc_peer(ipc);
		a->waiting[a->waiting_count++].slot = ipc_slot(ipc);
		if (a->command != CMD_cache_del) {
			ask_next(a, ipc, 0);
			continue;
		}
		ipc_send_cache_drop(ipc, &(struct ipc_cache_drop){ .request = a->number, .cache = buf_view(&a->held), .key = key }, -1);
		loop_timer_set(&a->timer, PATIENCE);
	}
	if (a->waiting_count == 0)
		finish(a);
}

/* Once no slice is on its way the timer must not run: it is the client that is waited for then. */
static void
check_timer(struct ask *a)
{
	for (unsigned i = 0; i < a->waiting_count; i++)
		if (a->waiting[i].next == 0)
			return;
	loop_timer_stop(&a->timer);
}

static void
take_rows(struct ask *a, struct span rows)
{
	struct span row;

	while (span_cut(&rows, '\n', &row))
		if (row.len > 1 && row.len <= ROW_MAX && row.ptr[0] == '{' && row.ptr[row.len - 1] == '}')
			reply_row(a, row);
	client_wake(a->client);
}

void
sessions_answer(struct control *ctl, struct ipc *ipc, const struct ipc_rows *m)
{
	struct ask *a = ask_find(ctl, m->request);
	unsigned i = 0;

	if (a == NULL || !is_of_rows(a->command))
		return;
	while (i < a->waiting_count && (a->waiting[i].role != ipc_peer(ipc) || a->waiting[i].slot != ipc_slot(ipc)))
		i++;
	/* Where it waits for the client nothing was asked. */
	if (i == a->waiting_count || a->waiting[i].next != 0)
		return;
	if (a->command == CMD_cache_del && m->rows.len == 0) {
		reply_done(a, 1, "nothing is known of that address");
		return;
	}
	take_rows(a, m->rows);
	if (m->next == 0 || ++a->waiting[i].slices > SLICES_MAX) {
		a->waiting[i] = a->waiting[--a->waiting_count];
		if (a->waiting_count == 0)
			finish(a);
		else
			check_timer(a);
	} else if (client_waiting(a->client) < OUT_HIGH) {
		ask_next(a, ipc, m->next);
	} else {
		a->waiting[i].next = m->next;
		check_timer(a);
	}
}

void
sessions_resume(struct ask *a)
{
	for (unsigned i = 0; i < a->waiting_count; i++) {
		struct ipc *ipc = channel(a->client->control, a->waiting[i].role, a->waiting[i].slot);
		uint64_t next = a->waiting[i].next;
		if (next == 0 || ipc == NULL)
			continue;
		a->waiting[i].next = 0;
		ask_next(a, ipc, next);
	}
}

void
sessions_gone(struct control *ctl, enum role role, uint32_t slot)
{
	struct ask *next;

	for (struct ask *a = ctl->asks; a != NULL; a = next) {
		next = a->next;
		for (unsigned i = 0; is_of_rows(a->command) && i < a->waiting_count; i++) {
			if (a->waiting[i].role != role || a->waiting[i].slot != slot)
				continue;
			put_error(a, role, slot, "ended meanwhile");
			a->waiting[i] = a->waiting[--a->waiting_count];
			if (a->waiting_count == 0) {
				finish(a);
				break;
			}
			check_timer(a);
		}
	}
}
