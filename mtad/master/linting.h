/* The linter at start, at reload and for mtad -t. */
#ifndef MASTER_LINTING_H
#define MASTER_LINTING_H

#include "conf/conf.h"
#include "lint/lint.h"
#include "master/options.h"

/*
 * Looks at the configuration's directory, and leaves out what `told` has said of the same line. Clear the report after. True where a finding is such that
 * a reload is refused: an error of the configuration itself. What only the machine has to do for it (start a filter, open a socket) comes and goes.
 */
bool	linting_run(const struct options *, const struct conf_problems *told, struct lint_report *);
bool	linting_refuses(const struct lint_finding *);
/* Warnings and errors to the log, a bounded number of them. */
void	linting_log(const struct lint_report *);
/* "FILE:LINE: TEXT [CODE]" a line: those that refuse, or all from warnings on. */
void	linting_text(const struct lint_report *, bool all, struct buf *out);

#endif
