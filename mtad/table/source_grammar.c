#include "table/source_grammar.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "table/network.h"
#include "table/type.h"

#define BLANKS	" \t\r\f\v"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The value behind a key; false where there is none. */
static bool
take_value(struct span rest, struct source_entry *e, const char *wanted, struct err *err)
{
	e->kind = SOURCE_PAIR;
	e->value = span_trim(rest);
	if (e->value.len > 0)
		return true;
	err_set(err, ERR_PERM, "expected %s", wanted);
	return false;
}

/* "in quotes with \" inside", off the front of *rest. */
static bool
take_quoted(struct span *rest, struct buf *key, struct err *err)
{
	size_t n = 1;

	for (; n < rest->len && rest->ptr[n] != '"'; n++) {
		if (rest->ptr[n] == '\\' && n + 1 < rest->len)
			n++;
		buf_char(key, rest->ptr[n]);
	}
	if (n >= rest->len) {
		err_set(err, ERR_PERM, "a quote (\") that does not end");
		return false;
	}
	*rest = span_skip(*rest, n + 1);
	return true;
}

static void
write_quoted(struct buf *out, struct span key)
{
	buf_char(out, '"');
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] == '"' || key.ptr[i] == '\\')
			buf_char(out, '\\');
		buf_char(out, key.ptr[i]);
	}
	buf_char(out, '"');
}

/* Whether the key cannot stand without quotes, given what would end it. */
static bool
wants_quotes(struct span key, const char *ends)
{
	for (size_t i = 0; i < key.len; i++)
		if (strchr(ends, key.ptr[i]) != NULL)
			return true;
	return key.len == 0 || key.ptr[0] == '"' || key.ptr[0] == '#';
}

/* -- "key value": texthash, and what postmap compiles ----------------------------------------- */

/* As the daemon takes it apart: quotes are part of the key. */
static bool
parse_pair(struct span line, struct buf *key, struct source_entry *e, struct err *err)
{
	const char *why;

	(void)key;
	e->kind = SOURCE_PAIR;
	if (table_pair(line, &e->key, &e->value, &why))
		return true;
	err_set(err, ERR_PERM, "%s", why);
	return false;
}

static void
write_plain(struct buf *out, struct span key, struct span blanks)
{
	buf_span(out, key);
	buf_span(out, blanks);
}

/* -- "name: value": aliases ------------------------------------------------------------------- */

static bool
parse_alias(struct span line, struct buf *key, struct source_entry *e, struct err *err)
{
	static const char wanted[] = "a name, \":\" and a value";
	struct span rest = line;

	if (line.ptr[0] == '"') {
		if (!take_quoted(&rest, key, err))
			return false;
		e->key = buf_view(key);
		rest = span_ltrim(rest);
	} else {
		rest = span_skip(line, span_find(line, ':'));
		e->key = span_rtrim(span_head(line, line.len - rest.len));
	}
	if (e->key.len == 0 || !span_starts(rest, ":")) {
		err_set(err, ERR_PERM, "expected %s", wanted);
		return false;
	}
	return take_value(span_skip(rest, 1), e, wanted, err);
}

static void
write_alias(struct buf *out, struct span key, struct span blanks)
{
	if (wants_quotes(key, " \t\r\f\v:,()<>@"))
		write_quoted(out, key);
	else
		buf_span(out, key);
	buf_char(out, ':');
	buf_span(out, blanks);
}

/* -- patterns in order, with if and endif ------------------------------------------------------ */

typedef bool pattern_fn(struct span *rest, struct err *);

/* A pattern off the front of *rest. */
static bool
parse_rule(struct span line, struct source_entry *e, pattern_fn *take, const char *wanted, struct err *err)
{
	struct span rest = line, word;

	e->kind = SOURCE_PAIR;
	span_word(&rest, BLANKS, &word);
	if (span_caseeqs(word, "endif")) {
		*e = (struct source_entry){ .kind = SOURCE_ENDIF, .key = word };
		return true;
	}
	bool is_if = span_caseeqs(word, "if");
	rest = span_ltrim(is_if ? rest : line);
	e->key = rest;
	if (span_starts(rest, "!"))
		rest = span_ltrim(span_skip(rest, 1));
	if (!take(&rest, err))
		return false;
	e->key.len -= rest.len;
	if (is_if) {
		e->kind = SOURCE_IF;
		e->value = SPAN_NONE;
		return true;
	}
	return take_value(rest, e, wanted, err);
}

static bool
take_network(struct span *rest, struct err *err)
{
	struct network network;
	struct span word;

	if (!span_word(rest, BLANKS, &word)) {
		err_set(err, ERR_PERM, "expected a network");
		return false;
	}
	return network_parse(word, &network, err);
}

static bool
parse_cidr(struct span line, struct buf *key, struct source_entry *e, struct err *err)
{
	(void)key;
	return parse_rule(line, e, take_network, "a network, white space and a value", err);
}

/* Whether the expression can be used at all; which options it is given does not matter for that. */
static bool
compiles(struct span pattern, struct err *err)
{
	unsigned char text[128];
	PCRE2_SIZE at;
	int code;
	pcre2_code *p = pcre2_compile((PCRE2_SPTR)(pattern.len == 0 ? "" : pattern.ptr), pattern.len, 0, &code, &at, NULL);

	if (p == NULL) {
		pcre2_get_error_message(code, text, sizeof text);
		err_set(err, ERR_PERM, "pattern \"%.*s\", column %zu: %s", SPAN_ARG(span_head(pattern, 80)), at + 1, (char *)text);
		return false;
	}
	pcre2_code_free(p);
	return true;
}

static bool
take_pattern(struct span *rest, struct err *err)
{
	char end = rest->len > 0 ? rest->ptr[0] : 'a';
	size_t n = 1, flags;

	if ((end >= 'a' && end <= 'z') || (end >= 'A' && end <= 'Z') || (end >= '0' && end <= '9') || end == '\\') {
		err_set(err, ERR_PERM, "expected a pattern between delimiters, as /pattern/");
		return false;
	}
	while (n < rest->len && rest->ptr[n] != end)
		n += rest->ptr[n] == '\\' ? 2 : 1;
	if (n >= rest->len) {
		err_set(err, ERR_PERM, "a pattern without its second \"%c\"", end);
		return false;
	}
	for (flags = n + 1; flags < rest->len && !is_blank(rest->ptr[flags]); flags++)
		if (strchr("imsxAEUXn", rest->ptr[flags]) == NULL) {
			err_set(err, ERR_PERM, "\"%c\" is no flag of a pattern", rest->ptr[flags]);
			return false;
		}
	if (!compiles(span_of(rest->ptr + 1, n - 1), err))
		return false;
	*rest = span_skip(*rest, flags);
	return true;
}

static bool
parse_regexp(struct span line, struct buf *key, struct source_entry *e, struct err *err)
{
	(void)key;
	return parse_rule(line, e, take_pattern, "a pattern, white space and a value", err);
}

/* -- "name = value": how to reach a server ------------------------------------------------------ */

static bool
parse_setting(struct span line, struct buf *key, struct source_entry *e, struct err *err)
{
	size_t eq = span_find(line, '=');

	(void)key;
	e->kind = SOURCE_PAIR;
	e->key = span_rtrim(span_head(line, eq));
	e->value = span_trim(span_skip(line, eq + 1));
	if (eq < line.len && e->key.len > 0)
		return true;
	err_set(err, ERR_PERM, "expected a name, \"=\" and a value");
	return false;
}

static void
write_setting(struct buf *out, struct span key, struct span blanks)
{
	buf_span(out, key);
	buf_str(out, " =");
	buf_span(out, blanks);
}

static const struct source_grammar grammars[] = {
	{ "texthash", false, false, false, parse_pair, write_plain },
	{ "hash", true, false, false, parse_pair, write_plain },
	{ "btree", true, false, false, parse_pair, write_plain },
	{ "lmdb", true, false, false, parse_pair, write_plain },
	{ "cdb", true, false, false, parse_pair, write_plain },
	{ "gdbm", true, false, false, parse_pair, write_plain },
	{ "dbm", true, false, false, parse_pair, write_plain },
	{ "sdbm", true, false, false, parse_pair, write_plain },
	{ "aliases", true, false, false, parse_alias, write_alias },
	{ "cidr", false, false, false, parse_cidr, write_plain },
	{ "regexp", false, true, false, parse_regexp, write_plain },
	{ "pcre", false, true, false, parse_regexp, write_plain },
	{ "ldap", false, true, true, parse_setting, write_setting },
	{ "mysql", false, true, true, parse_setting, write_setting },
	{ "pgsql", false, true, true, parse_setting, write_setting },
	{ "sqlite", false, true, true, parse_setting, write_setting },
	{ "memcache", false, true, true, parse_setting, write_setting },
};

const struct source_grammar *
source_grammar(struct span type)
{
	for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++)
		if (span_eqs(type, grammars[i].type))
			return &grammars[i];
	return NULL;
}

bool
source_type(struct span type)
{
	return source_grammar(type) != NULL;
}

bool
source_compiled(struct span type)
{
	const struct source_grammar *g = source_grammar(type);
	return g != NULL && g->compiled;
}
