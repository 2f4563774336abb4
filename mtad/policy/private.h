/*
 * What the files of policy/ share: compiled lists, and one evaluation.
 */
#ifndef POLICY_PRIVATE_H
#define POLICY_PRIVATE_H

#include "policy/policy.h"
#include "table/match_list.h"
#include "table/table.h"

enum result { DUNNO, OK, REFUSED, PENDING };

struct check;

struct restriction {
	const char	*name;
	bool		 has_arg;
	enum result	(*check)(struct check *, struct span arg);
};

struct rule {
	const struct restriction *what;
	char		*arg;		/* NULL: none */
};

/* A restriction list: classes are filled in, so it is flat. */
struct rules {
	struct rule	*list;
	size_t		 count;
};

/* The lists, in the order in which a recipient passes them. */
enum list { LIST_CLIENT, LIST_HELO, LIST_SENDER, LIST_RELAY, LIST_RECIPIENT, LIST_DATA, LIST_END_OF_DATA, LIST_ETRN, LIST_COUNT };

struct policy {
	const struct view *view;
	const struct router *router;
	struct rules	 lists[LIST_COUNT];
	struct match_list *mynetworks, *rate_exempt, *newline_exempt;
	struct rules	 rewrite_clients;
	struct tables	 local_recipients, relay_recipients, mailboxes;
	struct tables	 rewritten[3];		/* recipients that become others: recipient_canonical_maps, canonical_maps, virtual_alias_maps */
	struct route	 recipient, sender;
	struct facts	*no_facts;	/* for lists that are asked outside a decision */
	bool		 soft_bounce;
	bool		 delay_reject, relay_first, untrusted_routing;
};

/* One policy_check. */
struct check {
	struct policy	*policy;
	const struct policy_session *session;
	struct facts	*facts;
	struct policy_verdict *verdict;
	struct buf	*trace;
	enum policy_stage stage;
	enum list	 list;
	unsigned	 position;	/* of the rule in the list */
	const struct restriction *rule;
	struct buf	 name;		/* what replies name: the recipient, "host[addr]" */
	const char	*class;		/* "Recipient address" */
	bool		 warn;		/* behind warn_if_reject */
	bool		 recipient_done, sender_done;	/* resolved */
	bool		 listed_done;	/* the recipient tables were asked */
	struct buf	 permit_defer, reject_defer;	/* replies of defer_if_permit and defer_if_reject; empty: none */
};

const struct restriction *restriction_find(struct span name);
const char *restriction_nearest(struct span name);
/* Compiles a parameter's value. False with the err. */
bool	rules_open(struct rules *, const struct view *, const char *value, struct err *);
void	rules_clear(struct rules *);
bool	rules_have(const struct rules *, const char *const *names);

/* REFUSED (or DUNNO, where only a warning is wanted): "<name>: text"; dsn takes the code's first digit. */
enum result refuse(struct check *, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* "<name>: Class rejected: text" */
enum result refuse_class(struct check *, int code, const char *dsn, const char *text);
void	policy_note(struct check *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Routes; PENDING and REFUSED (451) pass on, DUNNO: *route is there. */
enum result resolve_recipient(struct check *, struct route **);
enum result resolve_sender(struct check *, struct route **);
/* Whether the tables of the address's class list it. */
enum result check_listed(struct check *, bool sender);
bool	open_recipient_tables(struct policy *, struct err *);

const char *stage_command(enum policy_stage);

/* The restrictions of restrictions.def. */
enum result check_permit(struct check *, struct span);
enum result check_reject(struct check *, struct span);
enum result check_defer(struct check *, struct span);
enum result check_defer_if_permit(struct check *, struct span);
enum result check_defer_if_reject(struct check *, struct span);
enum result check_warn_if_reject(struct check *, struct span);
enum result check_sleep(struct check *, struct span);
enum result check_unauth_pipelining(struct check *, struct span);
enum result check_permit_mynetworks(struct check *, struct span);
enum result check_permit_inet_interfaces(struct check *, struct span);
enum result check_permit_sasl_authenticated(struct check *, struct span);
enum result check_permit_auth_destination(struct check *, struct span);
enum result check_reject_unauth_destination(struct check *, struct span);
enum result check_defer_unauth_destination(struct check *, struct span);
enum result check_invalid_helo_hostname(struct check *, struct span);
enum result check_non_fqdn_helo_hostname(struct check *, struct span);
enum result check_non_fqdn_sender(struct check *, struct span);
enum result check_non_fqdn_recipient(struct check *, struct span);
enum result check_unlisted_recipient(struct check *, struct span);
enum result check_unlisted_sender(struct check *, struct span);


#endif
