#include "spool/index_cause.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define PRINT_MAX	160u	/* a fingerprint is to be read by people and counted, not to be complete */

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '@' || c == '.' || c == '-' || c == '_' || c == ':' || c == '+' ||
	    c == '=' || c == '/';
}

/* "4.7.1" and "421" say what kind of failure it is, so they stay. */
static bool
is_code(struct span w)
{
	size_t digits = 0, dots = 0;

	for (size_t i = 0; i < w.len; i++) {
		if (isdigit((unsigned char)w.ptr[i]))
			digits++;
		else if (w.ptr[i] == '.')
			dots++;
		else
			return false;
	}
	return (dots == 0 && digits == 3) || (dots == 2 && digits <= 5 && digits >= 3);
}

static void
count_chars(struct span w, size_t *digits, size_t *letters, size_t *dots)
{
	for (size_t i = 0; i < w.len; i++) {
		*digits += isdigit((unsigned char)w.ptr[i]) != 0;
		*letters += isalpha((unsigned char)w.ptr[i]) != 0;
		*dots += i + 1 < w.len && i > 0 && w.ptr[i] == '.';
	}
}

/* What a word is replaced by, or NULL where it says something. */
static const char *
placeholder(struct span w)
{
	size_t digits = 0, letters = 0, dots = 0;

	if (is_code(w))
		return NULL;
	if (span_has(w, '@'))
		return "ADDRESS";
	if (span_casestarts(w, "http:") || span_casestarts(w, "https:"))
		return "URL";
	count_chars(w, &digits, &letters, &dots);
	if (dots > 0 && (letters > 0 || dots == 3))
		return "HOST";
	if (digits > 0 && span_find(w, ':') != span_rfind(w, ':'))
		return "HOST";	/* IPv6 */
	if (digits > 0 && letters > 0 && w.len >= 6)
		return "ID";
	return digits > 0 ? "N" : NULL;
}

void
index_fingerprint(struct span text, struct buf *out)
{
	size_t start = out->len, i = 0;

	while (i < text.len && out->len - start < PRINT_MAX) {
		size_t n = 0;
		if (text.ptr[i] == ':') {
			buf_char(out, text.ptr[i++]);
			continue;
		}
		while (i + n < text.len && is_word(text.ptr[i + n]))
			n++;
		if (n == 0) {
			buf_char(out, text.ptr[i++]);
			continue;
		}
		struct span w = span_of(text.ptr + i, n), core = w;
		while (core.len > 1 && strchr(".:-", core.ptr[core.len - 1]) != NULL)
			core.len--;
		const char *instead = placeholder(core);
		if (instead != NULL)
			buf_str(out, instead);
		else
			buf_span(out, core);
		buf_span(out, span_skip(w, core.len));
		i += n;
	}
	if (out->len - start > PRINT_MAX)
		buf_cut(out, start + PRINT_MAX);
}

uint32_t
cause_ref_print(struct index *ix, struct span print)
{
	return intern_ref(&ix->causes, span_head(print, PRINT_MAX), SIZE_MAX);
}

uint32_t
cause_ref(struct index *ix, struct span text)
{
	char room[PRINT_MAX * 2 + 64];
	struct buf b = BUF_INIT(sizeof room);

	index_fingerprint(text, &b);
	uint32_t cause = cause_ref_print(ix, buf_view(&b));
	buf_clear(&b);
	return cause;
}

void
cause_unref(struct index *ix, uint32_t cause)
{
	intern_unref(&ix->causes, cause);
}

struct span
index_cause_text(const struct index *ix, uint32_t cause)
{
	return intern_text(&ix->causes, cause);
}

uint32_t
index_cause_count(const struct index *ix, uint32_t cause)
{
	return intern_count(&ix->causes, cause);
}
