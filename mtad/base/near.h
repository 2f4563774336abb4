/*
 * The nearest of several names to a misspelt one, for "did you mean ...?".
 */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

#include "base/span.h"

#define NEAR_MAX	64	/* longer names are near to nothing */

/* Keeps the best of what it is shown. Start with { .word = }. */
struct near {
	struct span	 word;
	const char	*best;		/* NULL while none is near enough */
	size_t		 distance;	/* of the best */
};

/* Near enough: at most one step in a word under 8 letters, two under 16, else three. */
void	near_try(struct near *, const char *name);

/* Edit steps between two names, letters of either case alike, a swap of neighbours one step; limit + 1 where there are more. */
size_t	near_distance(struct span, struct span, size_t limit);

#endif
