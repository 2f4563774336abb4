/*
 * Views that are a pane of text: what they have in common. Such a view begins with a struct text_view and names these in its view_ops.
 */
#ifndef TUI_TEXT_VIEW_H
#define TUI_TEXT_VIEW_H

#include "tui/console.h"

struct text_view {
	struct view	 view;
	struct text	 text;
};

void	text_view_draw(struct view *, int y, int height);
void	text_view_move(struct view *, enum list_move);
void	text_view_search(struct view *, struct span wanted, bool backwards);
void	text_view_clear(struct view *);

#endif
