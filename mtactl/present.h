/*
 * How each command's rows are shown. Every command of commands.def has its presenter; --json needs none.
 */
#ifndef MTACTL_PRESENT_H
#define MTACTL_PRESENT_H

#include "ctl/jsonl.h"
#include "mtactl/display.h"

struct presenter {
	void	(*begin)(struct display *);		/* NULL: nothing */
	void	(*row)(struct display *, struct span row);
	/* What is no data (counts, how to take it back) is written to `note`, for stderr. May change the status. */
	void	(*end)(struct display *, struct buf *note, int *status);
};

#define COMMAND(ident, name, grammar, right, where, summary, example)	extern const struct presenter present_##ident;
#include "ctl/commands.def"
#undef COMMAND

extern const struct presenter present_mailq;

const struct presenter *presenter_of(enum command);

/* A queue's row, its values as raw JSON (empty: not there). The recipients come last, and are everything that is left. */
struct queue_row {
	struct span	id, queue, sender, recipients, hold_reason, hold_by;
	int64_t		arrival, size;
};
void	queue_row_read(struct span row, struct queue_row *);

struct rcpt_row {
	struct span	address, state, reason, transport, nexthop, blocker;
	int64_t		next, attempts;		/* 0: not there */
};
/* The next of a row's recipients. */
bool	rcpt_row_next(struct jsonl_walk *recipients, struct rcpt_row *);

#endif
