/*
 * Where a recipient's mail goes: address class, transport, next hop; and the rewriting of addresses to standard form. Functions of their
 * input, the configuration and facts, as trivial-rewrite(8) does it. The same code serves receive (policy), queue (activation) and mtactl route.
 */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "conf/conf.h"

enum route_class {
	ROUTE_LOCAL,		/* mydestination, our own [address] */
	ROUTE_VIRTUAL_ALIAS,	/* virtual_alias_domains: nothing is delivered there, transport is "error" */
	ROUTE_VIRTUAL_MAILBOX,	/* virtual_mailbox_domains */
	ROUTE_RELAY,		/* relay_domains */
	ROUTE_DEFAULT,		/* everything else */
};
const char *route_class_name(enum route_class);

enum route_status { ROUTE_DONE, ROUTE_PENDING };

/*
 * The answer. Start with { .text = BUF_INIT(0) } or reuse; route_clear frees. Spans live until the next use of the struct.
 * With failed set there is no route now (a table could not be asked): defer with dsn and reason; the other fields are not to be used.
 * An address that can never be delivered has transport "error" and nexthop "5.1.3 text".
 */
struct route {
	enum route_class class;
	bool		 failed;
	bool		 routed;	/* sender-specified routing is left in the local part (a%b, a!b, a@b) */
	bool		 bad_syntax;	/* with transport "error" */
	struct span	 transport;	/* a master.cf service: "smtp", "local", "error" */
	struct span	 nexthop;	/* "example.com", "[mx.example.com]:587", "5.1.1 User unknown in ..." */
	struct span	 recipient;	/* for delivery: unquoted, local domain kept */
	struct span	 domain;	/* of recipient, lower case not forced */
	const char	*dsn;		/* with failed: "4.3.0" */
	struct err	 reason;	/* with failed */
	struct buf	 text;		/* what the spans point into */
};
void	route_clear(struct route *);

struct router;

/*
 * Compiled lists and tables of trivial-rewrite's view. Holds a reference on the conf. NULL with the err: "NAME: what is wrong",
 * where NAME is a parameter.
 */
struct router *router_new(struct conf *, struct err *);
/* The same for probes of addresses: address_verify_transport_maps and its relatives in place of theirs. */
struct router *router_new_probing(struct conf *, struct err *);
void	router_free(struct router *);
const struct view *router_view(const struct router *);

/* Recipient and sender are unquoted. Trace, where not NULL, gets a line a step: "mydestination: example.com matches\n". */
enum route_status route_resolve(const struct router *, struct facts *, struct span recipient, struct span sender,
    struct route *, struct buf *trace);

/*
 * An address in standard form, put behind what out holds: host!user, user%host (where it has no domain), @myorigin and .mydomain added,
 * trailing dot off. `local`: the context is local (always so for envelopes of our own); else names are completed only where remote_header_rewrite_domain is set.
 * The empty address stays empty.
 */
void	route_rewrite(const struct router *, struct span address, bool local, struct buf *out);

/* Whether "192.0.2.1" is this machine, directly or through a proxy (inet_interfaces, proxy_interfaces). */
bool	route_own_address(const struct router *, struct span address);

#endif
