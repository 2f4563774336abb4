/*
 * Networks: an address and how many of its bits count.
 */
#ifndef TABLE_NETWORK_H
#define TABLE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct ip {
	uint8_t		 bytes[16];
	uint8_t		 len;		/* 4 or 16 */
};

struct network {
	struct ip	 ip;		/* bits behind the prefix are 0 */
	uint8_t		 bits;
};

/* "192.0.2.1", "2001:db8::1", without brackets; IPv4 in IPv6 counts as IPv4. */
bool	ip_parse(struct span, struct ip *);
/* The bits behind the first `bits` cleared. */
void	ip_mask(struct ip *, unsigned bits);

/* "192.0.2.0/24", "192.0.2.1", "[2001:db8::]/32", also "2001:db8::/32". False with the err, which says what to write. */
bool	network_parse(struct span, struct network *, struct err *);
bool	network_has(const struct network *, const struct ip *);

#endif
