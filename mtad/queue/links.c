/*
 * The channels to workers: who is there, what each can read and write, what it was told.
 */
#include "queue/probes.h"
#include "queue/role.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct link *
link_of(const struct role_queue *rq, const struct ipc *ipc)
{
	struct link *l = rq->links;

	while (l != NULL && l->ipc != ipc)
		l = l->next;
	return l;
}

struct link *
link_get(const struct role_queue *rq, enum role role, uint32_t slot)
{
	struct link *l = rq->links;

	while (l != NULL && (l->role != role || l->slot != slot))
		l = l->next;
	return l;
}

static void
link_free(struct role_queue *rq, struct link *l)
{
	struct link **at = &rq->links;

	while (*at != NULL && *at != l)
		at = &(*at)->next;
	if (*at == l)
		*at = l->next;
	ipc_free(l->ipc);
	free(l->open);
	free(l);
}

/* -- who is to tell what it holds ------------------------------------------------------------- */

static void
expect(struct role_queue *rq, enum role role, uint32_t count)
{
	for (uint32_t slot = 0; slot < count; slot++) {
		rq->expected = mem_grow(rq->expected, rq->expected_count + 1, sizeof *rq->expected);
		rq->expected[rq->expected_count++] = (struct expected){ .role = role, .slot = slot };
	}
}

static void
open_if_complete(struct role_queue *rq)
{
	if (rq->q.open)
		return;
	for (size_t i = 0; i < rq->expected_count; i++)
		if (!rq->expected[i].told)
			return;
	loop_timer_stop(&rq->late);
	queue_open(&rq->q);
	queue_role_wake(rq);
}

static void
too_late(void *arg)
{
	struct role_queue *rq = arg;

	for (size_t i = 0; i < rq->expected_count; i++)
		if (!rq->expected[i].told)
			log_warning("qmgr", "%s process %u has not told what it holds; nothing is delivered until it has, "
			    "or has ended", role_name(rq->expected[i].role), rq->expected[i].slot);
	loop_timer_set(&rq->late, 30 * SECOND);
}

/* Only a queue role that was started anew can find workers with work of its predecessor. */
void
links_expect(struct role_queue *rq)
{
	if (role_epoch() > 1) {
		expect(rq, ROLE_RECEIVE, conf_workers(rq->conf, P_mtad_receive_workers));
		expect(rq, ROLE_SEND, conf_workers(rq->conf, P_mtad_send_workers));
		expect(rq, ROLE_LOCAL, 1);
		loop_timer_init(&rq->late, too_late, rq);
		loop_timer_set(&rq->late, 5 * SECOND);
	}
	open_if_complete(rq);
}

static void
told(struct role_queue *rq, enum role role, uint32_t slot)
{
	for (size_t i = 0; i < rq->expected_count; i++)
		if (rq->expected[i].role == role && rq->expected[i].slot == slot)
			rq->expected[i].told = true;
	open_if_complete(rq);
}

/* -- up and down --------------------------------------------------------------------------------- */

void
link_up(struct role_queue *rq, struct ipc *ipc)
{
	struct link *old = link_get(rq, ipc_peer(ipc), ipc_slot(ipc)), *l;

	if (old != NULL) {
		ipc_drain(old->ipc);
		link_free(rq, old);
	}
	MEM_NEW(l);
	l->ipc = ipc;
	l->role = ipc_peer(ipc);
	l->slot = ipc_slot(ipc);
	l->epoch = ipc_epoch(ipc);
	l->next = rq->links;
	rq->links = l;
	if (l->role == ROLE_RECEIVE || l->role == ROLE_CONTROL)
		links_spool_state(rq, l);
	if (l->role == ROLE_LOOKUP)
		answers_link_up(rq);
}

void
link_closed(void *arg, struct ipc *ipc)
{
	struct role_queue *rq = arg;
	struct link *l = link_of(rq, ipc);

	if (l == NULL) {
		ipc_free(ipc);
		return;
	}
	if (l->role == ROLE_SEND || l->role == ROLE_LOCAL)
		worker_get(&rq->q, (uint8_t)l->role, l->slot)->up = false;
	else if (l->role == ROLE_RECEIVE)
		notices_worker_gone(&rq->q, l->slot);
	else if (l->role == ROLE_CONTROL)
		queries_control_gone(rq);
	enum role role = l->role;
	uint32_t slot = l->slot;
	link_free(rq, l);
	probes_gone(rq, role, slot);
}

void
link_listed(void *arg, struct ipc *ipc, const struct ipc_listed *m, int fd)
{
	struct role_queue *rq = arg;
	struct link *l = link_of(rq, ipc);

	(void)m;
	(void)fd;
	if (l == NULL || l->listed)
		return;
	l->listed = true;
	if (l->role == ROLE_RECEIVE) {
		spooling_writer_ended(rq, l->slot, 0, true);
		spooling_grants(rq);
	} else {
		struct worker *w = worker_get(&rq->q, (uint8_t)l->role, l->slot);
		w->up = true;
		w->channel = l;
	}
	told(rq, l->role, l->slot);
	queue_role_wake(rq);
}

/* What it has it finishes. */
void
link_leaving(void *arg, struct ipc *ipc, const struct ipc_leaving *m, int fd)
{
	struct role_queue *rq = arg;
	const struct link *l = link_of(rq, ipc);

	(void)m;
	(void)fd;
	if (l != NULL)
		worker_get(&rq->q, (uint8_t)l->role, l->slot)->up = false;
}

/* The process was reaped: nothing that it held is in use, and what it had written and not told of is found in its log. */
void
link_gone(struct role_queue *rq, enum role role, uint32_t slot, uint32_t epoch)
{
	struct link *l = link_get(rq, role, slot);

	if (l != NULL && l->epoch == epoch) {
		ipc_drain(l->ipc);	/* results that it could still send count: they are not repeated */
		link_closed(rq, l->ipc);
	}
	if (role == ROLE_RECEIVE) {
		spooling_writer_ended(rq, slot, epoch, false);
		spills_writer_gone(rq, slot, epoch);
		notices_worker_gone(&rq->q, slot);
	} else if ((role == ROLE_SEND || role == ROLE_LOCAL) && link_get(rq, role, slot) == NULL) {
		worker_gone(&rq->q, (uint8_t)role, slot);
	}
	told(rq, role, slot);
	queue_role_wake(rq);
}

#define HELD_MAX	(sizeof ((struct link *)NULL)->held / sizeof(uint32_t))

bool
link_holds(const struct link *l, uint32_t segment)
{
	for (uint32_t i = 0; i < l->segments; i++)
		if (l->held[i] == segment)
			return true;
	return false;
}

void
link_hold(struct link *l, uint32_t segment)
{
	if (l->segments < HELD_MAX && !link_holds(l, segment))
		l->held[l->segments++] = segment;
}

void
link_unhold(struct link *l, uint32_t segment)
{
	for (uint32_t i = 0; i < l->segments; i++)
		if (l->held[i] == segment) {
			l->held[i] = l->held[--l->segments];
			return;
		}
}

/* -- what they can read ------------------------------------------------------------------------------ */

bool
link_show_segment(struct role_queue *rq, struct link *l, uint32_t segment)
{
	const struct store_segment *s = store_get(rq->store, segment);
	struct err err = { 0 };

	for (size_t i = l->open_count; i > 0; i--)
		if (l->open[i - 1] == segment)
			return true;
	int fd = s == NULL ? -1 : store_fd(rq->store, segment, &err);
	if (fd < 0) {
		log_error("qmgr", "spool segment %u: %s", segment, s == NULL ? "it is not there" : err.text);
		return false;
	}
	ipc_send_segment_open(l->ipc, &(struct ipc_segment_open){ .segment = segment, .nonce = s->nonce }, fd);
	if (l->open_count == l->open_cap) {
		l->open_cap = l->open_cap == 0 ? 16 : l->open_cap * 2;
		l->open = mem_grow(l->open, l->open_cap, sizeof *l->open);
	}
	l->open[l->open_count++] = segment;
	return true;
}

void
links_hide_segment(struct role_queue *rq, uint32_t segment)
{
	for (struct link *l = rq->links; l != NULL; l = l->next)
		for (size_t i = 0; i < l->open_count; i++) {
			if (l->open[i] != segment)
				continue;
			ipc_send_segment_close(l->ipc, &(struct ipc_segment_close){ .segment = segment }, -1);
			l->open[i] = l->open[--l->open_count];
			break;
		}
}

int
link_spill(struct role_queue *rq, const struct entry *e)
{
	struct err err = { 0 };

	if (e->spill == 0)
		return -1;
	int fd = store_spill_open(rq->store, e->spill, &err);
	if (fd < 0)
		log_error("qmgr", "spill file %llx: %s", (unsigned long long)e->spill, err.text);
	return fd;
}

/* -- what they are told ---------------------------------------------------------------------------------- */

void
links_acknowledge(struct role_queue *rq)
{
	for (struct link *l = rq->links; l != NULL; l = l->next) {
		if (l->ack == 0)
			continue;
		ipc_send_submit_ack(l->ipc, &(struct ipc_submit_ack){ .sequence = l->ack }, -1);
		l->ack = 0;
	}
}

void
links_spool_state(struct role_queue *rq, struct link *only)
{
	struct ipc_spool_state m = { .free = rq->free_bytes, .full = rq->full, .lagging = rq->lagging };

	for (struct link *l = only != NULL ? only : rq->links; l != NULL; l = only != NULL ? NULL : l->next)
		if (l->role == ROLE_RECEIVE || l->role == ROLE_CONTROL)
			ipc_send_spool_state(l->ipc, &m, -1);
}
