/*
 * The address itself (local@domain), for the parsers of paths and of lists: what both have in common.
 */
#ifndef MAIL_ADDRESS_PARSE_H
#define MAIL_ADDRESS_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

/* Parses a whole span; flags are enum address_flag. The unquoted address goes behind what `out` holds; false leaves `out` as it was. */
bool	address_parse(struct span spec, unsigned flags, struct buf *out, const char **fault);

/*
 * The place behind the quoted string, comment (nested) or literal that begins at `at`, or s.len + 1 where it does not end. Any other byte: at + 1.
 */
size_t	address_skip_token(struct span s, size_t at);

/* Without a source route "@a,@b:" at the front; false where one does not end. */
bool	address_skip_route(struct span *spec);

#endif
