/*
 * What ties the scheduler (core.h) to the spool, the other roles and the configuration: the state of the queue role's process.
 */
#ifndef QUEUE_ROLE_H
#define QUEUE_ROLE_H

#include "base/facts.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "base/role.h"
#include "conf/conf.h"
#include "queue/core.h"
#include "route/route.h"
#include "spool/checkpoint.h"
#include "spool/store.h"
#include "spool/writer.h"

#define SEGMENTS_A_WRITER	2u
#define SPILLS_A_WRITER		2u

/* A channel to a worker, or to control or lookup. */
struct link {
	struct ipc	*ipc;
	enum role	 role;
	uint32_t	 slot, epoch;
	bool		 listed;
	uint64_t	 ack;		/* submits up to this one are to be acknowledged; 0: none */
	uint32_t	*open;		/* segments it can read */
	size_t		 open_count, open_cap;
	uint32_t	 held[8];	/* segments granted and not given back */
	uint32_t	 segments, spills;
	struct link	*next;
};

/* How far the messages of a segment that is still written to are known. */
struct position {
	uint32_t	 segment;
	uint64_t	 seen;		/* offset behind the last one */
};

/* A worker that a predecessor of this process may have given work. */
struct expected {
	enum role	 role;
	uint32_t	 slot;
	bool		 told;		/* it listed, or is gone */
};

struct ask;
struct barrier;
struct site;

struct reader_window {
	uint32_t	 segment;
	uint64_t	 at;
	size_t		 len;
	char		*bytes;
};
#define WINDOWS		16u

struct reader_place {		/* that was asked for last, of some segments */
	uint32_t	 segment;
	uint64_t	 offset;
	bool		 near;		/* to the one before it */
};

struct role_queue {
	struct queue	 q;
	struct conf	*conf, *next_conf;
	struct router	*router;
	struct facts	*facts;
	struct route	 route;
	int64_t		 history_time, minfree;
	uint64_t	 segment_size;	/* bytes */
	uint64_t	 history_size;
	int		 dir;
	struct store	*store;
	struct spool_writer *journal, *copies;
	struct link	*links;
	struct expected	*expected;
	size_t		 expected_count;
	struct position	*positions;
	size_t		 position_count;
	uint32_t	 journal_segment;	/* the current one and how far it is written */
	uint64_t	 journal_end;
	struct loop_task round;
	struct loop_timer timer;	/* the scheduler's next event */
	struct loop_timer upkeep;	/* maintain.c */
	struct loop_timer late;		/* workers that do not tell what they hold */
	bool		 loading;
	struct reader_window windows[WINDOWS];
	struct reader_place places[WINDOWS];
	struct buf	 scratch;
	/* maintain.c */
	struct checkpoint *checkpoint;
	struct qid	 checkpoint_at;
	int64_t		 checkpoint_last;
	uint64_t	 journal_bytes;		/* written since the last checkpoint */
	uint64_t	 checkpoint_bytes;	/* of the last one */
	bool		 checkpoint_committing;
	uint32_t	 copying;		/* segment that is emptied; 0: none */
	struct qid	 copy_at;
	unsigned	 copies_open;		/* copies under way */
	bool		 copies_full;
	struct barrier	*dead;			/* what is to be released */
	uint64_t	 dead_by;		/* behind this event */
	bool		 syncing;		/* a barrier of the journal is under way */
	uint64_t	*spills_done;		/* spill files of ended messages, until the next barrier */
	size_t		 spills_done_count, spills_done_cap;
	struct spill_grant *grants;		/* spills.c */
	size_t		 grant_count, grant_cap;
	uint64_t	 free_bytes;
	bool		 full, lagging;
	int64_t		 history_looked;
	uint32_t	 dropping;		/* journal segment whose entries are recorded anew; 0: none */
	struct qid	 drop_at;
	bool		 stopping;
	int64_t		 stop_by;
	struct ask	*asks;
	struct plans	*plans;			/* plan.c */
	struct site	*sites;			/* sites.c */
	struct loop_timer site_timer;
};

/* -- config.c */
bool	config_take(struct role_queue *, struct conf *, struct err *);
bool	config_transport(void *arg, struct span name, struct transport_limits *);

/* -- routing.c */
enum routed routing_route(void *arg, const struct entry *, uint32_t rcpt, struct queue_route *);

/* -- sites.c: ETRN */
void	sites_on_flush(void *arg, struct ipc *ipc, const struct ipc_site_flush *, int fd);

/* -- answers.c: what the lookup role knows for routing */
/* Answers what rq->facts were asked for, as far as it is known; false: the message is routed again (queue_routed) when the rest is. */
bool	answers_give(struct role_queue *, struct qid);
void	answers_on_lookup_done(void *arg, struct ipc *, const struct ipc_lookup_done *, int fd);
void	answers_link_up(struct role_queue *);	/* a new lookup role: what is open is asked again */
void	answers_forget(void);			/* a new configuration */

/* -- spooling.c: the store, the journal, recovery */
bool	spooling_start(struct role_queue *, struct err *);	/* dir and conf are there */
bool	spooling_append(void *arg, const struct iovec *, int n, struct pending *);
void	spooling_spill_done(void *arg, uint64_t spill);
void	spooling_submitted(struct role_queue *, struct loc);
/* What the writer of the slot left behind in that start of it (any_epoch: in any), and does not hold: scanned to its end and sealed. */
void	spooling_writer_ended(struct role_queue *, uint32_t slot, uint32_t epoch, bool any_epoch);
void	spooling_seal(struct role_queue *, uint32_t segment, uint64_t end);
uint64_t position_of(const struct role_queue *, uint32_t segment);
void	spooling_grants(struct role_queue *);		/* journal and workers, what they are to have */

/* -- links.c */
struct link *link_of(const struct role_queue *, const struct ipc *);
struct link *link_get(const struct role_queue *, enum role, uint32_t slot);	/* NULL where it is not up */
void	link_up(struct role_queue *, struct ipc *);
void	link_closed(void *arg, struct ipc *);
void	link_leaving(void *arg, struct ipc *, const struct ipc_leaving *, int fd);
void	link_listed(void *arg, struct ipc *, const struct ipc_listed *, int fd);
void	link_gone(struct role_queue *, enum role, uint32_t slot, uint32_t epoch);
void	links_expect(struct role_queue *);
/* Makes sure that the reader has the segment's descriptor. False: the segment cannot be opened. */
bool	link_show_segment(struct role_queue *, struct link *, uint32_t segment);
void	links_hide_segment(struct role_queue *, uint32_t segment);
void	links_acknowledge(struct role_queue *);
void	links_spool_state(struct role_queue *, struct link *only);
/* Its own list of segments that it writes to. */
void	link_hold(struct link *, uint32_t segment);
void	link_unhold(struct link *, uint32_t segment);
bool	link_holds(const struct link *, uint32_t segment);
/* An open descriptor of the entry's spill file, or -1. */
int	link_spill(struct role_queue *, const struct entry *);

/* -- workers.c: queue_ops and messages of workers */
void	workers_deliver(void *arg, const struct lease *);
void	workers_epitaph(void *arg, const struct entry *, struct buf *);
bool	workers_sound(void *arg, const struct entry *, struct err *);
bool	workers_notice(void *arg, struct notice_job *, const struct entry *, const struct entry_intent *, int64_t expires);
void	workers_on_submit(void *arg, struct ipc *, const struct ipc_submit *, int fd);
void	workers_on_result(void *arg, struct ipc *, const struct ipc_result *, int fd);
void	workers_on_progress(void *arg, struct ipc *, const struct ipc_progress *, int fd);
void	workers_on_lease_held(void *arg, struct ipc *, const struct ipc_lease_held *, int fd);
void	workers_on_notice_made(void *arg, struct ipc *, const struct ipc_notice_made *, int fd);
void	workers_on_segment_held(void *arg, struct ipc *, const struct ipc_segment_held *, int fd);
void	workers_on_segment_done(void *arg, struct ipc *, const struct ipc_segment_done *, int fd);
void	workers_on_spill_used(void *arg, struct ipc *, const struct ipc_spill_used *, int fd);

/* -- reader.c: journal records read back */
/* The recipient's last outcome, with what the record says about the attempt. Spans live until the next call. False: not there any more. */
struct last_outcome {
	struct outcome	 outcome;
	int64_t		 time;
	struct span	 transport, nexthop;
};
bool	reader_outcome(struct role_queue *, const struct entry *, uint32_t rcpt, struct last_outcome *);
/* A journal record's payload (into the window or the scratch). False: not there. */
bool	reader_record(struct role_queue *, struct loc, struct span *payload);
/* Whether reading it costs little now: it is in memory, or next to the place that was asked for (or read) before. Marks it as asked for. */
bool	reader_is_near(struct role_queue *, struct loc);
void	reader_forget(struct role_queue *, uint32_t segment);
void	reader_clear(struct role_queue *);

/* -- maintain.c, compact.c */
void	maintain_start(struct role_queue *);
bool	maintain_checkpoint_is_due(const struct role_queue *);
void	maintain_checkpoint_now(struct role_queue *);
bool	compact_slice(struct role_queue *);	/* true: more at once */
/* Begins to empty that segment; false: not now. */
bool	compact_begin(struct role_queue *, uint32_t segment);

/* -- lag.c */
void	lag_watch(struct role_queue *);

/* -- spills.c: whose spill files are whose */
void	spills_granted(struct role_queue *, uint64_t spill, uint32_t slot, uint32_t epoch);
/* It was given to that process, and not named by it before: now it is. False, and logged: it was not. */
bool	spills_claim(struct role_queue *, uint64_t spill, uint32_t slot, uint32_t epoch);
/* The process was reaped and its log read: what it did not use is removed. */
void	spills_writer_gone(struct role_queue *, uint32_t slot, uint32_t epoch);
/* Files that no message names and that processes of before may hold. */
void	spills_adopt(struct role_queue *, bool (*wanted)(void *arg, uint64_t spill), void *arg);

/* -- history.c */
bool	history_slice(struct role_queue *);

/* -- queries.c */
void	queries_on_ask(void *arg, struct ipc *, const struct ipc_ask *, int fd);
void	queries_on_more(void *arg, struct ipc *, const struct ipc_ask_more *, int fd);
void	queries_on_drop(void *arg, struct ipc *, const struct ipc_ask_drop *, int fd);
void	queries_on_stats(void *arg, struct ipc *, const struct ipc_stats_ask *, int fd);
void	queries_control_gone(struct role_queue *);

/* -- queue.c */
void	queue_role_wake(struct role_queue *);

#endif
