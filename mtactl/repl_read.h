/*
 * What readline calls, and what it shows: completion, `?`, prompt.
 */
#ifndef MTACTL_REPL_READ_H
#define MTACTL_REPL_READ_H

#include "mtactl/repl.h"

/* Completion and keys; once. */
void	repl_read_init(struct repl *);

/* repl_history.c */
void	repl_history_load(void);
void	repl_history_add(const char *line);

#endif
