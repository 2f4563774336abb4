/*
 * What DNSSEC is checked by: mtad_dns_anchor, or the root's keys.
 */
#ifndef MASTER_DNS_ANCHOR_H
#define MASTER_DNS_ANCHOR_H

#include "base/err.h"
#include "conf/conf.h"
#include "master/descs.h"

/*
 * "dns-anchor" for the send role, where a client of the configuration asks for it (smtp_dns_support_level = dnssec). Without it nothing is validated: a
 * resolver in between that drops signatures would make all names fail.
 */
bool	dns_anchor_add(struct descs *, const struct conf *, struct err *);

#endif
