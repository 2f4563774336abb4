/*
 * A bounded arena: what is taken from it lives until arena_reset or
 * arena_clear and is never freed singly. One a mail transaction or a decision.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk	*chunk;
	size_t			 used;		/* bytes handed out since the last reset */
	size_t			 max;		/* 0: no bound */
};

#define ARENA_INIT(m)	((struct arena){ .max = (m) })

void	arena_clear(struct arena *);
void	arena_reset(struct arena *);		/* may keep one chunk */

/* Zeroed, aligned for any type; NULL when the bound is passed. */
void	*arena_new(struct arena *, size_t);
/* A terminated copy; its ptr is NULL when the bound is passed. */
struct span arena_span(struct arena *, struct span);
char	*arena_str(struct arena *, struct span);
char	*arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
