/*
 * map put, del, edit, diff, undo: the text of a table, changed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mtactl/local.h"
#include "table/build.h"
#include "table/source.h"

static void
warn(void *arg, const char *path, unsigned line, const char *text)
{
	session_say(arg, "warning: %s, line %u: %s", path, line, text);
}

static bool
is_compiled(const struct map_table *t)
{
	return table_type_compiled(span_head(span_str(t->spec), span_find(span_str(t->spec), ':')));
}

/* *built is filled with what is to be said of it. */
static int
compile(struct session *s, const struct map_table *t, struct buf *built)
{
	const struct table_env env = { .warn = warn, .arg = s, .blocks = true };
	const struct build_options options = { .aliases = t->aliases };
	struct err err = { .kind = ERR_NONE };
	size_t n = 0;

	table_use(&env);
	if (!table_build(t->name, &options, &n, &err)) {
		session_say(s, "the text is changed, but %s.gdbm is not built:", t->name);
		return local_fail(s, &err);
	}
	buf_printf(built, "built %s.gdbm of %zu entr%s", t->name, n, n == 1 ? "y" : "ies");
	return 0;
}

/* A compiled table is made anew of its text; then the daemon is told to look. */
int
map_take_effect(struct session *s, const struct request *req, const struct map_table *t)
{
	struct buf built = BUF_INIT(8192);
	int status = 0, taken = 69;

	if (is_compiled(t))
		status = compile(s, t, &built);
	if (status == 0 && t->named)
		taken = local_flag(req, "reload") ? local_take_effect(s, req) : local_tables_look(s, t->name);
	if (status == 0 && taken == 0 && !local_flag(req, "reload"))
		session_say(s, "%s%smtad uses it now", built.len > 0 ? built.ptr : "", built.len > 0 ? "; " : "");
	else if (built.len > 0)
		session_say(s, "%s", built.ptr);
	/* It is written, and without the daemon read at its start, or found by it a second later. */
	if (status == 0 && (taken == 65 || local_flag(req, "reload")))
		status = t->named ? taken : 0;
	buf_clear(&built);
	return status;
}

static void
take_old(struct source *source, struct span key, struct buf *old)
{
	struct source_entry e;
	size_t index;

	if (source_find(source, key, 0, &index) && source_entry(source, index, &e)) {
		buf_str(old, "");
		buf_span(old, e.value);
	}
}

/* Writes it (or, planned, does not), and shows what that changes. */
static int
finish(struct session *s, const struct request *req, const struct map_table *t, struct source *source, struct change *c)
{
	struct err err = { .kind = ERR_NONE };
	struct buf diff = BUF_INIT(0);
	int status = 0;

	if (!source_edited(source)) {
		session_say(s, "nothing to change: it is so already");
		return 0;
	}
	source_diff(source, &diff);
	c->file = span_str(source_path(source));
	c->diff = buf_view(&diff);
	c->done = !local_flag(req, "plan");
	if (c->done && !source_commit(source, &err)) {
		status = local_fail(s, &err);
	} else {
		local_change_row(s, c);
		if (c->done)
			status = map_take_effect(s, req, t);
	}
	buf_clear(&diff);
	return status;
}

static int
put_or_del(struct session *s, const struct request *req, const struct map_table *t, struct source *source)
{
	struct err err = { .kind = ERR_NONE };
	struct buf old = BUF_INIT(0);
	struct change c = { .done = true };
	bool ok;
	int status;

	(void)request_get(req, "key", &c.key);
	take_old(source, c.key, &old);
	c.old = buf_view(&old);
	if (req->command == CMD_map_put) {
		(void)request_get(req, "value", &c.new);
		ok = source_put(source, c.key, c.new, &err);
	} else {
		ok = source_del(source, c.key, &err);
	}
	if (ok)
		status = finish(s, req, t, source, &c);
	else
		status = req->command == CMD_map_del && old.ptr == NULL ? (local_fail(s, &err), 1) : local_fail(s, &err);
	buf_clear(&old);
	return status;
}

static int
undo(struct session *s, const struct request *req, const struct map_table *t)
{
	bool look = req->command == CMD_map_diff;
	struct err err = { .kind = ERR_NONE };
	struct buf diff = BUF_INIT(0);
	int status = 0;

	if (!(look ? source_undo_diff(t->name, &diff, &err) : source_undo(t->name, &diff, &err))) {
		status = local_fail(s, &err);
		status = err.kind == ERR_PERM ? 1 : status;
	} else if (look && diff.len == 0) {
		session_say(s, "the last change is taken back already, or changed nothing");
	} else {
		struct change c = { .file = span_str(t->name), .diff = buf_view(&diff), .done = !look };
		local_change_row(s, &c);
		if (!look)
			status = map_take_effect(s, req, t);
	}
	buf_clear(&diff);
	return status;
}

int
map_change_run(struct session *s, const struct request *req)
{
	struct err err = { .kind = ERR_NONE };
	struct source *source = NULL;
	struct map_table t;
	struct change c = { .done = true };
	int status = map_resolve(s, req, &t);

	if (status == 0 && t.grammar == NULL) {
		session_say(s, "%s has no text to edit", t.spec);
		status = 65;
	}
	if (status == 0 && (req->command == CMD_map_undo || req->command == CMD_map_diff))
		status = undo(s, req, &t);
	else if (status == 0 && (source = source_open(span_str(t.grammar), t.name, &err)) == NULL)
		status = local_fail(s, &err);
	else if (status == 0 && req->command == CMD_map_edit)
		status = (status = map_edit(s, source)) == 0 ? finish(s, req, &t, source, &c) : status;
	else if (status == 0)
		status = put_or_del(s, req, &t, source);
	source_free(source);
	map_table_clear(&t);
	return status;
}
