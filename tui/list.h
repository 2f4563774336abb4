/*
 * Rows on the screen and the cursor among them. Rows are known by a key (a queue ID): new rows never move the cursor to another one.
 * A list may hold only a window of all the rows that there are; places count from the first of all.
 */
#ifndef TUI_LIST_H
#define TUI_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct list_row {
	char	*key;
	char	*text;		/* what it is made of: JSON, mostly */
	size_t	 len;
};

struct list_rows {
	struct list_row	*items;
	size_t		 count, cap;
};
void	list_rows_add(struct list_rows *, struct span key, struct span text);
void	list_rows_clear(struct list_rows *);

struct list {
	struct list_rows rows;		/* the window */
	size_t		 first, total;	/* the window's place, and how many there are */
	size_t		 cursor, top;	/* places; top: the first on the screen */
	size_t		 height;	/* of the screen's part, at least 1 */
	char		*key;		/* of the row under the cursor; NULL: not known, or none */
};

enum list_move { MOVE_UP, MOVE_DOWN, MOVE_PAGE_UP, MOVE_PAGE_DOWN, MOVE_FIRST, MOVE_LAST };

void	list_clear(struct list *);
void	list_set_height(struct list *, size_t);
/* Takes the new rows (and empties what it was given): the cursor stays with its row, and the row at its height on the screen. */
void	list_take(struct list *, struct list_rows *, size_t first, size_t total);
/* One more row at the end. Beyond `most` the first ones are dropped; the cursor stays with its row. For lists that hold all their rows. */
void	list_append(struct list *, struct span key, struct span text, size_t most);
void	list_move(struct list *, enum list_move);
void	list_go(struct list *, size_t place);

/* The row of a place, NULL where it is not in the window. */
const struct list_row *list_at(const struct list *, size_t place);
const struct list_row *list_current(const struct list *);
/* All that the screen shows is in the window. */
bool	list_covered(const struct list *);

#endif
