/*
 * The overview: of view_overview.c (what is fetched, which lines there are, keys) and overview_draw.c.
 */
#ifndef TUI_OVERVIEW_H
#define TUI_OVERVIEW_H

#include "tui/console.h"

/* What a line is: the first character of its key. */
enum overview_line {
	LINE_BLANK = 'b', LINE_HEADING = 'h', LINE_QUEUE = 'q', LINE_CAUSE = 'c', LINE_DEST = 'd', LINE_ERROR = 'e', LINE_OLDEST = 'o',
};
enum overview_heading { HEADING_QUEUES, HEADING_CAUSES, HEADING_DESTS, HEADING_ERRORS, HEADING_OLDEST, HEADINGS };

#define QUEUES	6
extern const char *const overview_queues[QUEUES];

/* row: the list's; its text is JSON, but for queues (their number) and headings. */
void	overview_draw_line(const struct console *, const struct list_row *, int y, bool cursor);
/* Both on lines behind their first character. */
unsigned overview_number(const struct list_row *);

#endif
