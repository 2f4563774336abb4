/*
 * What the files of the route command share.
 */
#ifndef MTACTL_ROUTE_H
#define MTACTL_ROUTE_H

#include "ctl/jsonl.h"
#include "mtactl/local.h"
#include "net/dns.h"
#include "route/route.h"

/*
 * The hosts that a message for the route would be offered to, in their order, as "hosts":[{"host","address","port","preference"}], or "hosts_failed"
 * and "hosts_dsn"; nothing where the transport is no SMTP or LMTP client. Asks the DNS.
 */
enum hosts { HOSTS_NOT_ASKED, HOSTS_FOUND, HOSTS_NONE };
enum hosts route_hosts_put(struct session *, const struct route *, struct jsonl *);

#endif
