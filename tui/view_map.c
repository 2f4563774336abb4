/*
 * Lookup tables that the configuration names.
 */
#include "tui/console.h"

static void
draw(struct view *v, int y, int height)
{
	v->known = true;
	view_draw_empty(v, y, height, "nothing yet");
}

static const struct view_ops ops = {
	.name = "lookup tables",
	.size = sizeof(struct view),
	.draw = draw,
};

struct view *
maps_new(struct console *con)
{
	return view_new(&ops, con);
}
