/*
 * A message that a delivery made of another one, for aliases(5) and .forward: it has the content of that one, another envelope, and Delivered-To: of the
 * recipient that it came from. Packed between local, queue and receive, and in the journal.
 */
#ifndef MAIL_FORWARD_H
#define MAIL_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/pack.h"
#include "base/span.h"

#define FORWARD_ADDRESSES_MAX	50000
#define FORWARD_BYTES_MAX	((size_t)4 << 20)

struct forward {
	struct span	 sender;	/* unquoted */
	struct span	 filter;	/* "transport:nexthop" that it goes to as it is; empty: as its recipients are routed */
	struct span	 delivered;	/* for Delivered-To:; empty: none */
	uint32_t	 count;
	struct span	 addresses;	/* packed spans */
	struct span	 original;	/* the recipient as it was first given; empty: it is nobody's business */
	struct span	 orcpt;		/* "rfc822;addr"; empty: none */
	uint8_t		 notify;
};

void	forward_pack(struct buf *, const struct forward *);
/* All of the bytes, checked. */
bool	forward_unpack(struct span, struct forward *);

#endif
