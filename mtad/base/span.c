#include "base/span.h"

#include <strings.h>

#include "base/mem.h"

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool
span_eqs(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

int
span_casecmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int d = lower(a.ptr[i]) - lower(b.ptr[i]);
		if (d != 0)
			return d;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
span_caseeq(struct span a, struct span b)
{
	return a.len == b.len && span_casecmp(a, b) == 0;
}

bool
span_caseeqs(struct span a, const char *s)
{
	return span_caseeq(a, span_str(s));
}

bool
span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && span_eq(span_head(s, n), span_of(prefix, n));
}

bool
span_casestarts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.len >= n && span_caseeq(span_head(s, n), span_of(prefix, n));
}

bool
span_ends(struct span s, const char *suffix)
{
	size_t n = strlen(suffix);
	return s.len >= n && span_eq(span_skip(s, s.len - n), span_of(suffix, n));
}

int
span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);

	return d != 0 ? d : a.len < b.len ? -1 : a.len > b.len;
}

size_t
span_find(struct span s, char c)
{
	const char *p = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
	return p == NULL ? s.len : (size_t)(p - s.ptr);
}

size_t
span_rfind(struct span s, char c)
{
	const char *p = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
	return p == NULL ? s.len : (size_t)(p - s.ptr);
}

bool
span_has(struct span s, char c)
{
	return span_find(s, c) < s.len;
}

struct span
span_skip(struct span s, size_t n)
{
	if (n > s.len)
		n = s.len;
	return span_of(s.ptr == NULL ? NULL : s.ptr + n, s.len - n);
}

struct span
span_head(struct span s, size_t n)
{
	return span_of(s.ptr, n < s.len ? n : s.len);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_ltrim(struct span s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = span_skip(s, 1);
	return s;
}

struct span
span_rtrim(struct span s)
{
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct span
span_trim(struct span s)
{
	return span_rtrim(span_ltrim(s));
}

bool
span_cut(struct span *rest, char sep, struct span *head)
{
	if (rest->ptr == NULL)
		return false;
	size_t n = span_find(*rest, sep);
	*head = span_head(*rest, n);
	*rest = n == rest->len ? SPAN_NONE : span_skip(*rest, n + 1);
	return true;
}

bool
span_word(struct span *rest, const char *seps, struct span *word)
{
	size_t n = 0;

	while (rest->len > 0 && strchr(seps, rest->ptr[0]) != NULL && rest->ptr[0] != '\0')
		*rest = span_skip(*rest, 1);
	while (n < rest->len && (rest->ptr[n] == '\0' || strchr(seps, rest->ptr[n]) == NULL))
		n++;
	*word = span_head(*rest, n);
	*rest = span_skip(*rest, n);
	return n > 0;
}

bool
span_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80)
			return false;
	return true;
}

bool
span_group(struct span *rest, struct span *inside)
{
	char open = rest->ptr[0], close = open == '(' ? ')' : '}';
	size_t depth = 0;

	for (size_t i = 0; i < rest->len; i++) {
		if (rest->ptr[i] == open)
			depth++;
		else if (rest->ptr[i] == close && --depth == 0) {
			*inside = span_of(rest->ptr + 1, i - 1);
			*rest = span_skip(*rest, i + 1);
			return true;
		}
	}
	return false;
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct span
span_name(struct span *rest)
{
	size_t n = 0;

	while (n < rest->len && is_name_char(rest->ptr[n]))
		n++;
	struct span name = span_head(*rest, n);
	*rest = span_skip(*rest, n);
	return name;
}

char *
span_dup(struct span s)
{
	char *copy = mem_new(s.len + 1);

	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}
