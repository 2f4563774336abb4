#include "spool/index_cause.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"

#define PRINT_MAX	160u	/* a fingerprint is to be read by people and counted, not to be complete */

struct index_cause {
	uint32_t	 number;	/* its place in causes[]; the ID is one more */
	uint32_t	 count;
	uint32_t	 next_free;
	uint16_t	 len;
	char		 text[];
};

static struct span
cause_key(const void *item)
{
	const struct index_cause *c = item;
	return span_of(c->text, c->len);
}

void
cause_init(struct index *ix)
{
	ix->cause_map = MAP_INIT(cause_key);
}

void
cause_clear(struct index *ix)
{
	for (uint32_t i = 0; i < ix->cause_count; i++)
		free(ix->causes[i]);
	free(ix->causes);
	map_clear(&ix->cause_map);
}

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

static struct index_cause *
cause_make(struct index *ix, struct span print)
{
	struct index_cause *c = mem_new(sizeof *c + print.len);

	c->len = (uint16_t)print.len;
	memcpy(c->text, print.ptr, print.len);
	if (ix->cause_free != 0) {
		c->number = ix->cause_free - 1;
		ix->cause_free = ix->causes[c->number]->next_free;
		free(ix->causes[c->number]);
	} else {
		if (ix->cause_count == ix->cause_cap) {
			ix->cause_cap = ix->cause_cap == 0 ? 64 : ix->cause_cap * 2;
			ix->causes = mem_grow(ix->causes, ix->cause_cap, sizeof(struct index_cause *));
		}
		c->number = ix->cause_count++;
	}
	ix->causes[c->number] = c;
	map_add(&ix->cause_map, c);
	return c;
}

uint32_t
cause_ref_print(struct index *ix, struct span print)
{
	if (print.len == 0)
		return 0;
	print = span_head(print, PRINT_MAX);
	struct index_cause *c = map_get(&ix->cause_map, print);
	if (c == NULL)
		c = cause_make(ix, print);
	c->count++;
	return c->number + 1;
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
	if (cause == 0)
		return;
	struct index_cause *c = ix->causes[cause - 1];
	if (--c->count > 0)
		return;
	(void)map_del(&ix->cause_map, cause_key(c));
	c->len = 0;
	c->next_free = ix->cause_free;	/* the shell stays until its number is used again */
	ix->cause_free = cause;
}

struct span
index_cause_text(const struct index *ix, uint32_t cause)
{
	if (cause == 0 || cause > ix->cause_count)
		return SPAN_NONE;
	return cause_key(ix->causes[cause - 1]);
}

uint32_t
index_cause_count(const struct index *ix, uint32_t cause)
{
	return cause == 0 || cause > ix->cause_count ? 0 : ix->causes[cause - 1]->count;
}
