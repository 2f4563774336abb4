/*
 * The two mailbox formats. Each function runs with the rights of the mailbox's owner, except where said.
 */
#ifndef LOCAL_MAILBOX_H
#define LOCAL_MAILBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "local/job.h"
#include "spool/message.h"

/* dir ends in "/". Durable in dir/new when true. */
bool	maildir_deliver(const struct job *, const struct message *, const char *dir, struct report *);

/* An mbox file, open and locked. */
struct mbox {
	const char	*path, *user;	/* user NULL: no account's */
	bool		 aliased;	/* a file of an alias */
	bool		 special;	/* no regular file: not locked, not synced */
	int		 fd;
	bool		 dotlock;	/* path.lock is ours */
	char		 lock[1100];
};
/*
 * Opens, making it where it is not there, and locks as the job says. `owner` and `group` get a new file; with `check`, a file
 * of another owner is refused (strict_mailbox_ownership). Waits up to deliver_lock_attempts * deliver_lock_delay.
 */
bool	mbox_open(struct mbox *, const struct job *, const char *path, const char *user, uid_t owner, gid_t group,
	    bool check, struct report *);
/* A file that an alias names, with the rights of this process. A lock that cannot be made is done without. */
bool	mbox_open_file(struct mbox *, const struct job *, const char *path, struct report *);
bool	mbox_append(struct mbox *, const struct job *, const struct message *, struct report *);
void	mbox_close(struct mbox *);

#endif
