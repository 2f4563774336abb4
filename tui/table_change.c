/*
 * Changes of a table's text: an entry by the prompt, or the whole in an editor. Each is checked by the type's grammar, shown, and written after a yes. Of
 * a compiled type the file is built then, too.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "table/build.h"
#include "tui/change.h"
#include "tui/editor.h"
#include "tui/table_view.h"

#define TEXT_MAX	((size_t)64 << 20)

static struct table_view *
of(struct view *v)
{
	return (struct table_view *)v;
}

/* -- the change ----------------------------------------------------------- */

struct edit {
	struct source	*source;	/* NULL: an undo */
	char		*path;
	bool		 compiled, aliases;
};

static void
edit_free(void *arg)
{
	struct edit *e = arg;

	source_free(e->source);
	free(e->path);
	free(e);
}

static bool
edit_commit(void *arg, struct err *err)
{
	struct edit *e = arg;
	struct build_options options = { .aliases = e->aliases };

	if (e->source != NULL ? !source_commit(e->source, err) : !source_undo(e->path, NULL, err))
		return false;
	if (!e->compiled || table_build(e->path, &options, NULL, err))
		return true;
	err_prefix(err, "the text is written, but not compiled");
	return false;
}

static struct edit *
edit_new(const struct table_view *t, struct source *source)
{
	struct edit *e;

	MEM_NEW(e);
	e->source = source;
	e->path = mem_str(t->path);
	e->compiled = t->compiled;
	e->aliases = t->aliases;
	return e;
}

/* Takes the source over. A NULL source is an undo, whose difference is given. */
static void
propose(struct view *v, struct source *source, struct buf *diff, struct buf *command)
{
	struct table_view *t = of(v);
	struct change change = { .what = mem_str(t->path), .commit = edit_commit, .clear = edit_free, .arg = edit_new(t, source) };

	if (source != NULL)
		source_diff(source, &change.diff);
	else
		buf_span(&change.diff, buf_view(diff));
	if (command->len > 0)
		change.command = buf_take(command);
	if (t->mend != NULL)
		change.requeue = mem_str(t->mend);
	else
		change.effect = t->compiled ? "it is compiled, and in use within a second or two" : "it is in use within a second or two";
	change_ask(v->con, &change);
}

/* Opened anew for each edit, so that the one on the screen stays as the file is. */
static struct source *
open_source(struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	struct source *s = change_may(v->con) ? source_open(span_str(of(v)->grammar), of(v)->path, &err) : NULL;

	if (s == NULL && err.kind != ERR_NONE)
		console_say(v->con, STYLE_BAD, "%s", err.text);
	return s;
}

static void
refuse(struct view *v, struct source *s, const struct err *err)
{
	console_say(v->con, STYLE_BAD, "refused: %s", err->text);
	source_free(s);
}

static void
put_command(struct view *v, struct buf *out, const char *verb, struct span key)
{
	buf_printf(out, "map %s ", verb);
	put_shell_word(out, span_str(of(v)->spec));
	buf_char(out, ' ');
	put_shell_word(out, key);
}

/* -- by the prompt -------------------------------------------------------- */

static void
put_entry(struct view *v, struct span value)
{
	struct table_view *t = of(v);
	struct err err = { .kind = ERR_NONE };
	struct buf command = BUF_INIT(400);
	struct source *s = t->key == NULL ? NULL : open_source(v);

	if (s == NULL)
		return;
	put_command(v, &command, "put", span_str(t->key));
	buf_char(&command, ' ');
	put_shell_word(&command, span_trim(value));
	if (source_put(s, span_str(t->key), span_trim(value), &err))
		propose(v, s, NULL, &command);
	else
		refuse(v, s, &err);
	buf_clear(&command);
}

static void
value_typed(struct view *v, struct span value)
{
	put_entry(v, value);
	free(of(v)->key);
	of(v)->key = NULL;
}

static void
key_typed(struct view *v, struct span key)
{
	struct table_view *t = of(v);
	struct source_entry e;
	size_t at;

	key = span_trim(key);
	if (key.len == 0)
		return;
	free(t->key);
	t->key = span_dup(key);
	bool there = t->source != NULL && source_find(t->source, key, 0, &at) && source_entry(t->source, at, &e);
	char *value = there ? span_dup(e.value) : NULL;
	if (there) {
		list_go(&t->list, at);
		console_say(v->con, STYLE_WARN, "the key is there already; its value is changed");
	}
	prompt_open(&v->con->prompt, v, "value: ", value, value_typed);
	free(value);
}

void
table_key_add(struct view *v)
{
	if (change_may(v->con))
		prompt_open(&v->con->prompt, v, "new key: ", NULL, key_typed);
}

/* The first entry with a key is the one that counts, and that is changed. False, and said, where there is none under the cursor. */
static bool
entry_here(struct view *v, struct source_entry *e)
{
	struct table_view *t = of(v);
	struct source_entry first;
	size_t at;

	if (!change_may(v->con))
		return false;
	if (!table_current(t, e)) {
		console_say(v->con, STYLE_WARN, "there is no entry here (a adds one)");
		return false;
	}
	if (e->kind != SOURCE_PAIR) {
		console_say(v->con, STYLE_WARN, "line %u is no entry with a key: E opens the file in your editor", e->line);
		return false;
	}
	char *key = span_dup(e->key);
	bool counts = source_find(t->source, span_str(key), 0, &at) && at == t->list.cursor;
	if (!counts && source_entry(t->source, at, &first))
		console_say(v->con, STYLE_WARN, "line %u has the same key and counts: edit that, or use E", first.line);
	free(key);
	return counts && table_current(t, e);
}

void
table_key_edit(struct view *v)
{
	struct table_view *t = of(v);
	struct source_entry e;

	if (!entry_here(v, &e))
		return;
	if (e.value.len >= PROMPT_MAX) {
		console_say(v->con, STYLE_WARN, "this value is too long to be typed: E opens the file in your editor");
		return;
	}
	char *value = span_dup(e.value);
	free(t->key);
	t->key = span_dup(e.key);
	prompt_open(&v->con->prompt, v, "value: ", value, value_typed);
	free(value);
}

void
table_mend(struct view *v, struct span key, const char *selector)
{
	struct table_view *t = of(v);

	(void)v->ops->tick(v, clock_mono());
	table_go(t, key);
	free(t->mend);
	t->mend = mem_str(selector);
	table_key_edit(v);
}

void
table_key_delete(struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	struct buf command = BUF_INIT(400);
	struct source_entry e;

	if (!entry_here(v, &e))
		return;
	char *key = span_dup(e.key);
	struct source *s = open_source(v);
	put_command(v, &command, "del", span_str(key));
	if (s != NULL && source_del(s, span_str(key), &err))
		propose(v, s, NULL, &command);
	else if (s != NULL)
		refuse(v, s, &err);
	free(key);
	buf_clear(&command);
}

/* -- the whole ------------------------------------------------------------ */

/* A text that is wrong is kept, so that the work is not lost. */
static void
propose_text(struct view *v, struct source *s, struct span text)
{
	struct table_view *t = of(v);
	struct buf command = BUF_INIT(400);
	struct err err = { .kind = ERR_NONE };

	free(t->draft);
	t->draft = NULL;
	if (source_set(s, text, &err)) {
		buf_str(&command, "map edit ");
		put_shell_word(&command, span_str(t->spec));
		propose(v, s, NULL, &command);
	} else {
		t->draft = span_dup(text);
		console_say(v->con, STYLE_BAD, "refused (E goes on): %s", err.text);
		source_free(s);
	}
	buf_clear(&command);
}

void
table_key_editor(struct view *v)
{
	struct table_view *t = of(v);
	struct err err = { .kind = ERR_NONE };
	struct buf text = BUF_INIT(TEXT_MAX);
	struct source *s = open_source(v);

	if (s == NULL)
		return;
	buf_span(&text, t->draft != NULL ? span_str(t->draft) : source_text(s));
	if (editor_run(&text, &err)) {
		propose_text(v, s, buf_view(&text));
	} else {
		console_say(v->con, STYLE_BAD, "%s", err.text);
		source_free(s);
	}
	buf_clear(&text);
}

void
table_key_undo(struct view *v)
{
	struct err err = { .kind = ERR_NONE };
	struct buf diff = BUF_INIT(0), command = BUF_INIT(400);

	if (!change_may(v->con))
		return;
	buf_str(&command, "map undo ");
	put_shell_word(&command, span_str(of(v)->spec));
	if (source_undo_diff(of(v)->path, &diff, &err))
		propose(v, NULL, &diff, &command);
	else
		console_say(v->con, STYLE_WARN, "%s", err.text);
	buf_clear(&diff);
	buf_clear(&command);
}

void
table_key_reload(struct view *v)
{
	change_reload(v->con);
}
