/*
 * What is shown of a role's SMTP sessions, in and out: the dialogue of debug peers is logged as Postfix does it (debug_peer_list, and
 * peers that operators added), and traces go to the control role. Each line of a transcript is made by transcript_say and nowhere
 * else: that is where credentials are taken out. Message content never comes here, only a note of its size.
 *
 * With nobody looking a session pays one comparison an event (transcript_stale) and one branch a line.
 */
#ifndef SMTP_TRANSCRIPT_H
#define SMTP_TRANSCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ipc.h"
#include "conf/conf.h"
#include "table/match_list.h"

enum transcript_from { SAID_BY_PEER, SAID_BY_MTAD, SAID_NOTE };

#define DEBUG_PEERS	64	/* that operators may add; one more is refused by the control role */
#define DEBUG_LEVELS	9

/* A role's: start with { .version = 1 }. */
struct transcripts {
	unsigned	 version;	/* of the lists: sessions that know an older one match anew */
	struct debug_peer { struct match_list *list; int level; } *peers;
	struct tracer { struct match_list *list; char *pattern; uint8_t bit; } *tracers;
	size_t		 peer_count, tracer_count;
	uint32_t	 serial;	/* of the last `watch` */
	uint32_t	 lost;		/* lines that the control role could not be sent */
	uint64_t	 last;		/* session number */
};

/* A session's. */
struct transcript {
	uint64_t	 number;	/* in its role: "in-SLOT-NUMBER" */
	unsigned	 version;	/* that the two below are of */
	int		 debug;		/* level; 0: it is no debug peer's */
	uint64_t	 tracers;
	int64_t		 began;		/* monotonic */
	struct buf	*record;	/* the owner's: the lines are put there too, "In: " and "Out: "; NULL: nobody keeps them */
	bool		 out;		/* mtad is the client */
	bool		 challenged;	/* what the client says next answers a challenge */
	bool		 secrets;	/* AUTH was said: lines that are no command may be credentials that came too early */
};

/* Whom a session is with. */
struct transcript_peer {
	struct span	 name, addr;
	struct span	 nexthop;	/* empty: there is none */
	const struct match_list *list;	/* debug_peer_list */
	int		 level;		/* debug_peer_level */
};

void	transcript_begin(struct transcripts *, struct transcript *, bool out);
/* "in-0-17" */
#define TRANSCRIPT_NAME	48
const char *transcript_name(const struct transcript *, char out[TRANSCRIPT_NAME]);

static inline bool
transcript_stale(const struct transcripts *all, const struct transcript *t)
{
	return t->version != all->version;
}
void	transcript_match(const struct transcripts *, struct transcript *, const struct transcript_peer *);
static inline bool
transcript_on(const struct transcript *t)
{
	return t->debug > 0 || t->tracers != 0;
}

/* A line of the dialogue without its end, or a note. who: "host[addr]" as the log shows it. */
void	transcript_say(struct transcripts *, struct transcript *, const char *program, const char *who,
	    enum transcript_from, struct span line);
/* The beginning of client's words up to where credentials begin, for lines of the log beside transcripts. */
struct span transcript_public(struct span words);

/* The messages; patterns are read with this configuration, which must outlive them or be replaced with them. */
void	transcripts_watch(struct transcripts *, const struct conf *, const struct ipc_watch *);
void	transcripts_peers(struct transcripts *, const struct conf *, const struct ipc_debug_peers *);
/* The control role is gone, and with it whoever looked, and the peers that operators added. */
void	transcripts_forget(struct transcripts *);

/* A pattern that an operator gives: one name, domain, address or network, no table and no file. NULL with the err. */
struct match_list *transcript_pattern(const struct conf *, struct span, struct err *);

#endif
