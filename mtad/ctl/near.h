/*
 * The nearest of several names to a misspelt one, for "did you mean ...?".
 */
#ifndef CTL_NEAR_H
#define CTL_NEAR_H

#include "base/span.h"

#define NEAR_MAX	32	/* longer words are near to nothing */

/* Keeps the best of what it is shown. Start with { .word = }. */
struct near {
	struct span	 word;
	const char	*best;		/* NULL while none is near enough */
	unsigned	 distance;
};

void	near_try(struct near *, const char *name);

#endif
