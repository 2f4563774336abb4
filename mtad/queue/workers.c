/*
 * What workers tell and are told: deliveries, results, notices, segments.
 */
#include "queue/probes.h"
#include "queue/role.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/notice.h"
#include "spool/message.h"
#include "spool/record.h"

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

/* -- deliveries ------------------------------------------------------------------------------------- */

static void
lost_content(struct queue *q, uint64_t lease, uint64_t unused)
{
	(void)q;
	(void)lease;
	(void)unused;
}

/* The message's record or spill file cannot be opened: as if the worker had said so. */
static void
no_content(struct role_queue *rq, const struct lease *l)
{
	struct buf b = BUF_INIT(0);

	for (uint32_t i = 0; i < l->count; i++)
		outcome_pack(&b, &(struct outcome){ .number = l->rcpts[i], .status = OUTCOME_DEFERRED, .dsn = SPAN("4.3.0"),
		    .text = SPAN("queue file cannot be read"), .relay = SPAN("none") });
	queue_result(&rq->q, l->id, l->job->entry->id, true, SCOPE_MESSAGE, buf_view(&b), SPAN_NONE, lost_content, 0, 0);
	buf_clear(&b);
}

bool
workers_sound(void *arg, const struct entry *e, struct err *err)
{
	struct role_queue *rq = arg;
	const struct store_segment *s = store_get(rq->store, e->loc.segment);
	struct message m = { 0 };
	int fd = s == NULL ? -1 : store_fd(rq->store, s->number, err);

	if (s == NULL)
		err_set(err, ERR_PERM, "its segment %u is not there", e->loc.segment);
	bool ok = fd >= 0 && message_read(fd, s->nonce, e->loc, &m, err);
	message_clear(&m);
	if (!ok || e->spill == 0)
		return ok || err->kind != ERR_PERM;
	fd = store_spill_open(rq->store, e->spill, err);
	if (fd < 0)
		return false;
	close_fd(fd);
	return true;
}

#define EPITAPH_MAX	((size_t)256 << 10)	/* thousands of recipients: their numbers must do */

void
workers_epitaph(void *arg, const struct entry *e, struct buf *out)
{
	struct role_queue *rq = arg;
	const struct store_segment *s = store_get(rq->store, e->loc.segment);
	struct err err;
	int fd = s == NULL ? -1 : store_fd(rq->store, s->number, &err);

	if (fd < 0 || !message_envelope(fd, e->loc, EPITAPH_MAX, out))
		buf_reset(out);
}

static void
send_deliver(struct role_queue *rq, struct link *link, const struct lease *l, int spill)
{
	const struct entry *e = l->job->entry;
	const struct run *run = e->run;

	struct buf own = BUF_INIT(4 * ADDRESS_MAX);

	entry_verp(e, l->rcpts[0], &own);
	buf_reset(&rq->scratch);
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t n = l->rcpts[i];
		recipient_pack(&rq->scratch, &(struct recipient){ .number = n, .notify = e->rcpts[n].notify,
		    .address = entry_address(e, n), .orcpt = entry_orcpt(e, n),
		    .original = entry_original(e, n) });
	}
	struct ipc_deliver m = {
		.lease = l->id, .id_usec = e->id.usec, .id_writer = e->id.writer, .segment = e->loc.segment,
		.offset = loc_offset(e->loc), .length = e->loc.length,
		.transport = span_str(l->job->dest->transport->name), .nexthop = span_str(l->job->dest->nexthop),
		.sender = own.len > 0 && !own.over ? buf_view(&own) : entry_sender(e), .arrival = e->arrival, .active = queue_wall(&rq->q, run->active),
		.attempt = l->attempt, .recipients = buf_view(&rq->scratch),
	};
	ipc_send_deliver(link->ipc, &m, spill);
	buf_clear(&own);
}

void
workers_deliver(void *arg, const struct lease *l)
{
	struct role_queue *rq = arg;
	const struct entry *e = l->job->entry;
	struct link *link = link_get(rq, (enum role)l->role, l->slot);
	int spill = link_spill(rq, e);

	if (link == NULL)
		panic("a delivery for a worker that is not up");
	if ((e->spill != 0 && spill < 0) || !link_show_segment(rq, link, e->loc.segment))
		no_content(rq, l);
	else
		send_deliver(rq, link, l, spill);
	close_fd(spill);
}

void
workers_on_progress(void *arg, struct ipc *ipc, const struct ipc_progress *m, int fd)
{
	struct role_queue *rq = arg;
	struct lease *l = lease_find(&rq->q, m->lease);

	(void)ipc;
	(void)fd;
	if (l == NULL)
		return;
	if (l->stage != m->stage)
		l->stage_since = queue_now(&rq->q);
	l->stage = m->stage;
	free(l->peer);
	l->peer = m->peer.len == 0 ? NULL : span_dup(span_head(m->peer, 200));
}

static void
acknowledge(struct queue *q, uint64_t lease, uint64_t worker)
{
	const struct role_queue *rq = q->arg;
	const struct link *l = link_get(rq, (enum role)(worker >> 32), (uint32_t)worker);

	if (l != NULL)
		ipc_send_result_ack(l->ipc, &(struct ipc_result_ack){ .lease = lease }, -1);
}

void
workers_on_result(void *arg, struct ipc *ipc, const struct ipc_result *m, int fd)
{
	struct role_queue *rq = arg;
	struct qid id = { m->id_usec, m->id_writer };

	(void)fd;
	if (m->lease & PROBE_LEASE) {
		probes_result(rq, ipc, m);
		return;
	}
	queue_result(&rq->q, m->lease, id, m->last != 0, m->scope, m->outcomes, m->forwards, acknowledge, m->lease,
	    (uint64_t)ipc_peer(ipc) << 32 | ipc_slot(ipc));
	queue_role_wake(rq);
}

void
workers_on_lease_held(void *arg, struct ipc *ipc, const struct ipc_lease_held *m, int fd)
{
	struct role_queue *rq = arg;

	(void)fd;
	if (m->lease & PROBE_LEASE)	/* its result interests nobody any more */
		return;
	lease_adopt(&rq->q, m->lease, (struct qid){ m->id_usec, m->id_writer }, (uint8_t)ipc_peer(ipc), ipc_slot(ipc),
	    m->transport, m->nexthop, m->recipients);
}

/* -- new messages ---------------------------------------------------------------------------------------- */

void
workers_on_submit(void *arg, struct ipc *ipc, const struct ipc_submit *m, int fd)
{
	struct role_queue *rq = arg;
	struct link *l = link_of(rq, ipc);
	struct loc loc = loc_make(m->segment, m->offset, m->length);
	struct envelope env;
	struct err err = { 0 };
	char id[QID_TEXT];

	(void)fd;
	if (l == NULL)
		return;
	if (store_get(rq->store, m->segment) == NULL)
		log_error("qmgr", "a receive process names segment %u, which is not there", m->segment);
	else if (!envelope_unpack(m->envelope, &env, &err))
		log_error("qmgr", "a receive process sent a bad envelope: %s", err.text);
	else if (env.spill != 0 && index_find(&rq->q.index, env.id) == NULL &&
	    !spills_claim(rq, env.spill, l->slot, l->epoch))
		log_error("qmgr", "%s: refused", qid_text(env.id, id));
	else
		(void)queue_submit(&rq->q, &env, loc);
	spooling_submitted(rq, loc);
	l->ack = m->sequence;
	queue_role_wake(rq);
}

/* -- notices ------------------------------------------------------------------------------------------------ */

static struct link *
any_receive(const struct role_queue *rq, uint64_t turn)
{
	struct link *found = NULL;
	uint32_t n = 0;

	for (struct link *l = rq->links; l != NULL; l = l->next)
		n += l->role == ROLE_RECEIVE && l->listed;
	if (n == 0)
		return NULL;
	uint64_t skip = turn % n;
	for (struct link *l = rq->links; l != NULL; l = l->next)
		if (l->role == ROLE_RECEIVE && l->listed && skip-- == 0) {
			found = l;
			break;
		}
	return found;
}

/* What the notice tells of each recipient: its last outcome, from the journal; failed for good where the notice says so. */
static void
gather_outcomes(struct role_queue *rq, const struct entry *e, const struct entry_intent *in, struct buf *out)
{
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t n = in->numbers[i];
		struct last_outcome last;
		if (n >= e->rcpt_count)
			continue;
		struct outcome o = { .number = n, .status = OUTCOME_DEFERRED, .dsn = SPAN("4.0.0"),
			.text = SPAN("the reason is not on record any more") };
		if (reader_outcome(rq, e, n, &last))
			o = last.outcome;
		if (e->rcpts[n].status == RCPT_FAILED)
			o.status = OUTCOME_BOUNCED;
		outcome_pack(out, &o);
	}
}

bool
workers_notice(void *arg, struct notice_job *n, const struct entry *e, const struct entry_intent *in, int64_t expires)
{
	struct role_queue *rq = arg;
	struct link *l = any_receive(rq, n->number);
	struct buf outcomes = BUF_INIT(0);

	if (l == NULL || !link_show_segment(rq, l, e->loc.segment))
		return false;
	int spill = link_spill(rq, e);
	if (in->kind == NOTICE_FORWARD)
		buf_span(&outcomes, buf_view(&in->state));
	else
		gather_outcomes(rq, e, in, &outcomes);
	struct ipc_notice_make m = {
		.notice = n->number, .kind = in->kind, .id_usec = e->id.usec, .id_writer = e->id.writer,
		.event = n->number, .segment = e->loc.segment, .offset = loc_offset(e->loc), .length = e->loc.length,
		.recipient = span_str(in->recipient), .expires = expires, .outcomes = buf_view(&outcomes),
	};
	ipc_send_notice_make(l->ipc, &m, spill);
	n->slot = l->slot;
	close_fd(spill);
	buf_clear(&outcomes);
	return true;
}

void
workers_on_notice_made(void *arg, struct ipc *ipc, const struct ipc_notice_made *m, int fd)
{
	struct role_queue *rq = arg;

	(void)ipc;
	(void)fd;
	if (m->ok == 0 && m->refusal.len > 0 && m->refusal.ptr[0] == '5')
		queue_notice_refused(&rq->q, m->notice, m->refusal);
	else
		queue_notice_made(&rq->q, m->notice, m->ok != 0, (struct qid){ m->id_usec, m->id_writer });
	queue_role_wake(rq);
}

/* -- segments and spill files --------------------------------------------------------------------------------- */

void
workers_on_segment_held(void *arg, struct ipc *ipc, const struct ipc_segment_held *m, int fd)
{
	struct link *l = link_of(arg, ipc);

	(void)fd;
	if (l != NULL)
		link_hold(l, m->segment);
}

void
workers_on_segment_done(void *arg, struct ipc *ipc, const struct ipc_segment_done *m, int fd)
{
	struct role_queue *rq = arg;
	struct link *l = link_of(rq, ipc);
	const struct store_segment *s = store_get(rq->store, m->segment);

	(void)fd;
	if (l == NULL || s == NULL || s->grant.use != SEGMENT_MAIL || s->grant.slot != l->slot)
		return;
	link_unhold(l, m->segment);
	spooling_seal(rq, m->segment, m->end);
	spooling_grants(rq);
}

void
workers_on_spill_used(void *arg, struct ipc *ipc, const struct ipc_spill_used *m, int fd)
{
	struct role_queue *rq = arg;
	struct link *l = link_of(rq, ipc);

	(void)fd;
	if (l == NULL)
		return;
	if (l->spills > 0)
		l->spills--;
	if (m->used == 0 && spills_claim(rq, m->spill, l->slot, l->epoch))
		store_spill_remove(rq->store, m->spill);
	spooling_grants(rq);
}
