#include "smtp/client_state.h"

#include <string.h>

#include "mail/dsn.h"

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

void
client_reply_reset(struct smtp_client *c)
{
	buf_reset(&c->reply.text);
	c->reply.lines = 0;
	c->reply.code = 0;
}

/* Control bytes become "?", as in the log; the caller has taken the line end off. */
static void
add_text(struct buf *to, struct span line)
{
	if (to->len >= CLIENT_REPLY_MAX)
		return;
	if (to->len > 0)
		buf_char(to, ' ');
	line = span_head(line, CLIENT_REPLY_MAX - to->len);
	size_t from = to->len;
	buf_span(to, line);
	for (size_t i = from; i < to->len; i++)
		if ((unsigned char)to->ptr[i] < 0x20 || to->ptr[i] == 0x7f)
			to->ptr[i] = '?';
}

static enum reply_state
take_line(struct smtp_client *c, struct span line)
{
	struct client_reply *r = &c->reply;

	line = span_rtrim(line);
	if (line.len < 3 || !digit(line.ptr[0]) || !digit(line.ptr[1]) || !digit(line.ptr[2]) ||
	    (line.len > 3 && line.ptr[3] != ' ' && line.ptr[3] != '-')) {
		buf_reset(&r->text);
		add_text(&r->text, span_head(line, 100));
		return REPLY_BAD;
	}
	/* The last line's code counts where they differ, as in Postfix. */
	r->code = (unsigned)(line.ptr[0] - '0') * 100 + (unsigned)(line.ptr[1] - '0') * 10 +
	    (unsigned)(line.ptr[2] - '0');
	r->lines++;
	add_text(&r->text, line);
	return line.len > 3 && line.ptr[3] == '-' ? REPLY_MORE : REPLY_WHOLE;
}

/* A line that is cut over several reads, or is too long: gathered up to the limit. */
static void
gather(struct client_reply *r, struct span bytes)
{
	if (r->line.len < CLIENT_LINE_MAX)
		buf_span(&r->line, span_head(bytes, CLIENT_LINE_MAX - r->line.len));
}

static struct span
filtered(struct smtp_client *c, struct span line)
{
	struct buf *to = &c->reply.filtered;

	buf_reset(to);
	return c->options->filter_reply(c->options->filter_arg, line, to) && !to->over ? buf_view(to) : line;
}

enum reply_state
client_reply_read(struct smtp_client *c, struct span *input, struct span *line)
{
	struct client_reply *r = &c->reply;
	const char *end = memchr(input->ptr, '\n', input->len);

	*line = SPAN_NONE;
	if (end == NULL) {
		gather(r, *input);
		*input = span_skip(*input, input->len);
		return REPLY_MORE;
	}
	struct span whole = span_of(input->ptr, (size_t)(end - input->ptr));
	*input = span_skip(*input, whole.len + 1);
	if (r->line.len > 0) {
		gather(r, whole);
		whole = buf_view(&r->line);
	}
	whole = span_head(whole, CLIENT_LINE_MAX);
	if (c->options->filter_reply != NULL)
		whole = filtered(c, span_rtrim(whole));
	*line = whole;
	enum reply_state state = take_line(c, whole);
	/* The bytes stay readable for the caller of this line; only the length is forgotten. */
	r->line.len = 0;
	return state;
}

struct span
client_reply_dsn(struct span text, unsigned code)
{
	struct span rest = text.len > 4 ? span_ltrim(span_skip(text, 4)) : SPAN_NONE;
	struct span dsn = span_head(rest, dsn_code_len(rest));

	/* One of another class than the code is no better than none. */
	if (dsn.len > 0 && (unsigned)(dsn.ptr[0] - '0') == code / 100)
		return dsn;
	switch (code / 100) {
	case 2:
		return SPAN("2.0.0");
	case 4:
		return SPAN("4.0.0");
	case 5:
		return SPAN("5.0.0");
	default:
		return SPAN("5.5.0");
	}
}
