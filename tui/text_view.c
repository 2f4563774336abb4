#include "tui/text_view.h"

static struct text *
text_of(struct view *v)
{
	return &((struct text_view *)v)->text;
}

void
text_view_draw(struct view *v, int y, int height)
{
	if (!v->known)
		view_draw_empty(v, y, height, "");
	else
		text_draw(text_of(v), y, height, paint_columns());
}

void
text_view_move(struct view *v, enum list_move how)
{
	text_move(text_of(v), how);
}

void
text_view_search(struct view *v, struct span wanted, bool backwards)
{
	if (!text_search(text_of(v), wanted, backwards))
		console_say(v->con, STYLE_WARN, "not found: %.*s", SPAN_ARG(span_head(wanted, 80)));
}

void
text_view_clear(struct view *v)
{
	text_clear(text_of(v));
}
