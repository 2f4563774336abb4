/*
 * Base64 (RFC 4648) for content that is no text, and for SASL.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

void	base64_encode(struct buf *, struct span);
/* Appends the bytes; false where the text is not base64. */
bool	base64_decode(struct buf *, struct span);

#endif
