#include "spool/trail.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/event.h"
#include "spool/record.h"
#include "spool/store.h"
#include "spool/writer.h"

#define WINDOW		((size_t)256 << 10)
#define RECORDS_MAX	20000u		/* of a message: years of attempts */
#define SLACK		(10 * (uint64_t)MINUTE)	/* a clock that was set back since the queue ID was made */
#define NAMED		13u		/* bytes of an event record that name its message: version, queue ID */

void
trail_of_queued(struct trail *t, struct store *store, struct qid id, struct loc last)
{
	*t = (struct trail){ .store = store, .id = id, .chained = true, .at = last };
}

void
trail_of_finished(struct trail *t, struct store *store, struct qid id)
{
	*t = (struct trail){ .store = store, .id = id };
}

void
trail_clear(struct trail *t)
{
	free(t->locs);
	buf_clear(&t->envelope);
	buf_clear(&t->window);
	buf_clear(&t->scratch);
	*t = (struct trail){ .done = true };
}

static void
found(struct trail *t, struct loc loc)
{
	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 8 : t->cap * 2;
		t->locs = mem_grow(t->locs, t->cap, sizeof *t->locs);
	}
	t->locs[t->count++] = loc;
	if (t->count < RECORDS_MAX)
		return;
	t->cut = t->done = true;
}

static bool
read_record(struct trail *t, struct loc loc, struct span *payload)
{
	const struct store_segment *s = store_get(t->store, loc.segment);
	struct record_head head;
	struct err err;
	int fd = s == NULL ? -1 : store_fd(t->store, loc.segment, &err);

	return fd >= 0 && record_read(fd, s->nonce, loc, &t->scratch, &head, payload, &err) &&
	    head.type == RECORD_EVENT;
}

bool
trail_record(struct trail *t, size_t n, struct span *payload)
{
	return n < t->count && read_record(t, t->locs[n], payload);
}

/* -- the chain ------------------------------------------------------------------------------------ */

static void
reverse(struct trail *t)
{
	for (size_t i = 0; i < t->count / 2; i++) {
		struct loc l = t->locs[i];
		t->locs[i] = t->locs[t->count - 1 - i];
		t->locs[t->count - 1 - i] = l;
	}
}

static void
chain_step(struct trail *t)
{
	struct event_reader r;
	struct span payload;

	if (t->at.segment == 0) {
		t->done = true;
	} else if (!read_record(t, t->at, &payload) || !event_reader_init(&r, payload, NULL) || !qid_eq(r.id, t->id)) {
		t->cut = t->done = true;
	} else {
		found(t, t->at);
		t->at = r.previous;
	}
	if (t->done)
		reverse(t);
}

/* -- the search ------------------------------------------------------------------------------------ */

/* The window holds `want` bytes from pos on, or what there is of them. */
static struct span
look(struct trail *t, const struct store_segment *s, uint64_t pos, size_t want)
{
	struct err err;

	if (t->window.len == 0 || pos < t->window_at || pos + want > t->window_at + t->window.len) {
		int fd = store_fd(t->store, s->number, &err);
		size_t n = want > WINDOW ? want : WINDOW;
		buf_reset(&t->window);
		char *room = fd < 0 ? NULL : buf_room(&t->window, n);
		ssize_t got = room == NULL ? -1 : pread(fd, room, n, (off_t)pos);
		if (got <= 0)
			return SPAN_NONE;
		buf_added(&t->window, (size_t)got);
		t->window_at = pos;
	}
	return span_head(span_skip(buf_view(&t->window), pos - t->window_at), want);
}

struct journal_find {
	uint32_t	 above, found;
};

static bool
is_next_journal(void *arg, const struct store_segment *s)
{
	struct journal_find *f = arg;

	if (s->grant.use != SEGMENT_JOURNAL || s->number <= f->above)
		return true;
	f->found = s->number;
	return false;
}

static uint32_t
journal_after(const struct trail *t, uint32_t number)
{
	struct journal_find f = { .above = number };

	store_each(t->store, is_next_journal, &f);
	return f.found;
}

static void
enter(struct trail *t, uint32_t segment)
{
	t->segment = segment;
	t->pos = SEGMENT_DATA;
	buf_reset(&t->window);
	if (segment == 0)
		t->done = true;
}

/* When the segment's first event was; 0: it has none. */
static uint64_t
first_time(struct trail *t, const struct store_segment *s)
{
	struct span head = look(t, s, SEGMENT_DATA, RECORD_HEADER + 512);
	struct record_head h;
	struct event_reader r;

	if (head.len < RECORD_HEADER || !record_head_get((const unsigned char *)head.ptr, s->nonce, SEGMENT_DATA, &h) ||
	    h.type != RECORD_EVENT)
		return 0;
	if (!event_reader_init(&r, span_head(span_skip(head, RECORD_HEADER), h.length), NULL))
		return 0;
	(void)unpack_u8(&r.left);	/* its kind and fields; the rest may be cut off here */
	(void)unpack_u16(&r.left);
	int64_t time = unpack_i64(&r.left);
	return r.left.fault || time < 0 ? 0 : (uint64_t)time;
}

/* The last journal that began before the message came: journals rise in number and time. */
static void
search_begin(struct trail *t)
{
	uint32_t start = 0, at = 0;

	while ((at = journal_after(t, at)) != 0) {
		const struct store_segment *s = store_get(t->store, at);
		buf_reset(&t->window);
		uint64_t time = s == NULL ? 0 : first_time(t, s);
		if (time > t->id.usec && start != 0)
			break;
		if (start == 0 || (time != 0 && time + SLACK < t->id.usec))
			start = at;
	}
	t->started = true;
	enter(t, start);
}

/* What the end of the message says of it, and that it is the end. */
static void
take_events(struct trail *t, struct span payload)
{
	struct event_reader r;
	struct spool_event ev;

	if (!event_reader_init(&r, payload, NULL))
		return;
	while (event_next(&r, &ev)) {
		if (ev.kind != EVENT_END && ev.kind != EVENT_PURGE)
			continue;
		buf_reset(&t->envelope);
		buf_span(&t->envelope, ev.state);
		t->done = true;
	}
}

static bool
is_named(const struct trail *t, struct span head)
{
	const unsigned char *p = (const unsigned char *)head.ptr + RECORD_HEADER;

	return head.len >= RECORD_HEADER + NAMED && num_get64(p + 1) == t->id.usec && num_get32(p + 9) == t->id.writer;
}

static void
search_step(struct trail *t)
{
	const struct store_segment *s = store_get(t->store, t->segment);
	struct record_head h;
	struct span payload;

	if (s == NULL || t->pos >= (s->sealed ? s->end : s->size)) {
		enter(t, journal_after(t, t->segment));
		return;
	}
	struct span head = look(t, s, t->pos, RECORD_HEADER + NAMED);
	if (head.len < RECORD_HEADER || !record_head_get((const unsigned char *)head.ptr, s->nonce, t->pos, &h)) {
		/* Damage is passed over; behind what is written so far there is nothing. */
		if (s->sealed && head.len >= RECORD_HEADER)
			t->pos += SPOOL_BLOCK;
		else
			enter(t, journal_after(t, t->segment));
		return;
	}
	struct loc loc = loc_make(t->segment, t->pos, h.length + RECORD_HEADER);
	if (h.type == RECORD_EVENT && is_named(t, head) && read_record(t, loc, &payload)) {
		found(t, loc);
		take_events(t, payload);
	}
	t->pos += record_space(h.length);
}

bool
trail_slice(struct trail *t, int64_t until)
{
	if (!t->chained && !t->started)
		search_begin(t);
	for (unsigned n = 1; !t->done; n++) {
		if (n % 16 == 0 && clock_mono() > until)
			return false;
		if (t->chained)
			chain_step(t);
		else
			search_step(t);
	}
	return true;
}
