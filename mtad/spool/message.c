#include "spool/message.h"

#include <unistd.h>

#include "base/num.h"
#include "base/pack.h"
#include "spool/record.h"
#include "spool/writer.h"

/*
 * A payload: version, number of parts, each part's kind and length, the envelope, then
 * the bytes of the inline parts in order. The first part is the header block.
 */
#define MESSAGE_VERSION	1
#define PARTS_MAX	2

enum part_kind {
	PART_INLINE = 1,	/* in this record */
	PART_SPILL = 2,		/* in the spill file that the envelope names */
};

static void
part_pack(struct buf *b, enum part_kind kind, uint64_t length)
{
	pack_u8(b, kind);
	pack_u64(b, length);
}

int
message_layout(struct buf *head, const struct envelope *e, struct span header, struct span body,
    uint64_t spill_length, struct iovec iov[MESSAGE_IOV])
{
	int n = 0;

	pack_u8(head, MESSAGE_VERSION);
	pack_u8(head, PARTS_MAX);
	part_pack(head, PART_INLINE, header.len);
	if (e->spill != 0)
		part_pack(head, PART_SPILL, spill_length);
	else
		part_pack(head, PART_INLINE, body.len);
	/* The envelope's length goes before it once it is known. */
	size_t at = head->len;
	pack_u32(head, 0);
	envelope_pack(head, e);
	if (head->over)
		panic("message_layout: the envelope is larger than the buffer for it");
	num_put32((unsigned char *)head->ptr + at, (uint32_t)(head->len - at - 4));
	union { const char *from; void *to; } u;
	const struct span part[] = { buf_view(head), header, e->spill != 0 ? SPAN_NONE : body };
	for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
		if (part[i].len == 0)
			continue;
		u.from = part[i].ptr;
		iov[n++] = (struct iovec){ u.to, part[i].len };
	}
	return n;
}

bool
message_parse(struct span payload, struct message *m, struct err *err)
{
	struct unpack u = { .left = payload };
	uint8_t version = unpack_u8(&u);
	uint8_t parts = unpack_u8(&u);
	uint8_t kind[PARTS_MAX] = { 0 };
	uint64_t length[PARTS_MAX] = { 0 };

	m->header = m->body = SPAN_NONE;
	m->spill_length = 0;
	if (version != MESSAGE_VERSION || parts != PARTS_MAX) {
		err_set(err, ERR_PERM, "the message record has a format that this version of mtad does not know");
		return false;
	}
	for (int i = 0; i < PARTS_MAX; i++) {
		kind[i] = unpack_u8(&u);
		length[i] = unpack_u64(&u);
	}
	struct span envelope = unpack_span(&u);
	if (u.fault || kind[0] != PART_INLINE || length[0] > u.left.len) {
		err_set(err, ERR_PERM, "the message record's list of parts is damaged");
		return false;
	}
	if (!envelope_unpack(envelope, &m->envelope, err))
		return false;
	m->header = span_head(u.left, length[0]);
	struct span rest = span_skip(u.left, length[0]);
	if (kind[1] == PART_INLINE && m->envelope.spill == 0 && length[1] == rest.len) {
		m->body = rest;
	} else if (kind[1] == PART_SPILL && m->envelope.spill != 0 && rest.len == 0) {
		m->spill_length = length[1];
	} else {
		err_set(err, ERR_PERM, "the message record's parts do not fit together");
		return false;
	}
	return true;
}

bool
message_read(int fd, uint64_t nonce, struct loc loc, struct message *m, struct err *err)
{
	struct record_head h;
	struct span payload;

	if (m->record.max == 0)
		m->record.max = RECORD_MAX + RECORD_HEADER;
	if (!record_read(fd, nonce, loc, &m->record, &h, &payload, err))
		return false;
	if (h.type != RECORD_MESSAGE) {
		err_set(err, ERR_PERM, "segment %08x, offset %llu: the record is not a message", loc.segment,
		    (unsigned long long)loc_offset(loc));
		return false;
	}
	return message_parse(payload, m, err);
}

#define ENVELOPE_AT	(2 + PARTS_MAX * 9)	/* version, number of parts, kind and length of each */

bool
message_envelope(int fd, struct loc loc, size_t most, struct buf *out)
{
	unsigned char first[1024];
	off_t at = (off_t)loc_offset(loc) + RECORD_HEADER;
	ssize_t got = pread(fd, first, sizeof first, at);

	if (got < ENVELOPE_AT + 4 || first[0] != MESSAGE_VERSION || first[1] != PARTS_MAX)
		return false;
	uint32_t len = num_get32(first + ENVELOPE_AT);
	size_t have = (size_t)got - ENVELOPE_AT - 4;
	if (len > most || len > loc.length)
		return false;
	if (len <= have) {
		buf_put(out, first + ENVELOPE_AT + 4, len);
		return !out->over;
	}
	char *room = buf_room(out, len);
	if (room == NULL || pread(fd, room, len, at + ENVELOPE_AT + 4) != (ssize_t)len)
		return false;
	buf_added(out, len);
	return true;
}

bool
message_envelope_in(struct span payload, struct span *out)
{
	if (payload.len < ENVELOPE_AT + 4 || payload.ptr[0] != MESSAGE_VERSION || payload.ptr[1] != PARTS_MAX)
		return false;
	uint32_t len = num_get32((const unsigned char *)payload.ptr + ENVELOPE_AT);
	struct span rest = span_skip(payload, ENVELOPE_AT + 4);
	if (len > rest.len)
		return false;
	*out = span_head(rest, len);
	return true;
}

static void
forget(struct message *m)
{
	m->envelope = (struct envelope){ 0 };
	m->header = m->body = SPAN_NONE;
	m->spill_length = 0;
}

void
message_reset(struct message *m)
{
	forget(m);
	buf_reset(&m->record);
}

void
message_clear(struct message *m)
{
	forget(m);
	buf_clear(&m->record);
}
