#include "send/core.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

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

/* One more piece of what is stored; empty at the end. False where reading failed. */
static bool
stored_piece(struct content *c, struct span *out)
{
	static char piece[PIECE];	/* until the next call */

	for (; c->part < 2; c->part++) {
		struct span *part = &c->parts[c->part];
		if (part->len == 0)
			continue;
		*out = span_head(*part, PIECE);
		*part = span_skip(*part, PIECE);
		return true;
	}
	long n = read_spill(c, piece, sizeof piece);
	*out = span_of(piece, n > 0 ? (size_t)n : 0);
	return n >= 0;
}

/* One more piece through the conversion and what is rewritten; false where that failed. */
static bool
work_piece(struct content *c)
{
	struct buf *to = c->rewriter == NULL ? &c->worked : &c->converted;
	struct span piece;
	struct err err;

	if (!stored_piece(c, &piece))
		return false;
	c->ended = piece.len == 0;
	if (c->convert != NULL) {
		buf_reset(&c->converted);
		if (c->ended)
			mime7_end(c->convert, to);
		else
			mime7_put(c->convert, piece, to);
		piece = buf_view(&c->converted);
	}
	if (c->rewriter == NULL)
		return true;
	rewriter_put(c->rewriter, piece, &c->worked);
	if (c->ended)
		rewriter_end(c->rewriter, &c->worked);
	if (rewriter_status(c->rewriter, &err) == MAP_DONE)
		return true;
	log_warning(c->program, "%s: %s", c->id, err.text);
	return false;
}

static long
more_worked(void *arg, char *out, size_t n)
{
	struct content *c = arg;

	while (c->given == c->worked.len && !c->ended) {
		buf_reset(&c->worked);
		c->given = 0;
		if (!work_piece(c))
			return -1;
	}
	if (c->worked.over || c->converted.over)
		return -1;
	struct span left = span_head(span_skip(buf_view(&c->worked), c->given), n);
	if (left.len > 0)
		memcpy(out, left.ptr, left.len);
	c->given += left.len;
	return (long)left.len;
}

void
content_begin(struct delivery *d, bool to_7bit)
{
	const struct message *m = &d->message;
	struct content *c = &d->content;
	struct client_content *out = &d->mail.content;

	content_end(c);
	*c = (struct content){ .spill = m->spill_length > 0 ? d->spill : -1, .end = m->spill_length,
		.program = d->settings->program, .id = d->id_text };
	*out = (struct client_content){ .parts = { m->header, m->body }, .arg = c,
		.more = m->spill_length > 0 ? more_plain : NULL };
	if (to_7bit)
		c->convert = mime7_new(MIME7_DEPTH);
	if (d->settings->rewriting != NULL)
		c->rewriter = rewriter_new(d->settings->rewriting, d->facts, c->program, c->id);
	if (c->convert == NULL && c->rewriter == NULL)
		return;
	c->parts[0] = m->header;
	c->parts[1] = m->body;
	*out = (struct client_content){ .arg = c, .more = more_worked };
}

void
content_end(struct content *c)
{
	mime7_free(c->convert);
	c->convert = NULL;
	rewriter_free(c->rewriter);
	c->rewriter = NULL;
	buf_clear(&c->converted);
	buf_clear(&c->worked);
}
