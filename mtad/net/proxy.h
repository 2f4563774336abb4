/*
 * HAProxy's PROXY protocol, versions 1 (a line) and 2 (binary), from a proxy that stands before a server: who the client is. Additions behind the addresses
 * (TLVs) are passed over. Bytes in, values out.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <stddef.h>

#include "base/span.h"
#include "net/addr.h"

#define PROXY_HEADER_MAX	536u	/* of either version; longer ones are refused */

struct proxy_header {
	bool		 own;		/* the proxy speaks for itself (LOCAL, UNKNOWN): the addresses are the connection's */
	struct net_addr	 client, server;
	size_t		 len;		/* bytes of it */
};

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };

/* The header at the front of what came in. MORE: all of it belongs to the header, and is not enough. BAD sets *why. */
enum proxy_result proxy_parse(struct span in, struct proxy_header *, const char **why);

#endif
