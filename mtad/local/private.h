/*
 * What the files of the local role share: its state and its deliveries.
 */
#ifndef LOCAL_PRIVATE_H
#define LOCAL_PRIVATE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "base/map.h"
#include "conf/conf.h"
#include "local/job.h"
#include "mail/queue_id.h"

struct segment {
	uint32_t	 number;
	uint64_t	 nonce;
	int		 fd;
};

/* A lease, from `deliver` to `result_ack`. Its recipients are done one after the other, each by a child. */
struct delivery {
	uint64_t	 lease;
	struct qid	 id;
	struct conf	*conf;
	const struct view *view;
	struct loc	 loc;
	int		 spill_fd;
	enum job_program program;
	bool		 probe;		/* of an address: nothing is delivered */
	bool		 at_once;	/* a pipe gets all recipients in one go */
	char		*transport, *nexthop, *sender;
	struct buf	 recipients;	/* packed, as they came */
	struct unpack	 left;		/* those not begun yet */
	struct recipient now;		/* into recipients */
	struct buf	 outcomes;	/* packed */
	uint8_t		 scope;
	bool		 done;		/* the result was sent and waits for its acknowledgement */
	int64_t		 arrival, active, handoff;
	pid_t		 pid;		/* of the child; 0: none */
	int		 pipe;		/* its report; -1 */
	int		 forwards_fd;	/* what the child wants made; -1 */
	struct buf	 forwards;	/* packed, of all recipients */
	struct loop_timer timer;
	bool		 told;		/* progress was sent */
	struct local	*local;
	struct delivery	*next;
};

struct local {
	struct conf	*conf;
	struct ipc	*queue, *lookup, *control;
	struct map	 segments;
	struct delivery	*deliveries;
	unsigned	 running;
	uint64_t	 sent, deferred, bounced;
	bool		 stopping;
	struct loop_timer stop_timer;
};

/* Begins the next recipient, or ends the lease. */
void	delivery_next(struct delivery *);
void	delivery_send_result(struct delivery *);
void	delivery_free(struct delivery *);	/* takes it out of the list */
/* Children that ended: called at SIGCHLD. */
void	delivery_reap(void *local);
struct segment *local_segment(struct local *, uint32_t number);
/* While stopping: ends the loop once nothing runs. */
void	local_check_stop(struct local *);

#endif
