#include "mail/mime7.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/mime_type.h"

#define LINE_MAX_HELD	4096u		/* longer lines are worked on in pieces */
#define HEADER_MAX	(512u << 10)	/* of one part; the rest of a longer one counts as its body */
#define HOLD_MAX	(64u << 10)	/* how far to look for 8-bit content before an undeclared part counts as 8-bit */
#define QP_COLUMNS	76

enum state {
	HEADER,		/* gathering a header block */
	HOLD,		/* in a part that says 7bit, or nothing: is it true? */
	ENCODE,		/* in a part that becomes quoted-printable */
	PLAIN,		/* in what stays as it is */
};

struct level {
	char	boundary[MIME_BOUNDARY_MAX];
	size_t	len;
	bool	digest;
};

struct mime7 {
	enum state	 state;
	bool		 top;		/* in the message's own header */
	bool		 in_digest;	/* of the part whose header is gathered */
	bool		 mid_line;	/* the line's first piece is behind us */
	struct buf	 line;
	struct buf	 header;
	struct buf	 hold;
	size_t		 column;	/* of the encoded line */
	struct mime_type type;		/* of the part */
	unsigned	 depth, depth_max;
	struct level	*levels;
};

struct mime7 *
mime7_new(unsigned depth)
{
	struct mime7 *m;
	MEM_NEW(m);
	m->top = true;
	m->depth_max = depth;
	m->levels = mem_array(depth > 0 ? depth : 1, sizeof *m->levels);
	m->line = BUF_INIT(2 * LINE_MAX_HELD);
	m->header = BUF_INIT(HEADER_MAX + 2 * LINE_MAX_HELD);
	m->hold = BUF_INIT(HOLD_MAX + 2 * LINE_MAX_HELD);
	return m;
}

void
mime7_free(struct mime7 *m)
{
	if (m == NULL)
		return;
	buf_clear(&m->line);
	buf_clear(&m->header);
	buf_clear(&m->hold);
	free(m->levels);
	free(m);
}

static bool
ends_line(struct span piece)
{
	return piece.len > 0 && piece.ptr[piece.len - 1] == '\n';
}

/* -- what goes out ------------------------------------------------------------------------ */

static void
put_plain(struct span piece, struct buf *out)
{
	char *room = buf_room(out, piece.len);
	if (room == NULL)
		return;
	for (size_t i = 0; i < piece.len; i++)
		room[i] = (unsigned char)piece.ptr[i] >= 0x80 ? '?' : piece.ptr[i];
	buf_added(out, piece.len);
}

static void
put_encoded(struct mime7 *m, struct span piece, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t end = piece.len - ends_line(piece);
	for (size_t i = 0; i < end; i++) {
		unsigned char c = (unsigned char)piece.ptr[i];
		bool literal = (c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && i + 1 < end);
		if (m->column + (literal ? 1 : 3) >= QP_COLUMNS) {
			buf_put(out, "=\n", 2);
			m->column = 0;
		}
		if (literal)
			buf_char(out, (char)c);
		else
			buf_put(out, (char[]){ '=', hex[c >> 4], hex[c & 15] }, 3);
		m->column += literal ? 1 : 3;
	}
	if (end < piece.len) {
		buf_char(out, '\n');
		m->column = 0;
	}
}

/* The header block without its encoding, and with another where one is given. */
static void
put_header(const struct mime7 *m, const char *encoding, struct buf *out)
{
	struct span rest = buf_view(&m->header);
	struct header h;
	while (header_next(&rest, &h))
		if (encoding == NULL || !span_caseeqs(h.name, "content-transfer-encoding"))
			buf_span(out, h.raw);
	if (encoding != NULL) {
		buf_str(out, "Content-Transfer-Encoding: ");
		buf_str(out, encoding);
		buf_char(out, '\n');
	}
	buf_span(out, rest);
}

/* The held part has 8-bit content: it becomes quoted-printable from its start. */
static void
begin_encoding(struct mime7 *m, bool was_top, struct buf *out)
{
	if (was_top && !m->type.has_version)
		buf_str(out, "MIME-Version: 1.0\n");
	if (was_top && !m->type.has_type)
		buf_str(out, "Content-Type: text/plain; charset=unknown-8bit\n");
	put_header(m, "quoted-printable", out);
	m->state = ENCODE;
	m->column = 0;
	for (struct span held = buf_view(&m->hold); held.len > 0;) {
		size_t end = span_find(held, '\n');
		struct span piece = span_head(held, end < held.len ? end + 1 : end);
		put_encoded(m, piece, out);
		held = span_skip(held, piece.len);
	}
	buf_reset(&m->hold);
	m->top = false;
}

/* -- what comes in -------------------------------------------------------------------------- */

static void
begin_header(struct mime7 *m, bool in_digest)
{
	buf_reset(&m->header);
	m->state = HEADER;
	m->in_digest = in_digest;
}

static void
push_level(struct mime7 *m)
{
	struct level *l = &m->levels[m->depth++];
	memcpy(l->boundary, m->type.boundary, m->type.boundary_len);
	l->len = m->type.boundary_len;
	l->digest = m->type.kind == MIME_DIGEST;
}

/* A part ends while it was still held: it was 7-bit. */
static void
release_held(struct mime7 *m, struct buf *out)
{
	if (m->state != HOLD)
		return;
	put_header(m, NULL, out);
	buf_span(out, buf_view(&m->hold));
	buf_reset(&m->hold);
	m->state = PLAIN;
}

/* The header block is complete: what does that make of the part? */
static void
end_header(struct mime7 *m, struct buf *out)
{
	bool was_top = m->top;
	mime_type_look(buf_view(&m->header), m->in_digest, &m->type);
	/* Where the block ends without an empty line, the body needs one before it. */
	struct span rest = buf_view(&m->header);
	struct header h;
	while (header_next(&rest, &h))
		;
	if (rest.len == 0)
		buf_char(&m->header, '\n');
	bool raw = m->type.encoding == MIME_ENC_8BIT || m->type.encoding == MIME_ENC_BINARY;
	bool inner = m->type.kind != MIME_LEAF && m->type.encoding != MIME_ENC_OTHER;
	if (inner && m->type.kind != MIME_MESSAGE && m->depth == m->depth_max)
		inner = false;
	m->top = false;
	if (inner) {
		put_header(m, raw ? "7bit" : NULL, out);
		if (m->type.kind == MIME_MESSAGE) {
			begin_header(m, false);
		} else {
			push_level(m);
			m->state = PLAIN;	/* the preamble */
		}
	} else if (raw) {
		begin_encoding(m, was_top, out);
	} else if (m->type.encoding == MIME_ENC_OTHER) {
		put_header(m, NULL, out);
		m->state = PLAIN;
	} else {
		m->top = was_top;
		m->state = HOLD;
	}
}

/* A boundary of any enclosing multipart; *closing: "--" behind it. Returns its level + 1, or 0. */
static unsigned
match_boundary(const struct mime7 *m, struct span line, bool *closing)
{
	if (line.len < 3 || line.ptr[0] != '-' || line.ptr[1] != '-')
		return 0;
	line = span_rtrim(span_skip(line, 2));
	for (unsigned i = m->depth; i > 0; i--) {
		const struct level *l = &m->levels[i - 1];
		if (line.len < l->len || memcmp(line.ptr, l->boundary, l->len) != 0)
			continue;
		struct span rest = span_skip(line, l->len);
		*closing = rest.len >= 2 && rest.ptr[0] == '-' && rest.ptr[1] == '-';
		if (rest.len == 0 || *closing)
			return i;
	}
	return 0;
}

static void
take_header(struct mime7 *m, struct span piece, struct buf *out, bool *again)
{
	bool starts = !m->mid_line;
	bool empty = starts && span_trim(piece).len == 0 && ends_line(piece) && piece.ptr[0] != ' ' && piece.ptr[0] != '\t';
	bool folded = starts && m->header.len > 0 && (piece.ptr[0] == ' ' || piece.ptr[0] == '\t');
	if (empty) {
		buf_span(&m->header, piece);
		end_header(m, out);
	} else if (m->header.len < HEADER_MAX && (!starts || folded || header_name_len(piece) > 0)) {
		buf_span(&m->header, piece);
	} else {
		if (m->header.len > 0 && m->header.ptr[m->header.len - 1] != '\n')
			buf_char(&m->header, '\n');
		end_header(m, out);
		/* A message in a message without a header at all: an empty one, then this line. */
		if (m->state == HEADER)
			m->state = PLAIN;
		*again = true;
	}
}

static void
take_body(struct mime7 *m, struct span piece, struct buf *out)
{
	switch (m->state) {
	case HOLD:
		buf_span(&m->hold, piece);
		if (!span_is_ascii(piece) || m->hold.len > HOLD_MAX)
			begin_encoding(m, m->top, out);
		break;
	case ENCODE:
		put_encoded(m, piece, out);
		break;
	case PLAIN:
	case HEADER:
		put_plain(piece, out);
		break;
	}
}

/* A line, or a piece of a long one. */
static void
take_piece(struct mime7 *m, struct span piece, struct buf *out)
{
	bool closing = false, again = true;
	unsigned level = m->mid_line ? 0 : match_boundary(m, piece, &closing);
	if (level > 0) {
		if (m->state == HEADER)
			end_header(m, out);
		release_held(m, out);
		m->depth = closing ? level - 1 : level;
		put_plain(piece, out);
		m->state = PLAIN;
		if (!closing)
			begin_header(m, m->levels[level - 1].digest);
	} else {
		if (m->state == HEADER) {
			again = false;
			take_header(m, piece, out, &again);
		}
		if (again)
			take_body(m, piece, out);
	}
	m->mid_line = !ends_line(piece);
}

void
mime7_put(struct mime7 *m, struct span in, struct buf *out)
{
	while (in.len > 0) {
		size_t nl = span_find(in, '\n');
		size_t n = nl < in.len ? nl + 1 : in.len;
		if (n > LINE_MAX_HELD - m->line.len)
			n = LINE_MAX_HELD - m->line.len;
		struct span piece = span_head(in, n);
		in = span_skip(in, n);
		if (m->line.len == 0 && (ends_line(piece) || n == LINE_MAX_HELD)) {
			take_piece(m, piece, out);
			continue;
		}
		buf_span(&m->line, piece);
		if (ends_line(piece) || m->line.len == LINE_MAX_HELD) {
			take_piece(m, buf_view(&m->line), out);
			buf_reset(&m->line);
		}
	}
}

void
mime7_end(struct mime7 *m, struct buf *out)
{
	if (m->line.len > 0)
		take_piece(m, buf_view(&m->line), out);
	buf_reset(&m->line);
	if (m->state == HEADER && m->header.len > 0)
		put_header(m, NULL, out);
	release_held(m, out);
	m->state = PLAIN;
}
