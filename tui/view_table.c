/*
 * A table's text, entry by entry. Of a table with many entries only those on the screen are looked at.
 */
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/table_view.h"

#define LOOK_TIME	SECOND		/* between looks whether the file has changed */
#define KEY_SHARE	2 / 5		/* of the screen's width */

static struct table_view *
of(struct view *v)
{
	return (struct table_view *)v;
}

bool
table_current(struct table_view *t, struct source_entry *e)
{
	return t->source != NULL && source_entry(t->source, t->list.cursor, e);
}

void
table_go(struct table_view *t, struct span key)
{
	size_t at;

	if (t->source != NULL && source_find(t->source, key, 0, &at))
		list_go(&t->list, at);
}

/* -- keeping up with the file --------------------------------------------- */

/* The entry at the same place with the same key, or the first with that key, or the same place. */
static void
settle(struct table_view *t, const char *key, size_t was)
{
	size_t above = was - t->list.top, at = was, first;
	struct source_entry e;

	t->list.total = t->source == NULL ? 0 : source_count(t->source);
	bool same = t->source != NULL && source_entry(t->source, was, &e) && key != NULL && span_eqs(e.key, key);
	if (!same && t->source != NULL && key != NULL && source_find(t->source, span_str(key), 0, &first))
		at = first;
	t->list.top = at > above ? at - above : 0;
	list_go(&t->list, at);
}

static void
read_again(struct table_view *t)
{
	struct source_entry e;
	struct err err = { .kind = ERR_NONE };
	char *key = table_current(t, &e) ? span_dup(e.key) : NULL;

	source_free(t->source);
	file_look(t->path, &t->stat);
	t->source = source_open(span_str(t->grammar), t->path, &err);
	snprintf(t->view.error, sizeof t->view.error, "%s", t->source == NULL ? err.text : "");
	settle(t, key, t->list.cursor);
	free(key);
	t->view.known = true;
	t->view.con->redraw = true;
}

static int64_t
tick(struct view *v, int64_t now)
{
	if (now < v->due)
		return v->due;
	if (v->due == 0 || file_changed(of(v)->path, &of(v)->stat))
		read_again(of(v));
	return v->due = now + LOOK_TIME;
}

/* -- drawing -------------------------------------------------------------- */

static void
draw_entry(struct table_view *t, size_t at, int y, bool cursor)
{
	struct source_entry e;
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	if (!source_entry(t->source, at, &e))
		return;
	enum style style = e.kind == SOURCE_BAD ? STYLE_BAD : e.kind == SOURCE_PAIR ? STYLE_PLAIN : STYLE_DIM;
	line_printf(&l, STYLE_BAD, e.kind == SOURCE_BAD ? "!" : " ");
	line_printf(&l, STYLE_DIM, "%6u ", e.line);
	line_cell(&l, paint_columns() * KEY_SHARE, style, e.key);
	line_cell(&l, 0, style, e.value);
}

static void
draw(struct view *v, int y, int height)
{
	struct table_view *t = of(v);
	struct line l;

	list_set_height(&t->list, height > 1 ? (size_t)height - 1 : 1);
	if (t->list.total == 0) {
		view_draw_empty(v, y, height, "no entries (a adds one)");
		return;
	}
	line_begin(&l, y, STYLE_BOLD, false);
	line_text(&l, STYLE_PLAIN, SPAN("   LINE "));
	line_cell(&l, paint_columns() * KEY_SHARE, STYLE_PLAIN, SPAN("KEY"));
	line_cell(&l, 0, STYLE_PLAIN, SPAN("VALUE"));
	for (int i = 0; i < height - 1; i++) {
		size_t at = t->list.top + (size_t)i;
		if (at < t->list.total)
			draw_entry(t, at, y + 1 + i, at == t->list.cursor);
		else
			line_begin(&l, y + 1 + i, STYLE_PLAIN, false);
	}
}

static void
label(struct view *v, struct buf *out)
{
	const struct table_view *t = of(v);
	const char *slash = strrchr(t->path, '/');

	buf_printf(out, " %.60s: %zu/%zu", slash == NULL ? t->path : slash + 1, t->list.total == 0 ? 0 : t->list.cursor + 1, t->list.total);
}

/* -- keys ----------------------------------------------------------------- */

static void
move_to(struct view *v, enum list_move how)
{
	list_move(&of(v)->list, how);
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	struct table_view *t = of(v);
	size_t n = t->list.total;
	struct source_entry e;

	for (size_t i = 1; i <= n; i++) {
		size_t at = (t->list.cursor + (backwards ? n - i : i)) % n;
		if (!source_entry(t->source, at, &e) || (!text_has(e.key, wanted) && !text_has(e.value, wanted)))
			continue;
		list_go(&t->list, at);
		return;
	}
	console_say(v->con, STYLE_WARN, "not found: %.*s", SPAN_ARG(span_head(wanted, 80)));
}

static void
query_typed(struct view *v, struct span key)
{
	struct table_view *t = of(v);

	key = span_trim(key);
	if (key.len > 0 && table_query(v->con, t->spec, key))
		table_go(t, key);
}

static void
key_query(struct view *v)
{
	prompt_open(&v->con->prompt, v, "key to ask for: ", NULL, query_typed);
}

static const struct key keys[] = {
	{ 'e', "edit the entry's value", table_key_edit }, { KEY_RETURN, NULL, table_key_edit },
	{ 'a', "add an entry", table_key_add },
	{ 'd', "delete the entry", table_key_delete }, { FN(KEY_F(9)), NULL, table_key_delete },
	{ 'w', "what does the table answer for a key?", key_query },
	{ 'E', "the file in your editor ($VISUAL, $EDITOR)", table_key_editor },
	{ 'z', "take the last change of the file back", table_key_undo },
	{ 'R', "reload: mtad reads its configuration and tables again", table_key_reload },
	{ 0, NULL, NULL },
};
static const struct hint hints[] = {
	{ "e", "Edit" }, { "a", "Add" }, { "d", "Delete" }, { "w", "Ask" }, { "/", "Search" }, { "E", "Editor" }, { "z", "Undo" }, { "R", "Reload" },
	{ NULL, NULL },
};

static void
clear_view(struct view *v)
{
	struct table_view *t = of(v);

	source_free(t->source);
	list_clear(&t->list);
	free(t->spec);
	free(t->path);
	free(t->grammar);
	free(t->key);
	free(t->draft);
	free(t->mend);
}

static const struct view_ops ops = {
	.name = "table",
	.size = sizeof(struct table_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.tick = tick,
	.draw = draw,
	.move = move_to,
	.enter = table_key_edit,
	.search = search,
	.label = label,
};

struct view *
table_new(struct console *con, const struct named_table *named)
{
	struct view *v = view_new(&ops, con);
	struct table_view *t = of(v);

	t->spec = mem_str(named->spec);
	t->path = mem_str(named->name);
	t->grammar = mem_str(named->grammar);
	t->compiled = source_compiled(span_str(named->type));
	t->aliases = named->aliases;
	return v;
}
