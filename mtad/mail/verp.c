#include "mail/verp.h"

#include <string.h>

#define FIRST_SHIFT	16
#define SECOND_SHIFT	24

static bool
is_ascii_mark(char c)
{
	return c > ' ' && c < 0x7f;
}

bool
verp_delimiters_ok(struct span text, const char *filter)
{
	return text.len == 2 && is_ascii_mark(text.ptr[0]) && is_ascii_mark(text.ptr[1]) && strchr(filter, text.ptr[0]) != NULL &&
	    strchr(filter, text.ptr[1]) != NULL;
}

uint32_t
verp_flags(struct span d)
{
	if (d.len != 2 || !is_ascii_mark(d.ptr[0]) || !is_ascii_mark(d.ptr[1]))
		return 0;
	return (uint32_t)(unsigned char)d.ptr[0] << FIRST_SHIFT | (uint32_t)(unsigned char)d.ptr[1] << SECOND_SHIFT;
}

bool
verp_delimiters(uint32_t flags, char d[2])
{
	d[0] = (char)(flags >> FIRST_SHIFT & 0x7f);
	d[1] = (char)(flags >> SECOND_SHIFT & 0x7f);
	return is_ascii_mark(d[0]) && is_ascii_mark(d[1]);
}

void
verp_sender(struct buf *out, const char d[2], struct span sender, struct span recipient)
{
	size_t at = span_rfind(sender, '@'), of = span_rfind(recipient, '@');

	buf_span(out, span_head(sender, at));
	buf_char(out, d[0]);
	buf_span(out, span_head(recipient, of));
	if (of < recipient.len) {
		buf_char(out, d[1]);
		buf_span(out, span_skip(recipient, of + 1));
	}
	buf_span(out, span_skip(sender, at));
}
