/*
 * The body of a message as content checks see it: lines of text, and the headers of MIME parts and of messages within. Bytes in, in pieces of
 * any size, items out in order; all of them together are what came. What nobody wants to look at comes in long runs. Follows the structure that
 * Postfix's cleanup(8) sees: a line that begins with a boundary ends a part, whatever stands behind it.
 */
#ifndef MAIL_MIME_WALK_H
#define MAIL_MIME_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum walk_class {
	WALK_PRIMARY,		/* not of this walk, which begins behind them: headers of the message itself */
	WALK_MIME,		/* a header of a part */
	WALK_NESTED,		/* a header of a message within */
	WALK_LINE,		/* of text; boundaries and the empty lines behind headers too */
	WALK_RUN,		/* bytes with their line ends, that no check wants */
};

struct walk_item {
	enum walk_class	 class;
	struct span	 text;		/* without the last line end, except RUN; a header's folded lines are in it */
	bool		 ended;		/* a line end came behind it; not for RUN */
};
typedef void	walk_fn(void *arg, const struct walk_item *);

/* What strict sites refuse (strict_7bit_headers, strict_8bitmime_body, strict_mime_encoding_domain). */
enum walk_fault { WALK_GOOD, WALK_8BIT_HEADER, WALK_8BIT_BODY, WALK_ENCODING };
#define WALK_STRICT(fault)	(1u << (fault))

struct walk_options {
	unsigned	 strict;	/* bits of the faults to look for; without structure none is seen */
	bool		 structure;	/* false: all is text (disable_mime_input_processing) */
	bool		 lines;		/* of text are wanted, up to */
	uint64_t	 lines_limit;	/* body_checks_size_limit: so many bytes of each part; 0: all */
	size_t		 line_limit;	/* line_length_limit: longer ones come in pieces */
	size_t		 header_limit;	/* header_size_limit: what a header has beyond is left out */
	unsigned	 nesting_limit;
};

struct mime_walk;

/* header: the message's own block, where the structure begins. */
struct mime_walk *mime_walk_new(const struct walk_options *, struct span header);
void	mime_walk_free(struct mime_walk *);	/* NULL is fine */
/* Nothing but runs can follow: there is no need to walk on. */
bool	mime_walk_idle(const struct mime_walk *);
void	mime_walk_put(struct mime_walk *, struct span, walk_fn *, void *arg);
void	mime_walk_end(struct mime_walk *, walk_fn *, void *arg);
/* The first fault so far, and the header, or the line's beginning, that has it. */
enum walk_fault mime_walk_fault(const struct mime_walk *, struct span *where);
/* Parts are nested deeper than the limit (by as much more as Postfix lets through); those are walked as text. *header: the one that said so. */
bool	mime_walk_too_deep(const struct mime_walk *, struct span *header);

#endif
