/*
 * Sparse segments are emptied by copying what is alive; journals that are older than the history are dropped once no message needs
 * them, which a snapshot of its entry sees to.
 */
#include "queue/role.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/copy.h"
#include "spool/record.h"
#include "spool/scan.h"

#define SPARSE		30u	/* percent alive; below it a segment is emptied */
#define COPIES_MAX	64u
#define WALK		2000u	/* entries looked at a slice */

/* -- compaction ----------------------------------------------------------------------------------------- */

struct copying {
	struct role_queue *rq;
	struct qid	 id;
	struct loc	 from;
	uint32_t	 generation;
};

static void
copied(void *arg, bool ok, struct loc to)
{
	struct copying c = *(struct copying *)arg;
	struct role_queue *rq = c.rq;
	struct entry *e = index_find(&rq->q.index, c.id);

	free(arg);
	rq->copies_open--;
	if (!ok)
		return;
	spooling_submitted(rq, to);
	if (e == NULL || e->loc.segment != c.from.segment || e->loc.block != c.from.block)
		return;		/* it ended meanwhile */
	struct spool_event ev = { .kind = EVENT_MOVED, .loc = to, .attempt = c.generation };
	(void)journal_add(&rq->q, e, &ev);
}

static void
copy_one(struct role_queue *rq, struct entry *e)
{
	const struct store_segment *s = store_get(rq->store, e->loc.segment);
	struct copying *c;
	struct err err = { 0 };
	bool full = false;
	int fd = s == NULL ? -1 : store_fd(rq->store, s->number, &err);

	if (fd < 0)
		return;
	MEM_NEW(c);
	*c = (struct copying){ .rq = rq, .id = e->id, .from = e->loc, .generation = e->generation + 1 };
	if (spool_copy(rq->copies, fd, s->nonce, e->loc, &rq->scratch, copied, c, &full, &err)) {
		rq->copies_open++;
		return;
	}
	free(c);
	rq->copies_full = full;
	if (!full)
		queue_corrupt(&rq->q, e, span_str(err.text));
}

/* Messages that are being delivered stay: a worker reads them. */
static bool
may_move(const struct role_queue *rq, const struct entry *e)
{
	return e->loc.segment == rq->copying && !(e->flags & (ENTRY_RUNNING | ENTRY_BAD)) &&
	    (e->extra == NULL || e->extra->intents == NULL);
}

static bool
pick(struct role_queue *rq)
{
	uint32_t number;

	if (rq->checkpoint != NULL || rq->checkpoint_committing || rq->full)
		return false;
	if (store_pick_sparse(rq->store, SPARSE, &number, 1) == 0)
		return false;
	const struct store_segment *s = store_get(rq->store, number);
	if (s == NULL || s->live == 0)
		return false;
	rq->copying = number;
	rq->copy_at = QID_NONE;
	rq->copies_full = false;
	spooling_grants(rq);
	return true;
}

bool
compact_slice(struct role_queue *rq)
{
	if (rq->copying == 0 && !pick(rq))
		return false;
	if (spool_writer_segments(rq->copies) == 0 || rq->checkpoint != NULL)
		return false;
	for (unsigned n = 0; n < WALK && rq->copies_open < COPIES_MAX; n++) {
		struct entry *e = index_after(&rq->q.index, rq->copy_at);
		if (e == NULL) {
			rq->copying = 0;	/* what could not be moved now is looked at another time */
			return false;
		}
		if (may_move(rq, e))
			copy_one(rq, e);
		if (rq->copies_full) {
			rq->copies_full = false;
			return false;
		}
		rq->copy_at = e->id;
	}
	return rq->copies_open < COPIES_MAX;
}

/* -- history ------------------------------------------------------------------------------------------------ */

struct oldest {
	uint32_t	 journal, mail;	/* numbers; 0: none */
	uint64_t	 bytes;		/* of all journals */
};

static bool
note(void *arg, const struct store_segment *s)
{
	struct oldest *o = arg;

	if (s->grant.use == SEGMENT_JOURNAL) {
		o->bytes += s->size;
		if (s->sealed && (o->journal == 0 || s->number < o->journal))
			o->journal = s->number;
	} else if (s->grant.use != SEGMENT_FREE && (o->mail == 0 || s->number < o->mail)) {
		o->mail = s->number;
	}
	return true;
}

/* The time of the newest event in a sealed journal is not before that of its first record; the first is cheap to read. */
static int64_t
first_time(struct role_queue *rq, uint32_t segment)
{
	const struct store_segment *s = store_get(rq->store, segment);
	struct scan scan;
	struct scan_record rec;
	struct err err;
	int64_t time = 0;
	int fd = s == NULL ? -1 : store_fd(rq->store, segment, &err);

	if (fd < 0 || s->end <= SEGMENT_DATA)
		return 0;
	if (!scan_open(&scan, fd, s->number, s->nonce, s->size, 0, s->end < 65536 ? s->end : 65536, &err))
		return 0;
	while (time == 0 && scan_next(&scan, &rec) == SCAN_RECORD) {
		struct event_reader r;
		struct spool_event ev;
		if (rec.type == RECORD_EVENT && event_reader_init(&r, rec.payload, NULL) && event_next(&r, &ev))
			time = ev.time;
	}
	scan_close(&scan);
	return time;
}

/*
 * The oldest journal may go where the history is long enough without it, and no mail segment is as old: an end must outlive every copy of
 * its message. Old mail segments are emptied by compaction in time; till then the journal stays.
 */
static bool
pick_old(struct role_queue *rq)
{
	struct oldest o = { 0 };

	store_each(rq->store, note, &o);
	if (o.journal == 0 || (o.mail != 0 && o.mail < o.journal))
		return false;
	bool old = clock_wall() - first_time(rq, o.journal) > rq->history_time;
	if (!old && (rq->history_size == 0 || o.bytes <= rq->history_size))
		return false;
	rq->dropping = o.journal;
	rq->drop_at = QID_NONE;
	return true;
}

static bool
needs(const struct entry *e, uint32_t segment)
{
	if (e->last.segment != 0 && e->last.segment <= segment)
		return true;
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].reply.segment != 0 && e->rcpts[i].reply.segment <= segment)
			return true;
	return false;
}

/* The entry's state and the last replies, so that older records are not needed any more. */
static void
snapshot(struct role_queue *rq, struct entry *e)
{
	struct buf state = BUF_INIT(0), outcomes = BUF_INIT(0);
	struct last_outcome last;

	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (e->rcpts[i].reply.segment != 0 && reader_outcome(rq, e, i, &last))
			outcome_pack(&outcomes, &last.outcome);
	index_encode_state(&rq->q.index, e, &state);
	struct spool_event ev = { .kind = EVENT_SNAPSHOT, .state = buf_view(&state), .outcomes = buf_view(&outcomes) };
	(void)journal_add(&rq->q, e, &ev);
	buf_clear(&state);
	buf_clear(&outcomes);
}

bool
history_slice(struct role_queue *rq)
{
	static int64_t looked;

	if (rq->dropping == 0) {
		if (clock_mono() - looked < MINUTE || rq->checkpoint != NULL)
			return false;
		looked = clock_mono();
		if (!pick_old(rq))
			return false;
	}
	for (unsigned n = 0; n < WALK; n++) {
		struct entry *e = index_after(&rq->q.index, rq->drop_at);
		if (e == NULL) {
			store_pin(rq->store, rq->dropping, false);
			if (rq->q.appends == 0 && rq->q.dirty == NULL && store_dead(rq->store, rq->dropping)) {
				reader_forget(rq, rq->dropping);
				store_release(rq->store, rq->dropping);
				rq->dropping = 0;
			}
			return false;
		}
		rq->drop_at = e->id;
		if (needs(e, rq->dropping) && !(e->flags & ENTRY_RUNNING))
			snapshot(rq, e);
		else if (needs(e, rq->dropping)) {
			rq->dropping = 0;	/* being delivered: another time */
			return false;
		}
	}
	return true;
}
