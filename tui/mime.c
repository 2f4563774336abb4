#include "tui/mime.h"

#include <ctype.h>
#include <iconv.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/base64.h"
#include "mail/header.h"
#include "mtactl/display.h"

#define DIM	"\033[2m"
#define BOLD	"\033[1m"
#define END	"\033[0m"
#define BOUNDARY_MAX	72

enum place { IN_HEADER, IN_BODY, BETWEEN };	/* BETWEEN: preamble and epilogue of a multipart */

struct part {
	char	*type, *charset, *encoding, *name;
};

struct walk {
	struct buf	*out;
	struct { char text[BOUNDARY_MAX]; size_t len; } boundaries[MIME_DEPTH];
	size_t		 depth;
	unsigned	 parts;
	enum place	 place;
	struct buf	 header, body;
	struct part	 part;
};

/* -- decoding ------------------------------------------------------------- */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
decode_quoted(struct buf *out, struct span s, bool in_word)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(s.ptr[i + 2]);
		if (c == '=' && in_word && i + 2 >= s.len)
			low = -1;
		if (c == '=' && low >= 0) {
			buf_char(out, (char)(high << 4 | low));
			i += 2;
		} else if (c == '=' && !in_word && i + 1 < s.len && s.ptr[i + 1] == '\n') {
			i++;
		} else {
			buf_char(out, in_word && c == '_' ? ' ' : c);
		}
	}
}

static void
decode_base64(struct buf *out, struct span s)
{
	struct buf clean = BUF_INIT(MIME_SHOWN * 2);
	size_t before = out->len;

	for (size_t i = 0; i < s.len; i++)
		if (isalnum((unsigned char)s.ptr[i]) || s.ptr[i] == '+' || s.ptr[i] == '/' || s.ptr[i] == '=')
			buf_char(&clean, s.ptr[i]);
	while (clean.len % 4 != 0)	/* cut off */
		buf_cut(&clean, clean.len - 1);
	if (!base64_decode(out, buf_view(&clean))) {
		buf_cut(out, before);
		buf_span(out, s);
	}
	buf_clear(&clean);
}

/* Only those whose converters are plain tables. */
static bool
is_known_charset(const char *name)
{
	static const char *const known[] = { "iso-8859-", "windows-125", "cp125", "koi8-r", "koi8-u" };

	if (strlen(name) > 20)
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			return false;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (span_casestarts(span_str(name), known[i]))
			return true;
	return false;
}

/* What is not converted stays: where it is no UTF-8 either, it is shown as \xNN. */
static void
to_utf8(struct buf *out, struct span s, const char *charset)
{
	iconv_t cd = charset != NULL && is_known_charset(charset) ? iconv_open("UTF-8", charset) : (iconv_t)-1;

	if (cd == (iconv_t)-1) {
		buf_span(out, s);
		return;
	}
	char *copy = span_dup(s), *in = copy;
	size_t left = s.len;
	while (left > 0 && !out->over) {
		char bytes[4096], *to = bytes;
		size_t room = sizeof bytes, was = left;
		size_t r = iconv(cd, &in, &left, &to, &room);
		buf_put(out, bytes, sizeof bytes - room);
		if (r == (size_t)-1 && left == was && room == sizeof bytes) {	/* no character of this set */
			buf_char(out, '?');
			in++;
			left--;
		}
	}
	free(copy);
	iconv_close(cd);
}

/* "=?charset?B?text?=" at the start; 0: there is none, else its length. */
static size_t
decode_word(struct buf *out, struct span s)
{
	struct span rest = span_skip(s, 2), charset, how, text;
	struct buf bytes = BUF_INIT(8192);

	if (!span_starts(s, "=?") || !span_cut(&rest, '?', &charset) || !span_cut(&rest, '?', &how) || how.len != 1 ||
	    !span_cut(&rest, '?', &text) || rest.len == 0 || *rest.ptr != '=' || charset.len == 0)
		return 0;
	if (*how.ptr == 'B' || *how.ptr == 'b')
		decode_base64(&bytes, text);
	else if (*how.ptr == 'Q' || *how.ptr == 'q')
		decode_quoted(&bytes, text, true);
	else
		return 0;
	char *name = span_dup(span_head(charset, span_find(charset, '*')));
	to_utf8(out, buf_view(&bytes), name);
	free(name);
	buf_clear(&bytes);
	return (size_t)(rest.ptr + 1 - s.ptr);
}

void
mime_words(struct buf *out, struct span s)
{
	bool after_word = false;

	while (s.len > 0) {
		size_t n = decode_word(out, s);
		if (n > 0) {
			after_word = true;
			s = span_skip(s, n);
			continue;
		}
		size_t blanks = 0;
		while (blanks < s.len && (s.ptr[blanks] == ' ' || s.ptr[blanks] == '\t'))
			blanks++;
		if (after_word && blanks > 0 && span_starts(span_skip(s, blanks), "=?")) {
			s = span_skip(s, blanks);	/* blanks between two words are none */
			after_word = false;
			continue;
		}
		after_word = false;
		buf_char(out, *s.ptr);
		s = span_skip(s, 1);
	}
}

/* -- headers -------------------------------------------------------------- */

static char *
parameter(struct span value, const char *name)
{
	size_t n = strlen(name);
	struct span rest = span_skip(value, span_find(value, ';'));

	while (rest.len > 0) {
		rest = span_ltrim(span_skip(rest, 1));
		if (rest.len > n && span_casestarts(rest, name) && rest.ptr[n] == '=') {
			rest = span_skip(rest, n + 1);
			if (rest.len > 0 && *rest.ptr == '"')
				return span_dup(span_head(span_skip(rest, 1), span_find(span_skip(rest, 1), '"')));
			return span_dup(span_rtrim(span_head(rest, span_find(rest, ';'))));
		}
		rest = span_skip(rest, span_find(rest, ';'));
	}
	return NULL;
}

static void
part_clear(struct part *p)
{
	free(p->type);
	free(p->charset);
	free(p->encoding);
	free(p->name);
	*p = (struct part){ .type = NULL };
}

static char *
header_text(struct span block, const char *name, struct buf *scratch)
{
	struct header h;

	buf_reset(scratch);
	if (!header_find(block, name, &h))
		return NULL;
	header_unfold(scratch, span_head(h.value, 8192));
	return span_dup(span_trim(buf_view(scratch)));
}

/* The part's type; for a multipart, its boundary is put on the stack. */
static void
read_part(struct walk *w)
{
	struct buf scratch = BUF_INIT(16384);
	char *type = header_text(buf_view(&w->header), "content-type", &scratch);
	struct span value = span_str(type == NULL ? "text/plain" : type);
	char *boundary = parameter(value, "boundary");

	part_clear(&w->part);
	w->part.type = span_dup(span_trim(span_head(value, span_find(value, ';'))));
	w->part.charset = parameter(value, "charset");
	w->part.name = parameter(value, "name");
	w->part.encoding = header_text(buf_view(&w->header), "content-transfer-encoding", &scratch);
	size_t n = boundary == NULL ? 0 : strlen(boundary);
	w->place = IN_BODY;
	if (span_casestarts(value, "multipart/") && n > 0 && n < BOUNDARY_MAX && w->depth < MIME_DEPTH) {
		memcpy(w->boundaries[w->depth].text, boundary, n);
		w->boundaries[w->depth++].len = n;
		w->place = BETWEEN;
	} else if (span_casestarts(value, "message/rfc822") && w->parts < 100) {
		w->place = IN_HEADER;
	}
	free(boundary);
	free(type);
	buf_clear(&scratch);
}

static void
show_header(struct walk *w)
{
	static const char *const told[] = { "from", "sender", "reply-to", "to", "cc", "date", "subject", "message-id" };
	struct span rest = buf_view(&w->header);
	struct buf value = BUF_INIT(16384), words = BUF_INIT(32768);
	struct header h;

	while (header_next(&rest, &h)) {
		bool tell = false;
		for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
			tell = tell || span_caseeqs(h.name, told[i]);
		if (!tell)
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

/* -- the walk ------------------------------------------------------------- */

static void
put_part_heading(struct walk *w)
{
	struct buf size = BUF_INIT(32);

	size_text(&size, (int64_t)w->body.len);
	buf_printf(w->out, DIM "-- part %u: ", ++w->parts);
	safe_text(w->out, span_head(span_str(w->part.type), 80), false);
	if (w->part.name != NULL) {
		buf_char(w->out, ' ');
		safe_text(w->out, span_head(span_str(w->part.name), 120), false);
	}
	buf_printf(w->out, ", %s" END "\n", size.ptr);
	buf_clear(&size);
}

static void
put_text(struct walk *w)
{
	struct buf bytes = BUF_INIT(MIME_SHOWN * 2), text = BUF_INIT(MIME_SHOWN * 4);
	struct span encoding = span_str(w->part.encoding);

	if (span_caseeqs(encoding, "quoted-printable"))
		decode_quoted(&bytes, buf_view(&w->body), false);
	else if (span_caseeqs(encoding, "base64"))
		decode_base64(&bytes, buf_view(&w->body));
	else
		buf_span(&bytes, buf_view(&w->body));
	to_utf8(&text, buf_view(&bytes), w->part.charset);
	struct span rest = buf_view(&text), line;
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		safe_text(w->out, span_ends(line, "\r") ? span_head(line, line.len - 1) : line, true);
		buf_char(w->out, '\n');
	}
	buf_clear(&bytes);
	buf_clear(&text);
}

static void
flush_part(struct walk *w)
{
	if (w->place == IN_HEADER && w->header.len > 0) {	/* a header without an end */
		read_part(w);
		show_header(w);
	} else if (w->place == IN_BODY && w->part.type != NULL) {
		bool text = span_casestarts(span_str(w->part.type), "text/");
		if (w->depth > 0 || !text)
			put_part_heading(w);
		if (text)
			put_text(w);
		else
			buf_str(w->out, "(not text: not shown)\n");
	}
	buf_reset(&w->header);
	buf_reset(&w->body);
	part_clear(&w->part);
}

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
		return true;
	}
	return false;
}

static void
take_line(struct walk *w, struct span line)
{
	if (take_boundary(w, line) || w->place == BETWEEN)
		return;
	if (w->place == IN_BODY) {
		buf_span(&w->body, line);
		buf_char(&w->body, '\n');
		return;
	}
	if (span_trim(line).len > 0) {
		buf_span(&w->header, line);
		buf_char(&w->header, '\n');
		return;
	}
	read_part(w);
	show_header(w);
	if (w->place == IN_HEADER)
		buf_printf(w->out, DIM "-- part %u: message" END "\n", ++w->parts);
	else if (w->depth == 0)
		buf_char(w->out, '\n');
	buf_reset(&w->header);
}

void
mime_show(struct buf *out, struct span content)
{
	struct walk w = { .out = out, .place = IN_HEADER, .header = BUF_INIT(MIME_SHOWN), .body = BUF_INIT(MIME_SHOWN) };
	struct span rest = span_head(content, MIME_SHOWN), line;

	while (rest.len > 0 && span_cut(&rest, '\n', &line))
		take_line(&w, line);
	flush_part(&w);
	if (content.len > MIME_SHOWN)
		buf_str(out, DIM "... (cut off here)" END "\n");
	buf_clear(&w.header);
	buf_clear(&w.body);
}
