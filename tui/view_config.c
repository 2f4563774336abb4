/*
 * The configuration: main.cf and master.cf with what the linter finds below their lines. Enter explains; e edits.
 */
#include "tui/nc.h"

#include <stdlib.h>

#include "base/clock.h"
#include "mtactl/display.h"
#include "tui/config_view.h"
#include "tui/pane.h"

#define LOOK_TIME	SECOND	/* between looks whether the files have changed */
#define GUTTER		7	/* mark, line number, blanks */
#define TAB_STOP	8
#define SHIFT		16
#define CONTEXT		4	/* rows in sight below what was found */

static struct config_view *
of(struct view *v)
{
	return (struct config_view *)v;
}

const struct config_row *
config_current(const struct config_view *c)
{
	return c->list.cursor < c->text.count ? &c->text.rows[c->list.cursor] : NULL;
}

/* -- keeping up with the files -------------------------------------------- */

struct place {
	struct config_row row;
	char		*line;
	size_t		 above;		/* rows of the screen above the cursor */
	bool		 known;
};

static struct place
place_keep(const struct config_view *c)
{
	const struct config_row *row = config_current(c);

	if (row == NULL)
		return (struct place){ .known = false };
	struct place p = { .row = *row, .above = c->list.cursor - c->list.top, .known = true };
	p.line = span_dup(config_text_line(&c->text, row));
	if (p.row.kind == ROW_FINDING)
		p.row.kind = p.row.line > 0 ? ROW_LINE : ROW_FILE;
	return p;
}

static void
lay(struct config_view *c, struct place *p)
{
	config_text_lay(&c->text, c->width - GUTTER - 3);
	c->list.total = c->text.count;
	if (p->known) {
		size_t to = config_text_place(&c->text, &p->row, span_str(p->line));
		c->list.top = to > p->above ? to - p->above : 0;
		list_go(&c->list, to);
	}
	free(p->line);
	c->view.con->redraw = true;
}

static int64_t
tick(struct view *v, int64_t now)
{
	struct config_view *c = of(v);

	if (c->lint_due && v->due != 0) {
		struct place p = place_keep(c);
		c->lint_due = false;
		config_text_lint(&c->text, v->con->overrides, v->con->override_count);
		lay(c, &p);
	}
	if (now < v->due)
		return v->due;
	if (v->due == 0 || config_text_stale(&c->text)) {
		struct place p = place_keep(c);
		config_text_read(&c->text);
		lay(c, &p);
		v->known = c->lint_due = true;
		v->due = now + LOOK_TIME;
		return now;	/* the lines are drawn before the linter looks at them */
	}
	return v->due = now + LOOK_TIME;
}

/* To a row, with a few of those below it in sight. */
static void
go(struct config_view *c, size_t at)
{
	list_go(&c->list, at + CONTEXT < c->text.count ? at + CONTEXT : c->text.count);
	list_go(&c->list, at);
}

/* -- drawing -------------------------------------------------------------- */

static enum style
level_style(enum lint_level level)
{
	return level == LINT_ERROR ? STYLE_BAD : level == LINT_WARNING ? STYLE_WARN : level == LINT_INFO ? STYLE_GOOD : STYLE_DIM;
}

static char
level_mark(enum lint_level level)
{
	return level == LINT_ERROR ? 'E' : level == LINT_WARNING ? 'W' : level == LINT_INFO ? 'i' : 's';
}

/* Source text on its way to a line: tabs are columns, some columns are out of sight. */
struct pen {
	struct line	 line;
	int		 column, shift;
};

static void
pen_text(struct pen *p, enum style style, struct span text)
{
	struct buf safe = BUF_INIT(0);

	safe_text(&safe, text, false);
	struct span rest = buf_view(&safe);
	while (rest.len > 0 && p->column < p->shift) {
		int w;
		rest = span_skip(rest, paint_char(rest, &w));
		p->column += w;
	}
	p->column += paint_width(rest);
	line_text(&p->line, style, rest);
	buf_clear(&safe);
}

static void
pen_put(struct pen *p, enum style style, struct span text)
{
	while (text.len > 0) {
		size_t n = span_find(text, '\t');
		pen_text(p, style, span_head(text, n));
		if (n < text.len)
			pen_text(p, style, span_head(SPAN("        "), (size_t)(TAB_STOP - p->column % TAB_STOP)));
		text = span_skip(text, n + 1);
	}
}

/* How a line is told apart into what it says. */
struct looks {
	size_t		 name;		/* bytes of the name at its start */
	size_t		 from, to;	/* what the linter points at */
	enum style	 rest, found;
};

static struct looks
looks_of(const struct config_view *c, const struct config_row *row, struct span line)
{
	struct looks k = { .rest = STYLE_PLAIN };
	struct span start = span_ltrim(line);
	const struct lint_finding *f = config_text_finding(&c->text, row);

	if (start.len > 0 && *start.ptr == '#')
		k.rest = STYLE_DIM;
	else if (start.len == line.len)
		while (k.name < line.len && line.ptr[k.name] != '=' && line.ptr[k.name] != ' ' && line.ptr[k.name] != '\t')
			k.name++;
	if (f != NULL && f->column > 0) {
		k.from = f->column - 1;
		k.to = k.from + f->width;
		k.found = level_style(f->level);
	}
	return k;
}

static enum style
style_at(const struct looks *k, size_t i)
{
	if (i >= k->from && i < k->to)
		return k->found;
	return i < k->name ? STYLE_BOLD : k->rest;
}

static void
draw_line(const struct config_view *c, const struct config_row *row, int y, bool cursor)
{
	struct span line = config_text_line(&c->text, row);
	struct looks k = looks_of(c, row, line);
	struct pen p = { .shift = c->shift };
	enum lint_level level;

	line_begin(&p.line, y, STYLE_PLAIN, cursor);
	if (config_text_worst(&c->text, row, &level))
		line_printf(&p.line, level_style(level), "%c", level_mark(level));
	p.line.x = 1;
	line_printf(&p.line, STYLE_DIM, "%5u ", row->line);
	for (size_t i = 0, n; i < line.len; i = n) {
		for (n = i + 1; n < line.len && style_at(&k, n) == style_at(&k, i); n++)
			;
		pen_put(&p, style_at(&k, i), span_head(span_skip(line, i), n - i));
	}
	if (p.column - c->shift > p.line.end - GUTTER)
		line_right(&p.line, STYLE_DIM, SPAN(">"));
}

static void
draw_file(const struct config_view *c, const struct config_row *row, int y, bool cursor)
{
	struct line l;

	line_begin(&l, y, STYLE_BOLD, cursor);
	if (row->file == CONFIG_FILES) {
		line_text(&l, STYLE_PLAIN, SPAN("== elsewhere"));
		return;
	}
	const struct config_file *f = &c->text.files[row->file];
	line_printf(&l, STYLE_PLAIN, "== %s", f->path);
	if (f->err.kind != ERR_NONE)
		line_printf(&l, STYLE_BAD, "  %s", f->err.text);
}

static void
draw_finding(const struct config_view *c, const struct config_row *row, int y, bool cursor)
{
	const struct lint_finding *f = &c->text.report.items[row->finding];
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = GUTTER;
	line_printf(&l, level_style(f->level), row->from == 0 ? "%c " : "  ", level_mark(f->level));
	line_text(&l, level_style(f->level), span_head(span_skip(buf_view(&c->text.texts[row->finding]), row->from), row->len));
}

static void
draw(struct view *v, int y, int height)
{
	struct config_view *c = of(v);
	struct line l;

	if (c->width != paint_columns()) {
		struct place p = place_keep(c);
		c->width = paint_columns();
		lay(c, &p);
	}
	list_set_height(&c->list, (size_t)height);
	for (int i = 0; i < height; i++) {
		size_t n = c->list.top + (size_t)i;
		bool cursor = n == c->list.cursor;
		if (n >= c->text.count)
			line_begin(&l, y + i, STYLE_PLAIN, false);
		else if (c->text.rows[n].kind == ROW_LINE)
			draw_line(c, &c->text.rows[n], y + i, cursor);
		else if (c->text.rows[n].kind == ROW_FILE)
			draw_file(c, &c->text.rows[n], y + i, cursor);
		else
			draw_finding(c, &c->text.rows[n], y + i, cursor);
	}
}

static void
label(struct view *v, struct buf *out)
{
	const struct config_view *c = of(v);
	const size_t *n = c->text.report.of_level;

	if (!c->text.linted)
		buf_str(out, ": checking...");
	else if (n[LINT_ERROR] + n[LINT_WARNING] == 0)
		buf_printf(out, ": %zu finding%s", c->text.report.count, c->text.report.count == 1 ? "" : "s");
	else
		buf_printf(out, ": %zu error%s, %zu warning%s", n[LINT_ERROR], n[LINT_ERROR] == 1 ? "" : "s", n[LINT_WARNING],
		    n[LINT_WARNING] == 1 ? "" : "s");
}

/* -- keys ----------------------------------------------------------------- */

static void
move_to(struct view *v, enum list_move how)
{
	list_move(&of(v)->list, how);
}

static struct span
row_text_of(const struct config_view *c, size_t at)
{
	const struct config_row *row = &c->text.rows[at];

	return row->kind == ROW_FINDING ? buf_view(&c->text.texts[row->finding]) : config_text_line(&c->text, row);
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	struct config_view *c = of(v);
	size_t n = c->text.count;

	for (size_t i = 1; i <= n; i++) {
		size_t at = (c->list.cursor + (backwards ? n - i : i)) % n;
		if (!text_has(row_text_of(c, at), wanted))
			continue;
		go(c, at);
		return;
	}
	console_say(v->con, STYLE_WARN, "not found: %.*s", SPAN_ARG(span_head(wanted, 80)));
}

static void
explain(struct view *v, const struct lint_finding *f)
{
	struct buf text = BUF_INIT(0), about = BUF_INIT(0);

	safe_text(&text, span_str(f->file), false);
	if (f->line > 0)
		buf_printf(&text, ":%u:%u", f->line, f->column);
	buf_printf(&text, "\n\033[33m%s:\033[0m ", lint_level_name(f->level));
	safe_text(&text, span_str(f->message), false);
	buf_str(&text, "\n\n");
	lint_explain(f->code, &about);
	safe_text(&text, buf_view(&about), true);
	pane_push(v->con, span_str(lint_rule(f->code)->code), &text);
	console_echo(v->con, "lint --explain %s", lint_rule(f->code)->code);
	buf_clear(&about);
}

/* "-o name=value" of a line of master.cf. */
static struct span
option_name(struct span line)
{
	struct span word;

	while (span_word(&line, " \t", &word)) {
		if (!span_starts(word, "-o"))
			continue;
		struct span option = span_skip(word, 2);
		if (option.len == 0 && !span_word(&line, " \t", &option))
			return SPAN_NONE;
		return span_head(option, span_find(option, '='));
	}
	return SPAN_NONE;
}

static void
key_lookup(struct view *v)
{
	const struct config_view *c = of(v);
	const struct config_row *row = config_current(c);
	unsigned start;

	if (row == NULL)
		return;
	struct span name = row->file == 0 ? config_text_name(&c->text, row, &start) : option_name(config_text_line(&c->text, row));
	if (name.len == 0)
		console_say(v->con, STYLE_WARN, "there is no parameter on this line");
	else
		config_lookup(v->con, name);
}

static void
enter(struct view *v)
{
	const struct config_row *row = config_current(of(v));
	const struct lint_finding *f = row == NULL ? NULL : config_text_finding(&of(v)->text, row);

	if (f != NULL)
		explain(v, f);
	else
		key_lookup(v);
}

static void
next_finding(struct view *v, bool backwards)
{
	struct config_view *c = of(v);
	size_t to;

	if (config_text_next(&c->text, c->list.cursor, backwards, &to))
		go(c, to);
	else
		console_say(v->con, STYLE_GOOD, c->text.linted ? "the linter finds nothing" : "checking...");
}

static void
key_next(struct view *v)
{
	next_finding(v, false);
}

static void
key_previous(struct view *v)
{
	next_finding(v, true);
}

static void
key_right(struct view *v)
{
	of(v)->shift += of(v)->shift < 4096 ? SHIFT : 0;
}

static void
key_left(struct view *v)
{
	of(v)->shift -= of(v)->shift > 0 ? SHIFT : 0;
}

static const struct key keys[] = {
	{ ']', "the next finding of the linter", key_next }, { '[', "the one before", key_previous },
	{ KEY_RETURN, "what the finding's rule means; else the parameter", enter },
	{ 'i', "what the parameter under the cursor is", key_lookup },
	{ 'e', "edit the setting under the cursor", config_key_edit }, { 'a', "add a setting", config_key_add },
	{ 'd', "take the setting out: its default counts", config_key_unset }, { FN(KEY_F(9)), NULL, config_key_unset },
	{ 'E', "the file in your editor ($VISUAL, $EDITOR)", config_key_editor },
	{ 'z', "take the last change of the file back", config_key_undo },
	{ 'R', "reload: mtad reads its configuration again", config_key_reload },
	{ FN(KEY_RIGHT), "to the right, in long lines", key_right }, { FN(KEY_LEFT), "and back", key_left },
	{ 0, NULL, NULL },
};
static const struct hint hints[] = {
	{ "]", "Next" }, { "Enter", "Explain" }, { "e", "Edit" }, { "E", "Editor" }, { "z", "Undo" }, { "R", "Reload" }, { "a", "Add" },
	{ "i", "Parameter" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	config_text_clear(&of(v)->text);
	list_clear(&of(v)->list);
	free(of(v)->draft);
}

static const struct view_ops ops = {
	.name = "configuration",
	.size = sizeof(struct config_view),
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
config_new(struct console *con)
{
	struct view *v = view_new(&ops, con);

	config_text_init(&of(v)->text, con->conf_dir);
	return v;
}
