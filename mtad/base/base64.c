#include "base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct buf *out, struct span s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;

	for (size_t i = 0; i < s.len; i += 3) {
		size_t n = s.len - i < 3 ? s.len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;
		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
		    n > 2 ? digits[v & 63] : '=' };
		buf_put(out, four, 4);
	}
}

static int
digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

static bool
decode_four(struct buf *out, const char *four, bool last)
{
	size_t n = !last || four[3] != '=' ? 3 : four[2] != '=' ? 2 : 1;
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int d = i > n ? 0 : digit_value(four[i]);
		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
	}
	char bytes[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
	buf_put(out, bytes, n);
	return true;
}

bool
base64_decode(struct buf *out, struct span s)
{
	if (s.len % 4 != 0)
		return false;
	for (size_t i = 0; i < s.len; i += 4)
		if (!decode_four(out, s.ptr + i, i + 4 == s.len))
			return false;
	return true;
}
