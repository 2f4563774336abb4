/*
 * What may stand at a place of a line, from commands.def, selector.def and (by a callback) what the daemon knows. No terminal and no socket here.
 */
#ifndef MTACTL_REPL_COMPLETE_H
#define MTACTL_REPL_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "ctl/commands.h"

#define CANDIDATES	256
#define LIVE_MAX	50	/* of what the daemon gives */

struct candidate {
	char	*text;
	char	*hint;		/* made safe for a terminal; may be NULL */
};
struct candidates {
	struct span	 prefix;	/* what is typed already; each text begins with it */
	struct candidate item[CANDIDATES];
	size_t		 count;
	bool		 files;		/* a file's name may stand here */
	int		 command;	/* enum command where the line names one, else -1 */
};

/* Puts the values of a selector's field ("id": queue IDs; "table": tables; "key:TABLE": its keys) that begin with c->prefix. */
typedef void candidates_fn(void *arg, const char *field, struct candidates *c);

/*
 * The candidates for `word` behind `left`, the line before it. Clear after.
 */
void	repl_complete(struct candidates *, struct span left, struct span word, candidates_fn *values, void *arg);
void	candidates_clear(struct candidates *);

/* Ignored where it does not begin with the prefix, is there already, is empty, or would have to be quoted. `hint` is of any bytes. */
void	candidate_add(struct candidates *, struct span text, struct span hint);

/* What divides words for completion. */
extern const char repl_word_breaks[];

#endif
