/*
 * Between the files of the screener: a client under test.
 */
#ifndef RECEIVE_SCREEN_PRIVATE_H
#define RECEIVE_SCREEN_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/facts.h"
#include "base/loop.h"
#include "net/addr.h"
#include "net/dns_fact.h"
#include "net/tls.h"
#include "policy/screen.h"
#include "receive/screen.h"
#include "smtp/screen_talk.h"

#define SCREEN_PROGRAM	"postscreen"

struct screened {
	struct screened	*prev, *next;
	struct receive	*rx;
	struct settings	*settings;
	struct generation *generation;
	const struct screen *screen;		/* under stress another one than the settings' */
	struct loop_io	 io;
	struct loop_timer timer;
	struct net_addr	 from, ours;		/* ours.len 0: not known */
	int		 fd;
	int64_t		 began;			/* monotonic: of the tests under way */
	const char	*tests;			/* what they are called in the log */
	char		 addr[NET_ADDR_TEXT], our_addr[NET_ADDR_TEXT];
	char		 who[NET_ADDR_TEXT + 16];	/* "[192.0.2.1]:4711" */
	/* What the state role knows. */
	unsigned	 waits;			/* answers that are awaited */
	uint32_t	 open;			/* connections of this client */
	bool		 counted, known;
	struct screen_record record;
	/* Tests, bits. */
	bool		 is_new;		/* it has never passed them all */
	unsigned	 todo, pass, fail, done;
	bool		 denied;		/* an offence that is no test's */
	bool		 no_forward;		/* it gets no session */
	char		 refusal[300];		/* of each recipient; empty: the usual one */
	/* Before the dialogue. */
	struct facts	*facts;
	struct dns_facts *dns;
	bool		 asking;		/* lists are asked */
	uint32_t	 list_ttl;		/* seconds: the least that a list said */
	bool		 has_list_ttl;
	struct loop_timer lists;		/* they have had time enough */
	/* The dialogue. */
	struct screen_talk *talk;		/* NULL: not yet */
	struct buf	 out, footer;
	struct tls	*tls;
	bool		 shaking;
};

/* screen.c */
void	screened_enforce(struct screened *, const char *reply);
/* The end of the tests: a session, or good-bye with this reply (NULL: none). The struct is gone. */
void	screened_conclude(struct screened *, const char *reply);
void	screened_hang_up(struct screened *);
/* screen_dialogue.c */
void	screened_talk(struct screened *);
void	screened_talk_clear(struct screened *);

#endif
