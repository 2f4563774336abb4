/*
 * A message for people: the headers that say something, and the parts of the body that are text, decoded (RFC 2045 to 2047). Everything in a
 * message is hostile: at most MIME_DEPTH multiparts inside each other and MIME_SHOWN bytes are looked at, and what comes out is safe for a terminal.
 */
#ifndef TUI_MIME_H
#define TUI_MIME_H

#include "base/buf.h"
#include "base/span.h"

#define MIME_DEPTH	8
#define MIME_SHOWN	((size_t)1 << 20)

/* Header and body with LF line ends; appends lines with the presenters' colour codes. */
void	mime_show(struct buf *out, struct span content);
/* A header's value with its encoded words decoded; not safe for a terminal. */
void	mime_words(struct buf *out, struct span value);

#endif
