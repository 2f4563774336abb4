/*
 * Any text over the view that asked for it, to be read: what a rule means, what a parameter is.
 */
#ifndef TUI_PANE_H
#define TUI_PANE_H

#include "tui/console.h"

/* The text is safe already, with the presenters' colour codes; it is taken over. The name goes into the title. */
void	pane_push(struct console *, struct span name, struct buf *text);

#endif
