/*
 * The screener before the dialogue, as postscreen(8) has it: what its parameters say, and what is to be thought of a client by its address. Who is
 * made to wait, and for what, is the driver's part.
 */
#ifndef POLICY_SCREEN_H
#define POLICY_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "conf/conf.h"
#include "policy/screen_record.h"
#include "smtp/screen_talk.h"
#include "table/match_list.h"
#include "table/table.h"

enum screen_access { SCREEN_DUNNO, SCREEN_PERMIT, SCREEN_REJECT };
enum screen_action { SCREEN_IGNORE, SCREEN_ENFORCE, SCREEN_DROP };
enum screen_tls { SCREEN_TLS_NONE, SCREEN_TLS_MAY, SCREEN_TLS_ENCRYPT };

struct screen_site;
struct screen_rule;

struct screen {
	const struct view *view;		/* of the line that runs postscreen */
	const char	*banner;		/* postscreen_greet_banner; empty: nothing is sent ahead */
	int64_t		 greet_wait;		/* microseconds, as all times here */
	int64_t		 dnsbl_timeout, dnsbl_least, dnsbl_most;	/* how long a list's answer holds, at least and at most */
	int64_t		 ttl[SCREEN_TESTS];	/* how long a test that was passed holds; of the lists: dnsbl_most */
	int64_t		 least_ttl;		/* the least of those: after an offence that is ignored */
	unsigned	 enabled;		/* tests, bits */
	enum screen_action actions[SCREEN_TESTS], deny_action;
	int64_t		 threshold, allow_threshold;	/* allow_threshold 0: none */
	uint32_t	 pre_limit;		/* clients under test at once, in one process; 0: none */
	uint32_t	 client_limit;		/* of one client, over all processes; 0: none */
	bool		 respectful;		/* respectful_logging */
	bool		 proxy;			/* postscreen_upstream_proxy_protocol = haproxy */
	int64_t		 proxy_timeout;
	int64_t		 command_time;
	enum screen_tls	 tls;
	struct match_list *interfaces;		/* postscreen_allowlist_interfaces */
	struct table	*filter;		/* postscreen_command_filter; NULL: none */
	struct tables	 discard_by_address;	/* postscreen_discard_ehlo_keyword_address_maps */
	unsigned	 discard;		/* enum smtp_ehlo */
	struct screen_talk_config talk;
	struct tables	 footers;		/* postscreen_reject_footer_maps */
	const char	*footer;		/* postscreen_reject_footer */
	struct screen_rule *rules;
	size_t		 rule_count;
	struct screen_site *sites;
	size_t		 site_count;
};

/* For the view of a master.cf line that runs postscreen. NULL with the err: "NAME: what is wrong". */
struct screen *screen_new(const struct view *, struct err *);
void	screen_free(struct screen *);		/* NULL is fine */

/* The smtpd line of type pass that a postscreen line hands its clients to (smtpd_service_name); NULL: there is none. */
const struct service *screen_behind(const struct conf *, const struct view *);

/* postscreen_access_list. A table that fails says nothing. */
enum screen_access screen_access(const struct screen *, struct span addr);
/* Whether a client may be let in that came to this address of ours. */
bool	screen_interface(const struct screen *, struct span ours);
/* EHLO keywords that this client is not told. */
unsigned screen_discard(const struct screen *, struct span addr);
/* postscreen_command_filter. False: the line stays as it is. */
bool	screen_filter(const struct screen *, struct span line, struct buf *out);
/* The score by postscreen_dnsbl_sites, and the list that weighs most in it, as clients are told it (NULL: none). False: facts are awaited. A list that fails weighs nothing. */
bool	screen_score(const struct screen *, struct span addr, struct facts *, int64_t *score, const char **worst);
/* Each list that has said something of it, whatever that counts. */
void	screen_listed(const struct screen *, struct span addr, struct facts *, void (*)(struct span addr, const char *list, struct span as));

#endif
