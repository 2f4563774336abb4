#include "ctl/jsonl.h"

#include <string.h>

/* -- strings -------------------------------------------------------------- */

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

/* Rows are printed as they are, too (mtactl --json, socat): what must not reach a terminal goes as an escape. */
static void
put_character(struct buf *out, struct span s)
{
	uint32_t c = utf8_point(s);

	if (!utf8_harmful(c))
		buf_span(out, s);
	else if (c < 0x10000)
		buf_printf(out, "\\u%04x", (unsigned)c);
	else
		buf_printf(out, "\\u%04x\\u%04x", 0xd800 + (unsigned)((c - 0x10000) >> 10), 0xdc00 + (unsigned)(c & 0x3ff));
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
			put_character(out, span_head(s, n));
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
