/*
 * The scheduler, free of sockets and files: what goes out and comes in is behind struct queue_ops, time is base/clock's. The daemon's role and
 * the tests drive the same code.
 *
 * The invariant: every recipient that is not final is in exactly one place (enum place), and each place has a next event with a time, or a
 * blocker with a name. doctor.c proves it, why.c words it.
 *
 * Times inside are on one straight line: the wall clock as it stood at the start, moved on by the monotonic clock. A clock that is set moves
 * nothing here; queue_wall() gives the wall clock for what is shown.
 */
#ifndef QUEUE_CORE_H
#define QUEUE_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/err.h"
#include "spool/index.h"

/* What a recipient that is not final waits for. */
enum place {
	PLACE_TIMER,	/* entry_rcpt.next (the entry's timer); nothing while the message is held, corrupt or in the trash */
	PLACE_ROUTING,	/* an answer that routing needs */
	PLACE_QUEUED,	/* its destination's turn: concurrency, process limit, a worker */
	PLACE_LEASED,	/* a worker's result */
	PLACE_BLOCKED,	/* its destination, which is suspended until a time, or releases what waited behind it */
	PLACE_DONE,
};

struct queue;
struct job;
struct dest;

#define FLOWS	32u	/* senders of a destination are spread over this many lists, which take turns */

/* What a master.cf line of a delivery agent says. */
enum transport_kind { TRANSPORT_SEND, TRANSPORT_LOCAL, TRANSPORT_ERROR, TRANSPORT_DISCARD, TRANSPORT_NONE };
enum feedback_by { PER_NOTHING, PER_CONCURRENCY, PER_ROOT };	/* what the number is divided by */
struct transport_limits {
	enum transport_kind kind;
	uint32_t	 maxproc;	/* 0: none */
	double		 initial, limit;	/* concurrency of a destination; limit 0: none */
	double		 positive, negative;	/* feedback */
	enum feedback_by positive_by, negative_by;
	double		 cohorts;	/* failed cohorts until a destination counts as dead; 0: never */
	uint32_t	 recipients;	/* a delivery; 0: no limit */
	int64_t		 rate_delay;	/* pause between two deliveries to a destination, which then go one at a time; 0: none */
	int64_t		 pace;		/* between two deliveries by this transport, which then go one at a time; 0: none */
	bool		 deferred;	/* only mail that is flushed is delivered (defer_transports) */
};

struct transport {
	char		*name;
	struct transport_limits limits;
	uint32_t	 generation;	/* of the limits */
	uint32_t	 busy;		/* leases */
	int64_t		 pause;		/* its pace: none begins before */
	struct dest	*ready, *ready_last;	/* destinations with something to send and room for it, in turn */
	struct transport *next;
	bool		 complained;	/* of a command that is not available */
};

struct job_list {
	struct job	*first, *last;
};

/* An operator's: no delivery to that destination until its time, or until it is resumed. Made from the kept action of that number. */
struct suspension {
	struct suspension *next;
	uint32_t	 action;
	char		*transport;	/* NULL: every one */
	char		*nexthop;	/* lower case */
	char		*who, *reason;
	int64_t		 since, until;	/* wall; until 0: until it is resumed */
};

struct dest {
	struct heap_node timer;		/* suspended: the next probe; else when it was used last (idle ones are dropped) */
	struct transport *transport;
	char		*key;		/* transport, NUL, nexthop */
	size_t		 key_len;
	const char	*nexthop;
	uint32_t	 number;	/* entry_rcpt.dest */
	uint32_t	 busy;		/* leases */
	uint32_t	 queued;	/* jobs in the flows */
	struct job_list	*flows;		/* FLOWS of them while there are jobs */
	uint32_t	 filled;	/* a bit for each flow with jobs */
	uint32_t	 turn;
	struct dest	*next_ready;
	bool		 is_ready;
	double		 window, success, failed_cohorts;
	bool		 suspended;	/* by its failures */
	const struct suspension *halt;	/* by an operator: nothing goes there, no probe either */
	int64_t		 pause;		/* rate delay: not before */
	struct job	*probe;		/* the one job that may go to a suspended destination */
	int64_t		 since, until;	/* suspended since; not before */
	int64_t		 failed_at;	/* last failure that was the destination's; 0: none */
	char		*reason;	/* of the suspension: the last reply text */
	char		 dsn[12];
	struct qid	*blocked;	/* a ring of messages that have recipients behind it; stale ones are skipped */
	size_t		 blocked_first, blocked_count, blocked_cap;
	uint64_t	 blocked_rcpts;
	struct dest	*next_release, *next_drain;
	bool		 releasing, draining;
	uint32_t	 slots;		/* workers that served it: a bit a slot */
	uint64_t	 stamp;		/* of the activation that made `stamped` */
	struct job	*stamped;
};

/* The recipients of a message for one destination, in the active queue. */
struct job {
	struct entry	*entry;
	struct dest	*dest;
	struct job	*next_of_entry;
	struct job	*prev, *next;	/* in the flow */
	uint32_t	*rcpts;
	uint32_t	 count, cap;
	uint32_t	 taken;		/* the first `taken` of them are or were leased */
	uint32_t	 flow;
	uint32_t	 leases;
	bool		 queued;
	bool		 probe;
};

struct lease {
	uint64_t	 id;
	struct job	*job;
	uint8_t		 role;
	uint32_t	 slot;
	uint32_t	 attempt;
	int64_t		 started;
	uint32_t	*rcpts;		/* not answered yet */
	uint32_t	 count;
	uint8_t		 stage;		/* enum lease_stage */
	bool		 failed;	/* the destination was found to be at fault */
	char		*peer;
	int64_t		 stage_since;
	struct lease	*next_of_worker, **prev_of_worker;
};

struct worker {
	uint8_t		 role;		/* ROLE_SEND or ROLE_LOCAL */
	uint32_t	 slot;
	uint32_t	 load;		/* leases */
	bool		 up;
	struct lease	*leases;
	void		*channel;	/* the glue's */
};

/* A notice that was asked for: lives until it is made. */
struct notice_job {
	uint64_t	 number;	/* of its intent event */
	struct qid	 id;
	struct heap_node timer;		/* when it is asked for again */
	bool		 written;	/* its intent is in the journal */
	bool		 asked;
	uint32_t	 slot;		/* of the receive role that was asked */
	uint32_t	 tries;
};

/* What goes on with an entry. */
struct run {
	struct entry	*entry;
	struct job	*jobs;
	struct pending	*pending;	/* journal.c: its newest events, not written yet */
	int64_t		 active;	/* since */
	uint32_t	 routing;	/* recipients in PLACE_ROUTING */
	bool		 logged;
	bool		 finishing;
};

enum routed { ROUTED_TO, ROUTED_LATER, ROUTED_DEFER, ROUTED_BOUNCE };
struct queue_route {
	struct span	 transport, nexthop;	/* live until the next call */
	struct span	 dsn, text;		/* of ROUTED_DEFER and ROUTED_BOUNCE */
};

struct queue_conf {
	int64_t		 minimal_backoff, maximal_backoff;
	int64_t		 maximal_lifetime, bounce_lifetime;
	int64_t		 delay_warning;		/* 0: none */
	int64_t		 trash_time;
	uint32_t	 active_limit, recipient_limit;
	bool		 soft_bounce;
	char		*double_bounce;		/* sender of notices about notices: local part */
	char		*myorigin;
	char		*double_bounce_to;	/* $2bounce_notice_recipient where notify_classes has 2bounce, else NULL */
	bool		 verp_bounces;	/* disable_verp_bounces is off */
	char		*bounce_to, *delay_to;	/* $bounce_notice_recipient ... where notify_classes has them, else NULL */
	uint32_t	 generation;
};

struct queue_ops {
	bool	(*transport)(void *arg, struct span name, struct transport_limits *);
	enum routed (*route)(void *arg, const struct entry *, uint32_t rcpt, struct queue_route *);
	/* Gives the lease to its worker. */
	void	(*deliver)(void *arg, const struct lease *);
	/* Appends a journal record; queue_appended answers. False: no room now, queue_journal_room tells. */
	bool	(*append)(void *arg, const struct iovec *, int n, struct pending *);
	/* Asks for the notice; queue_notice_made answers. False: nobody is there to make it now. */
	bool	(*notice)(void *arg, struct notice_job *, const struct entry *, const struct entry_intent *, int64_t expires);
	/* The message's own record and files are sound. False with the err: they are damaged for good. May be NULL. */
	bool	(*sound)(void *arg, const struct entry *, struct err *);
	/* queue_run wants to be called again within the round. */
	void	(*wake)(void *arg);
	/* The message's envelope as its record has it, for its last event: history is read by it. May be NULL, may put nothing. */
	void	(*epitaph)(void *arg, const struct entry *, struct buf *);
	/* The spill file of a message that ended is not needed. */
	void	(*spill_done)(void *arg, uint64_t spill);
	void	(*ended)(void *arg, const struct entry *);
};

struct queue_counters {
	uint64_t	submitted, sent, deferred, bounced, expired, removed, leases, notices;
};

struct queue {
	struct index	 index;
	const struct queue_ops *ops;
	void		*arg;
	struct queue_conf conf;
	bool		 open;		/* every worker has told what it holds */
	int64_t		 offset;	/* inner time minus the monotonic clock */
	int64_t		 step;		/* wall clock minus inner time */
	int64_t		 stepped;	/* when the wall clock was set last; 0: never */
	struct heap	 fresh;		/* never tried, due */
	struct heap	 timers;	/* tried */
	bool		 fresh_turn;
	uint32_t	 active, active_rcpts;	/* messages and recipients in the active queue */
	struct map	 dests;
	struct dest	**numbered;	/* by number */
	uint32_t	 dest_count, dest_cap, dest_free;
	struct heap	 dest_timers;
	struct dest	*release, *release_last;
	struct transport *transports;
	struct dest	*drain, *drain_last;	/* suspended with jobs still queued */
	struct suspension *suspensions;
	uint32_t	 suspension_count;
	bool		 sweeping;	/* suspend.c: looks for mail that one of them concerns */
	struct qid	 sweep_at;
	uint64_t	 stamp;
	struct map	 leases;
	uint64_t	 lease_seq;
	struct worker	*workers;
	uint32_t	 worker_count;
	struct map	 notices;
	struct heap	 notice_timers;
	struct pending	*dirty, **dirty_last;	/* journal.c */
	struct pending	*oldest, *newest;	/* not given to the writer yet */
	uint32_t	 appends;	/* records under way */
	struct buf	 epitaph;
	struct queue_counters counters;
};

/* -- core.c */
void	queue_init(struct queue *, const struct queue_ops *, void *arg);
void	queue_clear(struct queue *);
int64_t	queue_now(const struct queue *);	/* inner time */
int64_t	queue_wall(const struct queue *, int64_t inner);
/* A message that the log has now. False: known already. */
bool	queue_submit(struct queue *, const struct envelope *, struct loc);
/* The index was loaded from files: timers, intents. Before the workers list. */
void	queue_recovered(struct queue *);
void	queue_open(struct queue *);		/* all workers have listed */
/* Does what is due, a bounded piece; returns when to call again: microseconds from now, 0 at once, -1 when something comes. */
int64_t	queue_run(struct queue *);
/* A new configuration: what is queued and not leased is routed anew. */
void	queue_reconfigured(struct queue *);
void	queue_set_timer(struct queue *, struct entry *);
int64_t	queue_age(const struct queue *, const struct entry *);
int64_t	queue_lifetime(const struct queue *, const struct entry *);
struct run *queue_run_of(struct entry *);
void	queue_run_end(struct queue *, struct entry *);	/* frees it where nothing goes on */
void	queue_place(struct queue *, struct entry *, uint32_t rcpt, enum place, struct dest *);

/* -- journal.c */
typedef void waiter_fn(struct queue *, uint64_t a, uint64_t b);
/* Applies the event to the entry at once and writes it at the end of the round. Fills time and number. True: the entry is gone. */
bool	journal_add(struct queue *, struct entry *, struct spool_event *);
/* fn is called when all that was added for the entry is written (at once where nothing is pending). Before the journal_add of an end. */
void	journal_wait(struct queue *, struct entry *, waiter_fn *, uint64_t a, uint64_t b);
/* The action as it is now, in a record of its own; first: before what waits to be written. */
void	journal_action(struct queue *, struct action *, bool first);
/* The message's end (EVENT_END, EVENT_PURGE): the entry is gone after. */
void	journal_end(struct queue *, struct entry *, enum event_kind);
void	journal_flush(struct queue *);
/* Every event up to this number was given to the writer: a sync of it now makes them durable. */
bool	journal_given(const struct queue *, uint64_t number);
/* Events of the entry that are not written yet: n = 0 is the newest batch. Empty where there is none. Until the next call of anything. */
struct span journal_unwritten(const struct entry *, unsigned n);
void	queue_appended(struct queue *, struct pending *, bool ok, struct loc);
void	journal_entry_gone(struct queue *, struct entry *);
void	journal_clear(struct queue *);

/* -- destination.c */
struct transport *transport_get(struct queue *, struct span name);
struct dest *dest_get(struct queue *, struct transport *, struct span nexthop);
struct dest *dest_numbered(const struct queue *, uint32_t number);
void	dest_enqueue(struct queue *, struct job *);
void	dest_dequeue(struct queue *, struct job *);	/* out of its flow */
struct job *dest_next(struct queue *, struct dest *);	/* whose turn it is, still queued */
void	dest_ready(struct queue *, struct dest *);	/* puts it in its transport's turn where it may send */
void	dest_block(struct queue *, struct dest *, struct entry *, uint32_t rcpt);
void	dest_succeeded(struct queue *, struct dest *);
void	dest_failed(struct queue *, struct dest *, struct span dsn, struct span text);
void	dest_unsuspend(struct queue *, struct dest *);
void	dest_touch(struct queue *, struct dest *);
void	dest_probe(struct queue *, struct dest *);	/* its time has come */
void	dest_releases(struct queue *, int budget);
void	dest_drain(struct queue *, int budget);
void	dest_reap(struct queue *, struct dest *);
void	dests_clear(struct queue *);
void	dest_halted(struct queue *, struct dest *);	/* an operator suspended it: what is queued for it waits behind it */
void	dest_scatter(struct queue *, struct dest *);	/* what waits behind it is due, and routed anew */
/* The outcome of recipients that have to wait behind it. */
void	dest_wait_outcome(struct queue *, struct dest *, struct entry *, const uint32_t *rcpts, uint32_t n);

/* -- suspend.c */
/* The destination as a person writes it taken apart; transport empty: every one. False with the err (may be NULL). */
bool	suspend_name(const struct queue *, struct span dest, struct span *transport, struct span *nexthop, struct err *);
/* The number of the action, or 0 with the err. until: wall, 0 for ever. */
uint32_t queue_suspend(struct queue *, struct span dest, struct span who, struct span reason, int64_t until, struct err *);
uint32_t queue_resume(struct queue *, struct span dest, struct span who, struct span reason, struct err *);
/* A destination that its failures suspended is tried at once. False: there is none by that name. */
bool	queue_retry(struct queue *, struct span dest);
void	suspend_attach(const struct queue *, struct dest *);	/* to a new destination */
void	suspends_init(void);
void	suspend_recovered(struct queue *);
void	suspend_reconfigured(struct queue *);
void	suspend_run(struct queue *);
int64_t	suspend_next(const struct queue *);	/* inner time */
void	suspends_clear(struct queue *);
void	suspension_name(const struct suspension *, struct buf *);	/* "smtp:example.com" */
/* "destination smtp:example.com is suspended by root until ...: REASON"; dest may be NULL. */
void	suspension_text(const struct suspension *, const struct dest *, struct buf *);
/* One that an operator suspended and that the message waits behind, or NULL. */
const struct dest *suspend_blocks(const struct queue *, const struct entry *);

/* -- activate.c */
/* Routes every due recipient. probe: recipients blocked on that destination count as due, and may go to it though it is suspended. */
void	queue_activate(struct queue *, struct entry *, struct dest *probe, bool is_probe);
void	queue_routed(struct queue *, struct qid);	/* an answer that routing waited for came */
void	job_free(struct queue *, struct job *);
void	queue_deactivate(struct queue *, struct entry *);	/* takes back what is not leased */

/* -- schedule.c */
int64_t	backoff(const struct queue *, int64_t age);
void	schedule_pump(struct queue *, int budget);
void	schedule_dispatch(struct queue *);
struct lease *lease_find(const struct queue *, uint64_t id);
void	lease_end(struct queue *, struct lease *);
struct worker *worker_get(struct queue *, uint8_t role, uint32_t slot);
void	worker_gone(struct queue *, uint8_t role, uint32_t slot);
/* A worker told a new queue role what it still does. */
void	lease_adopt(struct queue *, uint64_t id, struct qid, uint8_t role, uint32_t slot, struct span transport,
	    struct span nexthop, struct span recipients);

/* -- results.c */
/* waiter: called when the outcomes are in the journal. */
void	queue_result(struct queue *, uint64_t lease, struct qid, bool last, uint8_t scope, struct span outcomes, struct span forwards,
	    waiter_fn *, uint64_t a, uint64_t b);
/* An outcome that the queue role itself knows; logged as Postfix's error(8) or discard(8) does. */
void	queue_outcome_here(struct queue *, struct entry *, const uint32_t *rcpts, uint32_t n, uint8_t status,
	    const char *program, struct span dsn, struct span text);
/* An attempt round is over: expiry, notices, the end. The entry may be gone after. */
void	queue_finish(struct queue *, struct entry *);
void	queue_expire_due(struct queue *, struct entry *);

/* -- notices.c */
/* Intents for what is final and not told. True: something is wanted and not made yet. */
/* Messages that the local role made of this one: their intents, in the record of the outcomes. */
void	forwards_intend(struct queue *, struct entry *, struct span outcomes, struct span forwards);
/* The sender of that recipient's copy, where each has one of its own (VERP); else nothing. */
void	entry_verp(const struct entry *, uint32_t rcpt, struct buf *out);
bool	notices_due(struct queue *, struct entry *);
void	notices_delay(struct queue *, struct entry *);
void	notices_recover(struct queue *, struct entry *);
void	notices_retry(struct queue *);
void	notices_worker_gone(struct queue *, uint32_t slot);
/* other: the new message; QID_NONE with ok false: try again. */
void	queue_notice_made(struct queue *, uint64_t number, bool ok, struct qid other);
/* For good, with an SMTP reply: a notice is given up, the recipients of what was to be forwarded have failed. */
void	queue_notice_refused(struct queue *, uint64_t number, struct span reply);
void	notice_drop(struct queue *, struct entry *);
/* Found as a submitted message's origin. True: that notice exists already (another message), drop this one. */
bool	notice_arrived(struct queue *, const struct entry *);

/* -- admin.c: each says whether it did anything */
struct by {
	struct span	 who;
	uint32_t	 action;	/* which this is part of; 0: none */
};
bool	queue_hold(struct queue *, struct entry *, struct by, struct span reason);
bool	queue_release(struct queue *, struct entry *, struct by);
bool	queue_requeue(struct queue *, struct entry *, struct by);
bool	queue_flush(struct queue *, struct entry *, struct by);
bool	queue_delete(struct queue *, struct entry *, struct by, struct span reason);
bool	queue_undelete(struct queue *, struct entry *, struct by);
/* Set aside again, as it was before its release. */
bool	queue_set_aside(struct queue *, struct entry *, struct by, struct span why);
/* The recipients that wait fail now, with this text; those in delivery go on (*leased of them). The entry may be gone after. */
bool	queue_bounce(struct queue *, struct entry *, struct by, struct span text, uint32_t *leased);
void	queue_corrupt(struct queue *, struct entry *, struct span why);
void	queue_purge(struct queue *, struct entry *);

/* -- doctor.c */
struct doctor {
	void	(*violation)(void *arg, const struct entry *, uint32_t rcpt, const char *text);
	void	*arg;
	uint64_t checked, violations;
	uint64_t *queued, *blocked, *leased;	/* by destination number, counted anew */
};
void	doctor_begin(struct doctor *, const struct queue *);
void	doctor_entry(struct doctor *, const struct queue *, const struct entry *);
void	doctor_end(struct doctor *, const struct queue *);	/* what must hold over all */
void	doctor_clear(struct doctor *);
uint64_t doctor_all(const struct queue *, void (*violation)(void *, const struct entry *, uint32_t, const char *), void *);

/* -- why.c */
struct why {
	char	blocker[256];	/* a name for what it waits for; empty: only a time */
	char	next[256];	/* what happens next, for people */
	int64_t	next_time;	/* wall; 0: not known */
	char	help[256];	/* what would help; empty: nothing needs it */
};
void	queue_why(const struct queue *, const struct entry *, uint32_t rcpt, struct why *);

#endif
