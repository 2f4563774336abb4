/*
 * Help: the keys of the view it was called from, those of every view, and the commands; all made from their tables.
 */
#include "ctl/commands.h"
#include "mtactl/display.h"
#include "tui/text_view.h"

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

static const struct view_ops ops = {
	.name = "help",
	.size = sizeof(struct text_view),
	.clear = text_view_clear,
	.draw = text_view_draw,
	.move = text_view_move,
	.search = text_view_search,
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
	text_take(&((struct text_view *)v)->text, &d.out);
	display_clear(&d);
	v->known = true;
	return v;
}
