#include "mail/mime_type.h"

#include "mail/header.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space and comments off the front. */
static struct span
skip_cfws(struct span s)
{
	unsigned depth = 0;
	size_t i = 0;
	for (; i < s.len; i++) {
		if (s.ptr[i] == '\\' && depth > 0)
			i++;
		else if (s.ptr[i] == '(')
			depth++;
		else if (s.ptr[i] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !is_space(s.ptr[i]))
			break;
	}
	return span_skip(s, i);
}

/* A token off the front; empty where there is none. */
static struct span
take_token(struct span *s)
{
	size_t i = 0;
	while (i < s->len && s->ptr[i] > ' ' && s->ptr[i] < 0x7f && memchr("()<>@,;:\\\"/[]?=", s->ptr[i], 15) == NULL)
		i++;
	struct span token = span_head(*s, i);
	*s = skip_cfws(span_skip(*s, i));
	return token;
}

/* A parameter's value, unquoted, into out; false where it does not fit. Broken quoting takes the rest. */
static bool
take_value(struct span *s, char *out, size_t room, size_t *len)
{
	size_t i = 0, n = 0;
	bool quoted = s->len > 0 && s->ptr[0] == '"';
	for (i = quoted; i < s->len; i++) {
		char c = s->ptr[i];
		if (quoted ? c == '"' : is_space(c) || c == ';' || c == '(')
			break;
		if (quoted && c == '\\' && i + 1 < s->len)
			c = s->ptr[++i];
		if (c == '\r' || c == '\n')
			continue;
		if (n == room)
			return false;
		out[n++] = c;
	}
	*len = n;
	*s = skip_cfws(span_skip(*s, i + quoted));
	return true;
}

static bool
find_boundary(struct span params, struct mime_type *t)
{
	while (params.len > 0) {
		if (params.ptr[0] == ';') {
			params = skip_cfws(span_skip(params, 1));
			continue;
		}
		struct span name = take_token(&params);
		char value[MIME_BOUNDARY_MAX];
		size_t len = 0;
		if (params.len == 0 || params.ptr[0] != '=') {
			params = span_skip(params, span_find(params, ';'));
			continue;
		}
		params = skip_cfws(span_skip(params, 1));
		bool wanted = span_caseeqs(name, "boundary"), fits = take_value(&params, value, sizeof value, &len);
		if (!fits && !wanted) {
			params = span_skip(params, span_find(params, ';'));
			continue;
		}
		if (!wanted)
			continue;
		while (fits && len > 0 && is_space(value[len - 1]))
			len--;
		if (!fits || len == 0)
			return false;
		memcpy(t->boundary, value, len);
		t->boundary_len = len;
		return true;
	}
	return false;
}

static void
look_type(struct span value, struct mime_type *t)
{
	value = skip_cfws(value);
	struct span major = take_token(&value), minor = SPAN_NONE;
	if (value.len > 0 && value.ptr[0] == '/') {
		value = skip_cfws(span_skip(value, 1));
		minor = take_token(&value);
	}
	t->kind = MIME_LEAF;
	if (span_caseeqs(major, "message") && span_caseeqs(minor, "rfc822"))
		t->kind = MIME_MESSAGE;
	else if (span_caseeqs(major, "multipart") && find_boundary(value, t))
		t->kind = span_caseeqs(minor, "digest") ? MIME_DIGEST : MIME_MULTIPART;
}

static enum mime_encoding
look_encoding(struct span value)
{
	value = skip_cfws(value);
	struct span token = take_token(&value);
	return span_caseeqs(token, "7bit") ? MIME_ENC_7BIT : span_caseeqs(token, "8bit") ? MIME_ENC_8BIT :
	    span_caseeqs(token, "binary") ? MIME_ENC_BINARY : MIME_ENC_OTHER;
}

void
mime_type_look(struct span block, bool in_digest, struct mime_type *t)
{
	struct header h;
	t->has_version = t->has_type = t->has_encoding = false;
	t->kind = in_digest ? MIME_MESSAGE : MIME_LEAF;
	t->encoding = MIME_ENC_NONE;
	t->boundary_len = 0;
	while (header_next(&block, &h)) {
		if (span_caseeqs(h.name, "mime-version")) {
			t->has_version = true;
		} else if (span_caseeqs(h.name, "content-type") && !t->has_type) {
			t->has_type = true;
			look_type(h.value, t);
		} else if (span_caseeqs(h.name, "content-transfer-encoding") && !t->has_encoding) {
			t->has_encoding = true;
			t->encoding = look_encoding(h.value);
		}
	}
}
