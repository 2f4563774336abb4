/*
 * All entries of a table that is made anew, gathered before they are stored. GDBM goes to a bucket by the high bits of a key's hash: keys that come in the
 * order of their hashes stay in one bucket until it is full, so that each page is written once, rather than all pages again and again.
 */
#ifndef TABLE_BUILD_BULK_H
#define TABLE_BUILD_BULK_H

#include <stdbool.h>

#include "base/map.h"
#include "base/span.h"

struct bulk {
	struct map	 entries;
};

struct bulk *bulk_new(void);
void	bulk_free(struct bulk *);
/* Copies both. False where the key was there already: its value is the old one, or with `replace` the new one. */
bool	bulk_put(struct bulk *, struct span key, struct span value, bool replace);
/* Each in the best order; false ends it, and is returned. */
bool	bulk_each(const struct bulk *, bool (*fn)(void *arg, struct span key, struct span value), void *arg);

#endif
