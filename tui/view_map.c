/*
 * The lookup tables that the configuration names. Enter opens one that has a text; w asks any.
 */
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "table/build.h"
#include "tui/change.h"
#include "tui/table_view.h"

#define LOOK_TIME	SECOND	/* between looks whether files have changed */
#define DETAIL		4	/* lines below the list: a bar, and three */

/* What is known of a table's file. */
struct map_state {
	struct stat	 stat;
	size_t		 entries, bad;
	bool		 counted;	/* entries */
	enum style	 style;
	char		 word[16];	/* "ok", "stale" */
	char		 why[256];	/* empty: nothing to say */
};

struct map_view {
	struct view	 view;
	struct named_table *tables;
	struct map_state *states;
	size_t		 count;
	struct list	 list;		/* rows: spec and users */
	struct stat	 conf[2];	/* main.cf, master.cf */
	char		*spec;		/* that a question is typed for */
};

static struct map_view *
of(struct view *v)
{
	return (struct map_view *)v;
}

/* -- looking at files ----------------------------------------------------- */

static void
judge(struct map_state *m, enum style style, const char *word, const char *why)
{
	m->style = style;
	snprintf(m->word, sizeof m->word, "%s", word);
	snprintf(m->why, sizeof m->why, "%s", why);
}

static void
count_entries(const struct named_table *t, struct map_state *m)
{
	struct err err = { .kind = ERR_NONE };
	struct source *s = source_open(span_str(t->grammar), t->name, &err);
	struct source_entry e;

	m->counted = s != NULL;
	m->entries = m->bad = 0;
	if (s == NULL) {
		judge(m, STYLE_BAD, "unreadable", err.text);
		return;
	}
	m->entries = source_count(s);
	if (!source_check(s, &err))
		for (size_t i = 0; i < m->entries; i++)
			if (source_entry(s, i, &e) && e.kind == SOURCE_BAD)
				m->bad++;
	char bad[16];
	snprintf(bad, sizeof bad, "%zu wrong", m->bad);
	if (err.kind != ERR_NONE)
		judge(m, STYLE_BAD, m->bad > 0 ? bad : "wrong", err.text);
	else
		judge(m, STYLE_PLAIN, "ok", "");
	source_free(s);
}

static void
look_at_compiled(const struct named_table *t, struct map_state *m)
{
	char why[256];

	switch (table_build_state(t->name)) {
	case BUILD_STALE:
		snprintf(why, sizeof why, "the text is newer than what was compiled from it: mtactl map build %s:%.180s", t->type, t->name);
		judge(m, STYLE_WARN, "stale", why);
		break;
	case BUILD_MISSING:
		snprintf(why, sizeof why, "it was never compiled: mtactl map build %s:%.180s", t->type, t->name);
		judge(m, STYLE_BAD, "not built", why);
		break;
	case BUILD_ALONE:
		judge(m, STYLE_WARN, "no text", "its text is not there; it can be asked, not edited");
		break;
	default:
		break;
	}
}

static void
look_at(const struct named_table *t, struct map_state *m)
{
	if (!t->known)
		judge(m, STYLE_BAD, "no type", "this version has no tables of this type");
	else if (t->grammar == NULL)
		judge(m, STYLE_DIM, "", "there is no text to look at; w asks it");
	else
		count_entries(t, m);
	if (t->known && t->grammar != NULL && source_compiled(span_str(t->type)))
		look_at_compiled(t, m);
}

/* Counting is done again only for a file that has changed. */
static bool
look_at_all(struct map_view *m, bool all)
{
	bool any = false;

	for (size_t i = 0; i < m->count; i++) {
		if (!all && !file_changed(m->tables[i].name, &m->states[i].stat))
			continue;
		file_look(m->tables[i].name, &m->states[i].stat);
		look_at(&m->tables[i], &m->states[i]);
		any = true;
	}
	return any;
}

/* -- the configuration ---------------------------------------------------- */

static void
conf_path(const struct map_view *m, size_t i, struct buf *out)
{
	static const char *const names[] = { "main.cf", "master.cf" };

	buf_reset(out);
	buf_printf(out, "%s/%s", m->view.con->conf_dir, names[i]);
}

static bool
conf_changed(struct map_view *m)
{
	struct buf path = BUF_INIT(4096);
	bool changed = false;

	for (size_t i = 0; i < 2; i++) {
		conf_path(m, i, &path);
		if (!file_changed(path.ptr, &m->conf[i]))
			continue;
		file_look(path.ptr, &m->conf[i]);
		changed = true;
	}
	buf_clear(&path);
	return changed;
}

static void
fill_list(struct map_view *m)
{
	struct list_rows rows = { .count = 0 };
	struct buf text = BUF_INIT(1 << 16);

	for (size_t i = 0; i < m->count; i++) {
		buf_reset(&text);
		buf_printf(&text, "%s %s %s", m->tables[i].spec, m->tables[i].users, m->states[i].word);
		list_rows_add(&rows, span_str(m->tables[i].spec), buf_view(&text));
	}
	list_take(&m->list, &rows, 0, m->count);
	buf_clear(&text);
}

static void
read_conf(struct map_view *m)
{
	struct conf_problems problems = { .count = 0 };
	struct console *con = m->view.con;
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);

	m->view.error[0] = '\0';
	if (conf != NULL) {
		tables_named_free(m->tables, m->count);
		free(m->states);
		m->count = tables_named(conf, &m->tables);
		m->states = mem_array(m->count + 1, sizeof *m->states);
	} else {
		snprintf(m->view.error, sizeof m->view.error, "the configuration has errors: C shows them");
	}
	conf_unref(conf);
	conf_problems_clear(&problems);
}

static int64_t
tick(struct view *v, int64_t now)
{
	struct map_view *m = of(v);

	if (now < v->due)
		return v->due;
	bool all = conf_changed(m) || v->due == 0;
	if (all)
		read_conf(m);
	if (look_at_all(m, all) || all) {
		fill_list(m);
		v->known = v->con->redraw = true;
	}
	return v->due = now + LOOK_TIME;
}

/* -- drawing -------------------------------------------------------------- */

static void
draw_row(const struct map_view *m, size_t at, int y, bool cursor)
{
	const struct named_table *t = &m->tables[at];
	const struct map_state *state = &m->states[at];
	int name = paint_columns() * 2 / 5;
	struct line l;
	struct buf path = BUF_INIT(8192);
	char entries[24] = "";

	line_begin(&l, y, STYLE_PLAIN, cursor);
	line_printf(&l, state->style, state->style == STYLE_BAD ? "!" : state->style == STYLE_WARN ? "?" : " ");
	line_cell(&l, 10, STYLE_PLAIN, span_str(t->type));
	put_path(&path, span_str(t->name), name);
	line_cell(&l, name, STYLE_PLAIN, buf_view(&path));
	buf_clear(&path);
	if (state->counted)
		snprintf(entries, sizeof entries, "%zu", state->entries);
	line_cell(&l, -7, STYLE_PLAIN, span_str(entries));
	line_cell(&l, 10, state->style, span_str(state->word));
	line_cell(&l, 0, STYLE_PLAIN, span_str(t->users));
}

static void
draw_detail(const struct map_view *m, int y)
{
	const struct named_table *t = &m->tables[m->list.cursor];
	const struct map_state *state = &m->states[m->list.cursor];
	struct line l;

	line_begin(&l, y, STYLE_BAR, false);
	line_printf(&l, STYLE_PLAIN, " %s", t->spec);
	line_begin(&l, y + 1, STYLE_PLAIN, false);
	line_printf(&l, STYLE_DIM, " used by ");
	line_text(&l, STYLE_PLAIN, span_str(t->users));
	for (int i = 0; i < 2; i++) {
		int room = paint_columns() - 2;
		struct span why = span_skip(span_str(state->why), (size_t)(i * room));
		line_begin(&l, y + 2 + i, STYLE_PLAIN, false);
		l.x = 1;
		line_text(&l, state->style, span_head(why, (size_t)room));
	}
}

static void
draw(struct view *v, int y, int height)
{
	struct map_view *m = of(v);
	int rows = height - 1 - DETAIL;
	struct line l;

	if (rows < 1)
		rows = height - 1;
	list_set_height(&m->list, rows > 0 ? (size_t)rows : 1);
	if (m->count == 0 || v->error[0] != '\0') {
		view_draw_empty(v, y, height, "the configuration names no tables");
		return;
	}
	line_begin(&l, y, STYLE_BOLD, false);
	l.x = 1;
	line_cell(&l, 10, STYLE_PLAIN, SPAN("TYPE"));
	line_cell(&l, paint_columns() * 2 / 5, STYLE_PLAIN, SPAN("FILE"));
	line_cell(&l, -7, STYLE_PLAIN, SPAN("ENTRIES"));
	line_cell(&l, 10, STYLE_PLAIN, SPAN("STATE"));
	line_cell(&l, 0, STYLE_PLAIN, SPAN("USED BY"));
	for (int i = 0; i < rows; i++) {
		size_t at = m->list.top + (size_t)i;
		if (at < m->count)
			draw_row(m, at, y + 1 + i, at == m->list.cursor);
		else
			line_begin(&l, y + 1 + i, STYLE_PLAIN, false);
	}
	if (rows < height - 1)
		draw_detail(m, y + height - DETAIL);
}

static void
label(struct view *v, struct buf *out)
{
	buf_printf(out, ": %zu", of(v)->count);
}

/* -- keys ----------------------------------------------------------------- */

static const struct named_table *
current(struct view *v)
{
	struct map_view *m = of(v);

	return m->list.cursor < m->count && v->error[0] == '\0' ? &m->tables[m->list.cursor] : NULL;
}

static void
move_to(struct view *v, enum list_move how)
{
	list_move(&of(v)->list, how);
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	list_search(v, &of(v)->list, wanted, backwards);
}

static void
enter(struct view *v)
{
	const struct named_table *t = current(v);

	if (t == NULL)
		return;
	if (t->grammar == NULL)
		console_say(v->con, STYLE_WARN, "%.200s has no text to look at; w asks it for a key", t->spec);
	else
		console_push(v->con, table_new(v->con, t));
}

static void
query_typed(struct view *v, struct span key)
{
	key = span_trim(key);
	if (key.len > 0 && of(v)->spec != NULL)
		table_query(v->con, of(v)->spec, key);
}

static void
key_query(struct view *v)
{
	const struct named_table *t = current(v);

	if (t == NULL)
		return;
	free(of(v)->spec);
	of(v)->spec = mem_str(t->spec);
	prompt_open(&v->con->prompt, v, "key to ask for: ", NULL, query_typed);
}

static void
key_reload(struct view *v)
{
	change_reload(v->con);
}

static const struct key keys[] = {
	{ KEY_RETURN, "open the table's text", enter },
	{ 'w', "what does the table answer for a key?", key_query },
	{ 'R', "reload: mtad reads its configuration and tables again", key_reload },
	{ 0, NULL, NULL },
};
static const struct hint hints[] = {
	{ "Enter", "Open" }, { "w", "Ask" }, { "/", "Search" }, { "R", "Reload" }, { "F5", "Refresh" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	struct map_view *m = of(v);

	tables_named_free(m->tables, m->count);
	free(m->states);
	free(m->spec);
	list_clear(&m->list);
}

static const struct view_ops ops = {
	.name = "tables",
	.size = sizeof(struct map_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.tick = tick,
	.draw = draw,
	.move = move_to,
	.enter = enter,
	.search = search,
	.label = label,
};

struct view *
maps_new(struct console *con)
{
	return view_new(&ops, con);
}
