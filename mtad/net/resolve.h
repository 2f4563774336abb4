/*
 * From a next hop to the addresses to be tried, in their order: mail exchangers (RFC 5321 section 5.1), else
 * the name's own addresses; null MX (RFC 7505); ourselves among them (RFC 5321 section 5.1, loops).
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/dns.h"
#include "net/dns_filter.h"
#include "conf/conf.h"

#define RESOLVE_OWN	64	/* addresses of this machine that are compared with a mail exchanger's */
#define RESOLVE_LISTENERS 32

/* Where mail comes in the way it came in first: sent there, it would come round for ever. */
struct resolve_listener {
	struct net_addr	 addr;		/* len 0: any of ours */
	uint16_t	 port;
};

enum resolve_prefer { PREFER_ANY, PREFER_IPV4, PREFER_IPV6 };

/* What an smtp or lmtp service's view says of it. */
struct resolve_settings {
	const char	*program;	/* for warnings; the owner's */
	struct net_addr	 own[RESOLVE_OWN];	/* a mail exchanger with one of them is this machine */
	size_t		 own_count;
	struct resolve_listener	listeners[RESOLVE_LISTENERS];
	size_t		 listener_count;
	uint16_t	 port;
	bool		 ipv4, ipv6;
	enum resolve_prefer prefer;
	bool		 randomize, balance;
	size_t		 address_limit;
	bool		 use_mx;		/* DNS lookups for mail exchangers */
	bool		 use_hosts;		/* the hosts file before the DNS */
	bool		 ignore_mx_error, defer_no_address;
	bool		 cname_is_name;		/* a host is called by the name behind its aliases */
	const char	*srv_services;		/* for which SRV records are asked */
	bool		 srv_ignore_error, srv_fallback;
	const char	*service;		/* where a next hop names none */
	const char	*ports;			/* known_tcp_ports */
	bool		 idna2003;		/* for whoever turns names into ASCII */
	struct dns_filter filter;		/* of answers */
};
/* All but the filter's tables, which are the caller's to open and to clear. */
void	resolve_settings_take(struct resolve_settings *, const struct conf *, const struct view *, bool lmtp);

/* One destination: "host", "host:port", "[host]", "[host]:port", with or without "inet:"; "unix:path". */
struct nexthop {
	struct span	 host;		/* or the path */
	uint16_t	 port;
	bool		 is_unix;
	bool		 mx;		/* look for mail exchangers */
	struct span	 service;	/* look for SRV records of that first; empty: do not */
};
/* False where the port is bad or there is no host. */
bool	nexthop_parse(struct span, const struct resolve_settings *, struct nexthop *);

#define LOOP_PORT	25	/* on another port this machine may well have another server */

struct target {
	struct net_addr	 addr;		/* with the port */
	const char	*host;		/* the result's */
	const char	*final;		/* the name behind its aliases, whose address it is; the result's */
	bool		 secure;	/* the address was validated by DNSSEC */
	uint16_t	 preference;
	uint16_t	 order;		/* among those of one preference; 0: any */
	bool		 best_mx;	/* among those that are most preferred */
};

/* Of a failure. */
struct trouble {
	char		 dsn[8];
	char		 text[512];
};

struct targets {
	struct target	*list;
	size_t		 count;
	bool		 mx;		/* their hosts are mail exchangers */
	bool		 mx_secure;	/* by MX records that were validated */
	const char	*mx_final;	/* whose MX records they are, behind aliases; NULL */
	struct trouble	 trouble;	/* where there are none */
	bool		 loop;		/* we are the best mail exchanger: no fallback */
};

/* The targets are valid during the call, which may come within resolve_start. */
typedef void	resolve_fn(void *arg, const struct targets *);

struct resolve;

/* A TCP next hop; the settings must outlive it. NULL where fn was called already. */
struct resolve *resolve_start(struct dns *, const struct resolve_settings *, const struct nexthop *, resolve_fn *, void *arg);
void	resolve_cancel(struct resolve *);

#endif
