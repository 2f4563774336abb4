/*
 * What the files of policy/ share: compiled lists, and one evaluation.
 */
#ifndef POLICY_PRIVATE_H
#define POLICY_PRIVATE_H

#include "base/map.h"
#include "policy/policy.h"
#include "policy/server.h"
#include "table/match_list.h"
#include "table/table.h"

enum result { DUNNO, OK, REFUSED, PENDING };

struct check;
struct rules;

/* What stands behind a restriction's name. */
enum argument {
	ARG_NONE,
	ARG_SECONDS,	/* sleep */
	ARG_TABLE,	/* type:name; check_ccert_access also { type:name, { search_order = ... } } */
	ARG_DOMAIN,	/* of a DNS list, with its filter */
	ARG_SERVER,	/* of policies */
};

struct restriction {
	const char	*name;
	enum argument	 arg;
	enum result	(*check)(struct check *, struct span arg);
};

struct rule {
	const struct restriction *what;
	char		*arg;		/* NULL: none */
	const struct table *table;	/* ARG_TABLE; the policy's */
	struct policy_server *server;	/* ARG_SERVER; the policy's */
	struct dnsbl	*dnsbl;		/* ARG_DOMAIN; the rule's */
	char		*order;		/* check_ccert_access: search_order, of ccert_search_known */
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
	struct map	 tables;		/* struct named_access: each that a list names, once */
	struct map	 actions;		/* struct action_rules: lists that access tables gave as their result */
	struct policy_servers servers;
	struct match_list *mynetworks, *rate_exempt, *newline_exempt, *permit_log, *mx_networks;
	struct rules	 rewrite_clients;
	struct tables	 local_recipients, relay_recipients, mailboxes, sender_logins, client_certs, rbl_replies, footers;
	struct tables	 rewritten[3];		/* recipients that become others: recipient_canonical_maps, canonical_maps, virtual_alias_maps */
	struct route	 recipient, sender, other;
	struct facts	*no_facts;	/* for lists that are asked outside a decision */
	bool		 delay_reject, relay_first, untrusted_routing, soft_bounce, sasl;
	bool		 any_recipient;	/* receive_override_options = no_unknown_recipient_checks */
	bool		 access_parents;	/* example.com in access tables stands for what is below it */
	bool		 opening;		/* tables may still be opened */
};

/* A reply put off: of defer_if_permit, defer_if_reject. */
struct deferral {
	bool		 active;
	int		 code;
	char		 dsn[12];
	const char	*by;		/* the restriction */
	struct buf	 reply;
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
	unsigned	 effects;	/* effectful rules met so far: the place of their facts */
	const struct restriction *rule;
	const struct rule *at;
	struct span	 name;		/* what replies name: the recipient, "host[addr]" */
	const char	*class;		/* "Recipient address" */
	unsigned	 depth;		/* lists within lists */
	unsigned	 warn;		/* behind warn_if_reject at that depth; 0: not */
	bool		 recipient_done, sender_done;	/* resolved */
	bool		 listed_done;	/* the recipient tables were asked */
	struct deferral	 permit_defer, reject_defer;
	struct buf	 client;	/* "name[addr]" */
	struct buf	 fact;		/* what decided the rule, for the trace */
	bool		 fact_told;	/* the rule's line was made before those of the restrictions that its table named */
	size_t		 missed;	/* where the last of its lists of keys without an entry ends */
	struct buf	 work;		/* of one restriction, while it runs */
};

const struct restriction *restriction_find(struct span name);
const char *restriction_nearest(struct span name);
/* Compiles a parameter's value for that list: what a table without a restriction before it means differs. False with the err. */
bool	rules_open(struct rules *, struct policy *, enum list, struct span value, struct err *);
void	rules_clear(struct rules *);
bool	rules_have(const struct rules *, const char *const *names);
/* What a table's result names, compiled now or before. NULL with the err. */
const struct rules *rules_for_result(struct policy *, enum list, struct span value, struct err *);
void	policy_tables_clear(struct policy *);
void	policy_actions_clear(struct policy *);

void	check_clear(struct check *);
/* One list, in the names that hold now. */
enum result run_rules(struct check *, const struct rules *);

/* REFUSED (or DUNNO, where only a warning is wanted): "<name>: text"; dsn takes the code's first digit. */
enum result refuse(struct check *, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* "<name>: Class rejected: text" */
enum result refuse_class(struct check *, int code, const char *dsn, const char *text);
/* The text as it is. */
enum result refuse_text(struct check *, int code, const char *dsn, const char *text);
/* Trouble of our own, which no warn_if_reject makes good: "451 4.3.0 <key>: Temporary lookup failure", "451 4.3.5 Server configuration error". */
enum result refuse_lookup(struct check *, struct span key, const char *why);
enum result refuse_configuration(struct check *);
/* Refused where nothing else refuses, or at once where behind warn_if_reject or where `action` (a *_tempfail_action) says so. */
enum result defer_if_permit(struct check *, enum param action, int code, const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void	defer_if_reject(struct check *, int code, const char *dsn, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* OK, logged where smtpd_log_access_permit_actions says so. */
enum result permit(struct check *);
/* The same for who the client is; for what a table said. */
enum result permit_client(struct check *);
enum result permit_for(struct check *, const char *action, const char *source);
/* A line of the log as of a refusal ("hold: RCPT from ..."), and one without any of that ("access table x ..."). */
void	policy_log_line(struct check *, const char *word, const char *text);
void	policy_warn(struct check *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* trace.c: what the rule went by; a key that its table has not; whether a route's domain is ours. */
void	policy_note(struct check *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	policy_missed(struct check *, struct span key);
void	policy_note_class(struct check *, const struct route *);
/* Who logged in; what the client called something. */
void	policy_note_login(struct check *);
void	policy_note_name(struct check *, const char *what, struct span name);
void	policy_note_tls(struct check *);
/* Before a rule runs, and after: a line of a list's rule, or of what a parameter of another kind asks. */
struct traced { enum list list; size_t done; int put_off; };
void	trace_begin(struct check *, struct traced *);
void	trace_rule(struct check *, const struct traced *, const struct rule *, enum result);
/* The rule's table named further restrictions: its line stands before theirs. */
void	trace_named(struct check *, const struct rule *);
void	trace_other(struct check *, const struct traced *, const char *param, const char *name, enum result);
void	put_clean(struct buf *, struct span);
/* As refuse() and its kin would say, named otherwise; put both back after. */
struct naming { struct span name; const char *class; };
struct naming name_as(struct check *, struct span name, const char *class);
void	name_back(struct check *, struct naming);

/* What a table or a policy server said of the name. `source`: for warnings. */
enum result access_result(struct check *, const char *source, struct span key, struct span value);
/* Access tables by a domain and those above it; by an address and its networks; by both; by a mail address. *found: it had an entry. */
enum result access_exact(struct check *, const struct table *, struct span key, bool part, bool *found);
enum result access_domain(struct check *, const struct table *, struct span domain, bool *found);
enum result access_address(struct check *, const struct table *, struct span address, bool *found);

/* Text with $names of the session; bytes that smtpd_expansion_filter has not become "_". */
struct expand_extra { const char *name; struct span value; };
bool	policy_expand(const struct view *, const struct policy_session *, struct span text, const struct expand_extra *, size_t count, struct buf *);

/* DNS, by facts. Values: base/... see net/dns_fact.h. */
enum asked { ASKED_FOUND, ASKED_NONE, ASKED_RETRY, ASKED_PENDING };
enum asked ask_dns(struct check *, const char *type, struct span name, struct span *value);
/* The same with the hosts file first (A, AAAA). */
enum asked ask_host(struct check *, const char *type, struct span name, struct span *value);

/* Routes; PENDING and REFUSED (451) pass on, DUNNO: *route is there. */
enum result resolve_recipient(struct check *, struct route **);
enum result resolve_sender(struct check *, struct route **);
/* Of any address; borrowed until the next call. */
enum result resolve_address(struct check *, struct span address, struct route **);
/* Whether the tables of the address's class list it. */
enum result check_listed(struct check *, bool sender);
bool	open_recipient_tables(struct policy *, struct err *);
bool	is_auth_destination(const struct check *, const struct route *);

const char *stage_command(enum policy_stage);
const char *stage_where(const struct policy_session *, enum policy_stage);
/* A permission for a name's sake that whoever has the name could have made himself is a mistake. */
enum result not_permit(struct check *, struct span name, enum result);
bool	is_helo_literal(struct span);
enum result check_helo_literal(struct check *);

/* The restrictions of restrictions.def. */
#define RESTRICTION(name, argument, function)	enum result function(struct check *, struct span);
#include "policy/restrictions.def"
#undef RESTRICTION

/* access.c: cert_fingerprint, pubkey_fingerprint */
bool	ccert_search_known(struct span);

#endif
