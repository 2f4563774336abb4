/*
 * The spool as the queue role owns it: recovery at the start, its journal, segments for every writer.
 */
#include "queue/role.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/index_load.h"
#include "spool/message.h"
#include "spool/record.h"

#define JOURNAL_LAZY	SECOND

/* -- positions ------------------------------------------------------------------------------- */

static struct position *
position_get(struct role_queue *rq, uint32_t segment, bool make)
{
	for (size_t i = 0; i < rq->position_count; i++)
		if (rq->positions[i].segment == segment)
			return &rq->positions[i];
	if (!make)
		return NULL;
	rq->positions = mem_grow(rq->positions, rq->position_count + 1, sizeof *rq->positions);
	struct position *p = &rq->positions[rq->position_count++];
	*p = (struct position){ .segment = segment };
	return p;
}

static void
position_drop(struct role_queue *rq, uint32_t segment)
{
	struct position *p = position_get(rq, segment, false);

	if (p != NULL)
		*p = rq->positions[--rq->position_count];
}

/* 0: from its start. */
uint64_t
position_of(const struct role_queue *rq, uint32_t segment)
{
	for (size_t i = 0; i < rq->position_count; i++)
		if (rq->positions[i].segment == segment)
			return rq->positions[i].seen;
	return 0;
}

static void
saw(struct role_queue *rq, struct loc loc)
{
	struct position *p = position_get(rq, loc.segment, true);

	if (loc_end(loc) > p->seen)
		p->seen = loc_end(loc);
}

void
spooling_submitted(struct role_queue *rq, struct loc loc)
{
	saw(rq, loc);
}

/* -- what a writer left ------------------------------------------------------------------------- */

static void
set_aside(struct role_queue *rq, const struct scan_record *rec)
{
	struct err err = { 0 };

	log_error("qmgr", "spool segment %u, offset %llu: %u bytes are damaged (%s); they are set aside",
	    rec->loc.segment, (unsigned long long)loc_offset(rec->loc), rec->loc.length, rec->why);
	if (!store_set_aside(rq->store, rec->loc, rec->payload, &err))
		log_error("qmgr", "%s", err.text);
}

static void
found_message(struct role_queue *rq, const struct store_segment *s, const struct scan_record *rec)
{
	struct message m = { 0 };
	struct err err = { 0 };
	char id[QID_TEXT];

	if (!message_parse(rec->payload, &m, &err))
		log_error("qmgr", "spool segment %u, offset %llu: %s", rec->loc.segment,
		    (unsigned long long)loc_offset(rec->loc), err.text);
	else if (m.envelope.spill != 0 && index_find(&rq->q.index, m.envelope.id) == NULL &&
	    !spills_claim(rq, m.envelope.spill, s->grant.slot, s->grant.epoch))
		log_error("qmgr", "%s: refused", qid_text(m.envelope.id, id));
	else if (queue_submit(&rq->q, &m.envelope, rec->loc))
		log_info("qmgr", "%s: found in the log of a process that ended", qid_text(m.envelope.id, id));
	message_clear(&m);
}

/* Messages that were answered for and that the writer could not tell of any more. */
static uint64_t
scan_tail(struct role_queue *rq, const struct store_segment *s)
{
	uint64_t from = position_of(rq, s->number);
	struct scan scan;
	struct scan_record rec;
	struct err err = { 0 };
	enum scan_result got;
	int fd = store_fd(rq->store, s->number, &err);

	if (fd < 0 || !scan_open(&scan, fd, s->number, s->nonce, s->size, from, 0, &err)) {
		log_error("qmgr", "spool segment %u: %s", s->number, err.text);
		return from;
	}
	while ((got = scan_next(&scan, &rec)) != SCAN_END) {
		if (got == SCAN_CORRUPT)
			set_aside(rq, &rec);
		else if (rec.type == RECORD_MESSAGE)
			found_message(rq, s, &rec);
	}
	if (scan.torn > 0)
		log_info("qmgr", "spool segment %u: %u records at its end were never finished, and are cut", s->number,
		    scan.torn);
	uint64_t end = scan.end;
	scan_close(&scan);
	return end;
}

void
spooling_seal(struct role_queue *rq, uint32_t segment, uint64_t end)
{
	const struct store_segment *s = store_get(rq->store, segment);

	if (s != NULL && !s->sealed)
		store_seal(rq->store, segment, end);
	position_drop(rq, segment);
}

struct leftover {
	struct role_queue *rq;
	uint32_t	 slot, epoch;
	bool		 any_epoch;
	uint32_t	*numbers;
	size_t		 count;
};

static bool
is_leftover(void *arg, const struct store_segment *s)
{
	struct leftover *l = arg;

	if (s->sealed || s->grant.use != SEGMENT_MAIL || s->grant.slot != l->slot)
		return true;
	if (s->grant.epoch != l->epoch && !l->any_epoch)
		return true;
	const struct link *link = link_get(l->rq, ROLE_RECEIVE, l->slot);
	if (link != NULL && link_holds(link, s->number))
		return true;
	l->numbers = mem_grow(l->numbers, l->count + 1, sizeof *l->numbers);
	l->numbers[l->count++] = s->number;
	return true;
}

void
spooling_writer_ended(struct role_queue *rq, uint32_t slot, uint32_t epoch, bool any_epoch)
{
	struct leftover l = { .rq = rq, .slot = slot, .epoch = epoch, .any_epoch = any_epoch };

	store_each(rq->store, is_leftover, &l);
	for (size_t i = 0; i < l.count; i++) {
		const struct store_segment *s = store_get(rq->store, l.numbers[i]);
		spooling_seal(rq, l.numbers[i], scan_tail(rq, s));
	}
	free(l.numbers);
}

/* -- the journal ----------------------------------------------------------------------------------- */

/* The writer's callback has one argument. */
struct appending {
	struct role_queue *rq;
	struct pending	*pending;
};

static void
appended(void *arg, bool ok, struct loc loc)
{
	struct appending a = *(struct appending *)arg;

	free(arg);
	if (ok) {
		a.rq->journal_segment = loc.segment;
		a.rq->journal_end = loc_end(loc);
		a.rq->journal_bytes += loc.length;
		saw(a.rq, loc);
	}
	queue_appended(&a.rq->q, a.pending, ok, loc);
}

bool
spooling_append(void *arg, const struct iovec *iov, int n, struct pending *p)
{
	struct appending *a;

	MEM_NEW(a);
	a->rq = arg;
	a->pending = p;
	if (spool_append(a->rq->journal, RECORD_EVENT, iov, n, -1, appended, a))
		return true;
	free(a);
	return false;
}

static void
grant_own(struct role_queue *rq, struct spool_writer *w, enum segment_use use, unsigned want)
{
	struct segment_grant grant = { .use = use, .slot = 0, .epoch = role_epoch() };
	struct store_segment s;
	int fd;

	while (spool_writer_segments(w) < want && store_grant(rq->store, &grant, &s, &fd)) {
		if (use == SEGMENT_JOURNAL)	/* history decides when it may go, not how many messages it holds */
			store_pin(rq->store, s.number, true);
		spool_writer_grant(w, s.number, s.nonce, s.size, fd);
	}
}

static void
journal_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct role_queue *rq = arg;

	spooling_seal(rq, segment, end);
	spooling_grants(rq);
}

static void
journal_room(void *arg)
{
	queue_role_wake(arg);
}

static void
journal_failed(void *arg, uint32_t segment, const char *text)
{
	(void)arg;
	log_error("qmgr", "journal segment %u: %s", segment, text);
}

static const struct spool_writer_ops journal_ops = { journal_segment_done, journal_room, journal_failed };
/* What compaction writes; nothing of it is needed before it is recorded as moved. */
static const struct spool_writer_ops copies_ops = { journal_segment_done, journal_room, journal_failed };

static void
grant_spills(struct role_queue *rq, struct link *l)
{
	struct ipc_spill_grant m;
	int fd;

	while (l->spills < SPILLS_A_WRITER && store_spill_take(rq->store, &m.spill, &fd)) {
		spills_granted(rq, m.spill, l->slot, l->epoch);
		ipc_send_spill_grant(l->ipc, &m, fd);
		(void)close(fd);
		l->spills++;
	}
}

static void
grant_segments(struct role_queue *rq, struct link *l)
{
	struct segment_grant grant = { .use = SEGMENT_MAIL, .slot = l->slot, .epoch = l->epoch };
	struct store_segment s;
	int fd;

	while (l->segments < SEGMENTS_A_WRITER && store_grant(rq->store, &grant, &s, &fd)) {
		ipc_send_segment_grant(l->ipc, &(struct ipc_segment_grant){ .segment = s.number, .nonce = s.nonce,
		    .size = s.size }, fd);
		(void)close(fd);
		link_hold(l, s.number);
	}
}

void
spooling_grants(struct role_queue *rq)
{
	if (rq->journal == NULL)
		return;
	grant_own(rq, rq->journal, SEGMENT_JOURNAL, 2);
	for (struct link *l = rq->links; l != NULL; l = l->next)
		if (l->role == ROLE_RECEIVE && l->listed && !rq->full) {
			grant_segments(rq, l);
			grant_spills(rq, l);
		}
	if (rq->copying != 0)
		grant_own(rq, rq->copies, SEGMENT_COMPACT, 1);
}

/* -- the end of messages ----------------------------------------------------------------------------- */

void
spooling_spill_done(void *arg, uint64_t spill)
{
	struct role_queue *rq = arg;

	if (rq->spills_done_count == rq->spills_done_cap) {
		rq->spills_done_cap = rq->spills_done_cap == 0 ? 16 : rq->spills_done_cap * 2;
		rq->spills_done = mem_grow(rq->spills_done, rq->spills_done_cap, sizeof *rq->spills_done);
	}
	rq->spills_done[rq->spills_done_count++] = spill;
}

static void
live(void *arg, uint32_t segment, int count, int64_t bytes)
{
	struct role_queue *rq = arg;

	if (store_get(rq->store, segment) != NULL)
		store_live(rq->store, segment, count, bytes);
}

/* -- start ---------------------------------------------------------------------------------------------- */

static void
on_ready(void *arg)
{
	struct role_queue *rq = arg;

	spooling_grants(rq);
	queue_role_wake(rq);
}

static void
on_failed(void *arg, const char *text)
{
	(void)arg;
	log_warning("qmgr", "cannot prepare spool files: %s", text);
}

static const struct store_ops store_ops = { .ready = on_ready, .failed = on_failed };

static void
scanned(void *arg, const struct store_segment *s, const struct scan *scan)
{
	struct role_queue *rq = arg;

	if (scan->torn > 0)
		log_info("qmgr", "spool segment %u: %u records at its end were never finished", s->number, scan->torn);
	if (s->sealed)
		return;
	/* An earlier queue role's own segments have no writer any more. */
	if (s->grant.use != SEGMENT_MAIL)
		store_seal(rq->store, s->number, scan->end);
	else
		position_get(rq, s->number, true)->seen = scan->end;
}

static void
corrupt(void *arg, const struct store_segment *s, const struct scan_record *rec)
{
	(void)s;
	set_aside(arg, rec);
}

static void
damaged(void *arg, const char *name, const char *why)
{
	(void)arg;
	log_error("qmgr", "spool file segments/%s cannot be read, and is left alone: %s", name, why);
}

static const struct index_load_ops load_ops = { .scanned = scanned, .corrupt = corrupt };

static void
count_live(struct role_queue *rq)
{
	struct qid at = QID_NONE;

	for (const struct entry *e; (e = index_after(&rq->q.index, at)) != NULL; at = e->id)
		live(rq, e->loc.segment, 1, e->loc.length);
	rq->q.index.live = live;
	rq->q.index.live_arg = rq;
}

static bool
load(struct role_queue *rq, struct err *err)
{
	struct index_load done;
	int64_t began = clock_mono();

	rq->loading = true;
	if (!index_load(&rq->q.index, rq->store, rq->dir, &load_ops, rq, &done, err))
		return false;
	rq->loading = false;
	if (done.why[0] != '\0')
		log_warning("qmgr", "recovery: %s%s", done.why, done.checkpoint ? "" : "; every record was read");
	if (done.corrupt > 0 || done.bad > 0)
		log_error("qmgr", "recovery: %llu damaged places and %llu unreadable records in the spool",
		    (unsigned long long)done.corrupt, (unsigned long long)done.bad);
	log_info("qmgr", "recovered %zu messages in %lld ms (%llu from the checkpoint, %llu messages and %llu events behind it)",
	    rq->q.index.count, (long long)((clock_mono() - began) / 1000), (unsigned long long)done.entries,
	    (unsigned long long)done.messages, (unsigned long long)done.events);
	store_each_damaged(rq->store, damaged, rq);
	count_live(rq);
	return true;
}

static int
compare_spills(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct wanted {
	uint64_t	*spills;
	size_t		 count, cap;
};

static bool
is_wanted(void *arg, uint64_t spill)
{
	const struct wanted *w = arg;

	return w->count > 0 && bsearch(&spill, w->spills, w->count, sizeof *w->spills, compare_spills) != NULL;
}

static void
sweep_spills(struct role_queue *rq)
{
	struct wanted w = { 0 };
	struct qid at = QID_NONE;

	for (const struct entry *e; (e = index_after(&rq->q.index, at)) != NULL; at = e->id) {
		if (e->spill == 0)
			continue;
		if (w.count == w.cap) {
			w.cap = w.cap == 0 ? 64 : w.cap * 2;
			w.spills = mem_grow(w.spills, w.cap, sizeof *w.spills);
		}
		w.spills[w.count++] = e->spill;
	}
	if (w.count > 0)
		qsort(w.spills, w.count, sizeof *w.spills, compare_spills);
	uint32_t n = 0;
	if (role_epoch() <= 1)
		n = store_spill_sweep(rq->store, is_wanted, &w);
	else
		spills_adopt(rq, is_wanted, &w);
	if (n > 0)
		log_info("qmgr", "removed %u spill files of no message", n);
	free(w.spills);
}

static bool
pin_journal(void *arg, const struct store_segment *s)
{
	struct role_queue *rq = arg;

	if (s->grant.use == SEGMENT_JOURNAL)
		store_pin(rq->store, s->number, true);
	return true;
}

static bool
seal_orphan(void *arg, const struct store_segment *s)
{
	struct role_queue *rq = arg;

	if (!s->sealed)
		store_seal(rq->store, s->number, s->grant.use == SEGMENT_FREE ? 0 : position_of(rq, s->number));
	return true;
}

bool
spooling_start(struct role_queue *rq, struct err *err)
{
	const struct view *v = conf_program(rq->conf, "qmgr");
	struct store_config config = {
		.segment_size = (uint64_t)conf_int(v, P_mtad_segment_size),
		.reserve = (uint32_t)conf_int(v, P_mtad_segment_reserve),
		.spills = SPILLS_A_WRITER * conf_workers(rq->conf, P_mtad_receive_workers),
	};

	rq->store = store_open(rq->dir, STORE_OWN, &config, err);
	if (rq->store == NULL || !load(rq, err))
		return false;
	/* The first queue role under its master: no process of an earlier one is left. */
	if (role_epoch() <= 1) {
		store_each(rq->store, seal_orphan, rq);
		rq->position_count = 0;
	}
	store_each(rq->store, pin_journal, rq);
	queue_recovered(&rq->q);
	store_start(rq->store, &store_ops, rq);
	sweep_spills(rq);
	rq->journal = spool_writer_new(&journal_ops, rq, JOURNAL_LAZY);
	rq->copies = spool_writer_new(&copies_ops, rq, 0);
	spooling_grants(rq);
	return true;
}
