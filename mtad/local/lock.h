/*
 * Locks on mailbox files, by the names that mailbox_delivery_lock has for them.
 */
#ifndef LOCAL_LOCK_H
#define LOCAL_LOCK_H

#include <stdbool.h>

#include "base/span.h"
#include "conf/conf.h"

bool	lock_wanted(const struct view *, const char *kind);
/* Makes the file, waiting as the configuration says; a stale one is removed. False with errno, EAGAIN where another has it. */
bool	lock_dot(const struct view *, const char *path);
/* fcntl and flock locks, as wanted. */
bool	lock_file(const struct view *, int fd);

#endif
