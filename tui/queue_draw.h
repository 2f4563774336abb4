/*
 * Lines of the queue view.
 */
#ifndef TUI_QUEUE_DRAW_H
#define TUI_QUEUE_DRAW_H

#include "tui/console.h"

void	queue_draw_heading(int y);
void	queue_draw_row(const struct console *, const struct list_row *, int y, bool cursor);
/* Two lines: who to whom, and the reason in full. NULL: empty ones. */
void	queue_draw_detail(const struct list_row *, int y);

#endif
