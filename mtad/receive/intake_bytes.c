#include "receive/intake_bytes.h"

#include "base/log.h"
#include "receive/state.h"

#define SHOWN	200	/* of the line in the log */

/* Up to three digits of an octal number. */
static unsigned
octal(struct span *rest)
{
	unsigned n = 0;

	for (int i = 0; i < 3 && rest->len > 0 && rest->ptr[0] >= '0' && rest->ptr[0] <= '7'; i++) {
		n = n * 8 + (unsigned)(rest->ptr[0] - '0');
		*rest = span_skip(*rest, 1);
	}
	return n & 0xff;
}

static unsigned
escaped(struct span *rest)
{
	static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";

	if (rest->len == 0)
		return '\\';
	if (rest->ptr[0] >= '0' && rest->ptr[0] <= '7')
		return octal(rest);
	char c = rest->ptr[0];
	*rest = span_skip(*rest, 1);
	const char *at = memchr(letters, c, sizeof letters - 1);
	return (unsigned char)(at == NULL ? c : bytes[at - letters]);
}

struct byte_set
byte_set_from(struct span text)
{
	struct byte_set set = { .any = false };

	while (text.len > 0) {
		unsigned c = (unsigned char)text.ptr[0];
		text = span_skip(text, 1);
		if (c == '\\')
			c = escaped(&text);
		if (c == '\n')
			continue;
		set.bits[c / 64] |= UINT64_C(1) << c % 64;
		set.any = true;
	}
	return set;
}

static bool
has(const struct byte_set *set, char c)
{
	return (set->bits[(unsigned char)c / 64] >> (unsigned char)c % 64 & 1) != 0;
}

/* The line around the byte, as far as it has come. */
static struct span
line_around(const struct intake *in, const char *at, const char *end)
{
	const char *from = at, *to = at;

	while (from > in->content.ptr && from[-1] != '\n' && at - from < SHOWN)
		from--;
	while (to < end && *to != '\n')
		to++;
	return span_head(span_of(from, (size_t)(to - from)), SHOWN);
}

static void
refuse(struct intake *in, struct span line)
{
	struct buf shown = BUF_INIT(8192), text = BUF_INIT(8192);
	struct check_source source;
	char id[QID_TEXT];

	intake_id(in);
	intake_source_of(in, &source);
	for (size_t i = 0; i < line.len; i++)
		buf_char(&shown, line.ptr[i] >= ' ' && line.ptr[i] < 0x7f ? line.ptr[i] : '?');
	content_check_tell(&text, "reject: content", buf_view(&shown), &source, SPAN("5.7.1 disallowed character"));
	log_info("cleanup", "%s: %.*s", qid_text(in->envelope.id, id), SPAN_ARG(buf_view(&text)));
	in->fault = "550 5.7.1 disallowed character";
	buf_clear(&shown);
	buf_clear(&text);
}

size_t
intake_bytes(struct intake *in, size_t n)
{
	const struct byte_rules *rules = in->bytes;
	char *from = in->content.ptr + in->content.len, *to = from;

	for (size_t i = 0; i < n; i++) {
		if (has(&rules->rejected, from[i])) {
			if (in->fault == NULL)
				refuse(in, line_around(in, from + i, from + n));
			return n;
		}
		if (!has(&rules->stripped, from[i]))
			*to++ = from[i];
	}
	return (size_t)(to - from);
}
