/*
 * The log: first the last warnings and errors, as kept by the daemon; f follows it as it is written. A selector picks lines, by message too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mtactl/display.h"
#include "tui/list_view.h"

#define LINES_KEPT	5000

struct log_view {
	struct list_view base;
	char		*selector;	/* NULL: every line */
	bool		 follows;
	bool		 away;		/* from the last line: new ones do not move the screen */
	uint64_t	 serial;
};

static struct log_view *
of(struct view *v)
{
	return (struct log_view *)v;
}

/* -- fetching ------------------------------------------------------------- */

static void
take_live(void *arg, struct span row)
{
	struct log_view *g = arg;
	struct list *list = &g->base.list;
	char key[24];

	snprintf(key, sizeof key, "%llu", (unsigned long long)g->serial++);
	list_append(list, span_str(key), row, LINES_KEPT);
	if (!g->away)
		list_go(list, list->total - 1);
	g->base.view.con->redraw = true;
}

static void
fetch(struct view *v)
{
	struct log_view *g = of(v);

	if (g->follows) {
		v->known = true;
		view_ask(v, CMD_log, (const struct link_arg[]){ { "selector", span_str(g->selector) }, { "follow", SPAN("1") },
		    { NULL, SPAN_NONE } }, take_live, NULL);
	} else {
		list_view_ask(v, CMD_log, (const struct link_arg[]){ { "selector", span_str(g->selector) }, { NULL, SPAN_NONE } });
	}
}

static void
echo_command(struct log_view *g)
{
	bool some = g->selector != NULL;

	console_echo(g->base.view.con, "log%s%s%s%s", g->follows ? " -f" : "", some ? " '" : "", some ? g->selector : "", some ? "'" : "");
}

static void
start_anew(struct view *v)
{
	link_forget(v->con->link, v);
	v->pending = 0;
	v->known = false;
	list_view_clear(v);
	of(v)->away = false;
	view_refresh(v);
	echo_command(of(v));
}

/* -- on the screen -------------------------------------------------------- */

/* The latest first where they are a list; as they come where it is followed. */
static int
compare(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = row_number(span_of(x->text, x->len), "time"), n = row_number(span_of(y->text, y->len), "time");

	return m != n ? (m < n ? 1 : -1) : strcmp(x->key, y->key);
}

static const struct column columns[] = {
	{ "time", "TIME", 8, 0, column_time }, { "severity", "SEVERITY", 8, 0, column_severity }, { "program", "PROGRAM", 10, 0, NULL },
	{ "queue_id", "QUEUE ID", 15, 100, NULL }, { "text", "TEXT", 0, 0, NULL },
	{ NULL, NULL, 0, 0, NULL },
};

static void
bar(struct view *v, struct span row, struct buf *out)
{
	struct buf time = BUF_INIT(64);

	(void)v;
	time_text(&time, row_number(row, "time"), console_now());
	buf_printf(out, "%s  ", time.len > 0 ? time.ptr : "");
	row_text(row, "program", out);
	buf_char(out, ' ');
	row_text(row, "role", out);
	buf_char(out, ' ');
	row_text(row, "slot", out);
	size_t was = out->len;
	buf_str(out, "  message ");
	if (row_text(row, "queue_id", out))
		buf_str(out, " (Enter opens it)");
	else
		buf_cut(out, was);
	buf_clear(&time);
}

static void
text(struct view *v, struct span row, struct buf *out)
{
	(void)v;
	row_text(row, "text", out);
}

static const struct list_shape shape = {
	.columns = columns,
	.compare = compare,
	.empty = "no warnings and no errors; f follows the whole log",
	.detail = 4,
	.bar = bar,
	.text = text,
};
static const struct list_shape live_shape = {
	.columns = columns,
	.empty = "waiting for the next line of the log ...",
	.detail = 4,
	.bar = bar,
	.text = text,
};

static void
label(struct view *v, struct buf *out)
{
	struct log_view *g = of(v);

	buf_str(out, !g->follows ? " warnings" : g->away ? " live (G goes on)" : " live");
	if (g->selector != NULL)
		buf_printf(out, " %.60s", g->selector);
	list_view_label(v, out);
}

/* -- keys ----------------------------------------------------------------- */

static void
move_to(struct view *v, enum list_move how)
{
	list_view_move(v, how);
	of(v)->away = of(v)->follows && of(v)->base.list.cursor + 1 < of(v)->base.list.total;
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	if (of(v)->base.list.total == 0)
		return;
	list_view_search(v, wanted, backwards);
	of(v)->away = true;
}

static void
enter(struct view *v)
{
	struct buf id = BUF_INIT(64);

	if (row_text(list_view_row(v), "queue_id", &id))
		console_push(v->con, message_new(v->con, id.ptr));
	else if (of(v)->base.list.total > 0)
		console_say(v->con, STYLE_WARN, "this line is of no message");
	buf_clear(&id);
}

static void
key_follow(struct view *v)
{
	of(v)->follows = !of(v)->follows;
	of(v)->base.shape = of(v)->follows ? &live_shape : &shape;
	start_anew(v);
}

static void
set_filter(struct view *v, struct span text)
{
	char *copy = span_dup(span_trim(text));

	free(of(v)->selector);
	of(v)->selector = *copy == '\0' ? NULL : mem_str(copy);
	free(copy);
	start_anew(v);
}

static void
key_filter(struct view *v)
{
	prompt_open(&v->con->prompt, v, "/", of(v)->selector, set_filter);
}

static const struct key keys[] = {
	{ 'f', "follow the log, or back to its warnings and errors", key_follow },
	{ '/', "only what a selector picks (program, severity, text, id, sender, rcpt, client); an empty one shows all", key_filter },
	{ KEY_RETURN, "the message that the line is about", enter },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "f", "Follow" }, { "/", "Filter" }, { "F3", "Search" }, { "Enter", "Message" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	list_view_clear(v);
	free(of(v)->selector);
}

static const struct view_ops ops = {
	.name = "log",
	.size = sizeof(struct log_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = list_view_draw,
	.move = move_to,
	.enter = enter,
	.search = search,
	.label = label,
};

struct view *
log_new(struct console *con, const char *selector, bool follows)
{
	struct view *v = list_view_new(&ops, follows ? &live_shape : &shape, con);

	of(v)->selector = selector == NULL ? NULL : mem_str(selector);
	of(v)->follows = follows;
	return v;
}
