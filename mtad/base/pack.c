#include "base/pack.h"

#include "base/err.h"
#include "base/num.h"

void
pack_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
pack_u16(struct buf *b, uint16_t v)
{
	unsigned char p[2];

	num_put16(p, v);
	buf_put(b, p, sizeof p);
}

void
pack_u32(struct buf *b, uint32_t v)
{
	unsigned char p[4];

	num_put32(p, v);
	buf_put(b, p, sizeof p);
}

void
pack_u64(struct buf *b, uint64_t v)
{
	unsigned char p[8];

	num_put64(p, v);
	buf_put(b, p, sizeof p);
}

void
pack_i64(struct buf *b, int64_t v)
{
	pack_u64(b, (uint64_t)v);
}

void
pack_span(struct buf *b, struct span s)
{
	if (s.len > UINT32_MAX)
		panic("pack_span: %zu bytes", s.len);
	pack_u32(b, (uint32_t)s.len);
	buf_span(b, s);
}

static const unsigned char *
take(struct unpack *u, size_t n)
{
	static const unsigned char zero[8];

	if (u->fault || u->left.len < n) {
		u->fault = true;
		u->left = SPAN_NONE;
		return zero;
	}
	const unsigned char *p = (const unsigned char *)u->left.ptr;
	u->left = span_skip(u->left, n);
	return p;
}

uint8_t
unpack_u8(struct unpack *u)
{
	return *take(u, 1);
}

uint16_t
unpack_u16(struct unpack *u)
{
	return num_get16(take(u, 2));
}

uint32_t
unpack_u32(struct unpack *u)
{
	return num_get32(take(u, 4));
}

uint64_t
unpack_u64(struct unpack *u)
{
	return num_get64(take(u, 8));
}

int64_t
unpack_i64(struct unpack *u)
{
	return (int64_t)unpack_u64(u);
}

struct span
unpack_span(struct unpack *u)
{
	size_t n = unpack_u32(u);

	if (u->fault || n > u->left.len) {
		u->fault = true;
		u->left = SPAN_NONE;
		return SPAN_NONE;
	}
	struct span s = span_head(u->left, n);
	u->left = span_skip(u->left, n);
	return s;
}

bool
unpack_end(const struct unpack *u)
{
	return !u->fault && u->left.len == 0;
}

bool
unpack_more(const struct unpack *u)
{
	return !u->fault && u->left.len > 0;
}
