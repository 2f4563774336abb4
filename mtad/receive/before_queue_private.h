/*
 * What the files of the filter before the queue share: before_queue.c is the dialogue, before_queue_send.c what goes to the filter.
 */
#ifndef RECEIVE_BEFORE_QUEUE_PRIVATE_H
#define RECEIVE_BEFORE_QUEUE_PRIVATE_H

#include "receive/before_queue.h"
#include "receive/dial.h"
#include "smtp/filter.h"

#define BEFORE_QUEUE_HIGH	((size_t)256 << 10)	/* content waits in the session's socket while so much is to be written */

/* The reply that is awaited; AT_EASE: none. */
enum step { AT_EASE, DIALLING, GREETING, HELLO, FORWARD, MAIL, RCPT, DATA, CONTENT, END };

struct before_queue {
	struct session	*s;
	enum step	 step;
	enum { OWED_NOTHING, OWED_RCPT, OWED_DATA, OWED_END } owed;	/* what the client waits for */
	bool		 adjust;	/* speed_adjust: nothing was said yet before the message is there */
	bool		 lost;		/* the dialogue broke down behind MAIL: nothing more of this transaction succeeds */
	bool		 begun;		/* of filter_content */
	bool		 has_mail, told_client;
	struct dial	*dial;
	int		 fd;
	struct loop_io	 io;
	struct loop_timer timer;
	struct filter_reply reply;
	unsigned	 forward_left;
	struct buf	 out;
	size_t		 out_at;
	char		*mail, *first;	/* MAIL as it was said; the first recipient */
	char		*command;	/* that was said last */
	struct buf	 rcpts;		/* RCPT commands still to be said, each ended by a NUL */
	size_t		 rcpt_at;
	struct buf	 room;		/* content on its way */
	struct buf	 body;		/* adjust: content, as it is to be sent; what stands in the spill file comes before it */
	struct spill	*spill;
	uint64_t	 spilled, spill_at;
};

/* Waits for what comes next: a reply, or that more can be sent. */
void	before_queue_watch(struct before_queue *);
bool	before_queue_unsent(const struct before_queue *);
/* Sends what it can. */
void	before_queue_send(struct before_queue *);
/* The headers that are ours. */
void	before_queue_begin(struct before_queue *);
/* "WHAT proxy NAME" is logged, and the dialogue is over. */
void	before_queue_broke(struct before_queue *, const char *what);

#endif
