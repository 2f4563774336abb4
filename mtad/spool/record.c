#include "spool/record.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/num.h"

/* splitmix64's finaliser: every bit of nonce and offset reaches every bit of the tag. */
uint64_t
record_tag(uint64_t nonce, uint64_t offset)
{
	uint64_t z = nonce + offset * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t
crc_seed(uint64_t nonce, uint64_t offset)
{
	unsigned char p[16];

	num_put64(p, nonce);
	num_put64(p + 8, offset);
	return crc32c(0, p, sizeof p);
}

void
record_finish(unsigned char *p, uint64_t nonce, uint64_t offset, struct record_head *h)
{
	uint32_t seed = crc_seed(nonce, offset);

	h->data_crc = crc32c(seed, p + RECORD_HEADER, h->length);
	num_put64(p, record_tag(nonce, offset));
	num_put32(p + 8, h->type | h->generation << 8);
	num_put32(p + 12, h->length);
	num_put64(p + 16, h->sequence);
	num_put32(p + 24, h->data_crc);
	num_put32(p + 28, crc32c(seed, p, 28));
}

bool
record_head_get(const unsigned char *p, uint64_t nonce, uint64_t offset, struct record_head *h)
{
	if (num_get64(p) != record_tag(nonce, offset) ||
	    num_get32(p + 28) != crc32c(crc_seed(nonce, offset), p, 28))
		return false;
	uint32_t kind = num_get32(p + 8);
	*h = (struct record_head){
		.type = (uint8_t)kind,
		.generation = kind >> 8,
		.length = num_get32(p + 12),
		.sequence = num_get64(p + 16),
		.data_crc = num_get32(p + 24),
	};
	return h->length <= RECORD_MAX;
}

bool
record_data_ok(const void *payload, uint64_t nonce, uint64_t offset, const struct record_head *h)
{
	return crc32c(crc_seed(nonce, offset), payload, h->length) == h->data_crc;
}

void
commit_put(unsigned char p[COMMIT_PAYLOAD], const struct commit *c)
{
	num_put64(p, c->start);
	num_put32(p + 8, c->length);
	num_put32(p + 12, c->count);
	num_put64(p + 16, c->durable);
}

bool
commit_get(struct span s, struct commit *c)
{
	const unsigned char *p = (const unsigned char *)s.ptr;

	if (s.len != COMMIT_PAYLOAD)
		return false;
	*c = (struct commit){ num_get64(p), num_get32(p + 8), num_get32(p + 12), num_get64(p + 16) };
	return true;
}

static bool
read_whole(int fd, char *p, size_t n, uint64_t at, struct err *err)
{
	while (n > 0) {
		ssize_t got = pread(fd, p, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			err_sys(err, "reading the spool");
			return false;
		}
		if (got == 0) {
			err_set(err, ERR_PERM, "the segment ends before the record does");
			return false;
		}
		p += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

bool
record_read(int fd, uint64_t nonce, struct loc loc, struct buf *into, struct record_head *h, struct span *payload,
    struct err *err)
{
	uint64_t at = loc_offset(loc);

	buf_reset(into);
	if (loc.length < RECORD_HEADER || loc.length - RECORD_HEADER > RECORD_MAX) {
		err_set(err, ERR_PERM, "a record cannot be %u bytes long", loc.length);
		return false;
	}
	char *p = buf_room(into, loc.length);
	if (p == NULL) {
		err_set(err, ERR_TEMP, "the record of %u bytes is larger than the memory for it", loc.length);
		return false;
	}
	if (!read_whole(fd, p, loc.length, at, err))
		return false;
	buf_added(into, loc.length);
	*payload = span_of(p + RECORD_HEADER, loc.length - RECORD_HEADER);
	if (!record_head_get((const unsigned char *)p, nonce, at, h) || h->length != payload->len) {
		err_set(err, ERR_PERM, "segment %08x, offset %llu: no such record, or its header is damaged", loc.segment,
		    (unsigned long long)at);
		return false;
	}
	if (!record_data_ok(payload->ptr, nonce, at, h)) {
		err_set(err, ERR_PERM, "segment %08x, offset %llu: the record's content is damaged", loc.segment,
		    (unsigned long long)at);
		return false;
	}
	return true;
}
