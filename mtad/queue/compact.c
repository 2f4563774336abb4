/*
 * Compaction: a segment with little alive is emptied by copying that, so that its place can be used again.
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

bool
compact_begin(struct role_queue *rq, uint32_t segment)
{
	const struct store_segment *s = store_get(rq->store, segment);

	if (rq->copying != 0 || rq->checkpoint != NULL || rq->checkpoint_committing || rq->full ||
	    s == NULL || !s->sealed || s->live == 0)
		return false;
	rq->copying = segment;
	rq->copy_at = QID_NONE;
	rq->copies_full = false;
	spooling_grants(rq);
	return true;
}

static bool
pick(struct role_queue *rq)
{
	uint32_t number;

	return store_pick_sparse(rq->store, SPARSE, &number, 1) == 1 && compact_begin(rq, number);
}

bool
compact_slice(struct role_queue *rq)
{
	if (rq->copying == 0 && !pick(rq))
		return false;
	if (spool_writer_segments(rq->copies) == 0 || rq->checkpoint != NULL || maintain_checkpoint_is_due(rq))
		return false;	/* the checkpoint waits until no copy is under way */
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
