#include "mail/mime_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/mime_type.h"

#define NESTING_MORE	2
#define FAULTY_MAX	200
#define TYPE_MAX	((size_t)16 << 10)	/* of the headers that tell the structure */

struct level {
	char		*boundary;
	size_t		 len;
	bool		 digest;
};

struct mime_walk {
	struct walk_options opt;
	walk_fn		*fn;
	void		*arg;
	bool		 in_header;
	enum walk_class	 class;		/* of that header */
	bool		 in_digest;
	bool		 mid_line;	/* the line's first piece is behind us */
	bool		 in_boundary;	/* that piece began a part: the rest of the line is no header */
	bool		 header_ended;	/* its last line has a line end */
	uint64_t	 offset;	/* in the text of this part */
	struct buf	 line, header, types;
	struct buf	 deep;		/* not empty: past the limit */
	enum walk_fault	 fault;		/* the first one */
	struct buf	 faulty;	/* what has it, cut short */
	bool		 seven;		/* the part says that its text has seven bits, and that is looked at */
	struct level	*levels;
	unsigned	 depth, cap;
};

/* -- what strict sites look for -- */

static void
note_fault(struct mime_walk *w, enum walk_fault fault, struct span where)
{
	if (w->fault != WALK_GOOD || (w->opt.strict & WALK_STRICT(fault)) == 0)
		return;
	w->fault = fault;
	buf_span(&w->faulty, span_head(where, FAULTY_MAX));
}

static void
look_at_text(struct mime_walk *w, struct span text)
{
	struct span line;

	if (!w->seven || w->fault != WALK_GOOD || !!span_is_ascii(text))
		return;
	while (span_cut(&text, '\n', &line))
		if (!span_is_ascii(line))
			note_fault(w, WALK_8BIT_BODY, line);
}

/* RFC 2045, section 6.4: what has parts of its own is not encoded as a whole. */
static void
look_at_encoding(struct mime_walk *w, const struct mime_type *t, struct span block)
{
	struct header h;

	w->seven = (w->opt.strict & WALK_STRICT(WALK_8BIT_BODY)) != 0 &&
	    (t->encoding == MIME_ENC_NONE || t->encoding == MIME_ENC_7BIT);
	if (t->kind == MIME_LEAF || t->encoding != MIME_ENC_OTHER)
		return;
	while (header_next(&block, &h))
		if (span_caseeqs(h.name, "content-transfer-encoding"))
			note_fault(w, WALK_ENCODING, span_trim(h.value));
}

enum walk_fault
mime_walk_fault(const struct mime_walk *w, struct span *where)
{
	*where = buf_view(&w->faulty);
	return w->fault;
}

/* -- structure -- */

static void
push(struct mime_walk *w, const struct mime_type *t, struct span block)
{
	if (w->depth >= w->opt.nesting_limit + NESTING_MORE) {
		if (w->deep.len == 0)
			buf_span(&w->deep, block);
		return;
	}
	if (w->depth == w->cap) {
		w->cap = w->cap == 0 ? 4 : 2 * w->cap;
		w->levels = mem_grow(w->levels, w->cap, sizeof *w->levels);
	}
	w->levels[w->depth++] = (struct level){ .boundary = span_dup(span_of(t->boundary, t->boundary_len)),
	    .len = t->boundary_len, .digest = t->kind == MIME_DIGEST };
}

static void
pop_to(struct mime_walk *w, unsigned depth)
{
	while (w->depth > depth)
		free(w->levels[--w->depth].boundary);
}

static void
begin_header(struct mime_walk *w, enum walk_class class, bool in_digest)
{
	w->in_header = true;
	w->class = class;
	w->in_digest = in_digest;
	buf_reset(&w->types);
	buf_reset(&w->header);
}

/* The block is over: a message within, parts, or text follow. */
static void
begin_content(struct mime_walk *w, struct span block, bool in_digest)
{
	struct mime_type t;

	w->in_header = false;
	w->offset = 0;
	mime_type_look(block, in_digest, &t);
	if (w->opt.strict != 0)
		look_at_encoding(w, &t, block);
	if (t.kind == MIME_MESSAGE)
		begin_header(w, WALK_NESTED, false);
	else if (t.kind != MIME_LEAF)
		push(w, &t, block);
}

struct mime_walk *
mime_walk_new(const struct walk_options *opt, struct span header)
{
	struct mime_walk *w;

	MEM_NEW(w);
	w->opt = *opt;
	w->line = BUF_INIT(0);
	w->header = BUF_INIT(0);
	w->types = BUF_INIT(TYPE_MAX);
	w->deep = BUF_INIT(0);
	w->faulty = BUF_INIT(0);
	if (opt->structure)
		begin_content(w, header, false);
	return w;
}

void
mime_walk_free(struct mime_walk *w)
{
	if (w == NULL)
		return;
	pop_to(w, 0);
	free(w->levels);
	buf_clear(&w->line);
	buf_clear(&w->header);
	buf_clear(&w->types);
	buf_clear(&w->deep);
	buf_clear(&w->faulty);
	free(w);
}

bool
mime_walk_idle(const struct mime_walk *w)
{
	return !w->in_header && w->depth == 0 && !w->opt.lines && !w->seven && w->fault == WALK_GOOD;
}

bool
mime_walk_too_deep(const struct mime_walk *w, struct span *header)
{
	struct span rest = buf_view(&w->deep);
	struct header h;

	*header = SPAN_NONE;
	while (header_next(&rest, &h))
		if (span_caseeqs(h.name, "content-type"))
			*header = span_rtrim(h.raw);
	return w->deep.len > 0;
}

/* -- items -- */

static void
give(struct mime_walk *w, enum walk_class class, struct span text, bool ended)
{
	w->fn(w->arg, &(struct walk_item){ .class = class, .text = text, .ended = ended });
}

static void
give_line(struct mime_walk *w, struct span text, bool ended)
{
	bool wanted = w->opt.lines && (w->opt.lines_limit == 0 || w->offset < w->opt.lines_limit);

	w->offset += text.len + ended;
	look_at_text(w, text);
	if (wanted) {
		give(w, WALK_LINE, text, ended);
		return;
	}
	if (text.len > 0)
		give(w, WALK_RUN, text, false);
	if (ended)
		give(w, WALK_RUN, SPAN("\n"), false);
}

static void
give_header(struct mime_walk *w)
{
	struct span text = buf_view(&w->header);

	if (text.len == 0)
		return;
	if (span_casestarts(text, "content-") && !w->types.over) {
		size_t before = w->types.len;
		buf_span(&w->types, text);
		buf_char(&w->types, '\n');
		if (w->types.over) {	/* one that is too long says nothing */
			w->types.over = false;
			buf_cut(&w->types, before);
		}
	}
	if ((w->opt.strict & WALK_STRICT(WALK_8BIT_HEADER)) != 0 && !span_is_ascii(text))
		note_fault(w, WALK_8BIT_HEADER, text);
	give(w, w->class, text, w->header_ended);
	buf_reset(&w->header);
}

static void
put_header(struct mime_walk *w, struct span piece)
{
	if (w->header.len < w->opt.header_limit || w->opt.header_limit == 0)
		buf_span(&w->header, piece);
}

/* True: the line was the header's. False: the block is over, and the line belongs to what follows. */
static bool
take_header(struct mime_walk *w, struct span piece, bool ended)
{
	if (!w->mid_line && !(w->header.len > 0 && piece.len > 0 && (piece.ptr[0] == ' ' || piece.ptr[0] == '\t'))) {
		give_header(w);
		if (header_name_len(piece) == 0)
			return false;
	} else if (!w->mid_line) {
		put_header(w, SPAN("\n"));
	}
	put_header(w, piece);
	w->header_ended = ended;
	return true;
}

/* The level whose boundary the line is, + 1; or 0. */
static unsigned
match_boundary(const struct mime_walk *w, struct span line, bool *closing)
{
	if (!span_starts(line, "--"))
		return 0;
	line = span_skip(line, 2);
	for (unsigned i = w->depth; i > 0; i--) {
		const struct level *l = &w->levels[i - 1];
		if (line.len < l->len || memcmp(line.ptr, l->boundary, l->len) != 0)
			continue;
		*closing = span_starts(span_skip(line, l->len), "--");
		return i;
	}
	return 0;
}

static void
take_text(struct mime_walk *w, struct span piece, bool ended)
{
	bool closing = false;
	unsigned level = w->mid_line ? 0 : match_boundary(w, piece, &closing);

	give_line(w, piece, ended);
	if (level == 0)
		return;
	pop_to(w, closing ? level - 1 : level);
	if (closing)
		return;
	begin_header(w, WALK_MIME, w->levels[level - 1].digest);
	w->in_boundary = !ended;
}

/* A line without its end, or a piece of one. */
static void
take_piece(struct mime_walk *w, struct span piece, bool ended)
{
	if (w->in_boundary) {
		give_line(w, piece, ended);
		w->in_boundary = !ended;
	} else if (w->in_header && !take_header(w, piece, ended)) {
		bool empty = piece.len == 0 && ended;
		begin_content(w, buf_view(&w->types), w->in_digest);
		if (empty) {
			give_line(w, piece, ended);
		} else {
			w->in_header = false;	/* a message within that has no header */
			take_text(w, piece, ended);
		}
	} else if (!w->in_header) {
		take_text(w, piece, ended);
	}
	w->mid_line = !ended;
}

/* What can be passed on unseen off the front of *in: to the next line that may be a boundary. */
static bool
take_run(struct mime_walk *w, struct span *in)
{
	bool lines = w->opt.lines && (w->opt.lines_limit == 0 || w->offset < w->opt.lines_limit);
	size_t n = in->len;

	if (w->in_header || lines || w->line.len > 0 || w->mid_line)
		return false;
	if (w->depth > 0) {
		const char *at = in->ptr[0] == '-' ? in->ptr : memmem(in->ptr, n, "\n-", 2);
		if (at == NULL)
			at = memrchr(in->ptr, '\n', n);
		if (at == NULL || at == in->ptr)
			n = at != NULL && *at == '\n';
		else
			n = (size_t)(at - in->ptr) + 1;
		if (n == 0)
			return false;
	}
	w->offset += n;
	look_at_text(w, span_head(*in, n));
	give(w, WALK_RUN, span_head(*in, n), false);
	/* Without parts the next piece may go on in the middle of a line: nothing depends on it. */
	*in = span_skip(*in, n);
	return true;
}

void
mime_walk_put(struct mime_walk *w, struct span in, walk_fn *fn, void *arg)
{
	w->fn = fn;
	w->arg = arg;
	while (in.len > 0) {
		if (take_run(w, &in))
			continue;
		size_t room = w->opt.line_limit - w->line.len, nl = span_find(span_head(in, room), '\n');
		struct span piece = span_head(in, nl < room ? nl : room);
		bool ended = nl < room && nl < in.len, whole = ended || piece.len == room;
		in = span_skip(in, piece.len + ended);
		if (w->line.len == 0 && whole) {
			take_piece(w, piece, ended);
			continue;
		}
		buf_span(&w->line, piece);
		if (whole) {
			take_piece(w, buf_view(&w->line), ended);
			buf_reset(&w->line);
		}
	}
}

void
mime_walk_end(struct mime_walk *w, walk_fn *fn, void *arg)
{
	w->fn = fn;
	w->arg = arg;
	if (w->line.len > 0)
		take_piece(w, buf_view(&w->line), false);
	buf_reset(&w->line);
	if (w->in_header)
		give_header(w);
}
