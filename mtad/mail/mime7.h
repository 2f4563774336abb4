/*
 * An 8-bit message for a server without 8BITMIME: bytes in, bytes out, in pieces of any size. Parts with 8-bit
 * content become quoted-printable, with their Content-Transfer-Encoding and those of the multiparts around them replaced; what is
 * 7-bit or encoded already stays as it is. Lines end in LF. Header fields are not touched (Postfix leaves them, too). Multiparts nested
 * deeper than the limit are converted as one text; 8-bit bytes where nothing can be encoded (a preamble) become "?".
 */
#ifndef MAIL_MIME7_H
#define MAIL_MIME7_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

struct mime7;

#define MIME7_DEPTH	100	/* mime_nesting_limit */

struct mime7 *mime7_new(unsigned depth);
void	mime7_free(struct mime7 *);
void	mime7_put(struct mime7 *, struct span in, struct buf *out);
void	mime7_end(struct mime7 *, struct buf *out);	/* what is still held back */

#endif
