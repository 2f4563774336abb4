/*
 * Locks on mailbox files, by the names that mailbox_delivery_lock and virtual_mailbox_lock have for them.
 */
#ifndef LOCAL_LOCK_H
#define LOCAL_LOCK_H

#include <stdbool.h>

#include "base/span.h"
#include "conf/conf.h"

/* locks: the list. */
bool	lock_wanted(const char *locks, const char *kind);
/* Makes the file, waiting as the configuration says; a stale one is removed. False with errno, EAGAIN where another has it. */
bool	lock_dot(const struct view *, const char *path);
/* fcntl and flock locks, as wanted. */
bool	lock_file(const struct view *, const char *locks, int fd);

#endif
