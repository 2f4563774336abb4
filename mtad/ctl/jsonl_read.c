#include "ctl/jsonl.h"

#include <string.h>

#include "base/num.h"

static inline struct span
skip_space(struct span s)
{
	while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t' || *s.ptr == '\n' || *s.ptr == '\r'))
		s = span_skip(s, 1);
	return s;
}

/* The length of the string with both quotes, or 0. A quote counts unless an odd number of backslashes stands before it. */
static size_t
string_length(struct span s)
{
	size_t at = 1;

	/* Keys and most values are short: a call costs more than a few bytes. */
	for (; at < s.len && at < 24 && s.ptr[at] != '\\'; at++)
		if (s.ptr[at] == '"')
			return at + 1;
	while (at < s.len) {
		const char *quote = memchr(s.ptr + at, '"', s.len - at);
		if (quote == NULL)
			return 0;
		size_t end = (size_t)(quote - s.ptr), back = end;
		while (back > 1 && s.ptr[back - 1] == '\\')
			back--;
		if ((end - back) % 2 == 0)
			return end + 1;
		at = end + 1;
	}
	return 0;
}

/* The length of an object or array: brackets are counted, not matched, so depth costs nothing. */
static size_t
nested_length(struct span s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		switch (s.ptr[i]) {
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return i + 1;
			break;
		case '"': {
			size_t n = string_length(span_of(s.ptr + i, s.len - i));
			if (n == 0)
				return 0;
			i += n - 1;
			break;
		}
		default:
			break;
		}
	}
	return 0;
}

static bool
ends_value(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

static size_t
value_length(struct span s)
{
	size_t n = 0;

	if (s.len == 0)
		return 0;
	if (*s.ptr == '"')
		return string_length(s);
	if (*s.ptr == '{' || *s.ptr == '[')
		return nested_length(s);
	while (n < s.len && !ends_value(s.ptr[n]))
		n++;
	return n;
}

static bool
walk(struct jsonl_walk *w, struct span text, char open)
{
	text = skip_space(text);
	*w = (struct jsonl_walk){ .left = text };
	if (text.len == 0 || *text.ptr != open)
		return false;
	w->left = skip_space(span_skip(text, 1));
	return true;
}

bool
jsonl_walk_object(struct jsonl_walk *w, struct span text)
{
	return walk(w, text, '{');
}

bool
jsonl_walk_array(struct jsonl_walk *w, struct span text)
{
	return walk(w, text, '[');
}

static bool
fail(struct jsonl_walk *w)
{
	w->fault = true;
	w->left.len = 0;
	return false;
}

static bool
take_value(struct jsonl_walk *w, struct span *value)
{
	size_t n = value_length(w->left);

	if (n == 0)
		return fail(w);
	*value = span_of(w->left.ptr, n);
	w->left = skip_space(span_of(w->left.ptr + n, w->left.len - n));
	if (w->left.len > 0 && *w->left.ptr == ',')
		w->left = skip_space(span_of(w->left.ptr + 1, w->left.len - 1));
	return true;
}

bool
jsonl_member_key(struct jsonl_walk *w, struct span *key)
{
	size_t n;

	if (w->left.len == 0 || *w->left.ptr == '}')
		return false;
	if (*w->left.ptr != '"' || (n = string_length(w->left)) == 0)
		return fail(w);
	*key = span_of(w->left.ptr + 1, n - 2);
	w->left = skip_space(span_of(w->left.ptr + n, w->left.len - n));
	if (w->left.len == 0 || *w->left.ptr != ':')
		return fail(w);
	w->left = skip_space(span_of(w->left.ptr + 1, w->left.len - 1));
	return true;
}

bool
jsonl_member_value(struct jsonl_walk *w, struct span *value)
{
	return take_value(w, value);
}

bool
jsonl_member(struct jsonl_walk *w, struct span *key, struct span *value)
{
	return jsonl_member_key(w, key) && take_value(w, value);
}

bool
jsonl_element_object(struct jsonl_walk *array, struct jsonl_walk *object)
{
	if (array->left.len == 0 || *array->left.ptr != '{')
		return false;
	*object = (struct jsonl_walk){ .left = skip_space(span_skip(array->left, 1)) };
	return true;
}

bool
jsonl_after(struct jsonl_walk *array, const struct jsonl_walk *object)
{
	if (object->fault || object->left.len == 0 || *object->left.ptr != '}')
		return fail(array);
	array->left = skip_space(span_skip(object->left, 1));
	if (array->left.len > 0 && *array->left.ptr == ',')
		array->left = skip_space(span_skip(array->left, 1));
	return true;
}

bool
jsonl_element(struct jsonl_walk *w, struct span *value)
{
	if (w->left.len == 0 || *w->left.ptr == ']')
		return false;
	return take_value(w, value);
}

bool
jsonl_find(struct span object, const char *key, struct span *value)
{
	struct jsonl_walk w;
	struct span name, found;

	if (!jsonl_walk_object(&w, object))
		return false;
	while (jsonl_member(&w, &name, &found)) {
		if (!span_eqs(name, key))
			continue;
		*value = found;
		return true;
	}
	return false;
}

/* -- values --------------------------------------------------------------- */

static void
put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_char(out, (char)c);
	} else if (c < 0x800) {
		buf_char(out, (char)(0xc0 | c >> 6));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_char(out, (char)(0xe0 | c >> 12));
		buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_char(out, (char)(0xf0 | c >> 18));
		buf_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

static bool
take_hex4(struct span *s, uint32_t *out)
{
	uint64_t n;

	if (s->len < 6 || s->ptr[0] != '\\' || s->ptr[1] != 'u' || !num_hex(span_of(s->ptr + 2, 4), &n))
		return false;
	*out = (uint32_t)n;
	*s = span_skip(*s, 6);
	return true;
}

static bool
put_unicode(struct buf *out, struct span *s)
{
	uint32_t c, low;

	if (!take_hex4(s, &c) || (c >= 0xdc00 && c < 0xe000))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!take_hex4(s, &low) || low < 0xdc00 || low >= 0xe000)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(out, c);
	return true;
}

static bool
put_unescaped(struct buf *out, struct span *s)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (s->len < 2)
		return false;
	if (s->ptr[1] == 'u')
		return put_unicode(out, s);
	if (s->ptr[1] == '\0' || (at = strchr(from, s->ptr[1])) == NULL)
		return false;
	buf_char(out, to[at - from]);
	*s = span_skip(*s, 2);
	return true;
}

bool
jsonl_is_string(struct span raw)
{
	return raw.len >= 2 && raw.ptr[0] == '"' && raw.ptr[raw.len - 1] == '"';
}

bool
jsonl_text(struct span raw, struct buf *out)
{
	size_t before = out->len;

	if (!jsonl_is_string(raw))
		return false;
	struct span s = span_of(raw.ptr + 1, raw.len - 2);
	while (s.len > 0) {
		size_t n = span_find(s, '\\');
		buf_put(out, s.ptr, n);
		s = span_skip(s, n);
		if (s.len > 0 && !put_unescaped(out, &s)) {
			buf_cut(out, before);
			return false;
		}
	}
	return true;
}

bool
jsonl_int(struct span raw, int64_t *out)
{
	return num_i64(span_head(raw, span_find(raw, '.')), out);
}

bool
jsonl_true(struct span raw)
{
	return span_eqs(raw, "true");
}
