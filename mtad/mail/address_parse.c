#include "mail/address_parse.h"

#include <stdint.h>

#include "mail/address.h"

/* The address as it takes shape. Fixed size: a longer one is refused. */
struct parse {
	struct span	 in;
	size_t		 pos;
	unsigned	 flags;
	char		 out[ADDRESS_MAX];
	size_t		 len;
	bool		 in_domain;
	size_t		 domain_at;	/* in out */
	bool		 word_before;	/* a second word needs a "." or "@" between */
	bool		 quoted_at;	/* a quoted "@" in the local part */
	bool		 literal;
	const char	*fault;
};

static bool
fail(struct parse *p, const char *fault)
{
	p->fault = fault;
	return false;
}

size_t
address_skip_token(struct span s, size_t at)
{
	unsigned depth = 0;
	char first = s.ptr[at];
	if (first != '"' && first != '(' && first != '[')
		return first == '\\' && at + 1 < s.len ? at + 2 : at + 1;
	char end = first == '"' ? '"' : first == '(' ? ')' : ']';
	for (size_t i = at + 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == end && depth-- == 0)
			return i + 1;
		else if (first == '(' && s.ptr[i] == '(')
			depth++;
	}
	return s.len + 1;
}

bool
address_skip_route(struct span *spec)
{
	struct span s = span_ltrim(*spec);
	if (s.len == 0 || s.ptr[0] != '@')
		return true;
	for (size_t i = 0; i < s.len; i = address_skip_token(s, i)) {
		if (s.ptr[i] == ':') {
			*spec = span_skip(s, i + 1);
			return true;
		}
	}
	return false;
}

static bool
put(struct parse *p, char c)
{
	unsigned char u = (unsigned char)c;
	if (p->len == sizeof p->out)
		return fail(p, "address is too long");
	if (u < ' ' || u == 0x7f)
		return fail(p, "control character in address");
	if (u >= 0x80 && (p->flags & (ADDRESS_UTF8 | ADDRESS_8BIT)) == 0)
		return fail(p, "non-ASCII address without SMTPUTF8");
	p->out[p->len++] = c;
	return true;
}

static bool
begin_word(struct parse *p)
{
	if (p->word_before)
		return fail(p, "two words without \".\" or \"@\" between them");
	p->word_before = true;
	return true;
}

static bool
take_quoted(struct parse *p)
{
	if (p->in_domain)
		return fail(p, "quoted string in domain");
	size_t end = address_skip_token(p->in, p->pos);
	if (end > p->in.len)
		return fail(p, "unbalanced quotes");
	if (!begin_word(p))
		return false;
	for (size_t i = p->pos + 1; i < end - 1; i++) {
		if (p->in.ptr[i] == '\\')
			i++;
		if (p->in.ptr[i] == '@')
			p->quoted_at = true;
		if (!put(p, p->in.ptr[i]))
			return false;
	}
	p->pos = end;
	return true;
}

static bool
take_literal(struct parse *p)
{
	size_t end = address_skip_token(p->in, p->pos);
	if (!p->in_domain || p->word_before || p->len != p->domain_at)
		return fail(p, "misplaced \"[\"");
	if (end > p->in.len)
		return fail(p, "unbalanced \"[\"");
	for (; p->pos < end; p->pos++) {
		char c = p->in.ptr[p->pos];
		bool edge = p->pos == end - 1 || p->len == p->domain_at;
		if (!edge && memchr("()<>[]@\\,;\" \t", c, 13) != NULL)
			return fail(p, "bad character in address literal");
		if (!put(p, c))
			return false;
	}
	p->word_before = p->literal = true;
	return true;
}

static bool
take_atom(struct parse *p)
{
	static const char specials[] = "()<>[]:;@\\,.\"";
	if (!begin_word(p))
		return false;
	while (p->pos < p->in.len) {
		char c = p->in.ptr[p->pos];
		bool pair = c == '\\' && p->pos + 1 < p->in.len && !p->in_domain && !(p->flags & ADDRESS_STRICT);
		if (pair)
			c = p->in.ptr[++p->pos];
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || memchr(specials, c, sizeof specials - 1) != NULL)
			break;
		p->quoted_at |= c == '@';
		if (!put(p, c))
			return false;
		p->pos++;
	}
	return true;
}

static bool
take_at(struct parse *p)
{
	if (p->in_domain)
		return fail(p, "more than one \"@\"");
	if (p->len == 0 && !p->word_before)
		return fail(p, "nothing before \"@\"");
	p->in_domain = true;
	p->word_before = false;
	p->pos++;
	if (!put(p, '@'))
		return false;
	p->domain_at = p->len;
	return true;
}

static bool
take_dot(struct parse *p)
{
	if (p->literal)
		return fail(p, "text after address literal");
	if (p->in_domain && !p->word_before)
		return fail(p, "empty label in domain");
	p->word_before = false;
	p->pos++;
	return put(p, '.');
}

/* White space and comments are nothing between tokens; strict senders have none. */
static bool
take_space(struct parse *p)
{
	if (p->flags & ADDRESS_STRICT)
		return fail(p, "white space or comment in address");
	size_t end = address_skip_token(p->in, p->pos);
	if (end > p->in.len)
		return fail(p, "unbalanced parentheses");
	p->pos = end;
	return true;
}

static bool
take_token(struct parse *p)
{
	switch (p->in.ptr[p->pos]) {
	case '"':
		return take_quoted(p);
	case '[':
		return take_literal(p);
	case '@':
		return take_at(p);
	case '.':
		return take_dot(p);
	case '(': case ' ': case '\t': case '\r': case '\n':
		return take_space(p);
	case '\\':
		if (p->in_domain || p->pos + 1 >= p->in.len || (p->flags & ADDRESS_STRICT))
			return fail(p, "misplaced backslash");
		return take_atom(p);
	case '<': case '>': case ')': case ']': case ':': case ';': case ',':
		return fail(p, "special character outside quotes");
	default:
		return take_atom(p);
	}
}

static bool
finish(struct parse *p)
{
	/* "example.org." is example.org, said absolutely. */
	if (p->in_domain && p->len > p->domain_at + 1 && p->out[p->len - 1] == '.')
		p->len--;
	if (p->in_domain && p->len == p->domain_at)
		return fail(p, "no domain after \"@\"");
	if (p->len == 0)
		return fail(p, "empty address");
	if (p->quoted_at && !p->in_domain)
		return fail(p, "quoted \"@\" without a domain");	/* unquoted, it would name another domain */
	if ((p->flags & ADDRESS_UTF8) && !(p->flags & ADDRESS_8BIT) && !address_is_utf8(span_of(p->out, p->len)))
		return fail(p, "address is not UTF-8");
	return true;
}

bool
address_parse(struct span spec, unsigned flags, struct buf *out, const char **fault)
{
	struct parse p = { .in = spec, .flags = flags };
	bool ok = true;
	while (ok && p.pos < p.in.len)
		ok = take_token(&p);
	if (!ok || !finish(&p)) {
		*fault = p.fault;
		return false;
	}
	buf_put(out, p.out, p.len);
	return true;
}
