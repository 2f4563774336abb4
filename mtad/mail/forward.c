#include "mail/forward.h"

#include "mail/address.h"

void
forward_pack(struct buf *b, const struct forward *f)
{
	pack_span(b, f->sender);
	pack_span(b, f->filter);
	pack_span(b, f->delivered);
	pack_u32(b, f->count);
	pack_span(b, f->addresses);
	pack_span(b, f->original);
	pack_span(b, f->orcpt);
	pack_u8(b, f->notify);
}

bool
forward_unpack(struct span bytes, struct forward *f)
{
	struct unpack u = { .left = bytes };

	f->sender = unpack_span(&u);
	f->filter = unpack_span(&u);
	f->delivered = unpack_span(&u);
	f->count = unpack_u32(&u);
	f->addresses = unpack_span(&u);
	bool more = unpack_more(&u);	/* journals of older versions have no more */
	f->original = more ? unpack_span(&u) : SPAN_NONE;
	f->orcpt = more ? unpack_span(&u) : SPAN_NONE;
	f->notify = more ? unpack_u8(&u) : 0;
	if (!unpack_end(&u) || bytes.len > FORWARD_BYTES_MAX || f->count == 0 || f->count > FORWARD_ADDRESSES_MAX ||
	    f->sender.len > ADDRESS_MAX || f->delivered.len > ADDRESS_MAX || f->filter.len > ADDRESS_MAX ||
	    f->original.len > ADDRESS_MAX || f->orcpt.len > 2 * ADDRESS_MAX)
		return false;
	struct unpack all = { .left = f->addresses };
	uint32_t n = 0;
	for (; unpack_more(&all); n++) {
		struct span a = unpack_span(&all);
		if (a.len == 0 || a.len > ADDRESS_MAX || span_has(a, '\0') || span_has(a, '\n'))
			return false;
	}
	return !all.fault && n == f->count;
}
