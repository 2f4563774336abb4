/* ldap:/path: as ldap_table(5). */
#include <ldap.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/mem.h"
#include "table/ldap_quote.h"
#include "table/remote.h"

#define SYMBOLS(x)	\
	x(ldap_initialize) x(ldap_set_option) x(ldap_sasl_bind_s) x(ldap_start_tls_s) x(ldap_search_ext_s) x(ldap_unbind_ext_s) x(ldap_err2string)	\
	x(ldap_first_entry) x(ldap_next_entry) x(ldap_get_values_len) x(ldap_value_free_len) x(ldap_msgfree) x(ldap_url_parse) x(ldap_free_urldesc)
#define POINTER(name)	__typeof__(&name) name;
#define NAME(name)	#name,
static union {
	struct { SYMBOLS(POINTER) } fn;
	void		*pointers[14];
} lib;

#define ATTRIBUTES_MAX	100
#define DEPTH_MAX	100000		/* of recursion_limit; what is followed is a list, not calls within calls */
#define FOLLOWED_MAX	10000u		/* searches for one question */

enum bind_how { BIND_NONE, BIND_SIMPLE, BIND_SASL };

struct ldap_table {
	struct remote_file file;
	struct remote_query query;
	LDAP		*ld;
	char		*uris;
	char		*attributes[ATTRIBUTES_MAX + 1];	/* NULL-terminated; terminal ones, then special, leaf, and the others */
	size_t		 terminal, special, leaf, count;	/* where each kind ends */
	const char	*base;
	int		 scope;
	enum bind_how	 bind;
	const char	*mechanism;		/* of BIND_SASL */
	int64_t		 timeout, version, size_limit, depth_max;
};

static bool
load(struct err *err)
{
	static const char *const names[] = { SYMBOLS(NAME) };
	static bool done;

	if (!done) {
		void *l = remote_library("libldap-2.5.so.0", "libldap-2.5-0", err);
		done = l != NULL && remote_symbols(l, names, lib.pointers, sizeof names / sizeof *names, err);
	}
	return done;
}

static void
disconnect(struct ldap_table *t)
{
	if (t->ld != NULL)
		(void)lib.fn.ldap_unbind_ext_s(t->ld, NULL, NULL);
	t->ld = NULL;
}

static void
ldap_close(void *state)
{
	struct ldap_table *t = state;

	disconnect(t);
	for (size_t i = 0; i < t->count; i++)
		free(t->attributes[i]);
	remote_query_clear(&t->query);
	remote_file_clear(&t->file);
	free(t->uris);
	free(t);
}

/* -- what the file says -------------------------------------------------------------------------------- */

/* "host", "host:port" and URIs, as a list of URIs. */
static void
take_servers(struct ldap_table *t)
{
	struct span rest = span_str(remote_str(&t->file, "server_host", "localhost")), word;
	const char *port = remote_str(&t->file, "server_port", "389");
	struct buf b = BUF_INIT(65536);

	while (span_word(&rest, "\t\r\n ,", &word)) {
		bool uri = span_starts(word, "ldap://") || span_starts(word, "ldaps://") || span_starts(word, "ldapi://");
		bool has_port = span_starts(word, "[") ? !span_ends(word, "]") : span_has(word, ':');
		buf_printf(&b, "%s%s%.*s%s%s", b.len > 0 ? " " : "", uri ? "" : "ldap://", SPAN_ARG(word), uri || has_port ? "" : ":",
		    uri || has_port ? "" : port);
	}
	buf_str(&b, "");
	t->uris = buf_take(&b);
}

static void
take_attributes(struct ldap_table *t, const char *name, const char *def)
{
	struct span rest = span_str(remote_str(&t->file, name, def)), word;

	while (t->count < ATTRIBUTES_MAX && span_word(&rest, "\t\r\n ,", &word))
		t->attributes[t->count++] = span_dup(word);
}

static bool
take_scope(struct ldap_table *t, struct err *err)
{
	const char *scope = remote_str(&t->file, "scope", "sub");

	t->scope = strcmp(scope, "sub") == 0 ? LDAP_SCOPE_SUBTREE : strcmp(scope, "base") == 0 ? LDAP_SCOPE_BASE :
	    strcmp(scope, "one") == 0 ? LDAP_SCOPE_ONELEVEL : -1;
	if (t->scope >= 0)
		return true;
	err_set(err, ERR_SYS, "%s:%u: scope = %.60s: sub, base and one are known", t->file.path, remote_line(&t->file, "scope"), scope);
	return false;
}

static bool
take_bind(struct ldap_table *t, struct err *err)
{
	static const struct { const char *word; enum bind_how how; } words[] = {
		{ "yes", BIND_SIMPLE }, { "simple", BIND_SIMPLE }, { "no", BIND_NONE }, { "none", BIND_NONE }, { "sasl", BIND_SASL },
	};
	const char *word = remote_str(&t->file, "bind", "yes");
	size_t i = 0;

	while (i < sizeof words / sizeof *words && strcasecmp(words[i].word, word) != 0)
		i++;
	if (i == sizeof words / sizeof *words) {
		err_set(err, ERR_SYS, "%s:%u: bind = %.60s: yes, no, none, simple and sasl are known", t->file.path, remote_line(&t->file, "bind"), word);
		return false;
	}
	t->bind = words[i].how;
	t->mechanism = remote_str(&t->file, "sasl_mechs", "");
	if (t->bind != BIND_SASL || strcasecmp(t->mechanism, "EXTERNAL") == 0 || strcasecmp(t->mechanism, "PLAIN") == 0)
		return true;
	err_set(err, ERR_SYS, "%s:%u: bind = sasl: of sasl_mechs EXTERNAL and PLAIN are there, each alone", t->file.path, remote_line(&t->file, "bind"));
	return false;
}

static bool
settings(struct ldap_table *t, const struct conf *conf, struct err *err)
{
	const struct remote_file *f = &t->file;

	t->base = remote_str(f, "search_base", "");
	if (!remote_query_init(&t->query, conf, f, "query_filter", "(mailacceptinggeneralid=%s)", err) ||
	    !remote_format_check(t->base, "search_base", err) || !take_scope(t, err) ||
	    !remote_int(f, "timeout", 10, 1, 300, &t->timeout, err) || !remote_int(f, "version", 3, 2, 3, &t->version, err) ||
	    !remote_int(f, "size_limit", t->query.limit, 0, INT32_MAX, &t->size_limit, err) ||
	    !remote_int(f, "recursion_limit", 1000, 1, DEPTH_MAX, &t->depth_max, err) || !take_bind(t, err))
		return false;
	take_servers(t);
	take_attributes(t, "terminal_result_attribute", "");
	t->terminal = t->count;
	take_attributes(t, "special_result_attribute", "");
	t->special = t->count;
	take_attributes(t, "leaf_result_attribute", "");
	t->leaf = t->count;
	take_attributes(t, "result_attribute", "maildrop");
	return true;
}

static bool
ldap_open_file(const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct ldap_table *t;

	if (!load(err))
		return false;
	MEM_NEW(t);
	if (!remote_file_read(&t->file, "ldap", name, err)) {
		free(t);
		return false;
	}
	if (!settings(t, conf, err)) {
		ldap_close(t);
		return false;
	}
	*state = t;
	return true;
}

/* -- connections --------------------------------------------------------------------------------------- */

static bool
fail(int rc, const char *doing, struct err *err)
{
	err_set(err, ERR_TEMP, "%s: %s", doing, lib.fn.ldap_err2string(rc));
	return false;
}

static bool
set_tls(const struct ldap_table *t, struct err *err)
{
	static const struct { const char *name; int option; } texts[] = {
		{ "tls_ca_cert_file", LDAP_OPT_X_TLS_CACERTFILE }, { "tls_ca_cert_dir", LDAP_OPT_X_TLS_CACERTDIR },
		{ "tls_cert", LDAP_OPT_X_TLS_CERTFILE }, { "tls_key", LDAP_OPT_X_TLS_KEYFILE }, { "tls_cipher_suite", LDAP_OPT_X_TLS_CIPHER_SUITE },
	};
	int require = remote_bool(&t->file, "tls_require_cert", false) ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER, is_server = 0;
	int rc = LDAP_OPT_SUCCESS;

	for (size_t i = 0; rc == LDAP_OPT_SUCCESS && i < sizeof texts / sizeof *texts; i++) {
		const char *value = remote_str(&t->file, texts[i].name, "");
		if (value[0] != '\0')
			rc = lib.fn.ldap_set_option(t->ld, texts[i].option, value);
	}
	if (rc == LDAP_OPT_SUCCESS)
		rc = lib.fn.ldap_set_option(t->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &require);
	if (rc == LDAP_OPT_SUCCESS)
		rc = lib.fn.ldap_set_option(t->ld, LDAP_OPT_X_TLS_NEWCTX, &is_server);
	if (rc == LDAP_OPT_SUCCESS && remote_bool(&t->file, "start_tls", false))
		rc = lib.fn.ldap_start_tls_s(t->ld, NULL, NULL);
	return rc == LDAP_OPT_SUCCESS || fail(rc, "TLS", err);
}

static bool
bind_as(const struct ldap_table *t, struct err *err)
{
	const char *dn = remote_str(&t->file, "bind_dn", ""), *password = remote_str(&t->file, "bind_pw", ""), *as = remote_str(&t->file, "sasl_authz_id", "");
	struct buf secret = BUF_INIT(65536);

	if (t->bind == BIND_NONE)
		return true;
	bool external = t->bind == BIND_SASL && strcasecmp(t->mechanism, "EXTERNAL") == 0;
	if (t->bind == BIND_SASL)
		buf_str(&secret, as);
	if (t->bind == BIND_SASL && !external) {	/* RFC 4616 */
		buf_char(&secret, '\0');
		buf_str(&secret, dn);
		buf_char(&secret, '\0');
	}
	if (!external)
		buf_str(&secret, password);
	buf_str(&secret, "");
	struct berval credentials = { .bv_len = secret.len, .bv_val = secret.ptr };
	int rc = lib.fn.ldap_sasl_bind_s(t->ld, t->bind == BIND_SASL ? NULL : dn, external ? "EXTERNAL" : t->bind == BIND_SASL ? "PLAIN" : LDAP_SASL_SIMPLE,
	    &credentials, NULL, NULL, NULL);
	buf_clear(&secret);
	return rc == LDAP_SUCCESS || fail(rc, "bind", err);
}

static bool
reach(struct ldap_table *t, struct err *err)
{
	struct timeval within = { .tv_sec = t->timeout };
	int version = (int)t->version, limit = (int)t->size_limit, deref = 0;
	int64_t dereference;

	if (t->ld != NULL)
		return true;
	int rc = lib.fn.ldap_initialize(&t->ld, t->uris);
	if (rc != LDAP_SUCCESS)
		return fail(rc, t->uris, err);
	if (!remote_int(&t->file, "dereference", 0, 0, 3, &dereference, err))
		return false;
	deref = (int)dereference;
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_NETWORK_TIMEOUT, &within);
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_TIMEOUT, &within);
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_DEREF, &deref);
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_SIZELIMIT, &limit);
	/* Anything but LDAP_OPT_OFF is on; LDAP_OPT_ON itself lies in a library that is not linked. */
	(void)lib.fn.ldap_set_option(t->ld, LDAP_OPT_REFERRALS, remote_bool(&t->file, "chase_referrals", false) ? t : LDAP_OPT_OFF);
	return set_tls(t, err) && bind_as(t, err);
}

/* -- asking ----------------------------------------------------------------------------------------------- */

static bool
take_values(struct ldap_table *t, LDAPMessage *entry, size_t attribute, struct span key, int64_t *count, struct buf *value, struct err *err)
{
	struct berval **values = lib.fn.ldap_get_values_len(t->ld, entry, t->attributes[attribute]);
	bool ok = true;

	for (size_t i = 0; ok && values != NULL && values[i] != NULL; i++)
		ok = remote_add(&t->query, span_of(values[i]->bv_val, values[i]->bv_len), key, count, value, err);
	if (values != NULL)
		lib.fn.ldap_value_free_len(values);
	return ok;
}

/* Searches that entries ask for by DN or URL (special_result_attribute), and the first one. */
struct task {
	char		*base, *filter;
	int		 scope;
	int64_t		 depth;
};

struct search {
	struct ldap_table *table;
	struct span	 key;
	struct buf	*value;
	int64_t		 count;
	struct task	*tasks;
	size_t		 done, tasks_count;
};

static bool
follow(struct search *s, const char *base, const char *filter, int scope, int64_t depth, struct err *err)
{
	if (depth > s->table->depth_max || s->tasks_count >= FOLLOWED_MAX) {
		err_set(err, ERR_TEMP, "entries that name entries: more than %lld (recursion_limit)", (long long)s->table->depth_max);
		return false;
	}
	s->tasks = mem_grow(s->tasks, s->tasks_count + 1, sizeof *s->tasks);
	s->tasks[s->tasks_count++] = (struct task){ mem_str(base), mem_str(filter), scope, depth };
	return true;
}

/* A value is a DN, or a URL on the same server. */
static bool
follow_value(struct search *s, struct span value, int64_t depth, struct err *err)
{
	char *text = span_dup(value);
	bool ok = true;

	if (span_has(value, '\0')) {
		free(text);
		return true;
	}
	if (span_casestarts(value, "ldap://") || span_casestarts(value, "ldaps://")) {
		LDAPURLDesc *url = NULL;
		if (lib.fn.ldap_url_parse(text, &url) == 0 && url != NULL)
			ok = follow(s, url->lud_dn != NULL ? url->lud_dn : "", url->lud_filter != NULL ? url->lud_filter : "(objectClass=*)",
			    url->lud_scope == LDAP_SCOPE_DEFAULT ? LDAP_SCOPE_BASE : url->lud_scope, depth, err);
		if (url != NULL)
			lib.fn.ldap_free_urldesc(url);
	} else {
		ok = follow(s, text, "(objectClass=*)", LDAP_SCOPE_BASE, depth, err);
	}
	free(text);
	return ok;
}

static bool
take_special(struct search *s, LDAPMessage *entry, int64_t depth, bool *any, struct err *err)
{
	struct ldap_table *t = s->table;
	bool ok = true;

	for (size_t a = t->terminal; ok && a < t->special; a++) {
		struct berval **values = lib.fn.ldap_get_values_len(t->ld, entry, t->attributes[a]);
		for (size_t i = 0; ok && values != NULL && values[i] != NULL; i++) {
			*any = true;
			ok = follow_value(s, span_of(values[i]->bv_val, values[i]->bv_len), depth + 1, err);
		}
		if (values != NULL)
			lib.fn.ldap_value_free_len(values);
	}
	return ok;
}

/* An entry with a terminal attribute gives that and nothing else; one that names others gives no leaf attributes. */
static bool
take_entry(struct search *s, LDAPMessage *entry, int64_t depth, struct err *err)
{
	struct ldap_table *t = s->table;
	int64_t before = s->count;
	bool ok = true, names_others = false;

	for (size_t i = 0; ok && i < t->terminal; i++)
		ok = take_values(t, entry, i, s->key, &s->count, s->value, err);
	if (!ok || s->count > before)
		return ok;
	ok = take_special(s, entry, depth, &names_others, err);
	for (size_t i = names_others ? t->leaf : t->special; ok && i < t->count; i++)
		ok = take_values(t, entry, i, s->key, &s->count, s->value, err);
	return ok;
}

static bool
search_one(struct search *s, const struct task task, struct err *err)
{
	struct ldap_table *t = s->table;
	struct timeval within = { .tv_sec = t->timeout };
	LDAPMessage *found = NULL;
	bool ok = true;

	int rc = lib.fn.ldap_search_ext_s(t->ld, task.base, task.scope, task.filter, t->attributes, 0, NULL, NULL, &within, (int)t->size_limit, &found);
	if (rc == LDAP_SUCCESS)
		for (LDAPMessage *e = lib.fn.ldap_first_entry(t->ld, found); ok && e != NULL; e = lib.fn.ldap_next_entry(t->ld, e))
			ok = take_entry(s, e, task.depth, err);
	else
		ok = rc == LDAP_NO_SUCH_OBJECT || fail(rc, "search", err);
	if (found != NULL)
		(void)lib.fn.ldap_msgfree(found);
	return ok;
}

static enum table_result
search(struct ldap_table *t, const char *base, const char *filter, struct span key, struct buf *value, struct err *err)
{
	struct search s = { .table = t, .key = key, .value = value };
	bool ok = follow(&s, base, filter, t->scope, 1, err);

	while (ok && s.done < s.tasks_count) {
		ok = search_one(&s, s.tasks[s.done], err);
		s.done++;
	}
	for (size_t i = 0; i < s.tasks_count; i++) {
		free(s.tasks[i].base);
		free(s.tasks[i].filter);
	}
	free(s.tasks);
	return !ok ? TABLE_FAILED : s.count > 0 ? TABLE_FOUND : TABLE_ABSENT;
}

static enum table_result
ldap_ask(void *state, struct span key, struct buf *value, struct err *err)
{
	struct ldap_table *t = state;
	struct buf base = BUF_INIT(65536), filter = BUF_INIT(65536);
	enum table_result r = TABLE_ABSENT;
	size_t start = value->len;

	if (remote_wants(&t->query, key) && remote_expand(t->query.query, key, key, ldap_quote_filter, NULL, &filter) &&
	    remote_expand(t->base, key, key, ldap_quote_dn, NULL, &base)) {
		bool old = t->ld != NULL;
		buf_str(&base, "");
		for (int turn = 0; turn < (old ? 2 : 1); turn++) {
			buf_cut(value, start);
			r = reach(t, err) ? search(t, base.ptr, filter.ptr, key, value, err) : TABLE_FAILED;
			if (r != TABLE_FAILED)
				break;
			disconnect(t);
		}
	}
	buf_clear(&base);
	buf_clear(&filter);
	return r;
}

static const struct remote_type functions = { ldap_open_file, ldap_close, ldap_ask };
REMOTE_TABLE(ldap, functions, TABLE_ASKED_BY_FILE);
