/*
 * mtactl tls probe: what its files share.
 */
#ifndef MTACTL_TLS_PROBE_H
#define MTACTL_TLS_PROBE_H

#include "ctl/jsonl.h"
#include "mtactl/local.h"
#include "mtactl/tls_session.h"
#include "net/dane_lookup.h"
#include "smtp/tls_client.h"

struct probe {
	struct session	*session;
	const struct view *view;
	bool		 lmtp;
	struct tls_client client;	/* of the configuration */
	struct tls_client trial;	/* the same, for levels that are tried: says nothing, and DANE is not held back by the configuration */
	struct resolve_settings *resolve;
	struct dns	*dns;
	bool		 checks;	/* the resolver validates */
	struct span	 given;
	char		*nexthop, *domain;	/* by which names and policies are found */
	struct span	 level;		/* --level; empty: the configuration's */
	bool		 wrapper;
	bool		 delivered;	/* by the level that counts */
};

/* tls_levels.c: the plan at a level (INVALID: as the configuration has it), DANE's lookups done. Clear it. */
void	probe_plan(struct probe *, enum tls_level, const struct tls_route *, struct tls_plan *);
/* What each level would say to the session: "levels":[...], and of the one that counts "level", "delivered", "tls", "reason". */
void	probe_put_levels(struct probe *, const struct tls_plan *, const struct tls_route *, const struct tls_session *, struct jsonl *);
/* "dane":{...} */
void	probe_put_dane(struct probe *, const struct tls_route *, struct tls *, struct jsonl *);

#endif
