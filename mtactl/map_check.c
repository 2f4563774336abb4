/*
 * map check: what is wrong with a table, or only looks right: lines that are left out, keys that are never reached, a compiled file that is older than its
 * text, targets that lead nowhere.
 */
#include "mtactl/map_check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "table/build.h"
#include "table/network.h"
#include "table/remote.h"
#include "table/remote_check.h"
#include "table/type.h"

/* -- findings -------------------------------------------------------------------------------------- */

void
map_finding(struct map_check *c, bool error, const char *file, unsigned line, const char *fmt, ...)
{
	struct buf row = BUF_INIT(0), text = BUF_INIT(2000);
	struct jsonl j = { .out = &row };
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "table", span_str(c->spec));
	if (file != NULL)
		jsonl_str(&j, "file", span_str(file));
	if (line > 0)
		jsonl_i64(&j, "line", line);
	jsonl_str(&j, "level", error ? SPAN("error") : SPAN("warning"));
	jsonl_str(&j, "message", buf_view(&text));
	jsonl_end_object(&j);
	session_row(c->session, buf_view(&row));
	c->errors += error;
	c->warnings += !error;
	buf_clear(&row);
	buf_clear(&text);
}

/* Duplicates are told by check_keys, with the line of the one that counts. */
static void
on_line(void *arg, const char *path, unsigned line, const char *text)
{
	if (!span_starts(span_str(text), "duplicate entry"))
		map_finding(arg, line > 0, path, line, "%s", text);
}

/* -- the text as the table reads it ----------------------------------------------------------------- */

static void
open_once(struct map_check *c)
{
	struct err err = { ERR_NONE, "" };
	struct conf *fresh = table_conf(c->conf);
	struct table *t = table_open(fresh, span_str(c->spec), &err);

	if (t == NULL)
		map_finding(c, true, c->name[0] == '/' ? c->name : NULL, 0, "%s", err.text);
	table_free(t);
	conf_unref(fresh);
}

static void
on_setting(void *arg, bool error, unsigned line, const char *text)
{
	struct map_check *c = arg;

	map_finding(c, error, c->name, line, "%s", text);
}

/* The file that says how to ask a server: its errors keep the table from being opened, and are told with their lines. */
static void
check_settings(struct map_check *c, struct span type)
{
	struct err err = { ERR_NONE, "" };
	struct buf text = BUF_INIT(1 << 20);
	size_t before = c->errors;

	if (!remote_file_text(c->name, &text, &err))
		map_finding(c, true, NULL, 0, "%s", err.text);
	else
		remote_check(type, buf_view(&text), on_setting, c);
	buf_clear(&text);
	if (c->errors == before)
		open_once(c);
}

static void
build_once(struct map_check *c)
{
	const struct build_options options = { .aliases = c->aliases };
	struct err err = { ERR_NONE, "" };
	int fd = -1;

	if (table_build_memory(c->name, &options, &fd, &err))
		(void)close(fd);
	else
		map_finding(c, true, c->name, 0, "%s", err.text);
}

static bool
count_entry(void *arg, struct span key, struct span value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return true;
}

/* Each entry of the compiled file is read once: damage shows. */
static void
read_compiled(struct map_check *c)
{
	struct err err = { ERR_NONE, "" };
	struct table *t = table_open(c->conf, span_str(c->spec), &err);
	size_t count = 0;

	if (t == NULL || !table_each(t, count_entry, &count, &err))
		map_finding(c, true, NULL, 0, "%s", err.text);
	table_free(t);
}

static void
check_compiled(struct map_check *c)
{
	const char *tool = c->aliases ? "postalias" : "postmap";

	switch (table_build_state(c->name)) {
	case BUILD_STALE:
		map_finding(c, false, c->name, 0, "its compiled file is older than the text: mtactl map build %s, or %s %s", c->spec, tool, c->spec);
		break;
	case BUILD_MISSING:
		map_finding(c, false, c->name, 0, "it is not compiled: mtactl map build %s, or %s %s", c->spec, tool, c->spec);
		break;
	case BUILD_NOTHING:
		map_finding(c, true, c->name, 0, "there is no such file, and no compiled one");
		break;
	case BUILD_ALONE:
		map_finding(c, false, c->name, 0, "there is no such file; the compiled one alone is used");
		break;
	case BUILD_FRESH:
		break;
	}
	if (table_build_state(c->name) != BUILD_NOTHING && table_build_state(c->name) != BUILD_MISSING)
		read_compiled(c);
}

/* -- keys that are never reached ---------------------------------------------------------------------- */

struct key_seen {
	unsigned	 line;
	size_t		 len;
	char		 bytes[];
};

static struct span
seen_key(const void *item)
{
	const struct key_seen *k = item;

	return span_of(k->bytes, k->len);
}

static void
check_key(struct map_check *c, struct map *seen, const struct source_entry *e)
{
	char space[TABLE_KEY_MAX];
	struct span key;

	if (!table_fold(e->key, space, &key) || key.len == 0)
		return;
	const struct key_seen *first = map_get(seen, key);
	if (first != NULL) {
		map_finding(c, false, c->name, e->line, "\"%.*s\" is never reached: line %u has the same key, and the first counts",
		    SPAN_ARG(span_head(e->key, 200)), first->line);
		return;
	}
	struct key_seen *k = mem_new(sizeof *k + key.len);
	k->line = e->line;
	k->len = key.len;
	memcpy(k->bytes, key.ptr, key.len);
	map_add(seen, k);
}

static void
check_keys(struct map_check *c)
{
	struct map seen = MAP_INIT(seen_key);
	struct source_entry e;
	size_t at = 0;
	void *item;

	for (size_t i = 0; i < source_count(c->source); i++)
		if (source_entry(c->source, i, &e) && e.kind == SOURCE_PAIR)
			check_key(c, &seen, &e);
	while ((item = map_next(&seen, &at)) != NULL)
		free(item);
	map_clear(&seen);
}

/* A rule of patterns or networks that decides for itself: not negated, and not behind an IF that is over. */
struct rule_seen {
	unsigned	 line, depth;
	char		*key;
	struct network	 network;
	bool		 all;	/* matches whatever comes */
};

struct rules {
	struct map_check *check;
	struct rule_seen *items;
	size_t		 count;
	unsigned	 depth;
	bool		 networks;
};

static bool
matches_all(struct span pattern)
{
	static const char *const all[] = { "//", "/^/", "/$/", "/./", "/.*/", "/^.*$/", "/^.*/", "/.*$/", "/(.*)/", "/^(.*)$/", "/.+/", "/^.+$/" };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (span_eqs(pattern, all[i]))
			return true;
	return false;
}

/* The earlier rule because of which this one is never reached; NULL: there is none. */
static const struct rule_seen *
hidden_by(const struct rules *r, struct span key, const struct network *net)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct rule_seen *s = &r->items[i];
		if (span_eqs(key, s->key) || s->all)
			return s;
		if (net != NULL && s->network.ip.len == net->ip.len && s->network.bits <= net->bits && network_has(&s->network, &net->ip))
			return s;
	}
	return NULL;
}

static void
check_rule(struct rules *r, const struct source_entry *e)
{
	struct network net;
	struct err err;
	bool negated = span_starts(e->key, "!");

	if (r->networks && (negated || !network_parse(e->key, &net, &err)))
		return;
	const struct rule_seen *by = hidden_by(r, e->key, r->networks ? &net : NULL);
	if (by != NULL) {
		map_finding(r->check, false, r->check->name, e->line, "%.*s is never reached: %s on line %u matches all of it first",
		    SPAN_ARG(span_head(e->key, 200)), by->key, by->line);
		return;
	}
	r->items = mem_grow(r->items, r->count + 1, sizeof *r->items);
	r->items[r->count] = (struct rule_seen){ .line = e->line, .depth = r->depth, .key = span_dup(e->key), .all = !r->networks && matches_all(e->key) };
	if (r->networks)
		r->items[r->count].network = net;
	r->count++;
}

/* What stood between IF and ENDIF hides nothing behind it. */
static void
leave(struct rules *r)
{
	if (r->depth > 0)
		r->depth--;
	while (r->count > 0 && r->items[r->count - 1].depth > r->depth)
		free(r->items[--r->count].key);
}

static void
check_rules(struct map_check *c, bool networks)
{
	struct rules r = { .check = c, .networks = networks };
	struct source_entry e;

	for (size_t i = 0; i < source_count(c->source); i++) {
		if (!source_entry(c->source, i, &e))
			continue;
		if (e.kind == SOURCE_IF)
			r.depth++;
		else if (e.kind == SOURCE_ENDIF)
			leave(&r);
		else if (e.kind == SOURCE_PAIR)
			check_rule(&r, &e);
	}
	r.depth = 0;
	while (r.count > 0)
		free(r.items[--r.count].key);
	free(r.items);
}

/* -- a table ------------------------------------------------------------------------------------------- */

static int
check_table(struct map_check *c)
{
	struct span type = span_head(span_str(c->spec), span_find(span_str(c->spec), ':'));
	const struct table_env env = { .warn = on_line, .arg = c, .blocks = true };
	struct err err = { ERR_NONE, "" };
	bool compiled = table_type_compiled(type);

	table_use(&env);
	if (compiled)
		check_compiled(c);
	else if (table_type_flags(type) & TABLE_ASKED_BY_FILE)
		check_settings(c, type);
	else
		open_once(c);
	if (c->grammar != NULL && (c->source = source_open(span_str(c->grammar), c->name, &err)) != NULL) {
		if (compiled)
			build_once(c);
		if (span_eqs(type, "cidr") || span_eqs(type, "regexp") || span_eqs(type, "pcre"))
			check_rules(c, span_eqs(type, "cidr"));
		else if (!table_type_blocks(type))
			check_keys(c);
		map_check_targets(c);
	}
	source_free(c->source);
	c->source = NULL;
	return c->errors > 0 ? 65 : c->warnings > 0 ? 1 : 0;
}

static int
worse(int a, int b)
{
	return a == 65 || b == 65 ? 65 : a > b ? a : b;
}

/* All that the configuration names. */
static int
check_all(struct session *s)
{
	struct named_table *list;
	int status = 0;

	if (!session_configure(s))
		return 78;
	size_t n = tables_named(s->conf, &list);
	for (size_t i = 0; i < n; i++) {
		struct map_check c = { .session = s, .conf = s->conf, .spec = list[i].spec, .name = list[i].name, .grammar = list[i].grammar,
		    .users = list[i].users, .aliases = list[i].aliases };
		status = worse(status, check_table(&c));
	}
	tables_named_free(list, n);
	return status;
}

/* The parameters that name the table, so that its values are known for what they are. */
static char *
users_of(struct session *s, const char *spec)
{
	struct named_table *list;
	char *users = NULL;
	size_t n = tables_named(local_conf(s), &list);

	for (size_t i = 0; i < n && users == NULL; i++)
		if (strcmp(list[i].spec, spec) == 0)
			users = mem_str(list[i].users);
	tables_named_free(list, n);
	return users == NULL ? mem_str("") : users;
}

int
map_check_run(struct session *s, const struct request *req)
{
	struct span table;
	struct map_table t;

	if (!request_get(req, "table", &table))
		return check_all(s);
	int status = map_resolve(s, req, &t);
	if (status == 0) {
		char *users = users_of(s, t.spec);
		struct map_check c = { .session = s, .conf = local_conf(s), .spec = t.spec, .name = t.name, .grammar = t.grammar, .users = users,
		    .aliases = t.aliases };
		status = check_table(&c);
		free(users);
	}
	map_table_clear(&t);
	return status;
}
