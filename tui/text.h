/*
 * A pane of text: safe text with the presenters' colour codes, wrapped to the screen's width, scrolled and searched.
 */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include "base/buf.h"
#include "tui/list.h"
#include "tui/paint.h"

struct text_line {
	size_t		 at, len;
	enum style	 style;		/* at its start */
	bool		 broken;	/* goes on in the next one */
};

struct text {
	struct buf	 content;
	struct text_line *lines;
	size_t		 count, cap;
	int		 width;		/* it is wrapped for; 0: not yet */
	size_t		 top, height;
	char		*wanted;	/* searched for; NULL: nothing yet */
	size_t		 found;		/* line, where wanted is not NULL and it was found */
	bool		 hit;
};

void	text_clear(struct text *);
/* Takes the new content (and empties the buffer); what is shown stays at its line. */
void	text_take(struct text *, struct buf *);
void	text_wrap(struct text *, int width);
void	text_draw(struct text *, int y, int height, int width);
void	text_move(struct text *, enum list_move);
/* The next line with the text (case does not count), from the one behind the last hit on, round the end. False: nowhere. */
bool	text_search(struct text *, struct span wanted, bool backwards);

/* Whether the text holds the words, case and colour codes aside. */
bool	text_has(struct span text, struct span wanted);

#endif
