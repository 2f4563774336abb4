#include "ctl/jsonl.h"

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

static bool
is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
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
		size_t n = 0;
		while (n < s.len && is_plain(s.ptr[n]))
			n++;
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

static void
begin(struct jsonl *j, const char *key)
{
	if (j->comma)
		buf_char(j->out, ',');
	j->comma = true;
	if (key == NULL)
		return;
	buf_char(j->out, '"');
	buf_str(j->out, key);
	buf_put(j->out, "\":", 2);
}

void
jsonl_object(struct jsonl *j, const char *key)
{
	begin(j, key);
	buf_char(j->out, '{');
	j->comma = false;
}

void
jsonl_array(struct jsonl *j, const char *key)
{
	begin(j, key);
	buf_char(j->out, '[');
	j->comma = false;
}

void
jsonl_end_object(struct jsonl *j)
{
	buf_char(j->out, '}');
	j->comma = true;
}

void
jsonl_end_array(struct jsonl *j)
{
	buf_char(j->out, ']');
	j->comma = true;
}

void
jsonl_str(struct jsonl *j, const char *key, struct span s)
{
	begin(j, key);
	jsonl_quote(j->out, s);
}

void
jsonl_i64(struct jsonl *j, const char *key, int64_t n)
{
	char digits[24];
	size_t at = sizeof digits;
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		digits[--at] = '-';
	begin(j, key);
	buf_put(j->out, digits + at, sizeof digits - at);
}

void
jsonl_bool(struct jsonl *j, const char *key, bool value)
{
	begin(j, key);
	buf_str(j->out, value ? "true" : "false");
}

void
jsonl_raw(struct jsonl *j, const char *key, struct span value)
{
	begin(j, key);
	buf_span(j->out, value);
}
