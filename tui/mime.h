/*
 * A message for people: its parts as a tree, the headers that say something (or all), and the parts of the body that are text, decoded (RFC 2045 to
 * 2047). Everything in a message is hostile: at most MIME_DEPTH multiparts inside each other, MIME_PARTS parts and MIME_SHOWN bytes are looked at,
 * and what comes out is safe for a terminal.
 */
#ifndef TUI_MIME_H
#define TUI_MIME_H

#include "base/buf.h"
#include "base/span.h"

#define MIME_DEPTH	8
#define MIME_PARTS	200
#define MIME_SHOWN	((size_t)1 << 20)

/*
 * Header and body, lines ending in LF or CRLF. Appends lines with the presenters' colour codes: to `out` the headers (all_headers: every one) and the
 * decoded text, to `tree` a line for each part; nothing where the message is one text.
 */
void	mime_show(struct buf *out, struct buf *tree, struct span content, bool all_headers);

#endif
