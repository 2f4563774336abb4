/*
 * Doing a part of a delivery with somebody's rights, in a process of its own: what strangers wrote is read there, never as root.
 */
#ifndef LOCAL_ACTOR_H
#define LOCAL_ACTOR_H

#include <pwd.h>
#include <stdbool.h>
#include <sys/types.h>

#include "local/job.h"

struct actor {
	uid_t		 uid;
	gid_t		 gid;
	const char	*name;		/* whose other groups it has; NULL: none but gid */
};

struct actor actor_of(const struct passwd *);
/* For good, and checked. Where this process is not root it stays who it is. */
bool	actor_become(const struct actor *, struct report *);

typedef void	actor_fn(void *arg, struct report *);
/*
 * Calls fn in a child with the actor's rights and nothing but the job's message open; the report is what it said of itself, or what its end says.
 */
void	actor_run(const struct job *, const struct actor *, actor_fn *, void *arg, struct report *);
/* The same with this process's rights, which fn gives up itself. */
void	actor_run_as_is(const struct job *, actor_fn *, void *arg, struct report *);

#endif
