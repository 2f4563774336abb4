/*
 * What the files of the simulate command share: the facts of a decision, asked for here and now as the daemon would.
 */
#ifndef MTACTL_SIMULATE_H
#define MTACTL_SIMULATE_H

#include "base/facts.h"
#include "mtactl/route_steps.h"
#include "mtactl/session.h"
#include "net/dns_fact.h"
#include "policy/policy.h"

struct asker {
	struct session	*session;
	const struct policy *policy;
	struct facts	*facts;
	struct dns	*dns;		/* NULL: every question fails */
	struct dns_facts *under_way;
	bool		 ask_servers;	/* --ask */
	bool		 not_asked;	/* a policy server was not */
	bool		 unanswered;	/* something that only the daemon can ask */
	unsigned	 slept;		/* seconds that restrictions would wait */
};

struct simulation {
	struct session	*session;
	const struct view *view;	/* of the smtpd line */
	struct router	*router;
	struct policy	*policy;
	struct asker	 asker;
	struct policy_session client;
	struct policy_verdict verdict;
	struct steps	 steps;		/* the trace of the decision, and what tables answered */
	struct buf	 name, reverse, port;
	struct buf	 rcpts;		/* the words rcpt=, a line each */
	bool		 has_name;
	int		 status;
};

/* simulate_words.c: false, and said, where they make no sense. */
bool	simulate_words(struct simulation *, struct span words);
/* simulate_rows.c: a row for each restriction that was asked, and one for the reply. */
void	simulate_rows(struct simulation *, enum policy_stage, const char *command);
/* A reply that no restriction makes, and the parameter that does. */
void	simulate_own_reply(struct simulation *, const char *command, const char *reply, const char *param);

/* Answers what a pending decision asked for. */
void	asker_answer(struct asker *);
/* One DNS question: the fact's value behind what *value holds. */
enum fact_state asker_dns(struct asker *, const char *type, const char *name, struct buf *value);
/* simulate_server.c: the action, or why there is none. */
bool	ask_server(struct session *, const struct policy_server *, struct span request, struct buf *action);

#endif
