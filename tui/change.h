/*
 * A change to a file: shown as a difference, with a question; written only after a yes. And the reload that makes it count.
 */
#ifndef TUI_CHANGE_H
#define TUI_CHANGE_H

#include "base/buf.h"
#include "base/err.h"
#include "tui/console.h"

struct change {
	char		*what;		/* the file */
	char		*command;	/* of mtactl, that does the same; NULL: none */
	struct buf	 diff;		/* as diff -u writes it */
	struct buf	 notes;		/* said above it: what the linter finds new; made safe where it is shown */
	const char	*effect;	/* what it takes until it counts; NULL: a reload */
	/* Selector of messages that it is to help: once it is written mtad reloads, and is asked to requeue them. The view below the change closes. NULL: none. */
	char		*requeue;
	bool		(*commit)(void *arg, struct err *);
	void		(*clear)(void *arg);	/* NULL: nothing */
	void		*arg;
};

/* Takes the change over. Where the difference is empty, nothing is asked. */
void	change_ask(struct console *, struct change *);
void	change_clear(struct change *);

/* Whether files may be changed from here; says so where not. */
bool	change_may(struct console *);
/* Asks the daemon to read its configuration again, and says what came of it. */
void	change_reload(struct console *);

#endif
