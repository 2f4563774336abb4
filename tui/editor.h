/*
 * A text in the user's own editor: $VISUAL, $EDITOR, else vi. The terminal is lent to it meanwhile; the console waits.
 */
#ifndef TUI_EDITOR_H
#define TUI_EDITOR_H

#include "base/buf.h"
#include "base/err.h"

/* Replaces the text (at most its buffer's max) with what the editor left. False with the err, and the text as it was, where that did not work. */
bool	editor_run(struct buf *text, struct err *);

#endif
