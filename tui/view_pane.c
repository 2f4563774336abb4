#include "tui/pane.h"

#include <stdio.h>

#include "mtactl/display.h"
#include "tui/text_view.h"

struct pane_view {
	struct text_view pane;
	char		 label[64];
};

static void
label(struct view *v, struct buf *out)
{
	buf_printf(out, " %s", ((struct pane_view *)v)->label);
}

static const struct hint hints[] = { { "F3", "Search" }, { "q", "Back" }, { NULL, NULL } };

static const struct view_ops ops = {
	.name = "about",
	.size = sizeof(struct pane_view),
	.hints = hints,
	.clear = text_view_clear,
	.draw = text_view_draw,
	.move = text_view_move,
	.search = text_view_search,
	.label = label,
};

void
pane_push(struct console *con, struct span name, struct buf *text)
{
	struct view *v = view_new(&ops, con);
	struct pane_view *p = (struct pane_view *)v;
	struct buf safe = BUF_INIT(sizeof p->label);

	safe_text(&safe, name, false);
	snprintf(p->label, sizeof p->label, "%s", safe.len > 0 ? safe.ptr : "");
	buf_clear(&safe);
	text_take(&p->pane.text, text);
	v->known = true;
	console_push(con, v);
}
