#include "base/utf8.h"

#include <string.h>

static bool
continues(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* What RFC 3629's table allows as the second byte after this first one. */
static bool
second_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return continues(second);
	}
}

size_t
utf8_length(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t want;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.len < want || !second_fits(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < want; i++)
		if (!continues(p[i]))
			return 0;
	return want;
}

uint32_t
utf8_point(struct span s)
{
	static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)s.ptr[0] & masks[s.len];

	for (size_t i = 1; i < s.len; i++)
		c = c << 6 | ((unsigned char)s.ptr[i] & 0x3f);
	return c;
}

bool
utf8_harmful(uint32_t c)
{
	static const struct { uint32_t first, last; } ranges[] = {
		{ 0x80, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x180e, 0x180e }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
		{ 0x1bca0, 0x1bca3 }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

size_t
utf8_clean(char *text, size_t len)
{
	size_t from = 0, to = 0;

	while (from < len) {
		unsigned char c = (unsigned char)text[from];
		if (c < 0x80) {
			text[to++] = c < ' ' || c == 0x7f ? '?' : (char)c;
			from++;
			continue;
		}
		size_t n = utf8_length(span_of(text + from, len - from));
		if (n == 0 || utf8_harmful(utf8_point(span_of(text + from, n)))) {
			text[to++] = '?';
			from += n == 0 ? 1 : n;
			continue;
		}
		memmove(text + to, text + from, n);
		to += n;
		from += n;
	}
	return to;
}
