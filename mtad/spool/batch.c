#include "spool/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "spool/record.h"

#define CAP_MIN		((size_t)64 << 10)
#define CAP_KEEP	((size_t)2 << 20)
#define ENTRIES_MIN	64

struct batch *
batch_new(void)
{
	struct batch *b;

	MEM_NEW(b);
	return b;
}

void
batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	free(b->bytes);
	free(b->entries);
	free(b);
}

void
batch_begin(struct batch *b, int fd, uint64_t nonce, uint64_t sequence, uint64_t offset)
{
	b->next = NULL;
	b->len = 0;
	b->count = 0;
	b->offset = offset;
	b->nonce = nonce;
	b->sequence = sequence;
	b->fd = fd;
	b->spills = false;
	b->fault_errno = 0;
	b->fault = NULL;
}

static unsigned char *
room(struct batch *b, size_t n)
{
	if (b->cap - b->len < n) {
		size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
		while (cap - b->len < n)
			cap *= 2;
		b->bytes = mem_grow(b->bytes, cap, 1);
		b->cap = cap;
	}
	return b->bytes + b->len;
}

static void
add_entry(struct batch *b, const struct batch_entry *e)
{
	if (b->count == b->room) {
		b->room = b->room == 0 ? ENTRIES_MIN : b->room * 2;
		b->entries = mem_grow(b->entries, b->room, sizeof *b->entries);
	}
	b->entries[b->count++] = *e;
}

static uint64_t
put_record(struct batch *b, uint8_t type, uint32_t generation, const struct iovec *iov, int n, uint32_t length)
{
	size_t space = record_space(length);
	unsigned char *p = room(b, space);
	unsigned char *at = p + RECORD_HEADER;
	uint64_t offset = b->offset + b->len;
	struct record_head h = {
		.type = type,
		.generation = generation,
		.length = length,
		.sequence = b->sequence,
	};

	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > 0)
			memcpy(at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	memset(at, 0, (size_t)(p + space - at));
	record_finish(p, b->nonce, offset, &h);
	b->len += space;
	return offset;
}

void
batch_add(struct batch *b, uint8_t type, uint32_t generation, const struct iovec *iov, int n, uint32_t length,
    const struct batch_entry *e)
{
	struct batch_entry mine = *e;

	mine.offset = put_record(b, type, generation, iov, n, length);
	mine.length = length + RECORD_HEADER;
	if (mine.sync_first >= 0)
		b->spills = true;
	add_entry(b, &mine);
}

void
batch_end(struct batch *b, uint64_t durable)
{
	unsigned char p[COMMIT_PAYLOAD];
	struct commit c = {
		.start = b->offset,
		.length = (uint32_t)b->len,
		.count = (uint32_t)b->count,
		.durable = durable,
	};
	struct iovec iov = { p, sizeof p };

	commit_put(p, &c);
	(void)put_record(b, RECORD_COMMIT, 0, &iov, 1, sizeof p);
}

bool
batch_reusable(const struct batch *b)
{
	return b->cap <= CAP_KEEP;
}
