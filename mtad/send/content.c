#include "send/core.h"

#include <errno.h>
#include <unistd.h>

#define PIECE	((size_t)32 << 10)

static long
read_spill(struct content *c, char *out, size_t n)
{
	if (c->spill < 0 || c->at >= c->end)
		return 0;
	if (n > c->end - c->at)
		n = (size_t)(c->end - c->at);
	for (;;) {
		ssize_t got = pread(c->spill, out, n, (off_t)c->at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)	/* a file that is shorter than its record says is as bad as an unreadable one */
			return -1;
		c->at += (uint64_t)got;
		return (long)got;
	}
}

static long
more_plain(void *arg, char *out, size_t n)
{
	return read_spill(arg, out, n);
}

/* One more piece through the conversion; false where reading failed. */
static bool
convert_piece(struct content *c)
{
	static char piece[PIECE];	/* used within this call only */

	while (c->part < 2) {
		struct span *part = &c->parts[c->part];
		if (part->len > 0) {
			mime7_put(c->convert, span_head(*part, PIECE), &c->converted);
			*part = span_skip(*part, PIECE);
			return true;
		}
		c->part++;
	}
	long n = read_spill(c, piece, sizeof piece);
	if (n < 0)
		return false;
	if (n > 0) {
		mime7_put(c->convert, span_of(piece, (size_t)n), &c->converted);
		return true;
	}
	mime7_end(c->convert, &c->converted);
	mime7_free(c->convert);
	c->convert = NULL;
	return true;
}

static long
more_converted(void *arg, char *out, size_t n)
{
	struct content *c = arg;

	while (c->given == c->converted.len && c->convert != NULL) {
		buf_reset(&c->converted);
		c->given = 0;
		if (!convert_piece(c))
			return -1;
	}
	if (c->converted.over)
		return -1;
	struct span left = span_head(span_skip(buf_view(&c->converted), c->given), n);
	if (left.len > 0)
		memcpy(out, left.ptr, left.len);
	c->given += left.len;
	return (long)left.len;
}

void
content_begin(struct content *c, struct client_content *out, const struct message *m, int spill, bool to_7bit)
{
	content_end(c);
	*c = (struct content){ .spill = m->spill_length > 0 ? spill : -1, .end = m->spill_length };
	*out = (struct client_content){ .parts = { m->header, m->body }, .arg = c,
		.more = m->spill_length > 0 ? more_plain : NULL };
	if (!to_7bit)
		return;
	c->convert = mime7_new(MIME7_DEPTH);
	c->parts[0] = m->header;
	c->parts[1] = m->body;
	*out = (struct client_content){ .arg = c, .more = more_converted };
}

void
content_end(struct content *c)
{
	mime7_free(c->convert);
	c->convert = NULL;
	buf_clear(&c->converted);
}
