/*
 * A script in place of a keyboard, for tests and for pictures of the screen. A line a step:
 *	keys TEXT		as typed; <Enter> <Esc> <Tab> <F5> <Down> <C-c> ... name keys, <lt> is "<"
 *	wait TEXT		until the screen shows it, 10 seconds at most
 *	save-screen FILE	the screen as text
 *	resize COLSxROWS
 *	quit
 * Empty lines and those that begin with # are nothing.
 */
#ifndef TUI_SCRIPT_H
#define TUI_SCRIPT_H

#include <stdbool.h>

#include "base/err.h"
#include "tui/console.h"
#include "tui/term.h"

struct script {
	struct buf	 text;
	struct span	 left;
	unsigned	 line;
	struct span	 waiting;	/* for this text; empty: for nothing */
	int64_t		 until;
};

bool	script_load(struct script *, const char *path, struct err *);
void	script_clear(struct script *);
/* Goes on as far as it can. False with the err where a step failed; at the end the console is told to quit. */
bool	script_run(struct script *, struct console *, int64_t now, struct err *);

/* "COLSxROWS" */
bool	script_size(struct span, struct term_size *);
/* The next key off the front; 0 with the err where a name is not known. */
int	script_key(struct span *rest, struct err *);

#endif
