/*
 * The journal records of one message, oldest first, in slices of time: backwards along their chain where the message is in the
 * queue, else by reading the journals from the time of its queue ID on until its end is found.
 */
#ifndef SPOOL_TRAIL_H
#define SPOOL_TRAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "mail/queue_id.h"
#include "spool/loc.h"

struct store;

struct trail {
	struct store	*store;
	struct qid	 id;
	bool		 chained;
	struct loc	 at;		/* the next record of the chain */
	struct loc	*locs;		/* found; oldest first when it is done */
	size_t		 count, cap;
	bool		 done, cut;	/* cut: earlier ones are not on record any more, or there were too many */
	struct buf	 envelope;	/* as the event of the message's end has it; empty: none */
	/* The search. */
	uint32_t	 segment;
	uint64_t	 pos;
	bool		 started;
	struct buf	 window, scratch;
	uint64_t	 window_at;
};

/* last: the newest record of a message that is in the queue; segment 0: it has none. */
void	trail_of_queued(struct trail *, struct store *, struct qid, struct loc last);
void	trail_of_finished(struct trail *, struct store *, struct qid);
void	trail_clear(struct trail *);
/* True when all were found. until: monotonic. */
bool	trail_slice(struct trail *, int64_t until);
/* The payload of the n-th record; until the next call. False: it is gone meanwhile. */
bool	trail_record(struct trail *, size_t n, struct span *payload);

#endif
