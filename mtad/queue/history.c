/*
 * History: the journal of finished mail is kept for a time, or up to a size, and then dropped segment by segment, oldest first. A message that is
 * still there and needs one gets a snapshot of its entry first.
 */
#include "queue/role.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "queue/actions.h"
#include "spool/record.h"
#include "spool/scan.h"

#define WALK	2000u		/* entries looked at a slice */
#define KEPT	3u		/* journals looked at: the oldest and the two after it */

struct journals {
	const struct role_queue *rq;
	uint32_t	 oldest[KEPT];	/* numbers, rising */
	unsigned	 count;
	bool		 sealed;	/* the oldest one is */
	uint64_t	 bytes;		/* of all */
	uint32_t	 mail;		/* the oldest mail segment with anything in it */
	bool		 mail_sealed;
};

static bool
note(void *arg, const struct store_segment *s)
{
	struct journals *j = arg;

	if (s->grant.use == SEGMENT_JOURNAL) {
		j->bytes += s->size;
		if (j->count == 0)
			j->sealed = s->sealed;
		if (j->count < KEPT)
			j->oldest[j->count++] = s->number;
	} else if (s->grant.use != SEGMENT_FREE && j->mail == 0 &&
	    (s->sealed ? s->end > SEGMENT_DATA : position_of(j->rq, s->number) > SEGMENT_DATA)) {
		j->mail = s->number;
		j->mail_sealed = s->sealed;
	}
	return true;
}

/* Of the segment's first event; that of the next journal is not before the last one of this. */
static int64_t
first_time(struct role_queue *rq, uint32_t segment)
{
	const struct store_segment *s = store_get(rq->store, segment);
	struct scan scan;
	struct scan_record rec;
	struct err err;
	int64_t time = 0;
	int fd = s == NULL || !s->sealed ? -1 : store_fd(rq->store, segment, &err);

	if (fd < 0 || s->end <= SEGMENT_DATA ||
	    !scan_open(&scan, fd, s->number, s->nonce, s->size, 0, s->end < 65536 ? s->end : 65536, &err))
		return clock_wall();
	while (time == 0 && scan_next(&scan, &rec) == SCAN_RECORD) {
		struct event_reader r;
		struct spool_event ev;
		if (rec.type == RECORD_EVENT && event_reader_init(&r, rec.payload, NULL) && event_next(&r, &ev))
			time = ev.time;
	}
	scan_close(&scan);
	return time == 0 ? clock_wall() : time;
}

/*
 * A record that says that a message ended must outlive every copy of the message. When the oldest journal was sealed, the third was the newest
 * number there was (two are always held): mail segments below it may hold messages whose end is in the oldest. Such a segment is
 * emptied first, where it is not written to any more.
 */
static bool
pick_old(struct role_queue *rq)
{
	struct journals j = { .rq = rq };

	store_each(rq->store, note, &j);
	if (j.count < KEPT || !j.sealed)
		return false;
	if (clock_wall() - first_time(rq, j.oldest[1]) <= rq->history_time &&
	    (rq->history_size == 0 || j.bytes <= rq->history_size))
		return false;
	if (j.mail != 0 && j.mail < j.oldest[2]) {
		if (j.mail_sealed)
			(void)compact_begin(rq, j.mail);
		return false;
	}
	rq->dropping = j.oldest[0];
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
		if (reader_outcome(rq, e, i, &last))
			outcome_pack(&outcomes, &last.outcome);
	index_encode_state(&rq->q.index, e, &state);
	struct spool_event ev = { .kind = EVENT_SNAPSHOT, .state = buf_view(&state), .outcomes = buf_view(&outcomes) };
	(void)journal_add(&rq->q, e, &ev);
	buf_clear(&state);
	buf_clear(&outcomes);
}

/* Unpinned, it is as dead as any other: released behind a sync of the journal (maintain.c), so that the snapshots are durable first. */
static void
drop(struct role_queue *rq)
{
	actions_rescue(&rq->q, rq->dropping);
	store_pin(rq->store, rq->dropping, false);
	rq->dropping = 0;
}

bool
history_slice(struct role_queue *rq)
{
	if (rq->dropping == 0) {
		if (rq->history_looked != 0 && clock_mono() - rq->history_looked < 10 * SECOND)
			return false;
		rq->history_looked = clock_mono();
		if (rq->checkpoint != NULL || !pick_old(rq))
			return false;
	}
	for (unsigned n = 0; n < WALK; n++) {
		struct entry *e = index_after(&rq->q.index, rq->drop_at);
		if (e == NULL) {
			drop(rq);
			return false;
		}
		if (needs(e, rq->dropping)) {
			if (e->flags & ENTRY_RUNNING) {		/* being delivered: another time */
				rq->dropping = 0;
				return false;
			}
			snapshot(rq, e);
		}
		rq->drop_at = e->id;
	}
	return true;
}
