/*
 * Connections of this role to services of the site: an authentication server, a policy server. Unix sockets are connected by the master,
 * as this process opens no path; TCP ones here.
 */
#ifndef RECEIVE_DIAL_H
#define RECEIVE_DIAL_H

#include <stdint.h>

#include "base/ipc.h"
#include "base/span.h"

struct dial;

/* Once, later, never within: a connected non-blocking socket, the callee's, or -1 and why. The dial is gone by then. */
typedef void	dial_fn(void *arg, int fd, const char *error);

/*
 * "unix:PATH" or PATH alone (relative: below queue_directory), "inet:HOST:PORT" (HOST an address, in brackets where it has colons, or "localhost").
 * within: microseconds.
 */
struct dial *dial(struct span where, int64_t within, dial_fn *, void *arg);
void	dial_drop(struct dial *);	/* nothing is called any more; NULL is fine */

/* The master's answer. */
void	dial_unix_answer(const struct ipc_unix_connected *, int fd);

#endif
