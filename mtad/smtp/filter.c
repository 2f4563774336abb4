#include "smtp/filter.h"

#include "mail/dsn.h"

#define COMMAND_MAX	512	/* RFC 5321, 4.5.3.1.4 */

static const char *const names[FILTER_XATTRS] = {
	[FILTER_NAME] = "NAME", [FILTER_ADDR] = "ADDR", [FILTER_PORT] = "PORT", [FILTER_HELO] = "HELO", [FILTER_IDENT] = "IDENT", [FILTER_PROTO] = "PROTO",
	[FILTER_SOURCE] = "SOURCE",
};

/* -- replies -------------------------------------------------------------------------------------- */

static bool
is_last(struct span line)
{
	return line.len < 4 || line.ptr[3] != '-';
}

static void
keep_line(struct filter_reply *r, struct span line)
{
	if (r->text.len + line.len > FILTER_REPLY_MAX && r->text.len > 0)
		return;
	if (r->text.len > 0)
		buf_str(&r->text, "\r\n");
	for (size_t i = 0; i < line.len && i < FILTER_REPLY_MAX; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		buf_char(&r->text, c < ' ' || c >= 0x7f ? '?' : (char)c);
	}
}

size_t
filter_reply_take(struct filter_reply *r, struct span in)
{
	size_t used = 0;

	if (r->whole) {
		buf_reset(&r->text);
		r->whole = false;
	}
	while (used < in.len && !r->whole) {
		struct span rest = span_skip(in, used);
		size_t end = span_find(rest, '\n');
		size_t room = r->line.len < FILTER_REPLY_MAX ? FILTER_REPLY_MAX - r->line.len : 0;
		buf_span(&r->line, span_head(rest, end < room ? end : room));
		used += end;
		if (end == rest.len)
			break;
		used++;
		struct span line = r->line.len == 0 ? SPAN_NONE : span_rtrim(buf_view(&r->line));
		keep_line(r, line);
		r->whole = is_last(line);
		buf_reset(&r->line);
	}
	return used;
}

char
filter_reply_class(const struct filter_reply *r)
{
	const char *t = r->text.ptr;

	if (r->text.len < 3 || t[0] < '2' || t[0] > '5' || t[1] < '0' || t[1] > '9' || t[2] < '0' || t[2] > '9')
		return 0;
	return t[0];
}

void
filter_reply_clear(struct filter_reply *r)
{
	buf_clear(&r->text);
	buf_clear(&r->line);
}

/* -- XFORWARD --------------------------------------------------------------------------------------- */

static unsigned
named(struct span words)
{
	struct span word;
	unsigned bits = 0;

	while (span_word(&words, " ", &word))
		for (unsigned i = 0; i < FILTER_XATTRS; i++)
			if (span_caseeqs(word, names[i]))
				bits |= 1u << i;
	return bits;
}

unsigned
filter_xforward_offered(const struct filter_reply *r)
{
	struct span rest = r->text.len == 0 ? SPAN_NONE : buf_view(&r->text), line, word;

	while (span_cut(&rest, '\n', &line)) {
		line = span_rtrim(span_skip(line, 4));
		if (span_word(&line, " ", &word) && span_caseeqs(word, "XFORWARD"))
			return named(line);
	}
	return 0;
}

bool
filter_xforward(unsigned *left, const struct span values[FILTER_XATTRS], struct buf *out)
{
	bool any = false;

	for (unsigned i = 0; i < FILTER_XATTRS; i++) {
		if (!(*left >> i & 1))
			continue;
		struct buf item = BUF_INIT(4096);
		buf_printf(&item, " %s=", names[i]);
		if (values[i].len == 0)
			buf_str(&item, "[UNAVAILABLE]");
		else
			xtext_encode(&item, values[i]);
		bool fits = !any || out->len + item.len <= COMMAND_MAX - 2;
		if (fits) {
			if (!any)
				buf_str(out, "XFORWARD");
			buf_span(out, buf_view(&item));
			*left &= ~(1u << i);
			any = true;
		}
		buf_clear(&item);
		if (!fits)
			break;
	}
	return any;
}

/* -- content -------------------------------------------------------------------------------------------- */

void
filter_content(struct buf *out, struct span content, bool *begun)
{
	while (content.len > 0) {
		size_t end = span_find(content, '\n');
		if (!*begun && content.ptr[0] == '.')
			buf_char(out, '.');
		buf_span(out, span_head(content, end));
		*begun = end == content.len;
		if (*begun)
			break;
		buf_str(out, "\r\n");
		content = span_skip(content, end + 1);
	}
}
