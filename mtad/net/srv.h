/*
 * The order of hosts that SRV records name: by priority, and among equal ones at random by weight (RFC 2782).
 */
#ifndef NET_SRV_H
#define NET_SRV_H

#include <stddef.h>
#include <stdint.h>

#include "net/dns.h"

/* order: indices of the items, as they are to be tried. random: a number as large as any, another one at each call. */
void	srv_order(const struct dns_item *items, size_t count, size_t *order, uint64_t (*random)(void));

#endif
