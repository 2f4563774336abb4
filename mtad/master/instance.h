/*
 * The instance: whose processes it has, the directories below queue_directory and their owners, and the lock that
 * makes it the only one there.
 */
#ifndef MASTER_INSTANCE_H
#define MASTER_INSTANCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "conf/conf.h"

struct account {
	char		 name[64];	/* empty: the caller */
	uid_t		 uid;
	gid_t		 gid;
};

struct instance {
	bool		 privileged;	/* root's, with users of their own for the roles */
	struct account	 mail, queue;
	gid_t		 drop_group;	/* may put files into maildrop; (gid_t)-1: nobody but root */
	char		*dir;		/* queue_directory, absolute */
	char		*empty;		/* the roles' root directory; "" where they keep theirs */
	char		*maildrop;
	char		*data;		/* data_directory; NULL: it cannot be used */
	int		 dir_fd, spool_fd, maildrop_fd, data_fd, lock_fd;
};

/* All of it, in this order: users, directories (made where missing), lock, pid file. */
bool	instance_open(struct instance *, const struct conf *, bool privileged, struct err *);
/* What an administrator should know of it and that stops nothing; to the log. */
void	instance_warn(const struct instance *, const struct conf *);
/* The pid file names this process (again: the daemon is a child of what was started). */
bool	instance_write_pid(struct instance *, struct err *);
/* Removes the pid file where it is ours, closes and frees. */
void	instance_close(struct instance *);

/* A number that rises with every call, over restarts too: the epoch of a process that makes queue IDs. */
uint32_t instance_next_epoch(struct instance *);

#endif
