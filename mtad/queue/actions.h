/*
 * Operators' actions, under way and taken back. A command that changes something begins an action before its first change, gives the action's number to each
 * change, and ends it with what it did; the action's record goes into the journal before the records of what it changed.
 *
 * On messages the actions are query_admin.c's. Another part of the queue role (destinations) makes actions of its own kind so:
 *
 *	struct action *a = action_begin(q, &(struct action_new){ .effect = EFFECT_SUSPEND, .command = SPAN("dest suspend"), .who = who,
 *	    .argument = SPAN("smtp:example.com"), .before = before, .reason = reason, .until = until });
 *	... change it ...
 *	action_end(q, a);
 *
 * and registers how one is taken back: actions_on_undo(EFFECT_SUSPEND, fn). An action is kept in the checkpoint and the journal; with `keep` it is
 * not forgotten until action_keep(q, a, false), so a state that must survive a restart can be made from the kept ones (actions_each) after
 * recovery.
 */
#ifndef QUEUE_ACTIONS_H
#define QUEUE_ACTIONS_H

#include "base/err.h"
#include "base/span.h"
#include "queue/core.h"
#include "spool/action.h"

struct action_new {
	enum action_effect effect;
	struct span	 command, who, selector, reason;
	struct span	 argument, before;	/* free-form */
	int64_t		 until;			/* wall; 0: none */
	uint32_t	 undoes;		/* the number that it takes back; 0: none */
	bool		 keep;
};

/* Numbered, and in the journal's queue. Borrowed: until the next action_begin; find it again by its number. */
struct action *action_begin(struct queue *, const struct action_new *);
/* It is done: written again with its counts. On something else than messages: an `undoes` is marked as undone, and it can be taken back. */
void	action_end(struct queue *, struct action *);
/* Its fields were changed: written again. */
void	action_record(struct queue *, struct action *);
void	action_keep(struct queue *, struct action *, bool keep);

/*
 * The same in pieces, where it is not known yet whether anything will be changed: numbered only; journalled with the first change (before it is
 * made known, within the round; later calls do nothing); or given up.
 */
struct action *action_number(struct queue *, const struct action_new *);
void	action_start(struct queue *, struct action *);
void	action_cancel(struct queue *, struct action *);

struct action *action_find(const struct queue *, uint32_t number);
/* The newest one below that number (0: the newest of all), or NULL: a cursor. */
struct action *action_before(const struct queue *, uint32_t number);
/* It can be taken back: it has an inverse, did something, and was not taken back. */
bool	action_can_undo(const struct action *);

/* The newest that can be, and is no undo itself (an undo of an undo is a doing again). NULL: there is none. */
struct action *action_last_undoable(const struct queue *);

/*
 * Takes back `what` (an action with this effect); `by` is the new action, begun already with the inverse effect, what's argument and what's number in `undoes`: set its
 * `before`, `until`, flags as for one of your own. False with the err: it cannot, nothing was changed (it was changed since, say).
 */
typedef bool action_undo_fn(struct queue *, const struct action *what, struct action *by, struct err *);
void	actions_on_undo(enum action_effect, action_undo_fn *);
action_undo_fn action_undo_other;	/* by what was registered */

/* The index was loaded: actions that a crash ended are closed, with what was found of them. Called by queue_recovered. */
void	actions_recovered(struct queue *);
/* Records of actions in segments up to this one are written anew: it is going to be dropped. */
void	actions_rescue(struct queue *, uint32_t segment);

#endif
