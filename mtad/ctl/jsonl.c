#include "ctl/jsonl.h"

#include <string.h>

/* -- strings -------------------------------------------------------------- */

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

#define ALL(c)		(0x0101010101010101u * (c))
#define HAS_ZERO(x)	(((x) - ALL(1)) & ~(x) & ALL(0x80))

/* Whether each of eight bytes stands for itself: printable ASCII, no quote, no backslash. */
static inline bool
eight_plain(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
	uint64_t bad = (x & ALL(0x80)) | ((x - ALL(0x20)) & ~x & ALL(0x80)) | HAS_ZERO(x ^ ALL('"'))
	    | HAS_ZERO(x ^ ALL('\\')) | HAS_ZERO(x ^ ALL(0x7f));
	return bad == 0;
}

static size_t
plain_length(struct span s)
{
	size_t n = 0;

	while (s.len - n >= 8 && eight_plain(s.ptr + n))
		n += 8;
	while (n < s.len) {
		unsigned char c = (unsigned char)s.ptr[n];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			break;
		n++;
	}
	return n;
}

static void
put_escaped(struct buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		buf_put(out, "\\\"", 2);
		return;
	case '\\':
		buf_put(out, "\\\\", 2);
		return;
	case '\n':
		buf_put(out, "\\n", 2);
		return;
	case '\r':
		buf_put(out, "\\r", 2);
		return;
	case '\t':
		buf_put(out, "\\t", 2);
		return;
	default:
		buf_printf(out, "\\u%04x", c);
	}
}

void
jsonl_quote(struct buf *out, struct span s)
{
	buf_char(out, '"');
	while (s.len > 0) {
		size_t n = plain_length(s);
		buf_put(out, s.ptr, n);
		s = span_skip(s, n);
		if (s.len == 0)
			break;
		unsigned char c = (unsigned char)*s.ptr;
		n = c < 0x80 ? 1 : utf8_length(s);
		if (c < 0x80)
			put_escaped(out, c);
		else if (n == 0)
			buf_str(out, "\xef\xbf\xbd");
		else
			buf_put(out, s.ptr, n);
		s = span_skip(s, n == 0 ? 1 : n);
	}
	buf_char(out, '"');
}

/* -- values --------------------------------------------------------------- */

/* What stands before a value: at most the key's length and 4 bytes. */
static char *
begin(struct jsonl *j, struct span key, char *p)
{
	if (j->comma)
		*p++ = ',';
	j->comma = true;
	if (key.ptr == NULL)
		return p;
	*p++ = '"';
	memcpy(p, key.ptr, key.len);
	p += key.len;
	*p++ = '"';
	*p++ = ':';
	return p;
}

static void
end(struct jsonl *j, const char *from, const char *to)
{
	buf_added(j->out, (size_t)(to - from));
}

void
jsonl_open(struct jsonl *j, struct span key, char bracket)
{
	char *room = buf_room(j->out, key.len + 5);

	if (room == NULL)
		return;
	char *p = begin(j, key, room);
	*p++ = bracket;
	end(j, room, p);
	j->comma = false;
}

void
jsonl_close(struct jsonl *j, char bracket)
{
	buf_char(j->out, bracket);
	j->comma = true;
}

/* Nearly every string needs no escapes: those go with one copy. */
void
jsonl_put_str(struct jsonl *j, struct span key, struct span s)
{
	char *room = buf_room(j->out, key.len + s.len + 6);

	if (room == NULL)
		return;
	char *p = begin(j, key, room);
	if (plain_length(s) < s.len) {
		end(j, room, p);
		jsonl_quote(j->out, s);
		return;
	}
	*p++ = '"';
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	p += s.len;
	*p++ = '"';
	end(j, room, p);
}

void
jsonl_put_i64(struct jsonl *j, struct span key, int64_t n)
{
	char digits[24], *room = buf_room(j->out, key.len + sizeof digits + 4);
	size_t at = sizeof digits;
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	if (room == NULL)
		return;
	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		digits[--at] = '-';
	char *p = begin(j, key, room);
	memcpy(p, digits + at, sizeof digits - at);
	end(j, room, p + sizeof digits - at);
}

void
jsonl_put_raw(struct jsonl *j, struct span key, struct span value)
{
	char *room = buf_room(j->out, key.len + 4);

	if (room == NULL)
		return;
	end(j, room, begin(j, key, room));
	buf_span(j->out, value);
}
