#include "spool/scan.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spool/record.h"
#include "spool/segment.h"
#include "spool/writer.h"

#define CHUNK	((size_t)1 << 20)
#define PIECE	((size_t)4096)

/* Reads up to n bytes; at a bad place of the disk goes on behind it, and leaves zeros. */
static void
read_bytes(struct scan *s, int fd, size_t n)
{
	size_t done = 0, step = CHUNK;

	while (done < n) {
		size_t want = n - done < step ? n - done : step;
		ssize_t got = pread(fd, s->bytes + done, want, (off_t)(s->base + done));
		if (got > 0) {
			done += (size_t)got;
		} else if (got == 0) {
			break;
		} else if (errno == EINTR) {
			continue;
		} else if (step > PIECE) {
			step = PIECE;
		} else {
			s->unreadable += want;
			done += want;
		}
	}
}

static void
start(struct scan *s, uint32_t segment, uint64_t nonce, uint64_t size, uint64_t from, uint64_t end)
{
	if (from < SEGMENT_DATA)
		from = SEGMENT_DATA;
	*s = (struct scan){
		.segment = segment,
		.nonce = nonce,
		.sealed = end != 0,
		.base = from / SPOOL_BLOCK * SPOOL_BLOCK,
		.limit = (end != 0 && end < size ? end : size) / SPOOL_BLOCK * SPOOL_BLOCK,
	};
	if (s->limit < s->base)
		s->limit = s->base;
	s->pos = s->end = s->base;
	s->sure = s->sealed ? s->limit : s->base;
}

bool
scan_open(struct scan *s, int fd, uint32_t segment, uint64_t nonce, uint64_t size, uint64_t from, uint64_t end,
    struct err *err)
{
	start(s, segment, nonce, size > SEGMENT_MAX ? SEGMENT_MAX : size, from, end);
	size_t n = s->limit - s->base;
	if (n == 0)
		return true;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		err_sys(err, "memory for reading segment %08x", segment);
		return false;
	}
	(void)madvise(p, n, MADV_HUGEPAGE);
	s->bytes = p;
	s->mapped = n;
	read_bytes(s, fd, n);
	return true;
}

void
scan_memory(struct scan *s, const void *bytes, size_t n, uint32_t segment, uint64_t nonce, uint64_t from, uint64_t end)
{
	union { const void *from; unsigned char *to; } u = { .from = bytes };

	start(s, segment, nonce, n, from, end);
	s->bytes = u.to + (s->limit > s->base ? s->base : 0);
}

void
scan_close(struct scan *s)
{
	if (s->mapped > 0)
		(void)munmap(s->bytes, s->mapped);
	s->bytes = NULL;
	s->mapped = 0;
}

/* A header that is in order, with its record ending at `limit` or before. */
static bool
head_at(const struct scan *s, uint64_t at, uint64_t limit, struct record_head *h)
{
	return at + SPOOL_BLOCK <= limit && record_head_get(s->bytes + (at - s->base), s->nonce, at, h) &&
	    record_space(h->length) <= limit - at;
}

/* The next place from `at` on where a header is in order, or `limit`. */
static uint64_t
resync(const struct scan *s, uint64_t at, uint64_t limit)
{
	struct record_head h;

	for (; at < limit; at += SPOOL_BLOCK) {
		if (head_at(s, at, limit, &h))
			return at;
	}
	return limit;
}

static bool
frame_ok(const struct scan *s, uint64_t at, const struct record_head *h, struct commit *c)
{
	const unsigned char *payload = s->bytes + (at - s->base) + RECORD_HEADER;

	return record_data_ok(payload, s->nonce, at, h) && commit_get(span_of(payload, h->length), c);
}

/* Goes ahead to the next valid commit frame: what is before it counts. */
static bool
find_commit(struct scan *s)
{
	uint64_t at = s->sure;
	struct record_head h;
	struct commit c;

	if (s->no_more)
		return false;
	while ((at = resync(s, at, s->limit)) < s->limit) {
		(void)head_at(s, at, s->limit, &h);
		uint64_t next = at + record_space(h.length);
		if (h.type == RECORD_COMMIT && frame_ok(s, at, &h, &c)) {
			if (c.durable > s->durable)
				s->durable = c.durable;
			s->sure = next;
			s->torn = 0;
			return true;
		}
		if (h.type != RECORD_COMMIT)
			s->torn++;
		at = next;
	}
	s->no_more = true;
	return false;
}

static enum scan_result
damaged(struct scan *s, struct scan_record *r, uint64_t next, uint32_t length, const char *why)
{
	r->loc = loc_make(s->segment, s->pos, length);
	r->payload = span_of(s->bytes + (s->pos - s->base), length);
	r->why = why;
	s->corrupt++;
	/* The frames that follow know how far it was synced; the last of them becomes the sure one, which changes nothing. */
	while (!s->sealed && find_commit(s))
		;
	r->maybe_torn = !s->sealed && s->pos >= s->durable;
	s->pos = next;
	return SCAN_CORRUPT;
}

/* What stands at pos, before `sure`. SCAN_END: a frame, go on. */
static enum scan_result
take(struct scan *s, struct scan_record *r)
{
	struct record_head h;
	struct commit c;

	*r = (struct scan_record){ 0 };
	if (!head_at(s, s->pos, s->sure, &h)) {
		uint64_t next = resync(s, s->pos + SPOOL_BLOCK, s->sure);
		return damaged(s, r, next, (uint32_t)(next - s->pos), "damaged record header");
	}
	uint64_t next = s->pos + record_space(h.length);
	if (h.type == RECORD_COMMIT) {
		if (frame_ok(s, s->pos, &h, &c))
			s->batches++;
		else
			s->bad_frames++;
		s->pos = next;
		return SCAN_END;
	}
	const unsigned char *payload = s->bytes + (s->pos - s->base) + RECORD_HEADER;
	r->type = h.type;
	r->generation = h.generation;
	r->sequence = h.sequence;
	if (!record_data_ok(payload, s->nonce, s->pos, &h))
		return damaged(s, r, next, h.length + RECORD_HEADER, "damaged record content");
	r->loc = loc_make(s->segment, s->pos, h.length + RECORD_HEADER);
	r->payload = span_of(payload, h.length);
	s->pos = next;
	return SCAN_RECORD;
}

enum scan_result
scan_next(struct scan *s, struct scan_record *r)
{
	for (;;) {
		while (s->pos < s->sure) {
			enum scan_result result = take(s, r);
			if (result != SCAN_END)
				return result;
		}
		s->end = s->sure;
		if (s->sealed || !find_commit(s))
			return SCAN_END;
	}
}
