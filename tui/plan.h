/*
 * An action under way: counted, asked about, done. Of plan.c and plan_draw.c; the others use act_on and its like (console.h).
 */
#ifndef TUI_PLAN_H
#define TUI_PLAN_H

#include "tui/console.h"

enum plan_stage { PLAN_COUNTING, PLAN_ASKING, PLAN_DOING };

struct plan {
	struct console	*con;
	enum command	 command;	/* that is being asked about */
	enum plan_stage	 stage;
	struct list_rows selectors;	/* each a plan of the daemon's: more tagged messages than fit in one */
	size_t		 at;		/* the next of selectors; doing: of steps */
	char		*reason;	/* NULL: none */
	char		*question;	/* NULL: made from the counts */

	struct list_rows samples;	/* rows */
	struct list_rows groups;	/* rows, of the first selector's plan */
	int64_t		 messages, recipients, bytes;

	enum command	 step;		/* apply, undo, dest suspend ...: what does it */
	const char	*step_arg;
	struct list_rows steps;		/* keys: the argument's values */

	size_t		 done, skipped;
	char		 detail[200];	/* of one skipped */
	char		 result[16];	/* "held" */
	int64_t		 actions[ACTIONS_LAST];
	size_t		 action_count;
	bool		 can_undo;
};

/* "Delete" */
const char *plan_verb(enum command);
/* The command that does the same, with "mtactl"; a very long one is cut where it is shown. */
void	plan_command(const struct plan *, struct buf *);
/* A reason can be given. */
bool	plan_reasons(const struct plan *);

#endif
