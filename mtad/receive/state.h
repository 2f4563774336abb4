/*
 * What the files of the role share: the process' one state.
 */
#ifndef RECEIVE_STATE_H
#define RECEIVE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/facts.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "mail/queue_id.h"
#include "net/dns.h"
#include "policy/policy.h"
#include "base/ask.h"
#include "receive/generation.h"
#include "receive/intake.h"
#include "receive/link.h"
#include "receive/listen.h"
#include "receive/notices.h"
#include "smtp/transcript.h"

struct session;

#define READ_SIZE	(64 * 1024)

struct receive {
	struct generation *now;		/* for new sessions */
	struct generation *next;	/* configured, not yet switched to */
	struct qid_maker qids;
	struct link	 link;		/* to the queue role */
	struct asks	 lookups;	/* to the lookup role */
	struct asks	 counters;	/* to the state role */
	int64_t		 counters_by;	/* monotonic: new clients wait for them, but no longer */
	struct dns	*dns;
	struct listeners listeners;
	struct user_names users;	/* as they were at the start */
	struct seats	*seats;		/* that all receive roles share */
	struct notices	 notices;
	struct intake_pool pool;
	struct session	*sessions;	/* the newest first */
	struct screened	*screened;	/* clients under test before they have a session */
	size_t		 screened_count;
	uint64_t	 screen_seen, screen_passed, screen_refused;	/* for status */
	struct proxied	*proxied;	/* connections of which a proxy has yet to say who the client is */
	struct transcripts transcripts;
	size_t		 session_count;
	size_t		 sessions_max;	/* that descriptors are there for */
	struct loop_timer park;		/* while there are sessions: whether seats are wanted */
	unsigned	 paused;	/* sessions that wait for memory or a spill file */
	struct loop_task wake;
	/* One at a time uses these, within one call. */
	struct buf	 scratch;	/* of smtp/server.h */
	struct buf	 text;
	struct buf	 command, reply;	/* of session_filter.h */
	struct facts	*facts;		/* a session whose decision waits takes it away */
	struct policy_verdict verdict;
	char		 read[READ_SIZE];
	/* Stopping. */
	bool		 stopping;
	struct loop_timer stop_timer;
	struct loop_task stop_check;
	/* For status. */
	uint64_t	 connections, accepted, rejected, bytes;
};

/* At the end of this round: what waits for room, credit or memory may go on. */
void	receive_wake(struct receive *);
/* Stopping: whether that was the last thing to wait for. */
void	receive_maybe_done(struct receive *);

#endif
