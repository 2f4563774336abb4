/*
 * The resolver's configuration, in libunbound's own language.
 */
#ifndef NET_DNS_SETUP_H
#define NET_DNS_SETUP_H

#include "base/buf.h"
#include "net/dns.h"

/* zone_fd: a file that libunbound can open as /proc/self/fd/N; -1: none. */
bool	dns_setup_config(const struct dns_config *, int zone_fd, struct buf *, struct err *);
/* The zone's text completed with what a master file must have: origin, SOA. */
bool	dns_setup_zone(int fd, struct buf *, struct err *);
/* All of a descriptor's bytes from its start, at most `max`. */
bool	dns_setup_read(int fd, size_t max, struct buf *, struct err *);

#endif
