/*
 * regexp: and pcre: tables: rules in order, of which the first that matches decides. How lines are taken apart, if/endif, negation and substitution is
 * here; what a pattern is, is the engine's.
 */
#ifndef TABLE_PATTERNS_H
#define TABLE_PATTERNS_H

#include "table/type.h"

#define PATTERN_GROUPS	100	/* $1 to $99 */

struct pattern_span {		/* -1: the group has no part in the match */
	ptrdiff_t	 start, end;
};

struct pattern_engine {
	const char	*name;		/* "regexp", as in warnings */
	/* flags: the letters behind the pattern. want_groups: the highest that will be asked for. NULL with the reason. */
	void	*(*compile)(const char *pattern, const char *flags, unsigned want_groups, unsigned *groups, char *why, size_t why_size);
	void	(*free)(void *);
	/* groups[0] to groups[count - 1] where it matches. */
	bool	(*match)(void *, struct span subject, struct pattern_span *groups, unsigned count);
};

bool	patterns_open(const struct pattern_engine *, const struct conf *, struct span name, void **state, struct err *);
void	patterns_close(void *state);
enum table_result patterns_get(const void *state, struct span self, struct facts *, struct span key, struct buf *value, struct err *);

#endif
