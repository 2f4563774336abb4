/*
 * The line that is typed at the bottom: a filter, a search, a command. Lines typed before come back with Up.
 */
#ifndef TUI_PROMPT_H
#define TUI_PROMPT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

#define PROMPT_HISTORY	32
#define PROMPT_MAX	((size_t)8192)

struct view;
typedef void prompt_fn(struct view *, struct span text);

struct prompt {
	bool		 open;
	const char	*label;		/* "/", ":" */
	struct buf	 text;
	size_t		 at;		/* byte of the cursor */
	prompt_fn	*done;
	struct view	*view;
	const char	*labels[PROMPT_HISTORY];
	char		*history[PROMPT_HISTORY];	/* the latest first */
	size_t		 back;		/* of the history, 0: the line itself */
};

void	prompt_open(struct prompt *, struct view *, const char *label, const char *text, prompt_fn *);
void	prompt_key(struct prompt *, int key);
void	prompt_draw(struct prompt *, int y);
void	prompt_clear(struct prompt *);

#endif
