/*
 * Lists of patterns: host and domain names, networks, addresses, tables, /files, "!" for not. The first that matches decides.
 * Compiled once a generation; matching allocates nothing (but for tables). Follows postconf(5).
 */
#ifndef TABLE_MATCH_LIST_H
#define TABLE_MATCH_LIST_H

#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "conf/conf.h"

enum match_kind {
	MATCH_STRING,	/* whole names only: mydestination */
	MATCH_DOMAIN,	/* names and the domains above them: relay_domains */
	MATCH_CLIENT,	/* names as MATCH_DOMAIN, and addresses and networks: mynetworks */
};
enum match_result { MATCH_NO, MATCH_YES, MATCH_FAILED, MATCH_PENDING };

struct match_list;

/*
 * The patterns are an expanded value. Whether "example.com" stands for what is below it too (else ".example.com" does) is said for `param` in
 * parent_domain_matches_subdomains. NULL with the err, which does not name the parameter.
 */
struct match_list *match_list_new(const struct conf *, const char *param, const char *patterns, enum match_kind, struct err *);
void	match_list_free(struct match_list *);
bool	match_list_empty(const struct match_list *);

/* A name, in any case. FAILED sets the err. */
enum match_result match_list_name(const struct match_list *, struct facts *, struct span name, struct err *);
/* A client by its name ("unknown" where it has none) and its address as text ("192.0.2.1", "2001:db8::1", without brackets). */
enum match_result match_list_client(const struct match_list *, struct facts *, struct span name, struct span address,
    struct err *);

#endif
