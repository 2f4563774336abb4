/*
 * The queue role's journal. A record (RECORD_EVENT) belongs to one message and holds one or more
 * events of it, oldest first, behind the place of the message's record before this one: so a
 * message's history is a chain that is read backwards from its last record.
 *
 * An event is a kind, a time, a number that no other event has, and whatever fields its kind
 * needs; a field that is zero or empty is not stored. Unknown fields and kinds are refused (a newer format
 * announces itself in the segment's feature bits).
 */
#ifndef SPOOL_EVENT_H
#define SPOOL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/pack.h"
#include "base/span.h"
#include "mail/queue_id.h"
#include "spool/loc.h"

enum event_kind {
	EVENT_OUTCOMES = 1,	/* outcomes, attempt, scope, transport, nexthop; next: of the deferred ones */
	EVENT_HOLD,		/* text: the reason; actor: who holds it */
	EVENT_RELEASE,		/* text: what the reason was; recipient: who held it; scope 1: it was set aside as corrupt */
	EVENT_REQUEUE,		/* due now, with a fresh age for the back-off: next */
	EVENT_FLUSH,		/* due now: next */
	EVENT_DELETE,		/* to the trash; next: when it is purged; text: the reason */
	EVENT_UNDELETE,
	EVENT_PURGE,		/* gone for good, at once; state: as of EVENT_END */
	EVENT_CORRUPT,		/* set aside; text: what is wrong with it */
	EVENT_EXPIRED,		/* the recipients still waiting have failed; text, numbers (empty: all of them) */
	EVENT_INTENT,		/* a notice is to be made: notice, recipient, numbers; of a forward, state (mail/forward.h); `number` is its origin event */
	EVENT_NOTICE,		/* it was made (other: its queue ID) or given up (other: none; text); of: the intent */
	EVENT_MOVED,		/* loc: where the message's record is now; attempt: its generation */
	EVENT_END,		/* nothing is left to do: the message is finished; state: its envelope as in its record, for history */
	EVENT_SNAPSHOT,		/* state: the whole entry as it stands, so that older records are not needed (index.h) */
	EVENT_ACTION,		/* of no message (QID_NONE): attempt: the action's number; state: the whole of it (action.h) */
	EVENT_KINDS
};

struct spool_event {
	uint8_t		 kind;		/* enum event_kind */
	int64_t		 time;		/* wall */
	uint64_t	 number;
	struct span	 actor;		/* "root", "uid 1000"; empty: the daemon */
	struct span	 text;
	int64_t		 next;		/* wall */
	uint32_t	 attempt;
	uint8_t		 scope;		/* enum outcome_scope */
	uint8_t		 notice;	/* enum notice_kind, mail/notice.h */
	struct span	 transport;
	struct span	 nexthop;
	struct span	 outcomes;	/* packed, mail/outcome.h */
	struct span	 recipient;	/* of the notice */
	struct span	 numbers;	/* packed u32: recipients concerned */
	uint64_t	 of;		/* a notice's intent; else the operator's action that this is part of (event_action) */
	struct qid	 other;
	struct loc	 loc;
	struct span	 state;
};

const char *event_kind_text(uint8_t kind);	/* "deferred" ... for people */
/* The action that the event is part of; 0: none. */
uint32_t event_action(const struct spool_event *);

/* Starts a record; then event_pack once or more. */
void	event_record_begin(struct buf *, struct qid, struct loc previous);
void	event_pack(struct buf *, const struct spool_event *);

/* Reads a record's payload: begin, then event_next until it is false. Spans point into the payload. */
struct event_reader {
	struct qid	 id;
	struct loc	 previous;	/* segment 0: this is the first */
	struct unpack	 left;
};
bool	event_reader_init(struct event_reader *, struct span payload, struct err *);
/* False at the end and at bad bytes; event_fault tells them apart. */
bool	event_next(struct event_reader *, struct spool_event *);
bool	event_fault(const struct event_reader *);

#endif
