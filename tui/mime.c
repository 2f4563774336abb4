#include "tui/mime.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mtactl/display.h"
#include "tui/mime_text.h"

#define DIM	"\033[2m"
#define BOLD	"\033[1m"
#define END	"\033[0m"
#define BOUNDARY_MAX	72
#define TREE_MAX	((size_t)64 << 10)

enum place { IN_HEADER, IN_BODY, BETWEEN };	/* BETWEEN: preamble and epilogue of a multipart */

struct part {
	char	*type, *charset, *encoding, *name, *disposition;
};

struct walk {
	struct buf	*out, *tree;
	bool		 all_headers;
	struct { char text[BOUNDARY_MAX]; size_t len; } boundaries[MIME_DEPTH];
	size_t		 depth;
	unsigned	 counts[MIME_DEPTH + 1];	/* of the parts at each depth: a part's number is "1.2" */
	unsigned	 parts;
	enum place	 place;
	struct buf	 header, body;
	struct part	 part;
};

/* -- headers -------------------------------------------------------------- */

static void
part_clear(struct part *p)
{
	free(p->type);
	free(p->charset);
	free(p->encoding);
	free(p->name);
	free(p->disposition);
	*p = (struct part){ .type = NULL };
}

static char *
header_text(struct span block, const char *name)
{
	struct buf text = BUF_INIT(16384);
	struct header h;
	char *found = NULL;

	if (header_find(block, name, &h)) {
		header_unfold(&text, span_head(h.value, 8192));
		found = span_dup(span_trim(buf_view(&text)));
	}
	buf_clear(&text);
	return found;
}

/* What a file's name says may be an encoded word, too, though RFC 2047 forbids it. */
static char *
file_name(const char *disposition, const char *type)
{
	struct buf words = BUF_INIT(8192);
	char *name = mime_parameter(span_str(disposition), "filename");

	if (name == NULL)
		name = mime_parameter(span_str(type), "name");
	if (name == NULL)
		return NULL;
	mime_words(&words, span_str(name));
	free(name);
	return buf_take(&words);
}

static char *
first_word(const char *value)
{
	struct span s = span_str(value);

	return value == NULL ? NULL : span_dup(span_trim(span_head(s, span_find(s, ';'))));
}

static void	put_tree_row(struct walk *, size_t depth, bool leaf, int64_t size);

/* The part's type; for a multipart, its boundary is put on the stack. */
static void
read_part(struct walk *w)
{
	char *type = header_text(buf_view(&w->header), "content-type");
	char *disposition = header_text(buf_view(&w->header), "content-disposition");
	struct span value = span_str(type == NULL ? "text/plain" : type);
	char *boundary = mime_parameter(value, "boundary");
	size_t n = boundary == NULL ? 0 : strlen(boundary);

	part_clear(&w->part);
	w->part.type = first_word(type == NULL ? "text/plain" : type);
	w->part.charset = mime_parameter(value, "charset");
	w->part.name = file_name(disposition, type);
	w->part.encoding = header_text(buf_view(&w->header), "content-transfer-encoding");
	w->part.disposition = first_word(disposition);
	w->place = IN_BODY;
	if (span_casestarts(value, "multipart/") && n > 0 && n < BOUNDARY_MAX && w->depth < MIME_DEPTH && w->parts < MIME_PARTS) {
		put_tree_row(w, w->depth, false, 0);
		memcpy(w->boundaries[w->depth].text, boundary, n);
		w->boundaries[w->depth++].len = n;
		w->counts[w->depth] = 0;
		w->place = BETWEEN;
	} else if (span_casestarts(value, "message/rfc822") && w->parts < MIME_PARTS) {
		put_tree_row(w, w->depth, false, 0);
		w->place = IN_HEADER;
	}
	free(boundary);
	free(disposition);
	free(type);
}

static bool
is_told(const struct walk *w, struct span name)
{
	static const char *const told[] = { "from", "sender", "reply-to", "to", "cc", "date", "subject", "message-id" };

	for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
		if (span_caseeqs(name, told[i]))
			return true;
	return w->all_headers;
}

static void
show_header(struct walk *w)
{
	struct span rest = buf_view(&w->header);
	struct buf value = BUF_INIT(16384), words = BUF_INIT(32768);
	struct header h;

	while (header_next(&rest, &h)) {
		if (!is_told(w, h.name))
			continue;
		buf_reset(&value);
		buf_reset(&words);
		header_unfold(&value, span_head(h.value, 8192));
		mime_words(&words, span_trim(buf_view(&value)));
		buf_str(w->out, DIM);
		safe_text(w->out, h.name, false);
		buf_str(w->out, ":" END " ");
		if (span_caseeqs(h.name, "subject"))
			buf_str(w->out, BOLD);
		safe_text(w->out, buf_view(&words), false);
		buf_str(w->out, END "\n");
	}
	buf_clear(&value);
	buf_clear(&words);
}

/* -- parts ---------------------------------------------------------------- */

/* "2.1"; nothing for the message itself. */
static void
put_number(const struct walk *w, struct buf *out, size_t depth)
{
	for (size_t i = 1; i <= depth; i++)
		buf_printf(out, "%s%u", i > 1 ? "." : "", w->counts[i]);
}

static void
put_part_words(const struct walk *w, struct buf *out)
{
	const struct part *p = &w->part;

	safe_text(out, span_head(span_str(p->type), 80), false);
	if (p->name != NULL) {
		buf_char(out, ' ');
		safe_text(out, span_head(span_str(p->name), 120), false);
	}
}

static void
put_tree_row(struct walk *w, size_t depth, bool leaf, int64_t size)
{
	struct buf *out = w->tree;
	const struct part *p = &w->part;

	if (w->parts >= MIME_PARTS || out->len > TREE_MAX)
		return;
	for (size_t i = 0; i < depth; i++)
		buf_str(out, "  ");
	size_t before = out->len;
	put_number(w, out, depth);
	buf_str(out, out->len > before ? "  " BOLD : BOLD);
	put_part_words(w, out);
	buf_str(out, END);
	if (p->disposition != NULL && span_caseeqs(span_str(p->disposition), "attachment"))
		buf_str(out, "  attachment");
	buf_str(out, DIM);
	if (leaf && p->charset != NULL) {
		buf_str(out, "  ");
		safe_text(out, span_head(span_str(p->charset), 40), false);
	}
	if (leaf && p->encoding != NULL) {
		buf_str(out, "  ");
		safe_text(out, span_head(span_str(p->encoding), 40), false);
	}
	if (leaf) {
		buf_str(out, "  ");
		size_text(out, size);
	}
	buf_str(out, END "\n");
}

static void
put_part_heading(struct walk *w, int64_t size)
{
	struct buf text = BUF_INIT(64);

	put_number(w, &text, w->depth);
	buf_printf(w->out, DIM "-- part %s: ", text.len > 0 ? text.ptr : "1");
	put_part_words(w, w->out);
	buf_reset(&text);
	size_text(&text, size);
	buf_printf(w->out, ", %s" END "\n", text.ptr);
	buf_clear(&text);
}

static void
put_text(struct walk *w, struct span bytes)
{
	struct buf text = BUF_INIT(MIME_SHOWN * 4);

	mime_to_utf8(&text, bytes, w->part.charset);
	struct span rest = buf_view(&text), line;
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		safe_text(w->out, span_ends(line, "\r") ? span_head(line, line.len - 1) : line, true);
		buf_char(w->out, '\n');
	}
	buf_clear(&text);
}

static void
show_body(struct walk *w)
{
	struct buf bytes = BUF_INIT(MIME_SHOWN * 2);
	bool text = span_casestarts(span_str(w->part.type), "text/");

	mime_decode(&bytes, span_str(w->part.encoding), buf_view(&w->body));
	int64_t size = (int64_t)bytes.len;
	if (w->depth > 0 || !text) {
		put_tree_row(w, w->depth, true, size);
		put_part_heading(w, size);
	}
	if (text)
		put_text(w, buf_view(&bytes));
	else
		buf_str(w->out, "(not text: not shown)\n");
	w->parts++;
	buf_clear(&bytes);
}

static void
flush_part(struct walk *w)
{
	if (w->place == IN_HEADER && w->header.len > 0) {	/* a header without an end */
		read_part(w);
		show_header(w);
	} else if (w->place == IN_BODY && w->part.type != NULL) {
		show_body(w);
	}
	buf_reset(&w->header);
	buf_reset(&w->body);
	part_clear(&w->part);
}

/* -- the walk ------------------------------------------------------------- */

/* A boundary of the innermost multipart or of one around it. */
static bool
take_boundary(struct walk *w, struct span line)
{
	if (!span_starts(line, "--"))
		return false;
	struct span s = span_rtrim(span_skip(line, 2));
	for (size_t i = w->depth; i-- > 0;) {
		struct span b = span_of(w->boundaries[i].text, w->boundaries[i].len);
		if (s.len < b.len || !span_eq(span_head(s, b.len), b))
			continue;
		struct span rest = span_skip(s, b.len);
		if (rest.len > 0 && !span_eqs(rest, "--"))
			continue;
		flush_part(w);
		w->depth = rest.len > 0 ? i : i + 1;
		w->place = rest.len > 0 ? BETWEEN : IN_HEADER;
		if (rest.len == 0)
			w->counts[i + 1]++;
		return true;
	}
	return false;
}

static void
end_header(struct walk *w)
{
	read_part(w);
	show_header(w);
	if (w->place == IN_HEADER) {
		buf_printf(w->out, DIM "-- a message inside" END "\n");
		w->parts++;
	} else if (w->depth == 0) {
		buf_char(w->out, '\n');
	}
	buf_reset(&w->header);
}

static void
take_line(struct walk *w, struct span line)
{
	if (take_boundary(w, line) || w->place == BETWEEN)
		return;
	if (w->place == IN_BODY) {
		buf_span(&w->body, line);
		buf_char(&w->body, '\n');
	} else if (span_trim(line).len > 0) {
		buf_span(&w->header, line);
		buf_char(&w->header, '\n');
	} else {
		end_header(w);
	}
}

void
mime_show(struct buf *out, struct buf *tree, struct span content, bool all_headers)
{
	struct walk w = {
		.out = out, .tree = tree, .all_headers = all_headers, .place = IN_HEADER,
		.header = BUF_INIT(MIME_SHOWN), .body = BUF_INIT(MIME_SHOWN),
	};
	struct span rest = span_head(content, MIME_SHOWN), line;

	while (rest.len > 0 && span_cut(&rest, '\n', &line))
		take_line(&w, line);
	flush_part(&w);
	if (w.parts >= MIME_PARTS)
		buf_str(tree, DIM "(more parts than are listed)" END "\n");
	if (content.len > MIME_SHOWN)
		buf_str(out, DIM "... (cut off here)" END "\n");
	buf_clear(&w.header);
	buf_clear(&w.body);
}
