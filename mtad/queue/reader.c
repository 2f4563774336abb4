/*
 * Journal records read back, for lists, `why` and notices. Neighbours in a list were often written side by side: then a window of the segment is
 * read at once. In a queue that is some hours old they lie anywhere: then each is read alone, as a window costs fifteen times as much. What is
 * read is bounded and decoded as any bytes from outside.
 */
#include "queue/query.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "spool/index_words.h"
#include "spool/message.h"
#include "spool/record.h"

#define WINDOW		((uint64_t)64 << 10)
#define NEIGHBOUR	((uint32_t)8 << 10)	/* a larger message is read alone */
#define NEAR		((uint64_t)4 << 10)	/* from the last place asked for: the next ones are likely in the same window */

static bool
window_fill(struct role_queue *rq, struct reader_window *w, uint32_t segment, uint64_t at)
{
	struct err err;
	int fd = store_get(rq->store, segment) == NULL ? -1 : store_fd(rq->store, segment, &err);

	w->segment = 0;
	if (fd < 0)
		return false;
	if (w->bytes == NULL)
		w->bytes = mem_new(WINDOW);
	ssize_t n = pread(fd, w->bytes, WINDOW, (off_t)at);
	if (n <= 0)
		return false;
	w->segment = segment;
	w->at = at;
	w->len = (size_t)n;
	return true;
}

static bool
in_window(const struct reader_window *w, struct loc loc)
{
	uint64_t offset = loc_offset(loc);

	return w->segment == loc.segment && offset >= w->at && offset + loc.length <= w->at + w->len;
}

static struct reader_window *
slot_for(struct role_queue *rq, struct loc loc, uint64_t *at)
{
	*at = loc_offset(loc) / (WINDOW / 2) * (WINDOW / 2);
	return &rq->windows[(loc.segment * 7u + *at / (WINDOW / 2)) % WINDOWS];
}

bool
reader_is_near(struct role_queue *rq, struct loc loc)
{
	uint64_t at, offset = loc_offset(loc);
	const struct reader_window *w = slot_for(rq, loc, &at);
	struct reader_place *last = &rq->places[loc.segment % WINDOWS];
	uint64_t gap = offset > last->offset ? offset - last->offset : last->offset - offset;

	if (last->segment != loc.segment || gap > 0)
		*last = (struct reader_place){ loc.segment, offset, last->segment == loc.segment && gap <= NEAR };
	return last->near || (in_window(w, loc) && w->at == at);
}

/* A window serves until the journal was written on: the current segment's is read anew where the record is not in it. */
static struct reader_window *
window_for(struct role_queue *rq, struct loc loc)
{
	uint64_t at;
	struct reader_window *w = slot_for(rq, loc, &at);

	if (in_window(w, loc) && w->at == at)
		return w;
	return window_fill(rq, w, loc.segment, at) && in_window(w, loc) ? w : NULL;
}

static bool
record_of(const char *bytes, struct loc loc, struct span *payload)
{
	uint32_t length = num_get32((const unsigned char *)bytes + 12);

	if (loc.length < RECORD_HEADER || length > loc.length - RECORD_HEADER)
		return false;
	*payload = span_of(bytes + RECORD_HEADER, length);
	return true;
}

bool
reader_record(struct role_queue *rq, struct loc loc, struct span *payload)
{
	struct record_head head;
	struct err err;

	if (loc.segment == 0 || loc.length < RECORD_HEADER)
		return false;
	const struct reader_window *w = loc.length <= WINDOW / 2 && reader_is_near(rq, loc) ? window_for(rq, loc) : NULL;
	if (w != NULL)
		return record_of(w->bytes + (loc_offset(loc) - w->at), loc, payload);
	const struct store_segment *s = store_get(rq->store, loc.segment);
	int fd = s == NULL ? -1 : store_fd(rq->store, loc.segment, &err);
	return fd >= 0 && record_read(fd, s->nonce, loc, &rq->scratch, &head, payload, &err);
}

/* Neighbours from one window, as large as they are small; it may be of before the record was written, so the ID has to be the message's. */
bool
reader_envelope(struct role_queue *rq, const struct entry *e, struct buf *bytes, struct envelope *out)
{
	const struct reader_window *w = NULL;
	const struct store_segment *s;
	struct span found;
	struct err err;

	if (e->loc.length > RECORD_HEADER && e->loc.length <= NEIGHBOUR && reader_is_near(rq, e->loc))
		w = window_for(rq, e->loc);
	buf_reset(bytes);
	if (w != NULL && message_envelope_in(span_of(w->bytes + (loc_offset(e->loc) - w->at) + RECORD_HEADER, e->loc.length - RECORD_HEADER), &found)) {
		buf_span(bytes, found);
		if (!bytes->over && envelope_unpack(buf_view(bytes), out, &err) && qid_eq(out->id, e->id))
			return true;
		buf_reset(bytes);
	}
	s = store_get(rq->store, e->loc.segment);
	int fd = s == NULL ? -1 : store_fd(rq->store, s->number, &err);
	return fd >= 0 && message_envelope(fd, e->loc, RECORD_MAX, bytes) && envelope_unpack(buf_view(bytes), out, &err);
}

static bool
find_in_events(struct event_reader *r, uint32_t rcpt, struct last_outcome *out)
{
	struct spool_event ev;
	bool found = false;

	while (event_next(r, &ev)) {
		struct unpack u = { .left = ev.outcomes };
		struct outcome o;
		while (ev.outcomes.len > 0 && outcome_next(&u, &o)) {
			if (o.number != rcpt)
				continue;
			*out = (struct last_outcome){ .outcome = o, .time = ev.time, .transport = ev.transport,
				.nexthop = ev.nexthop };
			found = true;
		}
	}
	return found;
}

static bool
find_outcome(struct span payload, struct qid id, uint32_t rcpt, struct last_outcome *out)
{
	struct event_reader r;

	return event_reader_init(&r, payload, NULL) && qid_eq(r.id, id) && find_in_events(&r, rcpt, out);
}

/* What happened within this very round is not in the file yet. */
static bool
find_unwritten(const struct entry *e, uint32_t rcpt, struct last_outcome *out)
{
	for (unsigned n = 0; n < 2; n++) {
		struct event_reader r = { .left = { .left = journal_unwritten(e, n) } };
		if (r.left.left.len > 0 && find_in_events(&r, rcpt, out))
			return true;
	}
	return false;
}

/* For the next question. What is known of an entry is no part of its state, so who reads need not be allowed to change it. */
static void
learn(struct role_queue *rq, const struct entry *e, uint32_t rcpt, const struct last_outcome *last)
{
	union {
		const struct entry *in;
		struct entry	*out;
	} u = { .in = e };

	words_learn(&rq->q.index, &u.out->rcpts[rcpt], &(struct words){ .transport = last->transport, .nexthop = last->nexthop,
	    .text = last->outcome.text });
}

bool
reader_outcome(struct role_queue *rq, const struct entry *e, uint32_t rcpt, struct last_outcome *out)
{
	struct loc at = e->rcpts[rcpt].reply;
	struct span payload;

	if (e->run != NULL && find_unwritten(e, rcpt, out))
		return true;
	if (at.segment == 0)
		return false;
	if (!reader_record(rq, at, &payload) || !find_outcome(payload, e->id, rcpt, out)) {
		reader_forget(rq, at.segment);	/* the window may be of before this record was written */
		if (!reader_record(rq, at, &payload) || !find_outcome(payload, e->id, rcpt, out))
			return false;
	}
	learn(rq, e, rcpt, out);
	return true;
}

void
reader_forget(struct role_queue *rq, uint32_t segment)
{
	for (size_t i = 0; i < WINDOWS; i++)
		if (rq->windows[i].segment == segment)
			rq->windows[i].segment = 0;
}

void
reader_clear(struct role_queue *rq)
{
	for (size_t i = 0; i < WINDOWS; i++) {
		free(rq->windows[i].bytes);
		rq->windows[i] = (struct reader_window){ 0 };
	}
}
