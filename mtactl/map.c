/*
 * map ls, query, get, dump: tables looked at, as they are on disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mtactl/local.h"
#include "table/build.h"
#include "table/named.h"
#include "table/source.h"

/* -- which table ------------------------------------------------------------------------------ */

void
map_table_clear(struct map_table *t)
{
	free(t->spec);
	free(t->name);
	free(t->grammar);
	*t = (struct map_table){ NULL };
}

static void
take_named(struct map_table *t, const struct named_table *n)
{
	t->spec = mem_str(n->spec);
	t->name = mem_str(n->name);
	t->grammar = mem_str(n->grammar);
	t->aliases = n->aliases;
	t->named = true;
}

static bool
uses(const struct named_table *t, struct span param)
{
	struct span rest = span_str(t->users), one;

	while (span_cut(&rest, ',', &one))
		if (span_eq(span_trim(one), param))
			return true;
	return false;
}

/* A parameter that names one table, or a path that is one. */
static int
find_named(struct session *s, struct span text, const struct named_table *list, size_t n, struct map_table *t)
{
	const struct named_table *found = NULL;
	struct buf several = BUF_INIT(2000);
	size_t count = 0;
	bool path = span_starts(text, "/");

	for (size_t i = 0; i < n; i++) {
		if (!(path ? span_eqs(text, list[i].name) : uses(&list[i], text)))
			continue;
		found = found == NULL ? &list[i] : found;
		buf_printf(&several, " %s", list[i].spec);
		count++;
	}
	if (count == 1 || (path && count > 0)) {
		take_named(t, found);
	} else if (path) {
		t->name = span_dup(text);
		t->spec = mem_new(text.len + 10);
		memcpy(t->spec, "texthash:", 9);
		memcpy(t->spec + 9, t->name, text.len);
		t->grammar = mem_str("texthash");
	} else if (count > 1) {
		session_say(s, "%.*s names more than one table:%s", SPAN_ARG(text), several.ptr);
	} else {
		session_say(s, "\"%.*s\" is no table: write type:name, /path, or a parameter that names a table (map ls lists them)",
		    SPAN_ARG(span_head(text, 80)));
	}
	buf_clear(&several);
	return t->spec != NULL ? 0 : 64;
}

/* Within unionmap:{...} and the like. */
static bool
is_inside(const struct named_table *t, struct span spec)
{
	struct span rest = span_str(t->spec), word;

	while (span_word(&rest, "\t\r\n ,{}", &word))
		if (span_eq(span_starts(word, "proxy:") ? span_skip(word, 6) : word, spec))
			return true;
	return false;
}

static void
take_spec(struct map_table *t, struct span text, struct span type, const struct named_table *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_eqs(text, list[i].spec)) {
			take_named(t, &list[i]);
			return;
		}
	t->spec = span_dup(text);
	t->name = span_dup(span_skip(text, type.len + 1));
	if (source_type(type))
		t->grammar = span_dup(type);
	/* "aliases:/path" is a text to edit, and no table to ask. */
	t->aliases = span_eqs(type, "aliases");
	for (size_t i = 0; i < n; i++)
		if (is_inside(&list[i], text))
			t->named = true;
}

int
map_resolve(struct session *s, const struct request *req, struct map_table *t)
{
	struct span text;

	*t = (struct map_table){ NULL };
	return request_get(req, "table", &text) ? map_resolve_text(s, text, t) : 64;
}

int
map_resolve_text(struct session *s, struct span text, struct map_table *t)
{
	struct named_table *list;
	struct span type;
	int status = 0;

	*t = (struct map_table){ NULL };
	if (span_starts(text, "proxy:"))
		text = span_skip(text, 6);
	type = span_head(text, span_find(text, ':'));
	size_t n = tables_named(local_conf(s), &list);
	if (type.len < text.len && !span_has(type, '/'))
		take_spec(t, text, type, list, n);
	else
		status = find_named(s, text, list, n, t);
	tables_named_free(list, n);
	return status;
}

/* -- ls ----------------------------------------------------------------------------------------- */

static const char *
state_of(const struct named_table *t)
{
	struct span type = span_str(t->type);

	if (!t->known)
		return "type not supported";
	if (t->name[0] != '/')
		return "";
	if (!table_type_compiled(type))
		return access(t->name, R_OK) == 0 ? "" : access(t->name, F_OK) == 0 ? "unreadable" : "missing";
	switch (table_build_state(t->name)) {
	case BUILD_FRESH:
		return "up to date";
	case BUILD_STALE:
		return "out of date";
	case BUILD_MISSING:
		return "not built";
	case BUILD_ALONE:
		return "no text";
	case BUILD_NOTHING:
		break;
	}
	return "missing";
}

static void
ls_row(struct session *s, const struct named_table *t)
{
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };
	struct err err = { .kind = ERR_NONE };
	struct source *source = t->grammar != NULL ? source_open(span_str(t->grammar), t->name, &err) : NULL;

	jsonl_object(&j, NULL);
	jsonl_str(&j, "table", span_str(t->spec));
	jsonl_str(&j, "type", span_str(t->type));
	if (t->name[0] == '/')
		jsonl_str(&j, "file", span_str(t->name));
	if (source != NULL)
		jsonl_i64(&j, "entries", (int64_t)source_count(source));
	jsonl_str(&j, "users", span_str(t->users));
	jsonl_bool(&j, "editable", source != NULL && access(source_path(source), W_OK) == 0);
	if (source != NULL && !source_check(source, &err))
		jsonl_str(&j, "problem", span_str(err.text));
	if (state_of(t)[0] != '\0')
		jsonl_str(&j, "state", span_str(state_of(t)));
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	source_free(source);
	buf_clear(&row);
}

static int
ls(struct session *s)
{
	struct named_table *list;

	if (!session_configure(s))
		return 78;
	size_t n = tables_named(s->conf, &list);
	for (size_t i = 0; i < n; i++)
		ls_row(s, &list[i]);
	tables_named_free(list, n);
	return 0;
}

/* -- query, get ----------------------------------------------------------------------------------- */

/* Into a pipe byte for byte, which JSON and a terminal are not. */
static void
put_pair(struct session *s, const char *spec, struct span key, struct span value, bool with_key, unsigned line)
{
	if (!s->display.json && !s->display.tty) {
		struct buf *out = &s->display.out;
		if (with_key) {
			buf_span(out, key);
			buf_char(out, '\t');
		}
		buf_span(out, value);
		buf_char(out, '\n');
		return;
	}
	struct buf row = BUF_INIT(0);
	struct jsonl j = { .out = &row };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "table", span_str(spec));
	jsonl_str(&j, "key", key);
	jsonl_str(&j, "value", value);
	if (line > 0)
		jsonl_i64(&j, "line", line);
	jsonl_end_object(&j);
	session_row(s, buf_view(&row));
	buf_clear(&row);
}

static void
put_entry(struct session *s, const char *spec, struct span key, struct span value, unsigned line)
{
	put_pair(s, spec, key, value, line > 0, line);
}

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	session_say(arg, "warning: %s, line %u: %s", path, line, text);
}

static int
query(struct session *s, const struct map_table *t, struct span key)
{
	const struct table_env env = { .warn = warn, .arg = s, .blocks = true };
	struct err err = { .kind = ERR_NONE };
	struct buf value = BUF_INIT(0);
	int status = 0;

	table_use(&env);
	switch (table_ask(local_conf(s), span_str(t->spec), key, &value, &err)) {
	case TABLE_FOUND:
		put_entry(s, t->spec, key, buf_view(&value), 0);
		break;
	case TABLE_ABSENT:
		status = 1;
		break;
	case TABLE_FAILED:
	case TABLE_PENDING:
		status = local_fail(s, &err) == 75 ? 75 : 65;
		break;
	}
	buf_clear(&value);
	return status;
}

static int
get(struct session *s, const struct map_table *t, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	struct source_entry e;
	struct span key;
	size_t index = 0;
	int status = 1;

	if (t->grammar == NULL) {
		session_say(s, "%s has no text to look at; map query asks it", t->spec);
		return 65;
	}
	struct source *source = source_open(span_str(t->grammar), t->name, &err);
	if (source == NULL)
		return local_fail(s, &err);
	if (!request_get(req, "key", &key))
		status = 0;
	for (; index < source_count(source); index++) {
		if (status != 0 && !source_find(source, key, index, &index))
			break;
		if (source_entry(source, index, &e) && e.kind != SOURCE_BAD && e.kind != SOURCE_ENDIF)
			put_entry(s, t->spec, e.key, e.value, e.line);
		/* The first of a key counts; patterns are there as often as they are written. */
		if (status != 0) {
			status = 0;
			break;
		}
	}
	if (!source_check(source, &err))
		session_say(s, "warning: %s", err.text);
	source_free(source);
	return status;
}

/* -- dump -------------------------------------------------------------------------------------------- */

struct dumping {
	struct session	*session;
	const char	*spec;
};

static bool
dump_entry(void *arg, struct span key, struct span value)
{
	struct dumping *d = arg;

	put_pair(d->session, d->spec, key, value, true, 0);
	return true;
}

/* Rules of patterns, which no lookup lists. */
static int
dump_text(struct session *s, const struct map_table *t)
{
	static const char *const words[] = { [SOURCE_PAIR] = "", [SOURCE_IF] = "if ", [SOURCE_ENDIF] = "endif" };
	struct err err = { .kind = ERR_NONE };
	struct buf key = BUF_INIT(0);
	struct source_entry e;
	struct source *source = source_open(span_str(t->grammar), t->name, &err);

	if (source == NULL)
		return local_fail(s, &err);
	for (size_t i = 0; i < source_count(source); i++) {
		if (!source_entry(source, i, &e) || e.kind == SOURCE_BAD)
			continue;
		buf_reset(&key);
		buf_str(&key, words[e.kind]);
		buf_span(&key, e.kind == SOURCE_ENDIF ? SPAN_NONE : e.key);
		put_pair(s, t->spec, buf_view(&key), e.kind == SOURCE_PAIR ? e.value : SPAN_NONE, true, e.line);
	}
	if (!source_check(source, &err))
		session_say(s, "warning: %s", err.text);
	buf_clear(&key);
	source_free(source);
	return 0;
}

static int
dump(struct session *s, const struct map_table *t)
{
	const struct table_env env = { .warn = warn, .arg = s, .blocks = true };
	struct span type = span_head(span_str(t->spec), span_find(span_str(t->spec), ':'));
	struct dumping d = { s, t->spec };
	struct err err = { .kind = ERR_NONE };

	table_use(&env);
	if (t->grammar != NULL && !table_type_lists(type))
		return dump_text(s, t);
	struct conf *fresh = table_conf(local_conf(s));
	struct table *table = table_open(fresh, span_str(t->spec), &err);
	int status = table != NULL && table_each(table, dump_entry, &d, &err) ? 0 : local_fail(s, &err);
	table_free(table);
	conf_unref(fresh);
	return status;
}

int
map_run(struct session *s, const struct request *req)
{
	struct map_table t;
	struct span key;

	if (req->command == CMD_map_ls)
		return ls(s);
	int status = map_resolve(s, req, &t);
	if (status == 0 && req->command == CMD_map_query)
		status = request_get(req, "key", &key) ? query(s, &t, key) : 64;
	else if (status == 0 && req->command == CMD_map_dump)
		status = dump(s, &t);
	else if (status == 0)
		status = get(s, &t, req);
	map_table_clear(&t);
	return status;
}
