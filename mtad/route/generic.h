/*
 * generic(5): an address as it goes out by SMTP or LMTP (smtp_generic_maps, lmtp_generic_maps). A function of the address, the configuration and facts.
 */
#ifndef ROUTE_GENERIC_H
#define ROUTE_GENERIC_H

#include "route/mapping.h"

struct generic;

/* A transport's view, its parameter, and what tells local domains and completes addresses. *out is NULL where no table is named. False with the err: "NAME: what is wrong". */
bool	generic_new(struct conf *, const struct view *, enum param maps, struct generic **out, struct err *);
void	generic_free(struct generic *);		/* NULL is fine */

/* The unquoted address as it is to go out, in place of what *out holds. The empty one stays so. */
enum map_status generic_map(const struct generic *, struct facts *, struct span address, struct buf *out, struct err *);

#endif
