/*
 * Upkeep: the checkpoint, dead segments, sparse ones, old history, free space. In short slices from a timer, so that mail never waits for it.
 */
#include "queue/acting.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/index_load.h"
#include "spool/record.h"

#define PERIOD		SECOND
#define CHECKPOINT_TIME	(10 * MINUTE)		/* where anything was written since */
#define CHECKPOINT_MIN	((uint64_t)16 << 20)	/* bytes of journal behind the last one that call for a new one */
#define SLICE		((int64_t)2000)		/* microseconds */

/* -- the checkpoint ------------------------------------------------------------------------------------ */

struct logs {
	struct role_queue *rq;
	struct checkpoint_log *items;
	uint32_t	 count;
};

static bool
note_log(void *arg, const struct store_segment *s)
{
	struct logs *l = arg;
	uint64_t offset = s->sealed ? s->end : position_of(l->rq, s->number);

	if (s->grant.use == SEGMENT_FREE || offset == 0)
		return true;
	l->items = mem_grow(l->items, l->count + 1, sizeof *l->items);
	l->items[l->count++] = (struct checkpoint_log){ .segment = s->number, .nonce = s->nonce, .offset = offset };
	return true;
}

/* Not while copies are under way: a copy of a message that ended meanwhile must not be found behind the checkpoint without its end. */
static bool
checkpoint_start(struct role_queue *rq)
{
	struct logs logs = { .rq = rq };
	struct buf head = BUF_INIT(0);

	if (rq->checkpoint != NULL || rq->checkpoint_committing || rq->copies_open > 0)
		return false;
	store_each(rq->store, note_log, &logs);
	index_head_encode(&rq->q.index, &head);
	rq->checkpoint = checkpoint_begin(rq->store, logs.items, logs.count, buf_view(&head));
	rq->checkpoint_at = QID_NONE;
	rq->checkpoint_last = clock_mono();
	rq->checkpoint_bytes = 0;
	rq->journal_bytes = 0;
	free(logs.items);
	buf_clear(&head);
	return rq->checkpoint != NULL;
}

static void
checkpoint_done(void *arg, bool ok, const char *text)
{
	struct role_queue *rq = arg;

	rq->checkpoint_committing = false;
	if (!ok)
		log_error("qmgr", "the checkpoint could not be written: %s", text);
}

/* True: there is more to put. */
static bool
checkpoint_slice(struct role_queue *rq, int64_t until)
{
	struct buf entry = BUF_INIT(0);
	const struct entry *e = NULL;
	unsigned n = 0;

	if (rq->checkpoint == NULL || checkpoint_busy(rq->checkpoint))
		return false;
	while ((++n % 64 != 0 || clock_mono() < until) &&
	    (e = index_after(&rq->q.index, rq->checkpoint_at)) != NULL) {
		buf_reset(&entry);
		index_encode(&rq->q.index, e, &entry);
		checkpoint_put(rq->checkpoint, buf_view(&entry));
		rq->checkpoint_bytes += entry.len;
		rq->checkpoint_at = e->id;
		if (checkpoint_busy(rq->checkpoint))
			break;
	}
	buf_clear(&entry);
	if (index_after(&rq->q.index, rq->checkpoint_at) != NULL)
		return !checkpoint_busy(rq->checkpoint);
	rq->checkpoint_committing = true;
	struct checkpoint *c = rq->checkpoint;
	rq->checkpoint = NULL;
	checkpoint_commit(c, checkpoint_done, rq);
	return false;
}

/* By time, and by how much would be read again: at least half of what reading the checkpoint itself costs. */
bool
maintain_checkpoint_is_due(const struct role_queue *rq)
{
	if (rq->journal_bytes == 0)
		return false;
	if (clock_mono() - rq->checkpoint_last > CHECKPOINT_TIME)
		return true;
	return rq->journal_bytes > CHECKPOINT_MIN && rq->journal_bytes > rq->checkpoint_bytes / 2;
}

static void
last_checkpoint_done(void *arg, bool ok, const char *text)
{
	checkpoint_done(arg, ok, text);
	loop_stop(0);
}

/* The daemon ends: whole, so that the next start has nothing to read behind it. */
void
maintain_checkpoint_now(struct role_queue *rq)
{
	spool_writer_end(rq->journal);
	if (rq->checkpoint_committing || rq->copies_open > 0) {
		loop_stop(0);
		return;
	}
	if (rq->checkpoint != NULL)
		checkpoint_drop(rq->checkpoint);
	rq->checkpoint = NULL;
	if (!checkpoint_start(rq)) {
		loop_stop(0);
		return;
	}
	struct buf entry = BUF_INIT(0);
	struct qid at = QID_NONE;
	for (const struct entry *e; (e = index_after(&rq->q.index, at)) != NULL; at = e->id) {
		buf_reset(&entry);
		index_encode(&rq->q.index, e, &entry);
		checkpoint_put(rq->checkpoint, buf_view(&entry));
	}
	buf_clear(&entry);
	struct checkpoint *c = rq->checkpoint;
	rq->checkpoint = NULL;
	rq->checkpoint_committing = true;
	checkpoint_commit(c, last_checkpoint_done, rq);
}

/* -- dead segments --------------------------------------------------------------------------------------- */

#define DEAD_A_ROUND	16u

struct barrier {
	struct role_queue *rq;
	uint32_t	 dead[DEAD_A_ROUND];
	uint32_t	 count;
	uint64_t	*spills;
	size_t		 spill_count;
};

static void
release(struct role_queue *rq, uint32_t segment)
{
	if (!store_dead(rq->store, segment))
		return;
	links_hide_segment(rq, segment);
	reader_forget(rq, segment);
	store_release(rq->store, segment);
}

/* The ends are durable: the places can be used again. */
static void
synced(void *arg, bool ok, struct loc unused)
{
	struct barrier *b = arg;
	struct role_queue *rq = b->rq;

	(void)unused;
	rq->syncing = false;
	if (ok) {
		for (uint32_t i = 0; i < b->count; i++)
			release(rq, b->dead[i]);
		for (size_t i = 0; i < b->spill_count; i++)
			store_spill_remove(rq->store, b->spills[i]);
	} else {
		for (size_t i = 0; i < b->spill_count; i++)
			spooling_spill_done(rq, b->spills[i]);
	}
	free(b->spills);
	free(b);
}

/* Journals are pinned until history gives them up. */
static uint32_t
pick_dead(struct role_queue *rq, uint32_t *out)
{
	uint32_t all[256], n = store_pick_dead(rq->store, all, 256), kept = 0;

	for (uint32_t i = 0; i < n && kept < DEAD_A_ROUND; i++) {
		const struct store_segment *s = store_get(rq->store, all[i]);
		if (s != NULL && s->number != rq->copying)
			out[kept++] = all[i];
	}
	return kept;
}

/* What is dead now, and the events that made it so: when all of them were given to the writer, a sync follows, then the release. */
static void
gather_dead(struct role_queue *rq)
{
	struct barrier *b;

	MEM_NEW(b);
	b->rq = rq;
	b->count = pick_dead(rq, b->dead);
	if (b->count == 0 && rq->spills_done_count == 0) {
		free(b);
		return;
	}
	b->spills = rq->spills_done;
	b->spill_count = rq->spills_done_count;
	rq->spills_done = NULL;
	rq->spills_done_count = rq->spills_done_cap = 0;
	rq->dead = b;
	rq->dead_by = rq->q.index.last_event;
}

static void
recycle(struct role_queue *rq)
{
	if (rq->syncing)
		return;
	if (rq->dead == NULL)
		gather_dead(rq);
	if (rq->dead == NULL || !journal_given(&rq->q, rq->dead_by))
		return;
	rq->syncing = true;
	spool_writer_sync(rq->journal, synced, rq->dead);
	rq->dead = NULL;
}

/* -- free space ------------------------------------------------------------------------------------------- */

static void
watch_space(struct role_queue *rq)
{
	uint64_t free_now = store_free_bytes(rq->store), least = rq->minfree > 0 ? (uint64_t)rq->minfree : 0;
	/* No segment in reserve: full only where there is no room to make one; at a start they are still being made. */
	bool full = free_now < least ||
	    (store_count(rq->store, SEGMENT_FREE) == 0 && free_now < least + rq->segment_size);
	const struct link *l = rq->links;

	/* A segment in reserve or in hand is room, whatever the file system says. */
	for (; full && free_now >= least && l != NULL; l = l->next)
		if (l->role == ROLE_RECEIVE && l->segments > 0)
			full = false;
	if (full != rq->full)
		log_warning("qmgr", full ? "not enough free space in the queue file system: %llu bytes" :
		    "there is free space in the queue file system again: %llu bytes", (unsigned long long)free_now);
	bool tell = full != rq->full || (free_now >> 20) != (rq->free_bytes >> 20);
	rq->full = full;
	rq->free_bytes = free_now;
	if (tell)
		links_spool_state(rq, NULL);
}

/* Trash goes first: the oldest of it at once. */
static void
purge_for_space(struct role_queue *rq)
{
	struct qid at = QID_NONE;
	int budget = 256;

	if (!rq->full || rq->q.index.tally[ENTRY_TRASH].messages == 0)
		return;
	for (struct entry *e; budget > 0 && (e = index_after(&rq->q.index, at)) != NULL;) {
		at = e->id;
		if (!(e->flags & ENTRY_TRASHED))
			continue;
		queue_purge(&rq->q, e);
		budget--;
	}
}

/* -- the timer ----------------------------------------------------------------------------------------------- */

static void
upkeep(void *arg)
{
	struct role_queue *rq = arg;
	bool more;

	if (rq->stopping)
		return;
	watch_space(rq);
	lag_watch(rq);
	purge_for_space(rq);
	plans_expire(rq);
	if (rq->checkpoint == NULL && maintain_checkpoint_is_due(rq))
		(void)checkpoint_start(rq);
	more = checkpoint_slice(rq, clock_mono() + SLICE);
	more = compact_slice(rq) || more;
	more = history_slice(rq) || more;
	recycle(rq);
	spooling_grants(rq);
	if (rq->q.dirty != NULL)
		queue_role_wake(rq);
	loop_timer_set(&rq->upkeep, more ? 1000 : rq->checkpoint != NULL ? 20000 : PERIOD);
}

void
maintain_start(struct role_queue *rq)
{
	rq->checkpoint_last = clock_mono();
	watch_space(rq);
	loop_timer_init(&rq->upkeep, upkeep, rq);
	loop_timer_set(&rq->upkeep, PERIOD);
}
