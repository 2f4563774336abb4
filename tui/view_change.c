#include "tui/change.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ctl/jsonl.h"
#include "mtactl/display.h"
#include "tui/table_view.h"
#include "tui/text_view.h"

#define QUESTION_ROOM	48	/* columns of the question beside the path */

struct change_view {
	struct text_view pane;
	struct change	 change;
};

static struct change_view *
of(struct view *v)
{
	return (struct change_view *)v;
}

void
change_clear(struct change *c)
{
	if (c->clear != NULL)
		c->clear(c->arg);
	buf_clear(&c->diff);
	buf_clear(&c->notes);
	free(c->what);
	free(c->command);
	free(c->requeue);
	*c = (struct change){ .what = NULL };
}

bool
change_may(struct console *con)
{
	if (con->readonly)
		console_say(con, STYLE_WARN, "this console is read-only (--readonly)");
	return !con->readonly;
}

/* -- the difference ------------------------------------------------------- */

static const char *
color_of(struct span line)
{
	if (span_starts(line, "+++ ") || span_starts(line, "--- "))
		return "\033[1m";
	if (span_starts(line, "+"))
		return "\033[32m";
	if (span_starts(line, "-"))
		return "\033[31m";
	return span_starts(line, "@@") ? "\033[2m" : "";
}

static void
compose(struct change_view *c)
{
	struct span rest = buf_view(&c->change.notes), line;
	struct buf all = BUF_INIT(0);

	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		buf_str(&all, "\033[33m");
		safe_text(&all, line, false);
		buf_str(&all, "\033[0m\n");
	}
	if (c->change.notes.len > 0)
		buf_char(&all, '\n');
	rest = buf_view(&c->change.diff);
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		buf_str(&all, color_of(line));
		safe_text(&all, line, true);
		buf_str(&all, "\033[0m\n");
	}
	text_take(&c->pane.text, &all);
}

/* -- reload --------------------------------------------------------------- */

static void
reload_row(void *arg, struct span row)
{
	struct console *con = arg;
	struct buf text = BUF_INIT(400);
	struct span value;

	if (jsonl_find(row, "text", &value) && jsonl_text(value, &text) && text.len > 0)
		console_say(con, STYLE_GOOD, "%s  $ mtactl reload", text.ptr);
	buf_clear(&text);
}

/* Of a refusal the first line: the rest is in the log, and in `mtactl reload`. */
static void
reload_done(void *arg, int status, struct span error)
{
	struct console *con = arg;
	struct span first = span_head(error, span_find(error, '\n'));

	if (status != 0)
		console_say(con, STYLE_BAD, "reload refused, mtad keeps the configuration that it has: %.*s", SPAN_ARG(span_head(first, 400)));
	else if (span_str(con->status).len == 0 || con->status_style != STYLE_GOOD)
		console_say(con, STYLE_GOOD, "the new configuration is in use  $ mtactl reload");
}

void
change_reload(struct console *con)
{
	if (!console_may(con, CTL_ADMINISTER))
		return;
	console_say(con, STYLE_DIM, "reloading ...");
	link_call(con->link, CMD_reload, NULL, (struct link_handler){ reload_row, reload_done, con });
}

static void
mend_done(void *arg, int status, struct span error)
{
	struct console *con = arg;
	char *selector = con->mending;

	con->mending = NULL;
	reload_done(arg, status, error);
	if (status == 0 && selector != NULL)
		act_on_selector(con, CMD_requeue, selector);
	free(selector);
}

/* Reloads, and asks about the messages that wait for what was changed. Takes the selector over. */
static void
mend(struct console *con, char *selector)
{
	console_back(con);
	free(con->mending);
	con->mending = selector;
	link_call(con->link, CMD_reload, NULL, (struct link_handler){ reload_row, mend_done, con });
}

/* -- keys ----------------------------------------------------------------- */

static void
key_yes(struct view *v)
{
	struct change *c = &of(v)->change;
	struct console *con = v->con;
	struct err err = { .kind = ERR_NONE };
	struct buf said = BUF_INIT(480);
	bool ok = c->commit(c->arg, &err);
	char *requeue = ok ? c->requeue : NULL;

	if (!ok)
		buf_printf(&said, "failed: %s", err.text);
	else
		buf_printf(&said, "written; %s%s%s", requeue != NULL ? "reloading ..." : c->effect != NULL ? c->effect :
		    "it takes effect with a reload: R", c->command != NULL ? "  $ mtactl " : "", c->command != NULL ? c->command : "");
	if (requeue != NULL)
		c->requeue = NULL;
	console_back(con);
	console_say(con, ok ? STYLE_GOOD : STYLE_BAD, "%s", said.ptr);
	if (requeue != NULL)
		mend(con, requeue);
	buf_clear(&said);
}

static void
key_no(struct view *v)
{
	struct console *con = v->con;

	console_back(con);
	console_say(con, STYLE_DIM, "nothing was changed");
}

static const struct key keys[] = {
	{ 'y', "write it", key_yes },
	{ 'n', "leave the file as it is", key_no }, { 'q', NULL, key_no }, { KEY_ESCAPE, NULL, key_no },
	{ 0, NULL, NULL },
};
static const struct hint hints[] = { { "y", "Write it" }, { "n", "Leave it" }, { NULL, NULL } };

/* -- on the screen -------------------------------------------------------- */

static void
draw(struct view *v, int y, int height)
{
	struct change_view *c = of(v);
	struct buf path = BUF_INIT(8192);
	struct line l;

	if (height > 1)
		text_view_draw(v, y, height - 1);
	line_begin(&l, y + height - 1, STYLE_BAR, false);
	put_path(&path, span_str(c->change.what), paint_columns() - QUESTION_ROOM);
	line_printf(&l, STYLE_PLAIN, " Write this to %s%s?", path.ptr, c->change.requeue != NULL ? ", and reload" : "");
	buf_clear(&path);
	line_right(&l, STYLE_PLAIN, SPAN(" y yes  n no "));
}

static void
clear_view(struct view *v)
{
	text_view_clear(v);
	change_clear(&of(v)->change);
}

static const struct view_ops ops = {
	.name = "change",
	.size = sizeof(struct change_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.draw = draw,
	.move = text_view_move,
	.search = text_view_search,
};

void
change_ask(struct console *con, struct change *change)
{
	if (change->diff.len == 0) {
		console_say(con, STYLE_DIM, "nothing changes");
		change_clear(change);
		return;
	}
	struct view *v = view_new(&ops, con);
	of(v)->change = *change;
	*change = (struct change){ .what = NULL };
	v->known = true;
	compose(of(v));
	console_push(con, v);
	if (of(v)->change.command != NULL)
		console_echo(con, "%s", of(v)->change.command);
}
