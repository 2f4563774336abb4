#include "mail/address.h"

#include <arpa/inet.h>

#define LABEL_MAX	63
#define HOSTNAME_MAX	255

struct span
address_local(struct span a)
{
	size_t at = span_rfind(a, '@');
	return span_head(a, at);
}

struct span
address_domain(struct span a)
{
	size_t at = span_rfind(a, '@');
	return span_skip(a, at < a.len ? at + 1 : at);
}

bool
address_split(struct span a, struct span *local, struct span *domain)
{
	*local = address_local(a);
	*domain = address_domain(a);
	return local->len < a.len;
}

/* Names that mean something to the mail system are never split, as in Postfix. */
static bool
is_reserved(struct span local)
{
	return span_caseeqs(local, "postmaster") || span_caseeqs(local, "mailer-daemon") ||
	    span_caseeqs(local, "double-bounce");
}

/* owner-list and list-request keep their "-" (owner_request_special). */
static bool
is_list_role(struct span local, char delimiter)
{
	static const struct span request = SPAN("-request");
	if (delimiter != '-')
		return false;
	return span_casestarts(local, "owner-") || (local.len > request.len &&
	    span_caseeq(span_skip(local, local.len - request.len), request));
}

bool
address_extension(struct span local, const char *delimiters, struct span *user, struct span *ext)
{
	*user = local;
	*ext = span_skip(local, local.len);
	if (*delimiters == '\0' || is_reserved(local))
		return false;
	for (size_t i = 1; i < local.len; i++) {
		if (local.ptr[i] == '\0' || strchr(delimiters, local.ptr[i]) == NULL)
			continue;
		if (is_list_role(local, local.ptr[i]))
			return false;
		*user = span_head(local, i);
		*ext = span_skip(local, i + 1);
		return true;
	}
	return false;
}

static bool
is_atext(unsigned char c)
{
	return c > ' ' && c != 0x7f && memchr("()<>[]:;@\\,.\"", c, 13) == NULL;
}

static bool
is_dot_atom(struct span s)
{
	char before = '.';
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.' ? before == '.' : !is_atext((unsigned char)s.ptr[i]))
			return false;
		before = s.ptr[i];
	}
	return before != '.';
}

void
address_quote_local(struct buf *b, struct span local)
{
	if (is_dot_atom(local)) {
		buf_span(b, local);
		return;
	}
	buf_char(b, '"');
	for (size_t i = 0; i < local.len; i++) {
		char c = local.ptr[i];
		if (c == '"' || c == '\\')
			buf_char(b, '\\');
		/* An address never holds these; where one was made from something else, a line must stay a line. */
		buf_char(b, c == '\n' || c == '\r' || c == '\0' ? '?' : c);
	}
	buf_char(b, '"');
}

void
address_quote(struct buf *b, struct span address)
{
	if (address.len == 0)
		return;
	struct span local, domain;
	bool has_domain = address_split(address, &local, &domain);
	address_quote_local(b, local);
	if (!has_domain)
		return;
	buf_char(b, '@');
	for (size_t i = 0; i < domain.len; i++) {
		unsigned char c = (unsigned char)domain.ptr[i];
		buf_char(b, c <= ' ' || c == 0x7f || c == '>' || c == '<' ? '?' : (char)c);
	}
}

void
address_fold(struct buf *b, struct span address)
{
	struct span local, domain;
	bool has_domain = address_split(address, &local, &domain);
	buf_span(b, local);
	if (!has_domain)
		return;
	buf_char(b, '@');
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];
		buf_char(b, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
	}
}

bool
address_eq(struct span a, struct span b)
{
	struct span la, da, lb, db;
	bool has_a = address_split(a, &la, &da), has_b = address_split(b, &lb, &db);
	return has_a == has_b && span_eq(la, lb) && span_caseeq(da, db);
}

static bool
is_label_byte(unsigned char c, bool utf8)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
	    (utf8 && c >= 0x80);
}

bool
address_hostname_ok(struct span name, bool utf8)
{
	bool numeric = true;
	if (name.len == 0 || name.len > HOSTNAME_MAX)
		return false;
	struct span label;
	while (span_cut(&name, '.', &label)) {
		if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			unsigned char c = (unsigned char)label.ptr[i];
			if (!is_label_byte(c, utf8))
				return false;
			if (c < '0' || c > '9')
				numeric = false;
		}
	}
	return !numeric;
}

bool
address_literal(struct span domain, struct span *ip, bool *v6)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char binary[16];
	if (domain.len < 3 || domain.ptr[0] != '[' || domain.ptr[domain.len - 1] != ']')
		return false;
	struct span inner = span_of(domain.ptr + 1, domain.len - 2);
	bool is6 = span_casestarts(inner, "IPv6:");
	if (is6)
		inner = span_skip(inner, 5);
	if (inner.len >= sizeof text || memchr(inner.ptr, '\0', inner.len) != NULL)
		return false;
	memcpy(text, inner.ptr, inner.len);
	text[inner.len] = '\0';
	if (inet_pton(is6 ? AF_INET6 : AF_INET, text, binary) != 1)
		return false;
	*ip = inner;
	*v6 = is6;
	return true;
}

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) at p, or 0. */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f);
	return bad ? 0 : n;
}

bool
address_is_utf8(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_sequence(p + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}
