#include "smtp/xclient.h"

#include <stdio.h>
#include <string.h>

#include "mail/dsn.h"
#include "net/addr.h"
#include "smtp/command.h"

enum { XCLIENT = 1, XFORWARD = 2 };

static bool
is_hostname(struct span s)
{
	bool number = true;
	size_t label = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool digit = c >= '0' && c <= '9';
		if (c == '.' || c == '-') {
			if (label == 0 || (c == '-' && (i + 1 == s.len || s.ptr[i + 1] == '.')) || (c == '.' && i + 1 == s.len))
				return false;
		} else if (!digit && c != '_' && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) {
			return false;
		}
		number = number && (digit || c == '.');
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return s.len > 0 && !number;
}

static bool
is_address(struct span s)
{
	struct net_addr a;

	return net_addr_parse(s, 0, &a);
}

static bool
is_number(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

static bool
is_protocol(struct span s)
{
	return span_caseeqs(s, "SMTP") || span_caseeqs(s, "ESMTP");
}

static bool
is_source(struct span s)
{
	return span_caseeqs(s, "LOCAL") || span_caseeqs(s, "REMOTE");
}

static bool
is_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 127)
			return false;
	return true;
}

static const struct {
	const char	*name;
	unsigned	 of;
	bool		(*client)(struct span), (*forward)(struct span);
} attributes[XATTR_COUNT] = {
	[XATTR_NAME] = { "NAME", XCLIENT | XFORWARD, is_hostname, is_hostname },
	[XATTR_ADDR] = { "ADDR", XCLIENT | XFORWARD, is_address, is_address },
	[XATTR_PORT] = { "PORT", XCLIENT | XFORWARD, is_number, is_number },
	[XATTR_PROTO] = { "PROTO", XCLIENT | XFORWARD, is_protocol, is_text },
	[XATTR_HELO] = { "HELO", XCLIENT | XFORWARD, is_text, is_text },
	[XATTR_IDENT] = { "IDENT", XFORWARD, NULL, is_text },
	[XATTR_SOURCE] = { "SOURCE", XFORWARD, NULL, is_source },
	[XATTR_LOGIN] = { "LOGIN", XCLIENT, is_text, NULL },
	[XATTR_DESTADDR] = { "DESTADDR", XCLIENT, is_address, NULL },
	[XATTR_DESTPORT] = { "DESTPORT", XCLIENT, is_number, NULL },
	[XATTR_REVERSE_NAME] = { "REVERSE_NAME", XCLIENT, is_hostname, NULL },
};

const char *
smtp_xattrs_keyword(bool forward)
{
	return forward ? "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT" : "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
}

/* The client's own words, as they may stand in a reply. */
static void
put_words(struct buf *out, struct span words)
{
	words = span_head(words, 100);
	for (size_t i = 0; i < words.len; i++)
		buf_char(out, words.ptr[i] < ' ' || words.ptr[i] == 127 ? '?' : words.ptr[i]);
	buf_str(out, "");
}

static bool
bad(struct buf *reply, const char *what, struct span words)
{
	buf_printf(reply, "501 5.5.4 Bad %s: ", what);
	put_words(reply, words);
	return false;
}

static void
bad_value(struct buf *reply, enum smtp_xattr x, struct span words)
{
	char what[40];

	(void)snprintf(what, sizeof what, "%s syntax", attributes[x].name);
	(void)bad(reply, what, words);
}

static bool
take_value(const struct smtp_param *p, enum smtp_xattr x, bool forward, struct smtp_xattrs *out, struct buf *reply)
{
	bool (*ok)(struct span) = forward ? attributes[x].forward : attributes[x].client;
	struct buf value = BUF_INIT(XATTR_MAX);

	if (span_caseeqs(p->value, "[UNAVAILABLE]")) {
		out->items[x].state = XSTATE_UNAVAILABLE;
		return true;
	}
	if (span_caseeqs(p->value, "[TEMPUNAVAIL]")) {
		out->items[x].state = XSTATE_TEMPORARY;
		return true;
	}
	bool decoded = xtext_decode(&value, p->value) && !value.over && !span_has(buf_view(&value), '\0');
	bool good = decoded && ok(buf_view(&value));
	if (good) {
		out->items[x].state = XSTATE_SAID;
		memcpy(out->items[x].text, value.ptr, value.len);
		out->items[x].text[value.len] = '\0';
	}
	if (!good)
		bad_value(reply, x, decoded ? buf_view(&value) : p->value);
	buf_clear(&value);
	return good;
}

bool
smtp_xattrs_parse(struct span args, bool forward, struct smtp_xattrs *out, struct buf *reply)
{
	struct smtp_param p;

	for (int i = 0; i < XATTR_COUNT; i++)
		out->items[i].state = XSTATE_UNSAID;
	while (smtp_param_next(&args, &p)) {
		int x = 0;
		if (p.value.len == 0) {
			buf_str(reply, "501 5.5.4 Error: attribute=value expected");
			return false;
		}
		while (x < XATTR_COUNT && !(span_caseeqs(p.name, attributes[x].name) && (attributes[x].of & (forward ? XFORWARD : XCLIENT))))
			x++;
		if (x == XATTR_COUNT)
			return bad(reply, forward ? "XFORWARD attribute name" : "XCLIENT attribute name", p.name);
		if (!take_value(&p, (enum smtp_xattr)x, forward, out, reply))
			return false;
	}
	return true;
}
