/*
 * What is in the queue, in memory: an entry a message, ordered by queue ID. The same code makes it at run time and in recovery, in
 * the daemon and in a program that only reads the files: index_add for a message's record, index_apply for an event.
 *
 * A deferred message with one recipient costs at most 400 bytes in all: one allocation an entry, causes interned, reply texts
 * left in the journal (entry_rcpt.reply says where).
 */
#ifndef SPOOL_INDEX_H
#define SPOOL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/map.h"
#include "spool/action.h"
#include "spool/envelope.h"
#include "spool/event.h"
#include "base/buf.h"
#include "spool/intern.h"
#include "spool/loc.h"

/* Postfix's queue names, and the trash. */
enum entry_state { ENTRY_INCOMING, ENTRY_ACTIVE, ENTRY_DEFERRED, ENTRY_HOLD, ENTRY_CORRUPT, ENTRY_TRASH, ENTRY_STATES };
const char *entry_state_text(uint8_t state);

enum rcpt_status { RCPT_WAITING, RCPT_DEFERRED, RCPT_SENT, RCPT_RELAYED, RCPT_EXPANDED, RCPT_FAILED };

enum rcpt_flag {
	RCPT_INTENT	= 1,	/* a final notice about it is being made */
	RCPT_SETTLED	= 2,	/* final, and nobody is to be told any more */
	RCPT_FORCED	= 4,	/* the scheduler's: somebody asked for an attempt now (memory only) */
};

struct entry_rcpt {
	int64_t		 next;		/* wall: due then; 0: at once */
	struct loc	 reply;		/* the journal record with its last outcome; segment 0: none */
	uint32_t	 cause;		/* index_cause_text; 0: none */
	uint32_t	 address;	/* offset in the entry's text; the orcpt follows it, then the original */
	uint16_t	 address_len;
	uint16_t	 orcpt_len;
	uint16_t	 original_len;
	uint16_t	 attempts;
	uint8_t		 status;	/* enum rcpt_status */
	uint8_t		 notify;	/* mail/outcome.h */
	uint8_t		 flags;		/* enum rcpt_flag */
	uint8_t		 place;		/* the scheduler's: what it waits for now (memory only) */
	uint32_t	 dest;		/* the scheduler's: the destination it waits for (memory only) */
	uint32_t	 words;		/* index_words.h; 0: not known (memory only) */
};

enum entry_flag {
	ENTRY_HELD	= 1,
	ENTRY_BAD	= 2,	/* corrupt */
	ENTRY_TRASHED	= 4,
	ENTRY_TRIED	= 8,	/* was deferred at least once */
	ENTRY_DELAY_TOLD = 16,	/* the delay warning was asked for */
	ENTRY_RUNNING	= 32,	/* in the active queue (memory only) */
	ENTRY_FRESH	= 64,	/* the scheduler's: which heap its timer is in (memory only) */
};

/* A notice that was asked for and is not made yet. */
struct entry_intent {
	struct entry_intent *next;
	uint64_t	 number;	/* of its event: the origin */
	uint8_t		 kind;		/* enum notice_kind */
	char		*recipient;
	struct buf	 state;		/* of a forward (mail/forward.h) */
	uint32_t	 count;		/* recipients it tells of; 0: none named (delay) */
	uint32_t	 numbers[];
};

/* What few messages have. */
struct entry_extra {
	char		*reason;	/* of the hold, or of being corrupt */
	char		*actor;		/* who held or deleted it */
	int64_t		 until;		/* trash: when it is purged */
	char		*filter;	/* envelope's: "transport:nexthop" */
	struct qid	 origin;
	uint64_t	 origin_event;
	struct entry_intent *intents;
};

struct entry {
	struct qid	 id;
	int64_t		 arrival;	/* wall */
	uint64_t	 size;
	uint64_t	 spill;
	struct heap_node timer;		/* the scheduler's */
	void		*run;		/* the scheduler's; NULL while nothing goes on */
	struct entry_extra *extra;	/* NULL: nothing rare */
	struct loc	 loc;		/* the message's record */
	struct loc	 last;		/* its newest journal record; segment 0: none */
	uint64_t	 applied;	/* the number of the newest event in this state: recovery may meet one twice */
	int64_t		 since;		/* wall: the age for the back-off counts from here (arrival, or the last requeue) */
	uint32_t	 rcpt_count;
	uint32_t	 open;		/* recipients that are not final */
	uint32_t	 envelope;	/* enum envelope_flag */
	uint32_t	 generation;	/* of the record at loc: a copy made by compaction has one more */
	uint32_t	 action;	/* the operator's action that changed it last; 0: none */
	uint32_t	 sender;	/* offset in the text */
	uint16_t	 sender_len;
	uint8_t		 flags;		/* enum entry_flag */
	uint8_t		 state;		/* enum entry_state, as counted */
	uint32_t	 client;	/* entry_client; 0: not known */
	struct entry_rcpt rcpts[];	/* rcpt_count, then the text */
};

struct span entry_sender(const struct entry *);
/* "name[address]" as index_client_text makes it; empty: not known here, read the message's record. */
struct index;
struct span entry_client(const struct index *, const struct entry *);
void	index_client_text(const struct envelope *, struct buf *);
struct span entry_address(const struct entry *, uint32_t rcpt);
struct span entry_orcpt(const struct entry *, uint32_t rcpt);
struct span entry_original(const struct entry *, uint32_t rcpt);
/* Who put it into the trash; empty where that is not known any more. */
struct span entry_deleted_by(const struct index *, const struct entry *);
struct entry_extra *entry_extra(struct entry *);	/* makes it where there is none */
static inline bool
rcpt_final(const struct entry_rcpt *r)
{
	return r->status >= RCPT_SENT;
}

struct index_tally {
	uint64_t	 messages, recipients, bytes;	/* recipients: those not final */
};

struct index_chunk;
struct index_words;

struct words_table {
	struct map	 map;
	struct index_words **items;
	uint32_t	 count, cap, free;
	size_t		 bytes;
	uint32_t	*seen;
};

struct index {
	struct index_chunk **chunks;	/* by queue ID */
	size_t		 chunk_count, chunk_cap;
	size_t		 count;
	struct index_tally tally[ENTRY_STATES];
	uint64_t	 last_event;	/* the highest event number seen */
	uint64_t	 last_usec;	/* the highest queue ID time seen */
	/* Told of messages that come to live in a segment (+1) or leave it (-1); NULL: nobody. */
	void		(*live)(void *arg, uint32_t segment, int count, int64_t bytes);
	void		*live_arg;
	struct actions	 actions;
	struct intern	 causes, clients;
	struct words_table words;
};

void	index_init(struct index *);
void	index_clear(struct index *);

struct entry *index_find(const struct index *, struct qid);
/* The first entry behind that ID (QID_NONE: the first of all), or NULL: a cursor that needs no lock and survives every change. */
struct entry *index_after(const struct index *, struct qid);

/*
 * The same for who walks over many or comes back to them: the hint says where it was found, and is right until the order around it changes. A hint that is
 * wrong costs nothing but the search.
 */
struct entry *index_find_at(const struct index *, struct qid, uint32_t hint);
struct entry *index_next(const struct index *, struct qid after, uint32_t *hint);
/* Somebody is about to ask for the entry there: in a large queue it takes the processor longer to get it than to look at it. */
void	index_soon(const struct index *, uint32_t hint);
/* Before that: where the index keeps the entry's place. */
void	index_place_soon(const struct index *, uint32_t hint);

/* NULL where the ID is there already. A message whose envelope asks for it starts on hold. */
struct entry *index_add(struct index *, const struct envelope *, struct loc);
void	index_remove(struct index *, struct entry *);

enum index_applied {
	INDEX_APPLIED,
	INDEX_GONE,		/* the entry is finished: remove it */
	INDEX_REFUSED,		/* the event does not fit the entry; nothing was changed */
};
/* `at`: where its record is, segment 0 while that is not known (then index_written tells it). */
enum index_applied index_apply(struct index *, struct entry *, const struct spool_event *, struct loc at);
/* The record with these events (as event_pack put them) is at this place. */
void	index_written(struct entry *, struct span events, struct loc);
/* A whole record, in recovery: finds the entry, applies, removes. Records of unknown messages are of finished ones: fine. False: bad bytes. */
bool	index_apply_record(struct index *, struct span payload, struct loc, struct err *);
/* The scheduler's mark for the active queue. */
void	index_running(struct index *, struct entry *, bool);
/* The message's record was copied to this place. */
void	index_moved(struct index *, struct entry *, struct loc, uint32_t generation);

/* The reason with what varies taken out (addresses, hosts, IDs, numbers), at most 160 bytes. */
void	index_fingerprint(struct span text, struct buf *);
struct span index_cause_text(const struct index *, uint32_t cause);
uint32_t index_cause_count(const struct index *, uint32_t cause);	/* recipients that have it */

/* An entry as it stands, for the checkpoint and for snapshots; decoding adds it (NULL: bad bytes, or it is there already). */
void	index_encode_state(const struct index *, const struct entry *, struct buf *);	/* for event.state of a snapshot */
void	index_encode(const struct index *, const struct entry *, struct buf *);
struct entry *index_decode(struct index *, struct unpack *);

#endif
