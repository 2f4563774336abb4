/*
 * A world around the scheduler without sockets or files: a journal in memory, workers that answer as the test says, time that is moved by hand.
 */
#ifndef TESTS_QUEUE_WORLD_H
#define TESTS_QUEUE_WORLD_H

#include "queue/core.h"

#define LEASES_MAX	4096
#define ROOT		((struct by){ .who = SPAN("root") })

struct record {
	struct qid	 id;
	struct loc	 at;
	char		*payload;
	size_t		 len;
};

struct mail {		/* what a receive role would have in its log */
	struct qid	 id;
	char		*sender;
	struct buf	 rcpts;
	uint32_t	 count;
	int64_t		 arrival;
	struct qid	 origin;
	uint64_t	 origin_event;
	uint32_t	 flags;
};

struct world {
	struct queue	 q;
	struct record	*records;
	size_t		 record_count, record_cap;
	struct mail	*mails;
	size_t		 mail_count, mail_cap;
	struct pending	*appending[LEASES_MAX * 8];
	size_t		 append_count;
	bool		 append_fails;
	uint64_t	 leases[LEASES_MAX];	/* given, not answered */
	size_t		 lease_count;
	uint64_t	 given;			/* leases ever */
	uint64_t	 notices[1024];
	uint8_t		 notice_kinds[1024];
	size_t		 notice_count;		/* asked, not made */
	bool		 notice_refused;
	struct span	 forwards;		/* what the next answer says is to be forwarded */
	bool		 routing_slow;
	int64_t		 rate_delay, pace;
	bool		 deferred;
	uint64_t	 acks;
	uint64_t	 next_id;
	uint64_t	 delivered[65536];	/* by serial number of the mail: how often a recipient of it was SENT */
};

void	world_init(struct world *);
void	world_clear(struct world *);
/* n recipients "uN@domain", or `to` itself where it has an @. Returns the queue ID. */
struct qid world_mail(struct world *, const char *sender, const char *to, uint32_t n);
/* queue_run and the journal until nothing more happens at this moment. */
void	world_settle(struct world *);
/* To that much later, stopping at every timer. */
void	world_pass(struct world *, int64_t by);
/* Like world_pass; answers each lease at once. */
void	world_pass_answering(struct world *, int64_t by, uint8_t status, uint8_t scope, const char *text);
/* Answers the lease for all of its recipients. */
void	world_answer(struct world *, size_t lease, uint8_t status, uint8_t scope, const char *text);
void	world_answer_all(struct world *, uint8_t status, uint8_t scope, const char *text);
/* Makes the oldest notice asked for: a new message, told to the queue. False: none. */
bool	world_make_notice(struct world *);
struct entry *world_entry(struct world *, struct qid);
/* Fails the test where the invariant does not hold. */
void	world_check(struct world *);
/* A new queue role finds the mails and the first `records` records of the journal. Outstanding leases are gone. */
void	world_restart(struct world *, size_t records);
struct dest *world_dest(struct world *, const char *transport, const char *nexthop);

#endif
