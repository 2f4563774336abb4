/*
 * Text inside messages: transfer encodings (RFC 2045), encoded words (RFC 2047), parameters of headers (RFC 2231), character sets. All of it is
 * hostile; what comes out is the bytes meant, not yet safe for a terminal.
 */
#ifndef TUI_MIME_TEXT_H
#define TUI_MIME_TEXT_H

#include "base/buf.h"
#include "base/span.h"

/* A body by its Content-Transfer-Encoding; one that is not known is copied. */
void	mime_decode(struct buf *out, struct span encoding, struct span body);
/*
 * To UTF-8. Of a character set that is not converted (or not known) the bytes are copied: those that are no UTF-8 are
 * shown as \xNN then. charset may be NULL.
 */
void	mime_to_utf8(struct buf *out, struct span, const char *charset);
/* A header's value with its encoded words decoded. */
void	mime_words(struct buf *out, struct span value);
/* A parameter of a header's value ("boundary", "filename"), in UTF-8; the caller's. NULL where it is not there. */
char	*mime_parameter(struct span value, const char *name);

#endif
