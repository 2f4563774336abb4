/* What is to be known of one parameter, for `config explain` and the console. */
#ifndef MTACTL_EXPLAIN_H
#define MTACTL_EXPLAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

/*
 * The row of `config explain`: name, type, default, range, standing, summary, value, expanded, and each place where it is set. present_config_explain shows
 * it. False with the err where the name is neither known nor set.
 */
/* The row of `config support`. */
void	config_support_row(struct buf *row, const struct param_row *);
bool	config_explain_row(struct buf *row, const char *dir, const struct conf *, struct span name, struct err *);

#endif
