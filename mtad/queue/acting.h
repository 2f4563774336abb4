/*
 * What changes messages, as questions of the control role: the commands as rows of a table, an action for each (actions.h), plans that freeze what a command
 * would do, and the way back.
 */
#ifndef QUEUE_ACTING_H
#define QUEUE_ACTING_H

#include "queue/actions.h"
#include "queue/query.h"

struct acting;

/* A command on messages. */
struct verb {
	const char	*command, *did;		/* "hold", "held" */
	/* Why it would do nothing to this message; NULL: it would do something. */
	const char	*(*stops)(const struct entry *);
	/* The entry may be gone after. May leave a detail for people. */
	bool		(*act)(struct queue *, struct entry *, struct by, struct acting *);
	enum action_effect effect;
	bool		 durable;		/* told when the journal is synced */
};
const struct verb *verb_find(struct span command);

/* An ask's part. */
struct acting {
	const struct verb *verb;
	uint32_t	 action;	/* its number; 0: none yet */
	char		*selector;	/* as asked, for the journal */
	char		*reason;
	struct plan	*plan;		/* --plan: what is gathered; apply: what is done */
	size_t		 at;		/* in the plan */
	uint32_t	 cursor;	/* journal: the action shown last */
	uint32_t	 undoes;	/* undo */
	uint64_t	 skipped;
	char		 detail[240];
};

/* -- query_admin.c */
bool	admin_begin(struct role_queue *, struct ask *, struct span command, struct span args);
/* Does it to this message and puts the row: always, or only where something was done. */
void	acting_on(struct role_queue *, struct ask *, struct entry *, struct buf *out, bool always);
void	acting_put(struct buf *out, struct qid, const char *result, const char *detail);
/* Ends the action and puts its row; without one (nothing was done) the status is 1. */
void	acting_end(struct role_queue *, struct ask *, struct buf *out);
/* The client went away, or it is done: what there is of it. */
void	acting_free(struct role_queue *, struct ask *);
/* The ask's action; made where there is none. */
struct action *acting_action(struct role_queue *, struct ask *);
slice_fn said_slice;	/* says what ask_fail was told */

/* -- query_undo.c: journal, undo */
bool	undo_begin(struct role_queue *, struct ask *, struct span command, struct span args);

/* -- plan.c */
slice_fn plan_slice, apply_slice;
void	plan_begin(struct role_queue *, struct ask *);
bool	apply_begin(struct role_queue *, struct ask *, struct span args);
void	plan_free(struct plan *);
void	plans_expire(struct role_queue *);
void	plans_clear(struct role_queue *);

#endif
