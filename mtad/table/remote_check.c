#include "table/remote_check.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/near.h"
#include "base/num.h"
#include "table/remote.h"

enum types { MY = 1, PG = 2, SQ = 4, LD = 8, MC = 16 };
enum kind { TEXT, NUMBER, BOOL, FORMAT, HOSTS, ENDPOINT, SCOPE, BIND, TABLE };

static const struct known {
	unsigned	 types;
	const char	*name;
	enum kind	 kind;
	int64_t		 min, max;
	const char	*ineffective;
} params[] = {
#define REMOTE_PARAM(types, name, kind, min, max, ineffective)	{ types, #name, kind, min, max, ineffective },
#include "table/remote_params.def"
#undef REMOTE_PARAM
};
#define PARAMS	(sizeof params / sizeof *params)

static const struct {
	const char	*name;
	unsigned	 type;
} kinds[] = { { "mysql", MY }, { "pgsql", PG }, { "sqlite", SQ }, { "ldap", LD }, { "memcache", MC } };

struct checking {
	const char	*type;
	unsigned	 bit;
	remote_finding_fn *fn;
	void		*arg;
	struct remote_file file;
};

static void say(const struct checking *, bool error, unsigned line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
say(const struct checking *c, bool error, unsigned line, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->fn(c->arg, error, line, text);
}

/* -- values ------------------------------------------------------------------------------------------- */

static bool
is_port(struct span s)
{
	uint32_t n;

	/* A name stands in /etc/services, which is looked up where it is used. */
	return s.len > 0 && (s.ptr[0] < '0' || s.ptr[0] > '9' || (num_u32(s, &n) && n > 0 && n < 65536));
}

/* "host", "host:port", "inet:host:port", "unix:/path", "[::1]:port", a URI. */
static bool
is_endpoint(struct span s, bool needs_port)
{
	if (span_has(s, '\0') || span_eqs(s, "unix:"))
		return false;
	if (span_starts(s, "unix:") || span_find(s, '/') < s.len)
		return true;
	if (span_starts(s, "inet:"))
		s = span_skip(s, 5);
	size_t colon = span_starts(s, "[") ? span_find(s, ']') + 1 : span_rfind(s, ':');
	if (colon >= s.len)
		return !needs_port && s.len > 0;
	return s.ptr[colon] == ':' && is_port(span_skip(s, colon + 1));
}

static const char *
check_hosts(struct span value)
{
	struct span word;
	bool any = false;

	while (span_word(&value, "\t\r\n ,", &word)) {
		any = true;
		if (!is_endpoint(word, false))
			return "a host is host, host:port, inet:host:port or unix:/path";
	}
	return any ? NULL : "it names no host";
}

static bool
is_one_of(struct span value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (span_caseeqs(value, *words))
			return true;
	return false;
}

static void
check_value(const struct checking *c, const struct known *p, struct span value, unsigned line)
{
	static const char *const yes_no[] = { "yes", "no", NULL };
	static const char *const scopes[] = { "sub", "base", "one", NULL };
	static const char *const binds[] = { "yes", "no", "none", "simple", "sasl", NULL };
	struct err err = { ERR_NONE, "" };
	const char *why = NULL;
	uint64_t n;

	switch (p->kind) {
	case TEXT:
		return;
	case NUMBER:
		if (!num_u64(value, &n) || n > INT64_MAX || (int64_t)n < p->min || (int64_t)n > p->max)
			say(c, true, line, "%s = %.*s: a number from %lld to %lld is expected", p->name, SPAN_ARG(span_head(value, 100)), (long long)p->min,
			    (long long)p->max);
		return;
	case FORMAT: {
		char *format = span_dup(value);
		if (!remote_format_check(format, p->name, &err))
			say(c, true, line, "%s", err.text);
		free(format);
		return;
	}
	case BOOL:
		why = is_one_of(value, yes_no) ? NULL : "yes or no is expected";
		break;
	case SCOPE:
		why = is_one_of(value, scopes) ? NULL : "sub, base and one are known";
		break;
	case BIND:
		why = is_one_of(value, binds) ? NULL : "yes, no, none, simple and sasl are known";
		break;
	case HOSTS:
		why = check_hosts(value);
		break;
	case ENDPOINT:
		why = is_endpoint(value, true) ? NULL : "write inet:host:port or unix:/path";
		break;
	case TABLE:
		while (span_starts(value, "proxy:"))
			value = span_skip(value, 6);
		why = span_starts(value, "/") || table_type_known(span_head(value, span_find(value, ':'))) ? NULL : "there is no table of this type";
		break;
	}
	if (why != NULL)
		say(c, true, line, "%s = %.*s: %s", p->name, SPAN_ARG(span_head(value, 100)), why);
}

/* -- names ---------------------------------------------------------------------------------------------- */

static void
unknown(const struct checking *c, struct span name, unsigned line)
{
	struct near near = { .word = name };
	const struct known *elsewhere = NULL;

	for (size_t i = 0; i < PARAMS; i++) {
		if (params[i].types & c->bit)
			near_try(&near, params[i].name);
		else if (span_eqs(name, params[i].name))
			elsewhere = &params[i];
	}
	if (near.best != NULL)
		say(c, false, line, "%.*s is no parameter of %s tables; did you mean %s?", SPAN_ARG(span_head(name, 60)), c->type, near.best);
	else
		say(c, false, line, "%.*s is no parameter of %s tables%s", SPAN_ARG(span_head(name, 60)), c->type,
		    elsewhere != NULL ? ", only of others" : "");
}

static void
check_one(void *arg, const char *name, const char *value, unsigned line)
{
	const struct checking *c = arg;

	for (size_t i = 0; i < PARAMS; i++) {
		const struct known *p = &params[i];
		if (!(p->types & c->bit) || strcmp(p->name, name) != 0)
			continue;
		if (p->ineffective[0] != '\0')
			say(c, false, line, "%s has no effect: %s", name, p->ineffective);
		else
			check_value(c, p, span_str(value), line);
		return;
	}
	unknown(c, span_str(name), line);
}

/* -- the whole ------------------------------------------------------------------------------------------- */

static bool
has(const struct checking *c, const char *name)
{
	return remote_str(&c->file, name, "")[0] != '\0';
}

static void
need(const struct checking *c, unsigned types, bool there, const char *what)
{
	if ((c->bit & types) && !there)
		say(c, true, 0, "there is no %s", what);
}

static void
check_whole(const struct checking *c)
{
	bool selects = has(c, "select_field") && has(c, "table") && has(c, "where_field");
	const char *format = c->bit & LD ? "query_filter" : c->bit & MC ? "key_format" : "query";

	need(c, MY | PG, has(c, "dbname"), "dbname");
	need(c, SQ, has(c, "dbpath"), "dbpath");
	need(c, MY | SQ, has(c, "query") || selects, "query");
	need(c, PG, has(c, "query") || has(c, "select_function") || selects, "query");
	if ((c->bit & LD) && remote_str(&c->file, "search_base", NULL) == NULL)
		say(c, false, 0, "there is no search_base: the search begins at the root");
	if (strcasecmp(remote_str(&c->file, "bind", ""), "sasl") == 0) {
		const char *mechanisms = remote_str(&c->file, "sasl_mechs", "");
		if (strcasecmp(mechanisms, "EXTERNAL") != 0 && strcasecmp(mechanisms, "PLAIN") != 0)
			say(c, true, remote_line(&c->file, "bind"), "bind = sasl: of sasl_mechs EXTERNAL and PLAIN are there, each alone");
	}
	const char *value = remote_str(&c->file, format, NULL);
	if (value != NULL && value[0] != '\0' && strpbrk(value, "%") == NULL)
		say(c, false, remote_line(&c->file, format), "%s does not name the key (%%s, %%u, %%d ...): every key gets the same answer", format);
}

/* "PATH:LINE: text", as the reader words it. */
static void
say_syntax(const struct checking *c, const struct err *err)
{
	struct span rest = span_skip(span_str(err->text), strlen(c->file.path) + 1), number;
	uint32_t line = 0;

	if (span_cut(&rest, ':', &number) && num_u32(number, &line))
		say(c, true, line, "%.*s", SPAN_ARG(span_trim(rest)));
	else
		say(c, true, 0, "%s", err->text);
}

void
remote_check(struct span type, struct span text, remote_finding_fn *fn, void *arg)
{
	struct checking c = { .fn = fn, .arg = arg };
	struct err err = { ERR_NONE, "" };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (span_eqs(type, kinds[i].name)) {
			c.type = kinds[i].name;
			c.bit = kinds[i].type;
		}
	if (c.bit == 0)
		return;
	if (!remote_file_parse(&c.file, "file", text, &err)) {
		say_syntax(&c, &err);
	} else {
		remote_file_each(&c.file, check_one, &c);
		check_whole(&c);
	}
	remote_file_clear(&c.file);
}
