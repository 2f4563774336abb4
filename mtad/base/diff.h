/*
 * Where two texts differ, by lines: the shortest way from one to the other (E. W. Myers, 1986), as long as it is short enough to be worth it.
 */
#ifndef BASE_DIFF_H
#define BASE_DIFF_H

#include <stddef.h>

#include "base/span.h"

/* Bytes [a_from, a_to) of a became [b_from, b_to) of b; whole lines. */
struct diff_part {
	size_t		 a_from, a_to, b_from, b_to;
};

/* The parts in order, on the heap; free(*parts) after. Texts that have little in common are one part. */
size_t	diff_lines(struct span a, struct span b, struct diff_part **parts);

#endif
