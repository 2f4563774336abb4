/*
 * Views that are a list of an answer's rows, one a line, in columns: what they have in common. A view of this kind begins with a struct list_view and names
 * the functions here in its view_ops (or calls them from its own).
 */
#ifndef TUI_LIST_VIEW_H
#define TUI_LIST_VIEW_H

#include "tui/console.h"

struct column {
	const char	*key;		/* of the row's member; NULL: `show` looks at the row */
	const char	*title;
	int		 width;		/* as line_cell takes it */
	int		 from;		/* columns that the screen must have for it; 0: any */
	/* The cell's text from the raw value (empty: not there); NULL: as it is. *style is STYLE_PLAIN. */
	void		(*show)(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
};

struct list_shape {
	const struct column *columns;	/* a title of NULL ends them */
	const char	*keys[3];	/* members that tell rows apart; none: the whole row does */
	int		(*compare)(const void *, const void *);	/* struct list_row; NULL: as they come */
	const char	*empty;		/* said where there are no rows */
	int		 detail;	/* lines below the list, for the row under the cursor: a bar and text */
	void		(*bar)(struct view *, struct span row, struct buf *out);
	void		(*text)(struct view *, struct span row, struct buf *out);
};

struct list_view {
	struct view	 view;
	const struct list_shape *shape;
	struct list	 list;
	struct list_rows coming;
};

struct view *list_view_new(const struct view_ops *, const struct list_shape *, struct console *);
/* Asks for the rows anew: what is shown stays until all of them are there. */
void	list_view_ask(struct view *, enum command, const struct link_arg *);
void	list_view_draw(struct view *, int y, int height);
void	list_view_move(struct view *, enum list_move);
void	list_view_search(struct view *, struct span wanted, bool backwards);
void	list_view_clear(struct view *);
/* ": 3/12" of the rows. */
void	list_view_label(struct view *, struct buf *);

/* The row under the cursor; empty: there is none. */
struct span list_view_row(struct view *);
/* A member of a row as text, appended; false: it is not there, or empty. */
bool	row_text(struct span row, const char *key, struct buf *out);
/* What stands behind "delivery temporarily suspended: ", which mail behind a destination in trouble has before the reason; in a narrow column nothing else would show. */
struct span reason_core(struct span reason);
int64_t	row_number(struct span row, const char *key);	/* 0: not there; without its fraction */
bool	row_true(struct span row, const char *key);
/* A text in quotes, as selectors take it. */
void	put_quoted(struct buf *, struct span);

/* For columns: how old, how long ("" for 0), and a count whose 0 is dim. */
void	column_age(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
void	column_seconds(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
void	column_size(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
void	column_count(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
void	column_when(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
/* "03:14:15" of today, else with the day. */
void	column_time(struct view *, struct span row, struct span value, struct buf *out, enum style *style);
/* info, warning, error ... */
void	column_severity(struct view *, struct span row, struct span value, struct buf *out, enum style *style);

#endif
