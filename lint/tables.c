/* Tables: whether they can be used, and what rows of them do to the queue. */
#include "lint/private.h"
#include "table/remote_check.h"
#include "table/type.h"

static const struct {
	const char	*type, *index;
} indexed[] = {
	{ "hash", ".db" }, { "btree", ".db" }, { "lmdb", ".lmdb" }, { "cdb", ".cdb" }, { "dbm", ".pag" }, { "sdbm", ".pag" },
	{ "gdbm", ".gdbm" },
};

static bool
there(struct lint *l, const char *path)
{
	struct lint_stat st;

	return path != NULL && l->host->stat(l->host->arg, path, true, &st);
}

static void
check_index(struct lint *l, const struct use *u, struct span type, struct span path)
{
	for (size_t i = 0; i < sizeof indexed / sizeof *indexed; i++) {
		if (!span_eqs(type, indexed[i].type))
			continue;
		/* mtad keeps every indexed type in one format; Postfix's own name counts as well. */
		if (there(l, arena_str(&l->arena, path)) && !there(l, arena_printf(&l->arena, "%.*s.gdbm", SPAN_ARG(path))) &&
		    !there(l, arena_printf(&l->arena, "%.*s%s", SPAN_ARG(path), indexed[i].index)))
			lint_find(l, LINT_T103, u->place, "%.*s was never compiled: there is no %.*s.gdbm and no %.*s%s", SPAN_ARG(path),
			    SPAN_ARG(path), SPAN_ARG(path), indexed[i].index);
	}
}

struct server_file {
	struct lint	*lint;
	const struct source *source;
};

static void
on_server_line(void *arg, bool error, unsigned line, const char *text)
{
	struct server_file *f = arg;
	struct place at = line > 0 ? at_line(f->source, line) : at_file(f->source);

	if (error)
		lint_find(f->lint, LINT_T104, at, "%s", text);
	else
		lint_find(f->lint, LINT_T105, at, "%s", text);
}

/* The file that says how to ask a server; somebody else's that cannot be read here is passed over: it holds passwords. */
static void
check_server_file(struct lint *l, const struct use *u, struct span type, struct span path)
{
	struct source *s;

	if (!(table_type_flags(type) & TABLE_ASKED_BY_FILE) || !span_starts(path, "/") || (s = file_source(l, path)) == NULL || s->checked)
		return;
	s->checked = true;
	if (s->readable)
		remote_check(type, buf_view(&s->bytes), on_server_line, &(struct server_file){ l, s });
	else if (!there(l, s->path))
		lint_find_as(l, LINT_T104, LINT_WARNING, u->place, "%s is not there: each lookup fails", s->path);
}

static void
check_type(struct lint *l, const struct use *u, void *arg)
{
	struct span text = span_starts(u->text, "proxy:") ? span_skip(u->text, 6) : u->text;
	size_t colon = span_find(text, ':');
	struct span type = span_head(text, colon);

	(void)arg;
	if (colon == text.len || span_has(type, '/') || span_has(type, '{'))
		return;		/* P233 */
	if (!table_type_known(type))
		lint_find(l, LINT_T102, u->place, "table type %.*s (%.*s) is not supported in this version", SPAN_ARG(type),
		    SPAN_ARG(span_head(text, 100)));
	check_index(l, u, type, span_skip(text, colon + 1));
	check_server_file(l, u, type, span_skip(text, colon + 1));
}

static bool
check_transport_row(struct lint *l, const struct table_entry *e, void *arg)
{
	struct span name = span_head(e->value, span_find(e->value, ':'));

	(void)arg;
	if (name.len > 0 && transport_of(l, name) == NULL)
		lint_find(l, LINT_T126, e->place, "master.cf has no transport \"%.*s\"; mail for %.*s waits", SPAN_ARG(name),
		    SPAN_ARG(span_head(e->key, 80)));
	return true;
}

static bool
matches_all(struct span key)
{
	static const char *const all[] = { "*", "/^/", "/./", "/.*/", "/^.*$/", "/.+/", "0.0.0.0/0", "::/0", "/$/" };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (span_eqs(key, all[i]))
			return true;
	return false;
}

static bool
check_hold_row(struct lint *l, const struct table_entry *e, void *arg)
{
	struct span rest = e->value, word;

	(void)arg;
	if (span_word(&rest, LINT_BLANKS, &word) && span_caseeqs(word, "HOLD"))
		lint_find(l, LINT_Q123, e->place, "this puts %s mail on hold, where nothing delivers it",
		    matches_all(e->key) ? "all" : "matching");
	return true;
}

static void
check_rows(struct lint *l, const struct use *u, void *arg)
{
	struct span name = span_str(param_row(u->param)->name);

	(void)arg;
	if (u->param == P_transport_maps || u->param == P_sender_dependent_default_transport_maps)
		each_entry(l, u->text, u->place, check_transport_row, NULL);
	if (span_ends(name, "_checks") || span_ends(name, "_restrictions"))
		each_entry(l, u->text, u->place, check_hold_row, NULL);
}

/* -- A116: a login for the relay host --------------------------------------------------- */

struct login {
	struct span	 relayhost, host;
	bool		 found, by_sender, senders;
	char		*near;
};

static bool
login_row(struct lint *l, const struct table_entry *e, void *arg)
{
	struct login *x = arg;

	if (span_caseeq(e->key, x->relayhost) || span_caseeq(e->key, x->host) ||
	    (x->by_sender && span_has(e->key, '@')) || matches_all(e->key))
		x->found = true;
	struct hop h = hop_parse(e->key);
	if (x->near == NULL || span_caseeq(h.host, x->host))
		x->near = arena_str(&l->arena, e->key);
	return !x->found;
}

static void
check_login(struct lint *l)
{
	struct span relayhost = span_str(conf_str(l->main, P_relayhost)), tables, word;
	bool all_read = true;

	if (!conf_bool(l->main, P_smtp_sasl_auth_enable) || relayhost.len == 0)
		return;
	struct login x = { relayhost, hop_parse(relayhost).host, false, conf_bool(l->main, P_smtp_sender_dependent_authentication),
	    false, NULL };
	tables = span_str(conf_str(l->main, P_smtp_sasl_password_maps));
	while (table_word(&tables, &word))
		all_read = each_entry(l, word, at_param(l, NULL, P_smtp_sasl_password_maps), login_row, &x) && all_read;
	if (!x.found && all_read)
		lint_find(l, LINT_A116, at_param(l, NULL, P_relayhost), "no login for %.*s in %s%s%s%s", SPAN_ARG(relayhost),
		    conf_str(l->main, P_smtp_sasl_password_maps)[0] == '\0' ? "smtp_sasl_password_maps, which is empty" :
		    conf_str(l->main, P_smtp_sasl_password_maps), x.near != NULL ? "; the nearest key is " : "",
		    x.near != NULL ? x.near : "", x.near != NULL ? " (brackets and port have to be the same)" : "");
}

void
lint_tables(struct lint *l)
{
	each_table(l, check_type, NULL);
	each_table(l, check_rows, NULL);
	check_login(l);
}
