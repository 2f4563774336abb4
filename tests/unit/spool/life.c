#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "spool/checkpoint.h"
#include "spool/copy.h"
#include "spool/fileops.h"
#include "spool/message.h"

#include "unit/spool/life.h"
#include "unit/spool/util.h"

#define LIST		64	/* segments released at a time */

enum { RECEIVE_A, RECEIVE_B, JOURNAL, COMPACT };

static uint32_t
dice(struct life *x, uint32_t n)
{
	x->random = x->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(x->random >> 33) % n;
}

static void
mark(struct life *x, enum mark kind, uint64_t value)
{
	if (x->disk != NULL)
		disk_mark(x->disk, kind, value);
}

static void
grant(struct writer *w)
{
	struct store_segment s;
	int fd;

	while (w->wants > 0 && store_grant(w->life->st, &w->g, &s, &fd)) {
		w->wants--;
		mark(w->life, MARK_SEGMENT, s.number);
		spool_writer_grant(w->w, s.number, s.nonce, s.size, fd);
	}
}

static void
on_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct writer *w = arg;

	store_seal(w->life->st, segment, end);
	w->wants++;
	grant(w);
}

static void
on_room(void *arg)
{
	(void)arg;
}

static void
on_failed(void *arg, uint32_t segment, const char *text)
{
	(void)arg;
	fail_msg("segment %u: %s", segment, text);
}

static const struct spool_writer_ops writer_ops = { on_segment_done, on_room, on_failed };

static void
on_ready(void *arg)
{
	struct life *x = arg;

	for (int i = 0; i < WRITERS; i++)
		grant(&x->writer[i]);
}

static void
on_store_failed(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

static const struct store_ops store_ops = { on_ready, on_store_failed };

struct note {			/* for a callback */
	struct life	*x;
	uint64_t	 n;
};

static struct note *
note_new(struct life *x, uint64_t n)
{
	struct note *o;

	MEM_NEW(o);
	o->x = x;
	o->n = n;
	x->under_way++;
	return o;
}

static void
on_answered(void *arg, bool ok, struct loc loc)
{
	struct note *o = arg;
	struct life *x = o->x;
	struct msg *m = &x->msg[o->n];

	assert_true(ok);
	mark(x, MARK_ANSWERED, o->n);
	m->loc = loc;
	m->answered = true;
	if (m->spill != 0)
		close(m->spill_fd);
	store_live(x->st, loc.segment, 1, loc.length);
	x->under_way--;
	free(o);
}

static void
send_one(struct life *x)
{
	struct msg *m = &x->msg[x->next];
	struct iovec iov[MESSAGE_IOV];
	struct envelope e;

	m->spill = 0;
	m->spill_fd = -1;
	if (x->next % 17 == 3 && !store_spill_take(x->st, &m->spill, &m->spill_fd))
		return;
	util_message(x->next, m->spill, &e, &x->strings, &x->header, &x->body);
	if (m->spill != 0) {
		mark(x, MARK_SPILL, m->spill);
		assert_true(fileops_write_all(m->spill_fd, x->body.ptr, x->body.len, 0));
	}
	buf_reset(&x->head);
	int n = message_layout(&x->head, &e, buf_view(&x->header), buf_view(&x->body), m->spill != 0 ? x->body.len : 0, iov);
	struct note *o = note_new(x, x->next);
	if (spool_append(x->writer[dice(x, 2)].w, RECORD_MESSAGE, iov, n, m->spill_fd, on_answered, o)) {
		x->next++;
		return;
	}
	x->under_way--;
	free(o);
	if (m->spill != 0) {
		close(m->spill_fd);
		store_spill_remove(x->st, m->spill);
	}
}

static void
on_event(void *arg, bool ok, struct loc loc)
{
	struct life *x = arg;

	(void)loc;
	assert_true(ok);
	x->under_way--;
}

static bool
append_event(struct life *x, uint8_t kind, uint64_t n)
{
	unsigned char p[9];
	struct iovec iov = { p, sizeof p };

	p[0] = kind;
	num_put64(p + 1, n);
	if (!spool_append(x->writer[JOURNAL].w, RECORD_EVENT, &iov, 1, -1, on_event, x))
		return false;
	x->under_way++;
	return true;
}

static void
end_some(struct life *x)
{
	for (int tries = 0; tries < 6 && x->next > 0; tries++) {
		uint64_t n = dice(x, (uint32_t)x->next);
		struct msg *m = &x->msg[n];
		/* A few stay for good, so that compaction has work. */
		if (!m->answered || m->ended || m->moving != 0 || n % 12 == 0)
			continue;
		mark(x, MARK_ENDING, n);
		if (!append_event(x, 'E', n))
			continue;
		m->ended = true;
		store_live(x->st, m->loc.segment, -1, -(int64_t)m->loc.length);
	}
}

/* What is dead when the sync is asked for may go when it has happened. */
struct release {
	struct life	*x;
	uint32_t	 segments[LIST], count;
	bool		 ended[TOTAL];
};

static void
on_journal_synced(void *arg, bool ok, struct loc loc)
{
	struct release *r = arg;
	struct life *x = r->x;

	(void)loc;
	assert_true(ok);
	for (uint64_t n = 0; n < TOTAL; n++) {
		if (r->ended[n])
			mark(x, MARK_ENDED, n);
	}
	for (uint32_t i = 0; i < r->count; i++) {
		if (!store_dead(x->st, r->segments[i]))
			continue;
		store_release(x->st, r->segments[i]);
		x->released++;
	}
	x->under_way--;
	free(r);
}

static void
release_dead(struct life *x)
{
	struct release *r;

	MEM_NEW(r);
	r->x = x;
	r->count = store_pick_dead(x->st, r->segments, LIST);
	for (uint64_t n = 0; n < TOTAL; n++)
		r->ended[n] = x->msg[n].ended;
	x->under_way++;
	spool_writer_sync(x->writer[JOURNAL].w, on_journal_synced, r);
}

static void
on_copied(void *arg, bool ok, struct loc loc)
{
	struct note *o = arg;
	struct life *x = o->x;
	struct msg *m = &x->msg[o->n];

	assert_true(ok);
	store_live(x->st, m->loc.segment, -1, -(int64_t)m->loc.length);
	m->loc = loc;
	m->moving = 0;
	store_live(x->st, loc.segment, 1, loc.length);
	(void)append_event(x, 'M', o->n);
	if (--x->copies == 0) {
		store_pin(x->st, x->compacting, false);
		x->compacting = 0;
		x->compacted++;
	}
	x->under_way--;
	free(o);
}

static void
compact_one(struct life *x)
{
	struct buf scratch = BUF_INIT(0);
	struct err err;
	bool full;

	if (x->compacting != 0 || spool_writer_segments(x->writer[COMPACT].w) == 0 ||
	    store_pick_sparse(x->st, 20, &x->compacting, 1) == 0)
		return;
	const struct store_segment *s = store_get(x->st, x->compacting);
	store_pin(x->st, x->compacting, true);
	int fd = store_fd(x->st, x->compacting, &err);
	assert_true(fd >= 0);
	for (uint64_t n = 0; n < x->next; n++) {
		struct msg *m = &x->msg[n];
		if (!m->answered || m->ended || m->loc.segment != x->compacting)
			continue;
		struct note *o = note_new(x, n);
		if (!spool_copy(x->writer[COMPACT].w, fd, s->nonce, m->loc, &scratch, on_copied, o, &full, &err)) {
			assert_true(full);
			x->under_way--;
			free(o);
			break;
		}
		m->moving = x->compacting;
		x->copies++;
	}
	if (x->copies == 0) {
		store_pin(x->st, x->compacting, false);
		x->compacting = 0;
	}
	buf_clear(&scratch);
}

static void
on_checkpoint(void *arg, bool ok, const char *text)
{
	struct life *x = arg;

	if (!ok)
		fail_msg("%s", text);
	mark(x, MARK_CHECKPOINT, ++x->checkpoints);
	x->checkpoint_busy = false;
	x->under_way--;
}

static void
write_checkpoint(struct life *x)
{
	unsigned char p[16];

	if (x->checkpoint_busy)
		return;
	x->checkpoint_busy = true;
	x->under_way++;
	num_put64(p, x->checkpoints + 1);
	struct checkpoint_log log = { 1, 2, 3 };
	struct checkpoint *cp = checkpoint_begin(x->st, &log, 1, span_of(p, 8));
	for (uint64_t n = 0; n < x->next; n++) {
		num_put64(p, n);
		num_put64(p + 8, x->msg[n].loc.segment);
		checkpoint_put(cp, span_of(p, sizeof p));
	}
	checkpoint_commit(cp, on_checkpoint, x);
}

static void
on_tick(void *arg)
{
	struct life *x = arg;

	x->ticks++;
	for (uint32_t n = dice(x, 7); n > 0 && x->next < x->stop_at && x->under_way < 80; n--)
		send_one(x);
	if (x->disk != NULL) {
		end_some(x);
		if (x->ticks % 20 == 0)
			release_dead(x);
		if (x->ticks % 11 == 0)
			compact_one(x);
		if (x->ticks % 50 == 0)
			write_checkpoint(x);
	}
	if (x->next == x->stop_at && x->under_way == 0) {
		if (x->stopping) {
			loop_stop(0);
			return;
		}
		x->stopping = true;
		/* A second life has no index: to it everything found looks dead. */
		if (x->disk != NULL)
			release_dead(x);
	}
	loop_timer_set(&x->tick, 300);
}

void
life_begin(struct life *x, int dir)
{
	static const struct store_config config = { .segment_size = SEGMENT_MIN, .reserve = 2, .spills = 3 };
	static const struct { enum segment_use use; int64_t lazy; int wants; } rows[WRITERS] = {
		{ SEGMENT_MAIL, 0, 2 }, { SEGMENT_MAIL, 0, 2 }, { SEGMENT_JOURNAL, 20000, 2 }, { SEGMENT_COMPACT, 0, 1 },
	};
	struct err err;

	x->st = store_open(dir, STORE_OWN, &config, &err);
	if (x->st == NULL)
		fail_msg("%s", err.text);
	store_start(x->st, &store_ops, x);
	for (uint32_t i = 0; i < WRITERS; i++) {
		struct writer *w = &x->writer[i];
		w->life = x;
		w->g = (struct segment_grant){ rows[i].use, i, 1 };
		w->wants = rows[i].wants;
		w->w = spool_writer_new(&writer_ops, w, rows[i].lazy);
		grant(w);
	}
	loop_timer_init(&x->tick, on_tick, x);
	loop_timer_set(&x->tick, 0);
}

void
life_end(struct life *x)
{
	for (int i = 0; i < WRITERS; i++)
		spool_writer_free(x->writer[i].w);
	store_close(x->st);
	buf_clear(&x->strings);
	buf_clear(&x->header);
	buf_clear(&x->body);
	buf_clear(&x->head);
}
