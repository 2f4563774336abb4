#include "spool/writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "spool/fileops.h"
#include "spool/record.h"
#include "spool/segment.h"
#include "spool/writer_private.h"

/* A larger batch would make its first message wait for the last one's bytes. */
#define BATCH_MAX	((size_t)8 << 20)

/* -- segments ----------------------------------------------------------------------------- */

static struct segment *
current(const struct spool_writer *w)
{
	struct segment *s = w->segments;

	while (s != NULL && (s->ended || s->failed))
		s = s->next;
	return s;
}

static bool
segment_over(const struct segment *s)
{
	return (s->ended || s->failed) && s->batches == 0 && s->unsynced == 0 && s->syncing == 0;
}

static void
drop_ended(struct spool_writer *w)
{
	struct segment **at = &w->segments, *s;

	while ((s = *at) != NULL) {
		if (!segment_over(s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		(void)fileops->close(s->fd);
		if (!w->freeing)
			w->ops->segment_done(w->arg, s->number, s->good);
		free(s);
	}
}

static void
segment_fail(struct spool_writer *w, struct segment *s, const char *doing, int fault)
{
	char text[160];

	s->unsynced = s->syncing = 0;
	if (s->failed)
		return;
	s->failed = true;
	/* What fills there would only fail; the next record begins one in the next segment. */
	if (w->fill != NULL && w->fill->segment == s)
		w->fill = NULL;
	for (struct barrier *r = w->barriers; r != NULL; r = r->next)
		r->failed = true;
	if (w->ops->failed == NULL || w->freeing)
		return;
	(void)snprintf(text, sizeof text, "%s: %s", doing, strerror(fault));
	w->ops->failed(w->arg, s->number, text);
}

/*
 * A failed batch may be on the disk, commit frame included. Zeros over the frame, so that a recovery does
 * not find what a client was told to send again; the seal that the queue role writes says the same.
 */
static void
blot_out(const struct segment *s, const struct batch *b)
{
	static const unsigned char zero[COMMIT_SPACE];

	if (b->len >= COMMIT_SPACE)
		(void)fileops_write_all(s->fd, zero, sizeof zero, (off_t)(b->offset + b->len - COMMIT_SPACE));
}

/* -- batches ------------------------------------------------------------------------------ */

static struct batch *
begin_fill(struct spool_writer *w, struct segment *s)
{
	struct batch *b = w->spare;

	if (b != NULL)
		w->spare = b->next;
	else
		b = batch_new();
	batch_begin(b, s->fd, s->nonce, ++s->sequence, s->at);
	b->segment = s;
	b->order = ++w->order;
	s->batches++;
	*w->last = b;
	w->last = &b->next;
	w->fill = b;
	return b;
}

static void
close_fill(struct spool_writer *w)
{
	struct batch *b = w->fill;

	if (b == NULL)
		return;
	w->fill = NULL;
	struct segment *s = b->segment;
	size_t before = b->len;
	batch_end(b, s->durable);
	w->pending += b->len - before;
	s->at = b->offset + b->len;
}

static void
call_back(const struct batch *b, bool ok, uint32_t segment)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct batch_entry *e = &b->entries[i];
		if (e->fn != NULL)
			e->fn(e->arg, ok, ok ? loc_make(segment, e->offset, e->length) : (struct loc){ 0 });
	}
}

/* The first batch is over, well or not. */
static void
finish_first(struct spool_writer *w)
{
	struct batch *b = w->first;
	struct segment *s = b->segment;

	w->first = b->next;
	if (w->first == NULL)
		w->last = &w->first;
	if (w->fill == b)
		w->fill = NULL;
	w->pending -= b->len;
	s->batches--;
	if (b->fault_errno != 0) {
		segment_fail(w, s, b->fault, b->fault_errno);
		blot_out(s, b);
	}
	bool ok = !s->failed;
	if (ok)
		s->good = b->offset + b->len;
	if (w->lazy == 0)
		s->durable = s->good;
	if (!w->freeing)
		call_back(b, ok, s->number);
	if (batch_reusable(b)) {
		b->next = w->spare;
		w->spare = b;
	} else {
		batch_free(b);
	}
}

/* Lazy: written by the loop itself (it goes no further than the page cache), and answered at once. */
static void
write_lazy(struct spool_writer *w, struct batch *b)
{
	struct segment *s = b->segment;

	writer_batch_write(b, false);
	if (b->fault_errno != 0)
		return;
	if (s->unsynced == 0) {
		s->unsynced = b->order;
		loop_timer_set(&w->sync_timer, w->lazy);
	}
}

static void
write_all_lazy(struct spool_writer *w)
{
	while (w->first != NULL) {
		struct segment *s = w->first->segment;
		if (w->first == w->fill)
			close_fill(w);
		if (!s->failed)
			write_lazy(w, w->first);
		finish_first(w);
	}
}

/* Lazy: the next segment that has something to sync, if it is time for it. */
static void
sync_next(struct spool_writer *w)
{
	bool left = false;

	for (struct segment *s = w->segments; s != NULL; s = s->next) {
		if (s->unsynced == 0 || !(w->sync_now || w->barriers != NULL || s->ended))
			continue;
		if (w->busy) {
			left = true;
			break;
		}
		s->syncing = s->unsynced;
		s->unsynced = 0;
		s->durable_soon = s->good;
		writer_hand_over(w, NULL, s);
	}
	w->sync_now = w->sync_now && left;
}

static bool
barrier_open(const struct spool_writer *w, const struct barrier *r)
{
	if (w->first != NULL && w->first->order <= r->order)
		return false;
	for (const struct segment *s = w->segments; s != NULL; s = s->next) {
		if ((s->unsynced != 0 && s->unsynced <= r->order) || (s->syncing != 0 && s->syncing <= r->order))
			return false;
	}
	return true;
}

static void
pass_barriers(struct spool_writer *w)
{
	struct barrier *r;

	while ((r = w->barriers) != NULL && barrier_open(w, r)) {
		w->barriers = r->next;
		r->fn(r->arg, !r->failed, (struct loc){ 0 });
		free(r);
	}
}

/* At the end of a round: everything that was appended in it leaves together. */
static void
start_work(void *arg)
{
	struct spool_writer *w = arg;

	if (w->lazy > 0) {
		write_all_lazy(w);
		sync_next(w);
	} else if (!w->busy) {
		/* Laid out behind a failed one in its segment: fails with it. */
		while (w->first != NULL && ((struct segment *)w->first->segment)->failed)
			finish_first(w);
		if (w->first != NULL) {
			if (w->first == w->fill)
				close_fill(w);
			writer_hand_over(w, w->first, NULL);
		}
	}
	pass_barriers(w);
	drop_ended(w);
	if (w->has_room) {
		w->has_room = false;
		w->ops->room(w->arg);
	}
}

static void
on_done(void *arg, short what)
{
	struct spool_writer *w = arg;
	eventfd_t count;

	(void)what;
	if (eventfd_read(w->done_fd, &count) < 0)
		return;
	pthread_mutex_lock(&w->lock);
	struct segment *s = w->work_sync;
	int fault = w->sync_errno;
	pthread_mutex_unlock(&w->lock);
	w->busy = false;
	if (s != NULL) {
		s->syncing = 0;
		if (fault != 0)
			segment_fail(w, s, "syncing", fault);
		else
			s->durable = s->durable_soon;
	} else {
		finish_first(w);
	}
	/* Not at once: sessions that are ready in this round still join the next batch. */
	loop_defer(&w->start);
}

static void
on_sync_time(void *arg)
{
	struct spool_writer *w = arg;

	w->sync_now = true;
	loop_defer(&w->start);
}

/* -- for the role --------------------------------------------------------------------------- */

struct spool_writer *
spool_writer_new(const struct spool_writer_ops *ops, void *arg, int64_t lazy)
{
	struct spool_writer *w;

	MEM_NEW(w);
	w->ops = ops;
	w->arg = arg;
	w->lazy = lazy;
	w->last = &w->first;
	w->start = (struct loop_task){ .fn = start_work, .arg = w };
	loop_timer_init(&w->sync_timer, on_sync_time, w);
	writer_thread_start(w);
	loop_io_init(&w->done_io, w->done_fd, on_done, w);
	loop_io_watch(&w->done_io, EV_READ);
	return w;
}

void
spool_writer_grant(struct spool_writer *w, uint32_t segment, uint64_t nonce, uint64_t size, int fd)
{
	struct segment *s, **end = &w->segments;

	MEM_NEW(s);
	s->number = segment;
	s->fd = fd;
	s->nonce = nonce;
	s->size = size;
	s->at = s->good = s->durable = SEGMENT_DATA;
	while (*end != NULL)
		end = &(*end)->next;
	*end = s;
	if (w->wants_room) {
		w->wants_room = false;
		w->has_room = true;
		loop_defer(&w->start);
	}
}

/* A segment in which that much fits still, or NULL. Those that are too full are ended on the way. */
static struct segment *
segment_with_room(struct spool_writer *w, uint64_t space)
{
	struct segment *s;

	while ((s = current(w)) != NULL) {
		uint64_t at = w->fill != NULL ? w->fill->offset + w->fill->len : s->at;
		if (space + COMMIT_SPACE <= s->size && at <= s->size - space - COMMIT_SPACE)
			return s;
		/* An empty one is not to blame: the record is too large for any. */
		if (at == SEGMENT_DATA)
			return NULL;
		close_fill(w);
		s->ended = true;
		loop_defer(&w->start);
	}
	w->wants_room = true;
	return NULL;
}

static bool
append(struct spool_writer *w, enum record_type type, uint32_t generation, const struct iovec *iov, int n,
    const struct batch_entry *e)
{
	size_t length = 0;

	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > RECORD_MAX - length)
			return false;
		length += iov[i].iov_len;
	}
	struct segment *s = segment_with_room(w, record_space(length));
	if (s == NULL)
		return false;
	if (w->fill != NULL && w->fill->len >= BATCH_MAX)
		close_fill(w);
	struct batch *b = w->fill != NULL ? w->fill : begin_fill(w, s);
	size_t before = b->len;
	batch_add(b, (uint8_t)type, generation, iov, n, (uint32_t)length, e);
	w->pending += b->len - before;
	if (!w->busy || w->lazy > 0)
		loop_defer(&w->start);
	return true;
}

bool
spool_append(struct spool_writer *w, enum record_type type, const struct iovec *iov, int n, int sync_first,
    spool_done_fn *fn, void *arg)
{
	if (sync_first >= 0 && w->lazy > 0)
		panic("spool_append: a lazy writer syncs no spill file first");
	return append(w, type, 0, iov, n, &(struct batch_entry){ .fn = fn, .arg = arg, .sync_first = sync_first });
}

bool
spool_append_copy(struct spool_writer *w, enum record_type type, uint32_t generation, const struct iovec *iov, int n,
    spool_done_fn *fn, void *arg)
{
	if (generation > RECORD_GENERATION_MAX)
		generation = RECORD_GENERATION_MAX;
	return append(w, type, generation, iov, n, &(struct batch_entry){ .fn = fn, .arg = arg, .sync_first = -1 });
}

void
spool_writer_sync(struct spool_writer *w, spool_done_fn *fn, void *arg)
{
	struct barrier *r, **end = &w->barriers;

	MEM_NEW(r);
	r->fn = fn;
	r->arg = arg;
	r->order = w->order;
	while (*end != NULL)
		end = &(*end)->next;
	*end = r;
	loop_defer(&w->start);
}

void
spool_writer_end(struct spool_writer *w)
{
	struct segment *s = current(w);

	if (s == NULL)
		return;
	close_fill(w);
	s->ended = true;
	loop_defer(&w->start);
}

unsigned
spool_writer_segments(const struct spool_writer *w)
{
	unsigned n = 0;

	for (const struct segment *s = w->segments; s != NULL; s = s->next)
		n += !s->ended && !s->failed;
	return n;
}

size_t
spool_writer_pending(const struct spool_writer *w)
{
	return w->pending;
}

/* What was appended and not written yet is written and synced; nobody is told any more. */
static void
write_rest(struct spool_writer *w)
{
	w->freeing = true;
	if (w->busy && w->work != NULL)
		finish_first(w);
	while (w->first != NULL) {
		if (w->first == w->fill)
			close_fill(w);
		if (!((struct segment *)w->first->segment)->failed)
			writer_batch_write(w->first, true);
		finish_first(w);
	}
	for (struct segment *s = w->segments; s != NULL; s = s->next) {
		if (s->unsynced != 0)
			(void)fileops->fdatasync(s->fd);
		s->unsynced = s->syncing = 0;
		s->ended = true;
	}
	drop_ended(w);
}

void
spool_writer_free(struct spool_writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	loop_io_watch(&w->done_io, 0);
	loop_timer_stop(&w->sync_timer);
	loop_undefer(&w->start);
	write_rest(w);
	for (struct barrier *r = w->barriers, *next; r != NULL; r = next) {
		next = r->next;
		free(r);
	}
	for (struct batch *b = w->spare, *next; b != NULL; b = next) {
		next = b->next;
		batch_free(b);
	}
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	close(w->done_fd);
	free(w);
}
