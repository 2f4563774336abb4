/*
 * A cache's file: pairs of key and value in a GDBM file of data_directory, so that what was learnt outlives the process. The cache itself is in memory; the
 * file is read once, at the start, and what changes is written a second later, many at a time. It is not synced: what the machine loses with its power is
 * learnt again. A file that is damaged is moved aside ("NAME.damaged") with a warning, and a new one begins with what is in memory; nothing here is fatal.
 */
#ifndef STATE_KEEP_H
#define STATE_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

struct keep;

struct keep_ops {
	/* A pair out of the file. False: it is none, and is taken out. */
	bool	(*load)(void *arg, struct span key, struct span value);
	/* keep_put for everything there is. */
	void	(*all)(void *arg, struct keep *);
};

#define KEEP_MAX	400000u		/* pairs; a file with more is taken to be damaged */

/*
 * `map`: as the parameter names it ("btree:/var/lib/mtad/verify_cache"): its last part counts, as only data_directory is written to. dir: data_directory, or -1.
 * NULL where nothing is kept, with the reason in the log, or map is empty.
 */
struct keep *keep_open(int dir, const char *parameter, const char *map, const struct keep_ops *, void *arg);
/* What waits is written. NULL is fine. */
void	keep_close(struct keep *);
/* value NULL: it is gone. NULL as keep: nothing. */
void	keep_put(struct keep *, struct span key, const char *value);
size_t	keep_waiting(const struct keep *);
/* Whether the file is another one by now, for a reload. */
bool	keep_is(const struct keep *, const char *map);

#endif
