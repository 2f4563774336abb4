#include "mail/dsn.h"

#include "mail/address.h"

#define DETAIL_DIGITS	3
#define ENVID_MAX	100	/* RFC 3461, 4.4 */
#define ORCPT_MAX	500	/* RFC 3461, 4.2 */

/* Digits at `at`, at most three; 0 where there is none. */
static size_t
digits_at(struct span s, size_t at)
{
	size_t n = 0;
	while (at + n < s.len && s.ptr[at + n] >= '0' && s.ptr[at + n] <= '9' && n <= DETAIL_DIGITS)
		n++;
	return n <= DETAIL_DIGITS ? n : 0;
}

size_t
dsn_code_len(struct span s)
{
	if (s.len < 5 || (s.ptr[0] != '2' && s.ptr[0] != '4' && s.ptr[0] != '5') || s.ptr[1] != '.')
		return 0;
	size_t subject = digits_at(s, 2);
	size_t dot = 2 + subject;
	if (subject == 0 || dot >= s.len || s.ptr[dot] != '.')
		return 0;
	size_t detail = digits_at(s, dot + 1);
	size_t end = dot + 1 + detail;
	if (detail == 0 || (end < s.len && memchr(" \t\r\n", s.ptr[end], 4) == NULL))
		return 0;
	return end;
}

const char *
dsn_of_reply(unsigned reply, struct span text, char out[DSN_TEXT], struct span *rest)
{
	char cls = reply / 100 == 2 ? '2' : reply / 100 == 5 ? '5' : '4';
	size_t len = dsn_code_len(text);
	if (rest != NULL)
		*rest = len > 0 ? span_ltrim(span_skip(text, len)) : text;
	if (len > 0 && text.ptr[0] == cls) {
		memcpy(out, text.ptr, len);
		out[len] = '\0';
	} else {
		memcpy(out, "0.0.0", 6);
		out[0] = cls;
	}
	return out;
}

const char *
dsn_with_class(struct span code, char cls, char out[DSN_TEXT])
{
	size_t len = dsn_code_len(code);
	struct span from = len > 0 ? span_head(code, len) : SPAN("2.0.0");
	memcpy(out, from.ptr, from.len);
	out[0] = cls;
	out[from.len] = '\0';
	return out;
}

static bool
is_xchar(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

void
xtext_encode(struct buf *b, struct span s)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (is_xchar(c)) {
			buf_char(b, (char)c);
		} else {
			buf_char(b, '+');
			buf_char(b, hex[c >> 4]);
			buf_char(b, hex[c & 15]);
		}
	}
}

/* RFC 3461 wants upper case; lower case is read as well, as Postfix does. */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
xtext_decode(struct buf *b, struct span s)
{
	size_t before = b->len;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '+') {
			if (!is_xchar((unsigned char)s.ptr[i]))
				goto bad;
			buf_char(b, s.ptr[i]);
			continue;
		}
		int high = i + 2 < s.len ? hex_value(s.ptr[i + 1]) : -1;
		int low = high >= 0 ? hex_value(s.ptr[i + 2]) : -1;
		if (low < 0)
			goto bad;
		buf_char(b, (char)(high << 4 | low));
		i += 2;
	}
	return true;
bad:
	buf_cut(b, before);
	return false;
}

bool
dsn_notify_parse(struct span value, uint8_t *notify)
{
	uint8_t seen = 0;
	struct span word;
	while (span_cut(&value, ',', &word)) {
		uint8_t bit = span_caseeqs(word, "never") ? NOTIFY_NEVER :
		    span_caseeqs(word, "success") ? NOTIFY_SUCCESS :
		    span_caseeqs(word, "failure") ? NOTIFY_FAILURE :
		    span_caseeqs(word, "delay") ? NOTIFY_DELAY : 0;
		if (bit == 0)
			return false;
		seen |= bit;
	}
	/* NEVER stands alone. */
	if (seen == 0 || ((seen & NOTIFY_NEVER) && seen != NOTIFY_NEVER))
		return false;
	*notify = seen;
	return true;
}

void
dsn_notify_put(struct buf *b, uint8_t notify)
{
	static const struct { uint8_t bit; const char *word; } words[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};
	const char *comma = "";
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		buf_str(b, comma);
		buf_str(b, words[i].word);
		comma = ",";
	}
}

bool
dsn_ret_parse(struct span value, enum dsn_ret *ret)
{
	if (span_caseeqs(value, "full"))
		*ret = DSN_RET_FULL;
	else if (span_caseeqs(value, "hdrs"))
		*ret = DSN_RET_HDRS;
	else
		return false;
	return true;
}

static bool
is_printable(struct span s, bool utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8))
			return false;
	}
	return !utf8 || address_is_utf8(s);
}

bool
dsn_envid_parse(struct span value, struct buf *out)
{
	size_t before = out->len;
	if (value.len == 0 || value.len > ENVID_MAX || !xtext_decode(out, value))
		return false;
	if (!out->over && is_printable(span_skip(buf_view(out), before), false))
		return true;
	buf_cut(out, before);
	return false;
}

static bool
is_address_type(struct span type)
{
	for (size_t i = 0; i < type.len; i++) {
		unsigned char c = (unsigned char)type.ptr[i];
		if (!is_xchar(c) || strchr("();:\"<>@[]\\,", c) != NULL)
			return false;
	}
	return type.len > 0;
}

/* The code point of "\x{HEX}" at the front (RFC 6533, 3), its length in *len; 0: none. */
static uint32_t
embedded_unicode(struct span s, size_t *len)
{
	uint32_t point = 0;
	if (s.len < 5 || memcmp(s.ptr, "\\x{", 3) != 0)
		return 0;
	size_t i = 3;
	for (; i < s.len && i < 10 && hex_value(s.ptr[i]) >= 0; i++)
		point = point << 4 | (uint32_t)hex_value(s.ptr[i]);
	if (i == 3 || i >= s.len || s.ptr[i] != '}' || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	*len = i + 1;
	return point;
}

static void
put_utf8(struct buf *b, uint32_t c)
{
	if (c < 0x80) {
		buf_char(b, (char)c);
		return;
	}
	int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	buf_char(b, (char)(lead[more] | c >> (6 * more)));
	while (more-- > 0)
		buf_char(b, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

/* utf-8-addr-xtext and -unitext: printable ASCII and UTF-8 as they are, the rest as \x{...}. */
static bool
decode_utf8_address(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len;) {
		size_t len = 1;
		if (s.ptr[i] == '\\') {
			uint32_t point = embedded_unicode(span_skip(s, i), &len);
			if (point == 0)
				return false;
			put_utf8(out, point);
		} else if (s.ptr[i] == '+' || s.ptr[i] == '=') {
			return false;
		} else {
			buf_char(out, s.ptr[i]);
		}
		i += len;
	}
	return true;
}

bool
dsn_orcpt_parse(struct span value, struct buf *out)
{
	size_t before = out->len;
	size_t semi = span_find(value, ';');
	struct span type = span_head(value, semi), address = span_skip(value, semi + 1);
	if (semi == value.len || value.len > ORCPT_MAX || address.len == 0 || !is_address_type(type))
		return false;
	bool utf8 = span_caseeqs(type, "utf-8");
	buf_span(out, type);
	buf_char(out, ';');
	size_t start = out->len;
	if ((utf8 ? decode_utf8_address(out, address) : xtext_decode(out, address)) && !out->over &&
	    is_printable(span_skip(buf_view(out), start), utf8))
		return true;
	buf_cut(out, before);
	return false;
}

void
dsn_orcpt_put(struct buf *b, struct span orcpt)
{
	size_t semi = span_find(orcpt, ';');
	struct span type = span_head(orcpt, semi), address = span_skip(orcpt, semi + 1);
	buf_span(b, type);
	buf_char(b, ';');
	if (!span_caseeqs(type, "utf-8")) {
		xtext_encode(b, address);
		return;
	}
	for (size_t i = 0; i < address.len; i++) {
		unsigned char c = (unsigned char)address.ptr[i];
		if (c >= 0x80 || (is_xchar(c) && c != '\\'))
			buf_char(b, (char)c);
		else
			buf_printf(b, "\\x{%02X}", c);
	}
}
