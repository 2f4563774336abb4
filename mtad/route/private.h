/*
 * What the files of route/ share.
 */
#ifndef ROUTE_PRIVATE_H
#define ROUTE_PRIVATE_H

#include "route/mapping.h"
#include "route/route.h"
#include "table/match_list.h"
#include "table/network.h"
#include "table/table.h"

/* "transport:nexthop" as a parameter has it; nexthop empty where it is left out. */
struct destination {
	struct span	 transport, nexthop;
};

struct router {
	struct conf	*conf;
	const struct view *view;
	struct match_list *local, *virtual_alias, *virtual_mailbox, *relay;
	struct tables	 transport_maps, relocated_maps;
	struct tables	 sender_relayhost, sender_transport;
	struct span	 null_relayhost_key, null_transport_key;	/* asked for in place of the null sender */
	bool		 transport_parents;	/* in transport_maps example.com stands for what is below it too */
	struct ip	*own;			/* addresses of this machine */
	size_t		 own_count;
	struct destination local_to, virtual_to, relay_to, default_to;
	struct span	 relayhost, myhostname, myorigin, mydomain, empty_recipient;
	const char	*delimiters;
	bool		 swap_bangpath, percent_hack, hyphen_first, append_origin, append_domain, null_domain, numeric_domain, show_table, relocated_prefix,
			 dequoted;
};

/* An address at work: unquoted, of bounded length. */
struct work {
	char		 text[2048];
	size_t		 len;
	bool		 over;
};
void	work_set(struct work *, struct span);
void	work_put(struct work *, struct span);
struct span work_view(const struct work *);

/*
 * An address in tables, as Postfix finds one: user+ext@domain, user@domain, then for our own domains user+ext, user; then @domain. *ext: the
 * extension ("+ext") where it was found without it.
 */
enum table_result router_find_address(const struct router *, const struct tables *, struct facts *, struct span address,
    struct buf *value, struct span *ext, struct err *);

/* What tables say of an address, as addresses in standard form; name: the parameter's. DONE with an empty list: nothing. */
enum map_status map_lookup(const struct router *, struct facts *, const struct tables *, const char *name, bool propagate,
    struct span address, struct map_list *, struct err *);

/* "[192.0.2.1]", and it is ours. */
bool	is_own_literal(const struct router *, struct span domain);

struct destination destination_of(const char *value);

/* host!user and user%host, where there is no domain yet. */
void	rewrite_route(const struct router *, struct work *);
/* That, and what is missing in our own context (route_rewrite). */
void	rewrite_local(const struct router *, struct work *);

/* What transport_maps say. ABSENT, or FOUND with "transport:nexthop" in *value. */
enum table_result transport_lookup(const struct router *, struct facts *, struct span address, struct span domain,
    struct buf *value, struct err *);

/* What a table by sender says. ABSENT for DUNNO too. */
enum table_result sender_lookup(const struct router *, const struct tables *, struct facts *, struct span sender,
    struct span null_key, struct buf *value, struct err *);

#endif
