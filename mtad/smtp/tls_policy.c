#include "smtp/tls_policy.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LIST_SEPS	"\t\r\n ,"
#define ENTRY_MAX	((size_t)64 << 10)

static const struct {
	enum tls_level	 level;
	const char	*name;
} levels[] = {
	{ TLS_LEVEL_NONE, "none" },
	{ TLS_LEVEL_MAY, "may" },
	{ TLS_LEVEL_ENCRYPT, "encrypt" },
	{ TLS_LEVEL_FINGERPRINT, "fingerprint" },
	{ TLS_LEVEL_DANE, "dane" },
	{ TLS_LEVEL_DANE_ONLY, "dane-only" },
	{ TLS_LEVEL_VERIFY, "verify" },
	{ TLS_LEVEL_SECURE, "secure" },
	{ TLS_LEVEL_HALF_DANE, "half-dane" },
};

const char *
tls_level_name(enum tls_level level)
{
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (levels[i].level == level)
			return levels[i].name;
	return level == TLS_LEVEL_INVALID ? "invalid" : "unknown";
}

enum tls_level
tls_level_find(struct span name)
{
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (levels[i].level != TLS_LEVEL_HALF_DANE && span_caseeqs(name, levels[i].name))
			return levels[i].level;
	return TLS_LEVEL_INVALID;
}

void
tls_warn(const struct tls_warn *w, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	if (w == NULL || w->fn == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	w->fn(w->arg, text);
}

/* -- words -------------------------------------------------------------------------------- */

bool
tls_words_add(struct tls_words *w, struct span text, const char *separators)
{
	struct span word;

	while (span_word(&text, separators, &word)) {
		if (w->count == TLS_POLICY_WORDS)
			return false;
		w->list = mem_grow(w->list, w->count + 1, sizeof *w->list);
		w->list[w->count++] = span_dup(word);
	}
	return true;
}

void
tls_words_clear(struct tls_words *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->list[i]);
	free(w->list);
	*w = (struct tls_words){ NULL, 0 };
}

void
tls_policy_clear(struct tls_policy *p)
{
	free(p->protocols);
	free(p->ciphers);
	free(p->exclude);
	free(p->servername);
	tls_words_clear(&p->match);
	tls_words_clear(&p->tafiles);
	*p = TLS_POLICY_INIT;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_words(const struct tls_words *a, const struct tls_words *b)
{
	size_t i = 0;

	while (i < a->count && i < b->count && strcmp(a->list[i], b->list[i]) == 0)
		i++;
	return i == a->count && i == b->count;
}

bool
tls_policy_same(const struct tls_policy *a, const struct tls_policy *b)
{
	return a->level == b->level && a->connection_reuse == b->connection_reuse && same_text(a->protocols, b->protocols) &&
	    same_text(a->ciphers, b->ciphers) && same_text(a->exclude, b->exclude) && same_text(a->servername, b->servername) &&
	    same_words(&a->match, &b->match) && same_words(&a->tafiles, &b->tafiles);
}

/* -- attributes ----------------------------------------------------------------------------- */

struct entry {
	struct tls_policy *policy;
	const char	*where;
	const struct tls_warn *warn;
};

static bool
set_once(const struct entry *e, char **to, const char *name, struct span value)
{
	if (*to != NULL) {
		tls_warn(e->warn, "%s: attribute \"%s\" is specified multiple times", e->where, name);
		return false;
	}
	*to = span_dup(value);
	return true;
}

static bool
set_filled(const struct entry *e, char **to, const char *name, struct span value)
{
	if (value.len > 0)
		return set_once(e, to, name, value);
	tls_warn(e->warn, "%s: attribute \"%s\" has empty value", e->where, name);
	return false;
}

static bool
on_ciphers(const struct entry *e, const char *name, struct span value)
{
	return set_filled(e, &e->policy->ciphers, name, value);
}

static bool
on_protocols(const struct entry *e, const char *name, struct span value)
{
	return set_filled(e, &e->policy->protocols, name, value);
}

static bool
on_servername(const struct entry *e, const char *name, struct span value)
{
	return set_filled(e, &e->policy->servername, name, value);
}

static bool
on_exclude(const struct entry *e, const char *name, struct span value)
{
	return set_once(e, &e->policy->exclude, name, value);
}

static bool
add_words(const struct entry *e, struct tls_words *w, const char *name, struct span value, const char *separators)
{
	if (value.len == 0) {
		tls_warn(e->warn, "%s: attribute \"%s\" has empty value", e->where, name);
		return false;
	}
	if (tls_words_add(w, value, separators))
		return true;
	tls_warn(e->warn, "%s: attribute \"%s\" has more than %u values", e->where, name, TLS_POLICY_WORDS);
	return false;
}

static bool
wrong_level(const struct entry *e, const char *name)
{
	tls_warn(e->warn, "%s: attribute \"%s\" invalid at security level \"%s\"", e->where, name,
	    tls_level_name(e->policy->level));
	return false;
}

static bool
on_match(const struct entry *e, const char *name, struct span value)
{
	bool fingerprint = e->policy->level == TLS_LEVEL_FINGERPRINT;

	if (value.len > 0 && !fingerprint && !tls_level_is_pkix(e->policy->level))
		return wrong_level(e, name);
	return add_words(e, &e->policy->match, name, value, fingerprint ? "|" : ":");
}

static bool
on_tafile(const struct entry *e, const char *name, struct span value)
{
	if (!tls_level_is_pkix(e->policy->level))
		return wrong_level(e, name);
	return add_words(e, &e->policy->tafiles, name, value, LIST_SEPS);
}

static bool
yes_or_no(const struct entry *e, const char *name, struct span value, int *to)
{
	if (span_caseeqs(value, "yes") || span_caseeqs(value, "no")) {
		*to = span_caseeqs(value, "yes");
		return true;
	}
	tls_warn(e->warn, "%s: attribute \"%s\" has bad value: \"%.*s\"", e->where, name, SPAN_ARG(value));
	return false;
}

static bool
on_reuse(const struct entry *e, const char *name, struct span value)
{
	return yes_or_no(e, name, value, &e->policy->connection_reuse);
}

static bool
on_raw_keys(const struct entry *e, const char *name, struct span value)
{
	int wanted = 0;

	if (!yes_or_no(e, name, value, &wanted))
		return false;
	if (wanted)
		tls_warn(e->warn, "%s: attribute \"%s\" has no effect: mtad uses certificates, not raw public keys", e->where, name);
	return true;
}

static const struct {
	const char	*name;
	bool		(*fn)(const struct entry *, const char *name, struct span value);
} attributes[] = {
	{ "ciphers", on_ciphers },
	{ "protocols", on_protocols },
	{ "servername", on_servername },
	{ "match", on_match },
	{ "exclude", on_exclude },
	{ "tafile", on_tafile },
	{ "connection_reuse", on_reuse },
	{ "enable_rpk", on_raw_keys },
};

static bool
on_attribute(const struct entry *e, struct span word)
{
	size_t equals = span_find(word, '=');
	struct span name = span_trim(span_head(word, equals)), value = span_trim(span_skip(word, equals + 1));

	if (equals == word.len || name.len == 0) {
		tls_warn(e->warn, "%s: malformed attribute/value pair \"%.*s\": %s", e->where, SPAN_ARG(word),
		    equals == word.len ? "missing '=' after attribute name" : "missing attribute name");
		return false;
	}
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
		if (span_caseeqs(name, attributes[i].name))
			return attributes[i].fn(e, attributes[i].name, value);
	tls_warn(e->warn, "%s: invalid attribute name: \"%.*s\"", e->where, SPAN_ARG(name));
	return false;
}

static bool
take_level(const struct entry *e, struct span *text)
{
	struct span word;

	if (!span_word(text, LIST_SEPS, &word)) {
		tls_warn(e->warn, "%s: invalid empty policy", e->where);
		return false;
	}
	e->policy->level = tls_level_find(word);
	if (e->policy->level == TLS_LEVEL_INVALID)
		tls_warn(e->warn, "%s: invalid security level \"%.*s\"", e->where, SPAN_ARG(word));
	return e->policy->level != TLS_LEVEL_INVALID;
}

/* A wrong attribute may be one that was meant to make things safe: the whole entry is wrong then. */
bool
tls_policy_parse(struct tls_policy *p, struct span text, const char *where, const struct tls_warn *warn)
{
	struct entry e = { p, where, warn };
	struct span word;

	bool ok = take_level(&e, &text);
	while (ok && span_word(&text, LIST_SEPS, &word)) {
		if (p->level == TLS_LEVEL_NONE)
			tls_warn(warn, "%s: ignoring attribute \"%.*s\" with TLS disabled", where, SPAN_ARG(word));
		else
			ok = on_attribute(&e, word);
	}
	if (!ok)
		p->level = TLS_LEVEL_INVALID;
	return ok;
}

/* -- tables ----------------------------------------------------------------------------------- */

/* A bare domain, whose parents are looked up too; "[host]", "host:port" and a path are only what they are. */
static bool
is_domain(const char *name)
{
	size_t label = 0;

	for (const char *at = name; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (isalnum(c) || c == '-' || c == '_' || c >= 0x80) {
			label++;
		} else {
			return false;
		}
	}
	return label > 0;
}

static enum table_result
find_one(struct tls_policy *p, const struct tables *maps, const char *title, struct facts *facts, const char *name,
    const struct tls_warn *warn)
{
	struct buf value = BUF_INIT(ENTRY_MAX);
	struct err err = { ERR_NONE, "" };
	char where[400];
	enum table_result found = tables_get(maps, facts, span_str(name), &value, &err);

	(void)snprintf(where, sizeof where, "%s, next-hop destination \"%s\"", title, name);
	if (found == TABLE_FAILED)
		tls_warn(warn, "%s: policy table lookup error: %s", where, err.text);
	else if (found == TABLE_FOUND && !tls_policy_parse(p, buf_view(&value), where, warn))
		found = TABLE_FAILED;
	buf_clear(&value);
	return found;
}

enum table_result
tls_policy_find(struct tls_policy *p, const struct tables *maps, const char *title, struct facts *facts, const char *nexthop,
    const struct tls_warn *warn)
{
	const char *name = nexthop;
	enum table_result found;

	*p = TLS_POLICY_INIT;
	do
		found = find_one(p, maps, title, facts, name, warn);
	while (found == TABLE_ABSENT && is_domain(nexthop) && (name = strchr(name + 1, '.')) != NULL);
	if (found == TABLE_FAILED)
		p->level = TLS_LEVEL_INVALID;
	return found;
}

/* What an old entry does to what another one of the same lookup has said already. */
static const struct {
	const char	*word;
	enum tls_level	 level;
	enum tls_level	 over;		/* it replaces levels up to this one */
} site_words[] = {
	{ "NONE", TLS_LEVEL_NONE, TLS_LEVEL_MAY },
	{ "MAY", TLS_LEVEL_MAY, TLS_LEVEL_NOT_FOUND },
	{ "MUST_NOPEERMATCH", TLS_LEVEL_ENCRYPT, TLS_LEVEL_MAY },
	{ "MUST", TLS_LEVEL_VERIFY, TLS_LEVEL_ENCRYPT },
};

enum table_result
tls_site_find(enum tls_level *level, const struct tables *maps, const char *title, struct facts *facts, const char *name,
    const char *class, const struct tls_warn *warn)
{
	struct buf value = BUF_INIT(ENTRY_MAX);
	struct err err = { ERR_NONE, "" };
	enum table_result found = tables_get(maps, facts, span_str(name), &value, &err);
	bool known = false;

	for (size_t i = 0; found == TABLE_FOUND && i < sizeof site_words / sizeof *site_words; i++) {
		if (!span_caseeqs(span_trim(buf_view(&value)), site_words[i].word))
			continue;
		known = true;
		if (*level <= site_words[i].over)
			*level = site_words[i].level;
	}
	if (found == TABLE_FAILED)
		tls_warn(warn, "%s: %s \"%s\": per-site table lookup error: %s", title, class, name, err.text);
	else if (found == TABLE_FOUND && !known)
		tls_warn(warn, "%s: unknown TLS policy '%.*s' for %s %s", title, SPAN_ARG(buf_view(&value)), class, name);
	if (found == TABLE_FAILED || (found == TABLE_FOUND && !known)) {
		*level = TLS_LEVEL_INVALID;
		found = TABLE_FAILED;
	}
	buf_clear(&value);
	return found;
}
