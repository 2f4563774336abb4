/*
 * DNS lookups on the loop, through libunbound: one resolver with its cache a process. What it needs of files is read when
 * it is made, so it works on after the rights are dropped.
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "net/addr.h"
#include "net/dns_packet.h"

enum dns_status {
	DNS_FOUND,
	DNS_NXDOMAIN,	/* no such name */
	DNS_NODATA,	/* the name has no such record */
	DNS_TEMPORARY,	/* no answer: server failure, time-out, failed validation */
	DNS_INVALID,	/* the name is none */
	DNS_POLICY,	/* a filter left none of its records; of filtered lookups only */
};

struct dns_item {
	uint32_t	 ttl;
	uint16_t	 preference;		/* MX; SRV: priority */
	uint16_t	 weight, port;		/* SRV */
	char		 name[DNS_NAME];	/* MX, SRV, PTR, NS, CNAME, lower case; "" is the root. TXT: its text, printable, perhaps cut */
	struct net_addr	 addr;			/* A, AAAA; port 0 */
	struct span	 data;			/* TLSA: the record as it came, RFC 6698 section 2.1 */
};

struct dns_answer {
	enum dns_status	 status;
	bool		 secure;	/* validated by DNSSEC, over all aliases; said of a name or record that is not there too */
	const char	*name;		/* FOUND: whose records they are, at the end of all aliases; lower case */
	const char	*text;		/* for a status other than FOUND, as Postfix words it */
	const struct dns_item *items;	/* MX: by preference, equal ones in random order */
	size_t		 count;
};

/* The answer is valid during the call, which may come within dns_lookup itself. */
typedef void	dns_fn(void *arg, const struct dns_answer *);

/* All descriptors stay the caller's and are needed only for dns_new. */
struct dns_config {
	const char	*servers;	/* "ADDR[@PORT] ..."; empty: those of resolv_conf */
	int		 resolv_conf;	/* -1 or no nameserver in it: full recursion from the root */
	int		 zone;		/* a master file that is all there is: no server is asked. -1: none */
	int		 hosts;		/* -1: none */
	int		 anchor;	/* trust anchors for DNSSEC. -1: no validation */
	int64_t		 timeout;	/* of one lookup */
	bool		 idna2003;	/* how names beyond ASCII are asked for: net/idn.h */
};

/* Trust anchors of the root (IANA's KSK-2017 and KSK-2024), as the anchor's descriptor gives them. */
extern const char *const dns_root_anchors;

struct dns;
struct dns_query;

/* On loop_base(). NULL with the err where a file or a server is bad. */
struct dns *dns_new(const struct dns_config *, struct err *);
void	dns_free(struct dns *);		/* after every query has ended */

/* Within fn: how long (seconds) what it is told holds (dns_packet_ttl). False where nothing says. */
bool	dns_told_ttl(uint32_t *ttl);

/* NULL where fn was called already. A name beyond ASCII is asked for as IDNA has it. */
struct dns_query *dns_lookup(struct dns *, const char *name, enum dns_type, dns_fn *, void *arg);
/* Without the records that the filter drops (net/dns_filter.h; it must outlive the lookup, and NULL drops none). */
struct dns_filter;
struct dns_query *dns_lookup_filtered(struct dns *, const char *name, enum dns_type, const struct dns_filter *, dns_fn *, void *arg);
/* fn will not be called any more. NULL is fine. */
void	dns_cancel(struct dns_query *);

/* The hosts file, and "localhost" in any case: addresses of the name, at most max. No DNS is asked. */
size_t	dns_hosts(const struct dns *, const char *name, struct net_addr *, size_t max);
/* The hosts file's first name of an address. */
bool	dns_hosts_name(const struct dns *, const struct net_addr *, char name[DNS_NAME]);

/* "A", "MX" ... */
const char *dns_type_name(enum dns_type);

#endif
