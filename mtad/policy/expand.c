/* $names in texts of the site that go to clients: replies of DNS lists, footers. What they stand for is the client's: it is taken once, and censored. */
#include <time.h>

#include "base/clock.h"
#include "mail/address.h"
#include "policy/private.h"

#define DEPTH_MAX	10

struct expansion {
	const struct view *view;
	const struct policy_session *session;
	const struct expand_extra *extra;
	size_t		 count;
	struct buf	*out;
	struct buf	 scratch;
	bool		 allowed[256];
};

static void
read_filter(struct expansion *x)
{
	struct span f = span_str(conf_str(x->view, P_smtpd_expansion_filter));

	for (size_t i = 0; i < f.len; i++) {
		unsigned c = (unsigned char)f.ptr[i];
		if (c == '\\' && i + 1 < f.len) {
			static const char names[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";
			const char *at = strchr(names, f.ptr[++i]);
			c = (unsigned char)f.ptr[i];
			if (at != NULL && *at != '\0') {
				c = (unsigned char)bytes[at - names];
			} else if (c >= '0' && c <= '7') {
				for (c = 0; i < f.len && f.ptr[i] >= '0' && f.ptr[i] <= '7' && c < 32; i++)
					c = c * 8 + (unsigned)(f.ptr[i] - '0');
				i--;
			}
		}
		x->allowed[c & 255] = true;
	}
}

static struct span
or_null(struct span s)
{
	return s.len == 0 ? SPAN("<>") : s;
}

static struct span
local_time(struct expansion *x)
{
	time_t now = (time_t)(clock_wall() / SECOND);
	struct tm tm;
	char text[40];

	if (localtime_r(&now, &tm) == NULL || strftime(text, sizeof text, "%b %d %H:%M:%S", &tm) == 0)
		return SPAN_NONE;
	buf_reset(&x->scratch);
	buf_str(&x->scratch, text);
	return buf_view(&x->scratch);
}

static struct span
client(struct expansion *x)
{
	buf_reset(&x->scratch);
	buf_printf(&x->scratch, "%.*s[%.*s]", SPAN_ARG(x->session->client_name), SPAN_ARG(x->session->client_addr));
	return buf_view(&x->scratch);
}

static struct span
look_up(struct expansion *x, struct span name)
{
	const struct policy_session *s = x->session;
	const struct { const char *name; struct span value; } known[] = {
		{ "client_name", s->client_name }, { "client_address", s->client_addr }, { "client_port", s->client_port },
		{ "reverse_client_name", s->reverse_client_name }, { "helo_name", s->helo }, { "server_address", s->server_addr },
		{ "server_port", s->server_port }, { "sender", s->has_sender ? or_null(s->sender) : SPAN_NONE },
		{ "sender_name", s->has_sender ? or_null(address_local(s->sender)) : SPAN_NONE }, { "sender_domain", address_domain(s->sender) },
		{ "recipient", or_null(s->recipient) }, { "recipient_name", or_null(address_local(s->recipient)) },
		{ "recipient_domain", address_domain(s->recipient) }, { "sasl_username", s->sasl_user }, { "sasl_method", s->sasl_method },
		{ "sasl_sender", s->sasl_sender }, { "ccert_subject", s->tls.ccert_subject }, { "ccert_issuer", s->tls.ccert_issuer },
		{ "ccert_fingerprint", s->tls.ccert_fingerprint }, { "server_name", span_str(conf_str(x->view, P_myhostname)) },
	};

	for (size_t i = 0; i < x->count; i++)
		if (span_eqs(name, x->extra[i].name))
			return x->extra[i].value;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (span_eqs(name, known[i].name))
			return known[i].value;
	if (span_eqs(name, "client"))
		return client(x);
	return span_eqs(name, "localtime") ? local_time(x) : SPAN_NONE;
}

static void
put_censored(struct expansion *x, struct span value)
{
	for (size_t i = 0; i < value.len; i++)
		buf_char(x->out, x->allowed[(unsigned char)value.ptr[i]] ? value.ptr[i] : '_');
}

static bool expand(struct expansion *, struct span text, unsigned depth);

/* "name", "name?text", "name:text", "name?{text}:{text}" */
static bool
expand_group(struct expansion *x, struct span inside, unsigned depth)
{
	struct span rest = inside, name = span_name(&rest), yes = SPAN_NONE, no = SPAN_NONE, value = look_up(x, name);

	if (name.len == 0)
		return false;
	if (rest.len == 0) {
		put_censored(x, value);
		return true;
	}
	bool want = rest.ptr[0] == '?';
	if (!want && rest.ptr[0] != ':')
		return false;
	rest = span_skip(rest, 1);
	if (want && rest.len > 0 && rest.ptr[0] == '{') {
		if (!span_group(&rest, &yes))
			return false;
		rest = span_ltrim(rest);
		if (rest.len > 0) {
			rest = span_ltrim(span_skip(rest, 1));
			if (rest.len == 0 || rest.ptr[0] != '{' || !span_group(&rest, &no))
				return false;
		}
	} else if (rest.len > 0 && rest.ptr[0] == '{') {
		if (!span_group(&rest, &no))
			return false;
	} else {
		*(want ? &yes : &no) = rest;
	}
	return expand(x, value.len > 0 ? yes : no, depth + 1);
}

static bool
expand_one(struct expansion *x, struct span *text, unsigned depth)
{
	struct span inside;

	if (text->len == 0)
		return false;
	if (text->ptr[0] == '$') {
		buf_char(x->out, '$');
		*text = span_skip(*text, 1);
		return true;
	}
	if (text->ptr[0] == '{' || text->ptr[0] == '(')
		return span_group(text, &inside) && expand_group(x, inside, depth);
	struct span name = span_name(text);
	if (name.len == 0)
		return false;
	put_censored(x, look_up(x, name));
	return true;
}

/* Recursion ends at DEPTH_MAX; the text is the site's. */
static bool
expand(struct expansion *x, struct span text, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return false;
	while (text.len > 0) {
		size_t at = span_find(text, '$');
		buf_span(x->out, span_head(text, at));
		if (at == text.len)
			break;
		text = span_skip(text, at + 1);
		if (!expand_one(x, &text, depth))
			return false;
	}
	return true;
}

bool
policy_expand(const struct view *view, const struct policy_session *s, struct span text, const struct expand_extra *extra, size_t count,
    struct buf *out)
{
	struct expansion x = { .view = view, .session = s, .extra = extra, .count = count, .out = out, .scratch = BUF_INIT(2048) };

	read_filter(&x);
	bool ok = expand(&x, text, 0);
	buf_clear(&x.scratch);
	return ok && !out->over;
}
