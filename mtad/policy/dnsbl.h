/*
 * DNS lists of clients and domains: "zen.example", "zen.example=127.0.0.[2;4..8]". Without a filter any address is a hit.
 */
#ifndef POLICY_DNSBL_H
#define POLICY_DNSBL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct dnsbl {
	char		*domain;
	bool		 filtered;
	uint64_t	 octets[4][4];	/* a bit for each value that counts */
};

/* False with the err. dnsbl_clear in any case. */
bool	dnsbl_parse(struct span, struct dnsbl *, struct err *);
void	dnsbl_clear(struct dnsbl *);
/* Whether the list's answer "127.0.0.2" counts. */
bool	dnsbl_hit(const struct dnsbl *, struct span address);
/* "2.0.0.127.zen.example" of an address; false: it is none. */
bool	dnsbl_query(const struct dnsbl *, struct span address, struct buf *);

#endif
