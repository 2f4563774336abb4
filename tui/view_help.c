/*
 * Help: the keys of the view it was called from, those of every view, and the commands; all made from their tables.
 */
#include "ctl/commands.h"
#include "mtactl/display.h"
#include "tui/console.h"

struct help_view {
	struct view	 view;
	struct text	 text;
};

static struct help_view *
of(struct view *v)
{
	return (struct help_view *)v;
}

static void
put_keys(struct display *d, const struct key *k)
{
	while (k != NULL && k->code != 0) {
		const char *help = k->help;
		struct buf names = BUF_INIT(64);
		char name[16];
		buf_str(&names, key_label(k->code, name));
		for (k++; k->code != 0 && k->help == NULL; k++)
			buf_printf(&names, " %s", key_label(k->code, name));
		put(d, "  ");
		put_color(d, COLOR_BOLD);
		put(d, "%-12s", names.ptr);
		put_color(d, COLOR_NONE);
		put(d, " %s\n", help);
		buf_clear(&names);
	}
}

static void
put_heading(struct display *d, const char *text)
{
	put_color(d, COLOR_GREEN);
	put(d, "%s", text);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
put_commands(struct display *d)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = command_row((enum command)i);
		put(d, "  ");
		put_color(d, COLOR_BOLD);
		put(d, "%-12s", row->name);
		put_color(d, COLOR_NONE);
		put(d, " %s\n", row->summary);
	}
}

static void
draw(struct view *v, int y, int height)
{
	text_draw(&of(v)->text, y, height, paint_columns());
}

static void
move_to(struct view *v, enum list_move how)
{
	text_move(&of(v)->text, how);
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	if (!text_search(&of(v)->text, wanted, backwards))
		console_say(v->con, STYLE_WARN, "not found: %.*s", SPAN_ARG(span_head(wanted, 80)));
}

static void
clear_view(struct view *v)
{
	text_clear(&of(v)->text);
}

static const struct view_ops ops = {
	.name = "help",
	.size = sizeof(struct help_view),
	.clear = clear_view,
	.draw = draw,
	.move = move_to,
	.search = search,
};

struct view *
help_new(struct console *con, const struct view *about)
{
	struct view *v = view_new(&ops, con);
	struct display d = { .tty = true, .colored = true };

	if (about->ops->keys != NULL) {
		put(&d, "\n");
		put_heading(&d, about->ops->name);
		put_keys(&d, about->ops->keys);
	}
	put(&d, "\n");
	put_heading(&d, "everywhere");
	put_keys(&d, console_keys);
	put(&d, "\n");
	put_heading(&d, "commands, behind : (mtactl help COMMAND says more)");
	put_commands(&d);
	text_take(&of(v)->text, &d.out);
	display_clear(&d);
	v->known = true;
	return v;
}
