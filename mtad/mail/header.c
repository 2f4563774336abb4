#include "mail/header.h"

#include "mail/address.h"

#define FOLD_AT	78

static bool
is_blank_byte(char c)
{
	return c == ' ' || c == '\t';
}

/* The place behind the line end, or the end of the text. */
static size_t
line_end(struct span s, size_t from)
{
	const char *nl = memchr(s.ptr + from, '\n', s.len - from);
	return nl == NULL ? s.len : (size_t)(nl - s.ptr) + 1;
}

/* Where the colon stands and how long the name before it is. */
static size_t
find_colon(struct span line, size_t *name_len)
{
	size_t i = 0;
	while (i < line.len && line.ptr[i] > ' ' && line.ptr[i] < 0x7f && line.ptr[i] != ':')
		i++;
	*name_len = i;
	while (i > 0 && i < line.len && is_blank_byte(line.ptr[i]))
		i++;
	return i > 0 && i < line.len && line.ptr[i] == ':' ? i : 0;
}

size_t
header_name_len(struct span line)
{
	size_t len;
	return find_colon(line, &len) > 0 ? len : 0;
}

bool
header_next(struct span *rest, struct header *h)
{
	struct span s = *rest;
	size_t name_len, colon;
	if (s.len == 0 || (colon = find_colon(s, &name_len)) == 0)
		return false;
	size_t end = line_end(s, colon);
	while (end < s.len && is_blank_byte(s.ptr[end]))
		end = line_end(s, end);
	size_t stop = end;
	if (stop > colon + 1 && s.ptr[stop - 1] == '\n')
		stop--;
	if (stop > colon + 1 && s.ptr[stop - 1] == '\r')
		stop--;
	size_t start = colon + 1;
	while (start < stop && is_blank_byte(s.ptr[start]))
		start++;
	h->raw = span_head(s, end);
	h->name = span_head(s, name_len);
	h->value = span_of(s.ptr + start, stop - start);
	*rest = span_skip(s, end);
	return true;
}

size_t
header_block_len(struct span s)
{
	size_t at = 0;
	while (at < s.len) {
		if (s.ptr[at] == '\n')
			return at + 1;
		if (s.ptr[at] == '\r' && at + 1 < s.len && s.ptr[at + 1] == '\n')
			return at + 2;
		at = line_end(s, at);
	}
	return s.len;
}

bool
header_find(struct span block, const char *name, struct header *h)
{
	while (header_next(&block, h))
		if (span_caseeqs(h->name, name))
			return true;
	return false;
}

static void
look_resent(struct span what, struct header_facts *f)
{
	f->seen |= HEADER_RESENT;
	if (span_caseeqs(what, "from"))
		f->seen |= HEADER_RESENT_FROM;
	else if (span_caseeqs(what, "date"))
		f->seen |= HEADER_RESENT_DATE;
	else if (span_caseeqs(what, "message-id"))
		f->seen |= HEADER_RESENT_MESSAGE_ID;
	else if (span_caseeqs(what, "to") || span_caseeqs(what, "cc"))
		f->seen |= HEADER_RECIPIENT;
	else if (span_caseeqs(what, "bcc"))
		f->seen |= HEADER_RECIPIENT | HEADER_BCC;
}

static void
look_at(const struct header *h, struct header_facts *f)
{
	static const struct { const char *name; unsigned seen; } plain[] = {
		{ "from", HEADER_FROM }, { "date", HEADER_DATE }, { "to", HEADER_TO | HEADER_RECIPIENT },
		{ "cc", HEADER_RECIPIENT }, { "bcc", HEADER_RECIPIENT | HEADER_BCC },
		{ "mime-version", HEADER_MIME_VERSION }, { "return-path", HEADER_RETURN_PATH },
	};
	switch (h->name.ptr[0] | 0x20) {
	case 'r':
		if (span_caseeqs(h->name, "received"))
			f->received++;
		else if (span_casestarts(h->name, "resent-"))
			look_resent(span_skip(h->name, 7), f);
		break;
	case 's':
		if (span_caseeqs(h->name, "subject") && f->subject.ptr == NULL)
			f->subject = h->value;
		return;
	case 'm':
		if (span_caseeqs(h->name, "message-id")) {
			f->seen |= HEADER_MESSAGE_ID;
			if (f->message_id.len == 0)
				f->message_id = span_trim(h->value);
		}
		break;
	case 'd':
		if (span_caseeqs(h->name, "delivered-to"))
			f->delivered_to++;
		break;
	case 'x':
		return;
	}
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		if (span_caseeqs(h->name, plain[i].name))
			f->seen |= plain[i].seen;
}

void
header_look(struct span block, struct header_facts *f)
{
	struct span rest = block;
	struct header h;
	*f = (struct header_facts){ 0 };
	while (header_next(&rest, &h)) {
		if (h.raw.len > f->longest)
			f->longest = h.raw.len;
		look_at(&h, f);
	}
	f->length = block.len - rest.len;
}

bool
header_delivered_to(struct span block, struct span address)
{
	struct header h;
	struct buf value = BUF_INIT(4096);
	bool found = false;
	while (!found && header_next(&block, &h)) {
		if (!span_caseeqs(h.name, "delivered-to"))
			continue;
		struct span plain = span_trim(h.value);
		buf_reset(&value);
		/* Quoted local parts stand in the header in external form. */
		found = span_caseeq(plain, address) ||
		    (mailbox_address(plain, &value) && span_caseeq(buf_view(&value), address));
	}
	buf_clear(&value);
	return found;
}

void
header_unfold(struct buf *b, struct span value)
{
	for (size_t i = 0; i < value.len;) {
		size_t end = line_end(value, i);
		struct span line = span_of(value.ptr + i, end - i);
		bool ended = line.len > 0 && line.ptr[line.len - 1] == '\n';
		buf_span(b, ended ? span_rtrim(line) : line);
		i = end;
		while (ended && i < value.len && is_blank_byte(value.ptr[i]))
			i++;
		if (ended && i < value.len)
			buf_char(b, ' ');
	}
}

void
header_put(struct buf *b, const char *name, struct span value)
{
	size_t column = strlen(name) + 1;
	struct span word;
	bool first = true;
	buf_str(b, name);
	buf_char(b, ':');
	while (span_word(&value, " \t\r\n", &word)) {
		bool fold = !first && column + 1 + word.len > FOLD_AT;
		buf_str(b, fold ? "\n\t" : " ");
		buf_span(b, word);
		column = (fold ? 8 : column + 1) + word.len;
		first = false;
	}
	buf_char(b, '\n');
}

void
header_copy_limited(struct buf *b, struct span block, size_t limit)
{
	struct header h;
	while (header_next(&block, &h)) {
		if (h.raw.len <= limit) {
			buf_span(b, h.raw);
			continue;
		}
		/* The first line always stays, cut if it alone is too long: a header without it would be another one. */
		size_t keep = line_end(h.raw, 0);
		while (keep < h.raw.len) {
			size_t next = line_end(h.raw, keep);
			if (next > limit)
				break;
			keep = next;
		}
		if (keep <= limit) {
			buf_span(b, span_head(h.raw, keep));
			continue;
		}
		buf_span(b, span_rtrim(span_head(h.raw, limit > h.name.len ? limit : h.name.len + 1)));
		buf_char(b, '\n');
	}
	buf_span(b, block);
}

void
header_copy_without(struct buf *b, struct span block, const char *name)
{
	struct header h;
	while (header_next(&block, &h))
		if (!span_caseeqs(h.name, name))
			buf_span(b, h.raw);
	buf_span(b, block);
}
