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

enum screen_access { SCREEN_DUNNO, SCREEN_PERMIT, SCREEN_REJECT };
enum screen_action { SCREEN_IGNORE, SCREEN_ENFORCE, SCREEN_DROP };

struct screen_site;
struct screen_rule;

struct screen {
	const char	*banner;		/* postscreen_greet_banner; empty: nothing is sent ahead */
	int64_t		 greet_wait, greet_ttl;	/* microseconds */
	int64_t		 dnsbl_timeout, dnsbl_ttl;
	enum screen_action deny_action, greet_action, dnsbl_action;
	int64_t		 threshold, allow_threshold;	/* allow_threshold 0: none */
	uint32_t	 pre_limit;		/* clients under test at once, in one process; 0: none */
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
/* The score by postscreen_dnsbl_sites, and the list that weighs most in it (NULL: none). False: facts are awaited. A list that fails weighs nothing. */
bool	screen_score(const struct screen *, struct span addr, struct facts *, int64_t *score, const char **worst);

#endif
