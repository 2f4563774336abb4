/*
 * Logical lines, as in main.cf, master.cf and the sources of tables: a line that begins with white space continues the one before; empty lines
 * and lines whose first other byte is "#" say nothing, and end nothing.
 */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/* Start with { .rest = the text, .next = 1, .text = BUF_INIT(bound) }; buf_clear(&text) after. */
struct conf_lines {
	struct span	 rest;
	unsigned	 next;
	struct buf	 text;
	struct span	 raw;	/* of the last line given: its bytes as they stand, with its end, up to its last part that says something */
	unsigned	 last;	/* the number of that part */
};

/*
 * Continued lines are joined with their white space, the end is trimmed; *line is where it begins; *text lives until the next call.
 * False at the end. An indented line with nothing before it comes as it is.
 */
bool	conf_lines_next(struct conf_lines *, struct span *text, unsigned *line);

#endif
