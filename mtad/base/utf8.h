/*
 * UTF-8 as it comes from outside (RFC 3629): how long a sequence is, what it stands for, and whether that is fit to be shown.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/* The length of the valid sequence at the start of the span, 0 where there is none. */
size_t	utf8_length(struct span);
/* What the sequence stands for; the span is that sequence (utf8_length bytes). */
uint32_t utf8_point(struct span);
/*
 * True where it must not reach a terminal as it is: C1 controls act on it; marks, overrides and isolates of the bidirectional
 * algorithm make a line read as another one; joiners, fillers and tags cannot be seen.
 */
bool	utf8_harmful(uint32_t point);

/* Control bytes, bytes that are no UTF-8, and harmful characters become "?" in place. A character becomes one "?"; returns the new length. */
size_t	utf8_clean(char *text, size_t len);

#endif
