#include "policy/content_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/header.h"
#include "table/table.h"

#define TEXT_SHOWN	200	/* of a header or line, in the log */

struct content_checks {
	struct conf	*conf;
	enum check_user	 user;
	struct {
		const char	*name;	/* of the parameter */
		struct tables	 tables;
	} kind[CHECK_KINDS];
};

static const enum param parameters[][CHECK_KINDS] = {
	[CHECK_CLEANUP] = { P_header_checks, P_mime_header_checks, P_nested_header_checks, P_body_checks },
	[CHECK_SMTP] = { P_smtp_header_checks, P_smtp_mime_header_checks, P_smtp_nested_header_checks, P_smtp_body_checks },
	[CHECK_LMTP] = { P_lmtp_header_checks, P_lmtp_mime_header_checks, P_lmtp_nested_header_checks, P_lmtp_body_checks },
};

static const struct {
	const char	*name, *word;
	enum check_action action;
	bool		 client;	/* smtp(8) knows it too */
} actions[] = {
	{ "BCC", "bcc", CHECK_BCC, false }, { "DISCARD", "discard", CHECK_DISCARD, false }, { "DUNNO", NULL, CHECK_DUNNO, true },
	{ "FILTER", "filter", CHECK_FILTER, false }, { "HOLD", "hold", CHECK_HOLD, false }, { "IGNORE", NULL, CHECK_IGNORE, true },
	{ "INFO", "info", CHECK_INFO, true }, { "OK", NULL, CHECK_DUNNO, true }, { "PASS", "pass", CHECK_PASS, false },
	{ "PREPEND", "prepend", CHECK_PREPEND, true }, { "REDIRECT", "redirect", CHECK_REDIRECT, false },
	{ "REJECT", "reject", CHECK_REJECT, false }, { "REPLACE", "replace", CHECK_REPLACE, true },
	{ "STRIP", "strip", CHECK_STRIP, true }, { "WARN", "warning", CHECK_WARN, true },
};

bool
content_checks_new(struct conf *conf, const struct view *v, enum check_user user, struct content_checks **out, struct err *err)
{
	struct content_checks *c;
	bool some = false;

	*out = NULL;
	MEM_NEW(c);
	c->conf = conf_ref(conf);
	c->user = user;
	for (int i = 0; i < CHECK_KINDS; i++) {
		enum param p = parameters[user][i];
		c->kind[i].name = param_row(p)->name;
		if (!tables_open(&c->kind[i].tables, conf, conf_str(v, p), err)) {
			err_prefix(err, "%s", c->kind[i].name);
			content_checks_free(c);
			return false;
		}
		some = some || c->kind[i].tables.count > 0;
	}
	if (some)
		*out = c;
	else
		content_checks_free(c);
	return true;
}

void
content_checks_free(struct content_checks *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < CHECK_KINDS; i++)
		tables_clear(&c->kind[i].tables);
	conf_unref(c->conf);
	free(c);
}

bool
content_checks_has(const struct content_checks *c, enum check_kind kind)
{
	return c != NULL && c->kind[kind].tables.count > 0;
}

enum check_kind
content_check_kind(enum check_kind kind, struct span header)
{
	static const char *const mime[] = { "content-description", "content-disposition", "content-id", "content-transfer-encoding",
	    "content-type", "mime-version" };
	struct span name = span_head(header, header_name_len(header));

	if (kind != CHECK_HEADER && kind != CHECK_NESTED)
		return kind;
	for (size_t i = 0; i < sizeof mime / sizeof *mime; i++)
		if (span_caseeqs(name, mime[i]))
			return CHECK_MIME;
	return kind;
}

/* -- what a value says -- */

static void
complain(struct check_result *r, const char *what, struct span text, const char *map, const char *need)
{
	r->action = CHECK_DUNNO;
	(void)snprintf(r->complaint, sizeof r->complaint, "%s \"%.*s\" in %s map%s%s", what, SPAN_ARG(span_head(text, 120)), map,
	    need[0] == '\0' ? "" : " -- need ", need);
}

static bool
is_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0 && s.len <= 3;
}

/* "5.7.1" off the front. */
static bool
has_dsn(struct span s)
{
	struct span word = span_head(s, span_find(s, ' ')), part;

	for (int i = 0; i < 3; i++)
		if (!span_cut(&word, '.', &part) || !is_digits(part) || (i == 0 && part.len != 1))
			return false;
	return word.len == 0;
}

static void
reject(struct check_result *r, const char *map)
{
	struct buf *b = &r->value;
	size_t at = b->len;
	struct span text = r->text;
	bool given = has_dsn(text), good = given && (text.ptr[0] == '4' || text.ptr[0] == '5');

	if (given && !good)
		(void)snprintf(r->complaint, sizeof r->complaint, "bad DSN action in %s map: \"%.*s\" -- need 4.x.x or 5.x.x", map,
		    SPAN_ARG(span_head(text, 100)));
	char *copy = span_dup(text);	/* it points into the buffer that it is put into */
	if (!given)
		buf_str(b, "5.7.1 ");
	buf_str(b, text.len > 0 ? copy : "message content rejected");
	free(copy);
	if (given && !good && !b->over)
		b->ptr[at] = '4';
	r->text = span_skip(buf_view(b), at);
}

static void
check_text(struct check_result *r, enum check_kind kind, const char *map)
{
	bool header = kind != CHECK_BODY;

	switch (r->action) {
	case CHECK_REJECT:
		reject(r, map);
		break;
	case CHECK_FILTER:
		if (!span_has(r->text, ':'))
			complain(r, "bad FILTER command", r->text, map, "transport:destination");
		break;
	case CHECK_REDIRECT:
		if (!span_has(r->text, '@'))
			complain(r, "bad REDIRECT target", r->text, map, "user@domain");
		break;
	case CHECK_BCC:
		if (!span_has(r->text, '@'))
			complain(r, "bad BCC address", r->text, map, "user@domain");
		break;
	case CHECK_PREPEND:
	case CHECK_REPLACE:
		if (r->text.len == 0)
			complain(r, r->action == CHECK_PREPEND ? "PREPEND without text" : "REPLACE without text", r->text, map, "");
		else if (header && header_name_len(r->text) == 0)
			complain(r, r->action == CHECK_PREPEND ? "bad PREPEND header text" : "bad REPLACE header text", r->text, map,
			    "\"headername: headervalue\"");
		break;
	default:
		break;
	}
}

static void
parse(const struct content_checks *c, enum check_kind kind, struct check_result *r)
{
	struct span value = buf_view(&r->value);
	size_t n = 0;

	while (n < value.len && value.ptr[n] != ' ' && value.ptr[n] != '\t')
		n++;
	struct span word = span_head(value, n);
	r->text = span_ltrim(span_skip(value, n));
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (!span_caseeqs(word, actions[i].name) || (c->user != CHECK_CLEANUP && !actions[i].client))
			continue;
		r->action = actions[i].action;
		check_text(r, kind, c->kind[kind].name);
		return;
	}
	complain(r, "unknown command", value, c->kind[kind].name, "");
}

void
content_check(const struct content_checks *c, enum check_kind kind, struct span text, struct check_result *r)
{
	struct err err = { 0 };

	r->action = CHECK_DUNNO;
	r->text = SPAN_NONE;
	r->complaint[0] = '\0';
	/* An empty line is never looked up, as in Postfix. */
	if (c->kind[kind].tables.count == 0 || text.len == 0)
		return;
	buf_reset(&r->value);
	switch (tables_get(&c->kind[kind].tables, NULL, text, &r->value, &err)) {
	case TABLE_ABSENT:
		return;
	case TABLE_FOUND:
		parse(c, kind, r);
		return;
	case TABLE_PENDING:
	case TABLE_FAILED:
		r->action = CHECK_FAILED;
		(void)snprintf(r->complaint, sizeof r->complaint, "%s map lookup problem: %.200s -- message not accepted, try again later",
		    c->kind[kind].name, err.text);
		return;
	}
}

/* -- the log -- */

const char *
content_check_word(enum check_action a)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		if (actions[i].action == a)
			return actions[i].word;
	return NULL;
}

static void
put_address(struct buf *b, const char *name, struct span address)
{
	buf_str(b, name);
	address_quote(b, address);
	buf_char(b, '>');
}

void
content_check_tell(struct buf *b, const char *what, struct span text, const struct check_source *s, struct span why)
{
	buf_printf(b, "%s ", what);
	buf_span(b, span_head(text, TEXT_SHOWN));
	buf_str(b, " from ");
	buf_span(b, s->origin);
	put_address(b, "; from=<", s->sender);
	if (s->has_recipient)
		put_address(b, " to=<", s->recipient);
	if (s->protocol.len > 0) {
		buf_str(b, " proto=");
		buf_span(b, s->protocol);
	}
	if (s->helo.len > 0) {
		buf_str(b, " helo=<");
		buf_span(b, s->helo);
		buf_char(b, '>');
	}
	if (why.len > 0) {
		buf_str(b, ": ");
		buf_span(b, why);
	}
}

void
content_check_log(struct buf *b, const struct check_result *r, enum check_kind kind, struct span text, const struct check_source *s)
{
	const char *word = content_check_word(r->action);

	buf_str(b, word == NULL ? "" : word);
	content_check_tell(b, kind == CHECK_BODY ? ": body" : ": header", text, s, r->text);
}
