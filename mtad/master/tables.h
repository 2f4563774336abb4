/*
 * Compiled tables: built where they are missing or older than their text and the master may write them, handed to the roles as descriptors, and
 * looked after, so that one that was built anew is in use a moment later.
 */
#ifndef MASTER_TABLES_H
#define MASTER_TABLES_H

#include "master/descs.h"
#include "master/master.h"

/* What lines of tables have wrong goes to the problems (each once) until tables_watch_lines(NULL). Paths are opened as a role would: only the named ones. */
void	tables_watch_lines(struct conf_problems *);

/* At start and reload, before tables_add. */
void	tables_build(const struct conf *);
void	tables_add(struct descs *, const struct master *, const struct conf *);
/* Looks once a second whether a file is another one than what `m->descs` has, and texts (texts.h). */
void	tables_look_after(struct master *);
/* Now; answers the control role's request once every process has what changed. */
void	tables_look_now(struct master *, uint64_t request);
/* A child says which generation it has. */
void	tables_progress(struct master *);

#define TABLE_IDENTITY	128
struct stat;
void	tables_identify(const char *kind, const struct stat *, char out[TABLE_IDENTITY]);

#endif
