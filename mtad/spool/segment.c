#include "spool/segment.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/num.h"
#include "base/span.h"
#include "spool/fileops.h"

/* Each in a 512-byte sector of its own, so that a torn write harms one of them. */
#define HEADER_AT	0
#define GRANT_AT	512
#define SEAL_AT		1024
#define COPY_AT		2048

#define HEADER_LEN	64
#define BLOCK_LEN	32
#define MAGIC		"mtadseg\n"
#define GRANT_MAGIC	0x746e7267u	/* "grnt" */
#define SEAL_MAGIC	0x6c616573u	/* "seal" */

static void
header_put(unsigned char p[HEADER_LEN], const struct segment_header *h)
{
	memset(p, 0, HEADER_LEN);
	memcpy(p, MAGIC, 8);
	num_put16(p + 8, SEGMENT_VERSION);
	/* p + 12: incompatible features; none yet. */
	num_put32(p + 16, h->number);
	num_put64(p + 24, h->nonce);
	num_put64(p + 32, h->size);
	memcpy(p + 40, h->uuid, SPOOL_UUID);
	num_put32(p + 60, crc32c(0, p, 60));
}

bool
segment_header_write(int fd, const struct segment_header *h, struct err *err)
{
	unsigned char p[HEADER_LEN], zero[512] = { 0 };

	header_put(p, h);
	/* An earlier life's grant and seal carry its nonce and would not count; gone is clearer. */
	if (!fileops_write_all(fd, p, sizeof p, HEADER_AT) || !fileops_write_all(fd, zero, sizeof zero, GRANT_AT) ||
	    !fileops_write_all(fd, zero, sizeof zero, SEAL_AT) || !fileops_write_all(fd, p, sizeof p, COPY_AT)) {
		err_sys(err, "segment %08x: writing the header", h->number);
		return false;
	}
	return true;
}

/* magic, 4 bytes of a, nonce, 8 bytes of b, zeros, CRC */
static bool
block_write(int fd, off_t at, uint32_t magic, uint64_t nonce, uint32_t a, uint64_t b, struct err *err)
{
	unsigned char p[BLOCK_LEN] = { 0 };

	num_put32(p, magic);
	num_put32(p + 4, a);
	num_put64(p + 8, nonce);
	num_put64(p + 16, b);
	num_put32(p + 28, crc32c(0, p, 28));
	if (fileops_write_all(fd, p, sizeof p, at))
		return true;
	err_sys(err, "writing to a segment's first page");
	return false;
}

static bool
block_get(const unsigned char *p, uint32_t magic, uint64_t nonce, uint32_t *a, uint64_t *b)
{
	*a = num_get32(p + 4);
	*b = num_get64(p + 16);
	return num_get32(p) == magic && num_get64(p + 8) == nonce && num_get32(p + 28) == crc32c(0, p, 28);
}

bool
segment_grant_write(int fd, uint64_t nonce, const struct segment_grant *g, struct err *err)
{
	return block_write(fd, GRANT_AT, GRANT_MAGIC, nonce, g->use, (uint64_t)g->epoch << 32 | g->slot, err);
}

bool
segment_seal_write(int fd, uint64_t nonce, uint64_t end, struct err *err)
{
	return block_write(fd, SEAL_AT, SEAL_MAGIC, nonce, 0, end, err);
}

static bool
header_get(const unsigned char *p, struct segment_header *h, struct err *err)
{
	if (memcmp(p, MAGIC, 8) != 0 || num_get32(p + 60) != crc32c(0, p, 60)) {
		err_set(err, ERR_PERM, "no valid segment header");
		return false;
	}
	if (num_get16(p + 8) != SEGMENT_VERSION || num_get32(p + 12) != 0) {
		err_set(err, ERR_PERM, "segment format %u (features %x) is of a later version of mtad; this one knows format %d",
		    num_get16(p + 8), num_get32(p + 12), SEGMENT_VERSION);
		return false;
	}
	*h = (struct segment_header){ .number = num_get32(p + 16), .nonce = num_get64(p + 24), .size = num_get64(p + 32) };
	memcpy(h->uuid, p + 40, SPOOL_UUID);
	if (h->size < SEGMENT_MIN || h->size > SEGMENT_MAX || h->number == 0) {
		err_set(err, ERR_PERM, "the segment header gives an impossible size or number");
		return false;
	}
	return true;
}

bool
segment_page_read(int fd, struct segment_page *page, struct err *err)
{
	unsigned char p[SEGMENT_DATA];
	ssize_t got;
	uint32_t a;
	uint64_t b;

	do {
		got = pread(fd, p, sizeof p, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		err_sys(err, "reading a segment's first page");
		return false;
	}
	memset(p + got, 0, sizeof p - (size_t)got);
	*page = (struct segment_page){ 0 };
	struct err first;
	if (!header_get(p + HEADER_AT, &page->header, &first)) {
		page->repaired = true;
		if (!header_get(p + COPY_AT, &page->header, NULL)) {
			err_set(err, first.kind, "%s", first.text);
			return false;
		}
	}
	if (block_get(p + GRANT_AT, GRANT_MAGIC, page->header.nonce, &a, &b) && a <= SEGMENT_COMPACT)
		page->grant = (struct segment_grant){ (enum segment_use)a, (uint32_t)b, (uint32_t)(b >> 32) };
	if (block_get(p + SEAL_AT, SEAL_MAGIC, page->header.nonce, &a, &b) && b >= SEGMENT_DATA &&
	    b <= page->header.size) {
		page->sealed = true;
		page->end = b;
	}
	return true;
}
