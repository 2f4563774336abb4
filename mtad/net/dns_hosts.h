/*
 * The hosts file: hosts(5), read once.
 */
#ifndef NET_DNS_HOSTS_H
#define NET_DNS_HOSTS_H

#include "base/span.h"
#include "net/addr.h"

struct hosts;

struct hosts *hosts_new(struct span text);
void	hosts_free(struct hosts *);
/* Addresses of the name (case does not matter), in the file's order; how many, at most max. */
size_t	hosts_find(const struct hosts *, struct span name, struct net_addr *, size_t max);
/* The first name of the address, or NULL. */
const char *hosts_name(const struct hosts *, const struct net_addr *);

#endif
