/*
 * What stands in the spool's files. The first byte chooses:
 *
 *   m  a message's payload
 *   j  a journal record's payload
 *   s  a segment from its first record on, as it is
 *   r  records with valid CRCs around given bytes: length, type, payload ..., so that what is inside is reached
 *   d  a sound segment, then damage at given places: what the scan yields must be what was written
 *   c  a checkpoint
 *   p  a segment's first page
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "spool/batch.h"
#include "spool/checkpoint.h"
#include "spool/event.h"
#include "spool/message.h"
#include "spool/record.h"
#include "spool/scan.h"
#include "spool/segment.h"

#define NONCE	UINT64_C(0x0123456789abcdef)
#define SIZE	65536

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
try_message(struct span s)
{
	struct message m = { 0 };
	struct recipient r;
	struct err err;

	if (!message_parse(s, &m, &err))
		return;
	struct unpack u = { .left = m.envelope.recipients };
	uint32_t n = 0;
	while (recipient_next(&u, &r))
		n++;
	if (n != m.envelope.recipient_count || m.header.len + m.body.len > s.len)
		abort();
}

static void
try_event(struct span s)
{
	struct event_reader reader;
	struct spool_event e;
	struct err err;

	if (!event_reader_init(&reader, s, &err))
		return;
	while (event_next(&reader, &e))
		(void)event_kind_text(e.kind);
}

static void
scan_all(const unsigned char *bytes, size_t n, uint64_t from, uint64_t end)
{
	struct scan s;
	struct scan_record r;
	enum scan_result got;
	uint64_t last = 0;

	scan_memory(&s, bytes, n, 1, NONCE, from, end);
	while ((got = scan_next(&s, &r)) != SCAN_END) {
		if (loc_offset(r.loc) < last || loc_offset(r.loc) + r.loc.length > n)
			abort();
		last = loc_offset(r.loc) + r.loc.length;
		if (got != SCAN_RECORD)
			continue;
		try_message(r.payload);
		try_event(r.payload);
	}
	if (s.end > n && s.end > SEGMENT_DATA)
		abort();
}

static void
try_segment(const uint8_t *p, size_t n)
{
	unsigned char *bytes = calloc(1, SEGMENT_DATA + n);

	memcpy(bytes + SEGMENT_DATA, p, n);
	scan_all(bytes, SEGMENT_DATA + n, 0, 0);
	scan_all(bytes, SEGMENT_DATA + n, SEGMENT_DATA + n / 2, n);
	free(bytes);
}

/* Each: two bytes of length, a type, that many bytes. The header may say another length than there is room for. */
static void
try_records(const uint8_t *p, size_t n)
{
	unsigned char *bytes = calloc(1, SIZE);
	uint64_t at = SEGMENT_DATA;

	while (n >= 3) {
		size_t len = num_get16(p), have = len < n - 3 ? len : n - 3;
		struct record_head h = { .type = p[2], .length = (uint32_t)len, .sequence = 1 };
		if (at + record_space(len) > SIZE)
			break;
		memcpy(bytes + at + RECORD_HEADER, p + 3, have);
		record_finish(bytes + at, NONCE, at, &h);
		/* An odd type stands over the next one's place. */
		at += (p[2] & 0x80) != 0 ? SPOOL_BLOCK : record_space(len);
		p += 3 + have;
		n -= 3 + have;
	}
	scan_all(bytes, SIZE, 0, 0);
	scan_all(bytes, SIZE, 0, at);
	free(bytes);
}

#define RECORDS	12

static void
try_damage(const uint8_t *p, size_t n)
{
	unsigned char *bytes = calloc(1, SIZE);
	struct batch *b = batch_new();
	uint64_t offset[RECORDS], at = SEGMENT_DATA;
	char payload[RECORDS][200];
	struct scan s;
	struct scan_record r;
	enum scan_result got;

	for (size_t i = 0; i < RECORDS; i++) {
		size_t len = 10 + 15 * i;
		memset(payload[i], 'a' + (int)i, sizeof payload[i]);
		batch_begin(b, -1, NONCE, i + 1, at);
		struct iovec iov = { payload[i], len };
		batch_add(b, RECORD_EVENT, 0, &iov, 1, (uint32_t)len, &(struct batch_entry){ .sync_first = -1 });
		batch_end(b, at);
		memcpy(bytes + at, b->bytes, b->len);
		offset[i] = at;
		at += b->len;
	}
	for (; n >= 3; p += 3, n -= 3)
		bytes[SEGMENT_DATA + num_get16(p) % (at - SEGMENT_DATA)] ^= p[2];
	scan_memory(&s, bytes, SIZE, 1, NONCE, 0, at);
	while ((got = scan_next(&s, &r)) != SCAN_END) {
		bool known = got == SCAN_CORRUPT;
		for (size_t i = 0; i < RECORDS && !known; i++)
			known = offset[i] == loc_offset(r.loc) && span_eq(r.payload, span_of(payload[i], 10 + 15 * i));
		if (!known)
			abort();
	}
	batch_free(b);
	free(bytes);
}

static int
memory_file(const uint8_t *p, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	return fd;
}

static void
try_checkpoint(const uint8_t *p, size_t n)
{
	struct span entry;
	struct err err;

	struct checkpoint_reader *r = checkpoint_open_fd(memory_file(p, n), NULL, &err);
	while (r != NULL && checkpoint_next(r, &entry) == CHECKPOINT_ENTRY)
		;
	checkpoint_close(r);
}

static void
try_page(const uint8_t *p, size_t n)
{
	struct segment_page page;
	struct err err;
	int fd = memory_file(p, n);

	(void)segment_page_read(fd, &page, &err);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n == 0 || n > 40000)
		return 0;
	/* An exact copy, so that a byte too far is seen. */
	uint8_t *bytes = malloc(n - 1);
	if (n > 1)
		memcpy(bytes, p + 1, n - 1);
	switch (p[0]) {
	case 'm': try_message(span_of(bytes, n - 1)); break;
	case 'j': try_event(span_of(bytes, n - 1)); break;
	case 's': try_segment(bytes, n - 1); break;
	case 'r': try_records(bytes, n - 1); break;
	case 'd': try_damage(bytes, n - 1); break;
	case 'c': try_checkpoint(bytes, n - 1); break;
	case 'p': try_page(bytes, n - 1); break;
	}
	free(bytes);
	return 0;
}
