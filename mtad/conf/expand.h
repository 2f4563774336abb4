/*
 * $name and its relatives, as postconf(5) has them: $name ${name} $(name)
 * ${name?text} ${name:text} ${name?{text}:{text}} ${{a} == {b} ? {text} : {text}}, $$ for a dollar sign.
 * Depth, steps and output are bounded; a name that leads back to itself is an error that tells the way.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

/* The text of a name, itself to be expanded; NULL: it is not known, which counts as empty. */
typedef const char *expand_lookup(void *arg, struct span name);

/* Appends to out. False with the err (a kind of ERR_SYS) where the text is wrong. */
bool	expand_text(struct span text, expand_lookup *, void *arg, struct buf *out, struct err *);

/* The same; *undefined is set where a name stands alone for which there is nothing. */
bool	expand_defined(struct span text, expand_lookup *, void *arg, struct buf *out, bool *undefined, struct err *);

/* Calls for each name that the text refers to, nested ones too, without looking any up. False where the text is wrong. */
bool	expand_names(struct span text, void (*fn)(void *arg, struct span name), void *arg);

/* Compares compatibility levels ("3.6", "2"): false where one is none. */
bool	expand_level_cmp(struct span, struct span, int *order);

#endif
