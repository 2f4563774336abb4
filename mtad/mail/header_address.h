/*
 * Headers that hold addresses, and those addresses replaced in them.
 */
#ifndef MAIL_HEADER_ADDRESS_H
#define MAIL_HEADER_ADDRESS_H

#include <stdbool.h>

#include "base/buf.h"
#include "mail/header.h"

enum header_addresses { ADDRESSES_NONE, ADDRESSES_SENDER, ADDRESSES_RECIPIENT };
/* What a header of this name holds, whatever its case. */
enum header_addresses header_addresses(struct span name);

/* Puts the address that is to stand in its place, unquoted, behind what `to` holds (nothing); false: it stays. */
typedef bool	header_address_fn(void *arg, struct span address, struct buf *to);
/* The raw header, put behind what `out` holds, with its addresses replaced: only their bytes change. */
void	header_replace_addresses(struct buf *out, const struct header *, header_address_fn *, void *arg);

#endif
