#include "tui/mime_text.h"

#include <ctype.h>
#include <iconv.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/base64.h"

#define TEXT_MAX	((size_t)4 << 20)	/* of one part, decoded */
#define WORD_MAX	((size_t)8192)		/* of one encoded word, or one parameter */
#define PIECES_MAX	16			/* of one parameter */

/* -- transfer encodings --------------------------------------------------- */

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that two hexadecimal digits behind the mark at i stand for; -1: there are none. */
static int
hex_byte(struct span s, size_t i)
{
	int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(s.ptr[i + 2]);

	return low < 0 ? -1 : high << 4 | low;
}

static void
decode_quoted(struct buf *out, struct span s, bool in_word)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		int byte = c == '=' ? hex_byte(s, i) : -1;
		if (byte >= 0) {
			buf_char(out, (char)byte);
			i += 2;
		} else if (c == '=' && !in_word && i + 1 < s.len && s.ptr[i + 1] == '\n') {
			i++;
		} else if (c == '=' && !in_word && span_starts(span_skip(s, i), "=\r\n")) {
			i += 2;
		} else {
			buf_char(out, in_word && c == '_' ? ' ' : c);
		}
	}
}

static void
decode_base64(struct buf *out, struct span s)
{
	struct buf clean = BUF_INIT(TEXT_MAX);
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

void
mime_decode(struct buf *out, struct span encoding, struct span body)
{
	if (span_caseeqs(encoding, "quoted-printable"))
		decode_quoted(out, body, false);
	else if (span_caseeqs(encoding, "base64"))
		decode_base64(out, body);
	else
		buf_span(out, body);
}

/* -- character sets ------------------------------------------------------- */

/* Only those whose converters are plain tables: those with states (the ISO-2022 family, UTF-7) have had holes. */
static bool
is_known_charset(const char *name)
{
	static const char *const families[] = { "iso-8859-", "windows-125", "cp125" };
	static const char *const names[] = {
		"koi8-r", "koi8-u", "windows-874", "tis-620", "shift_jis", "sjis", "cp932", "euc-jp", "euc-kr", "ks_c_5601-1987", "gb2312", "gbk",
		"gb18030", "big5", "macintosh", "iso8859-1", "latin1", "ibm437", "ibm850",
	};

	if (strlen(name) > 20)
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return false;
	for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
		if (span_casestarts(span_str(name), families[i]))
			return true;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (span_caseeqs(span_str(name), names[i]))
			return true;
	return false;
}

static void
convert(struct buf *out, struct span s, iconv_t cd)
{
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
}

/* ISO-2022-JP (RFC 1468) in the bytes of EUC-JP: the same characters, with the high bit for a state. */
static void
unshift_japanese(struct buf *out, struct span s)
{
	bool wide = false;

	for (size_t i = 0; i < s.len; i++) {
		struct span at = span_skip(s, i);
		bool to_wide = span_starts(at, "\033$B") || span_starts(at, "\033$@");
		if (to_wide || span_starts(at, "\033(B") || span_starts(at, "\033(J")) {
			wide = to_wide;
			i += 2;
		} else {
			bool in_set = wide && s.ptr[i] > 0x20 && s.ptr[i] < 0x7f;
			buf_char(out, in_set ? (char)(s.ptr[i] | 0x80) : s.ptr[i]);
		}
	}
}

void
mime_to_utf8(struct buf *out, struct span s, const char *charset)
{
	struct buf japanese = BUF_INIT(TEXT_MAX);
	iconv_t cd = (iconv_t)-1;

	if (charset != NULL && span_caseeqs(span_str(charset), "iso-2022-jp")) {
		unshift_japanese(&japanese, s);
		s = buf_view(&japanese);
		charset = "euc-jp";
	}
	if (charset != NULL && is_known_charset(charset))
		cd = iconv_open("UTF-8", charset);
	if (cd == (iconv_t)-1) {
		buf_span(out, s);
	} else {
		convert(out, s, cd);
		iconv_close(cd);
	}
	buf_clear(&japanese);
}

/* -- encoded words -------------------------------------------------------- */

/* "=?charset?B?text?=" at the start; 0: there is none, else its length. */
static size_t
decode_word(struct buf *out, struct span s)
{
	struct span rest = span_skip(s, 2), charset, how, text;
	struct buf bytes = BUF_INIT(WORD_MAX);

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
	mime_to_utf8(out, buf_view(&bytes), name);
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

/* -- parameters ----------------------------------------------------------- */

/* One "name=value" off the front of what follows a ";"; quotes are undone. */
static bool
next_parameter(struct span *rest, struct span *name, struct buf *value)
{
	buf_reset(value);
	*rest = span_ltrim(*rest);
	if (rest->len == 0)
		return false;
	size_t n = 0;
	while (n < rest->len && rest->ptr[n] != '=' && rest->ptr[n] != ';')
		n++;
	*name = span_trim(span_head(*rest, n));
	bool has_value = n < rest->len && rest->ptr[n] == '=';
	*rest = span_skip(*rest, n + 1);
	if (!has_value)
		return true;
	*rest = span_ltrim(*rest);
	bool quoted = rest->len > 0 && *rest->ptr == '"';
	size_t i = quoted ? 1 : 0;
	for (; i < rest->len && rest->ptr[i] != (quoted ? '"' : ';'); i++) {
		if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len)
			i++;
		buf_char(value, rest->ptr[i]);
	}
	*rest = span_skip(*rest, i);
	*rest = span_skip(*rest, span_find(*rest, ';') + 1);
	while (!quoted && value->len > 0 && span_rtrim(buf_view(value)).len < value->len)
		buf_cut(value, value->len - 1);
	return true;
}

static void
unpercent(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		int byte = s.ptr[i] == '%' ? hex_byte(s, i) : -1;
		buf_char(out, byte >= 0 ? (char)byte : s.ptr[i]);
		i += byte >= 0 ? 2 : 0;
	}
}

/* A value that was "charset'language'text", its percent signs undone. */
static char *
extended_value(struct span s)
{
	struct buf bytes = BUF_INIT(WORD_MAX), text = BUF_INIT(WORD_MAX * 3);
	struct span rest = s, charset, language;
	char *name = NULL;

	if (span_cut(&rest, '\'', &charset) && span_cut(&rest, '\'', &language) && rest.ptr != NULL)
		name = span_dup(charset);
	else
		rest = s;
	unpercent(&bytes, rest);
	mime_to_utf8(&text, buf_view(&bytes), name);
	free(name);
	buf_clear(&bytes);
	return buf_take(&text);
}

/* The piece's number where the parameter's name is NAME, NAME* (0), NAME*2 or NAME*2*; -1: it is another. */
static int
piece_of(struct span given, const char *name, bool *extended)
{
	size_t n = strlen(name);

	*extended = false;
	if (!span_casestarts(given, name))
		return -1;
	struct span rest = span_skip(given, n);
	if (rest.len == 0)
		return 0;
	if (*rest.ptr != '*')
		return -1;
	*extended = span_ends(rest, "*");
	rest = span_skip(rest, 1);
	if (*extended && rest.len > 0)
		rest.len--;
	int number = 0;
	for (size_t i = 0; i < rest.len; i++) {
		if (!isdigit((unsigned char)rest.ptr[i]) || i > 2)
			return -1;
		number = number * 10 + (rest.ptr[i] - '0');
	}
	return number;
}

char *
mime_parameter(struct span value, const char *name)
{
	struct span rest = span_skip(value, span_find(value, ';') + 1), given;
	struct buf one = BUF_INIT(WORD_MAX), whole = BUF_INIT(WORD_MAX);
	bool extended = false, this_extended;
	int want = 0;

	while (want < PIECES_MAX && next_parameter(&rest, &given, &one)) {
		if (piece_of(given, name, &this_extended) != want)
			continue;
		extended = want == 0 ? this_extended : extended;
		buf_span(&whole, buf_view(&one));
		want++;
	}
	buf_clear(&one);
	if (want == 0)
		return NULL;
	if (whole.ptr == NULL)
		buf_str(&whole, "");
	if (!extended)
		return buf_take(&whole);
	char *text = extended_value(buf_view(&whole));
	buf_clear(&whole);
	return text;
}
