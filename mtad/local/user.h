/*
 * Accounts of this machine and their mailboxes.
 */
#ifndef LOCAL_USER_H
#define LOCAL_USER_H

#include <pwd.h>

#include "local/job.h"

#define USER_ROOM	16384

enum user_result { USER_FOUND, USER_UNKNOWN, USER_FAILED };
/* By a local part without extension; the strings are in `room`. FAILED: the report is set. */
enum user_result user_find(struct span local, struct passwd *, char *room, size_t size, struct report *);

/* A copy that lives until the process ends. */
struct passwd *user_keep(const struct passwd *);

/* To home_mailbox or below mail_spool_directory, with the user's rights. */
void	user_deliver(const struct job *, const struct passwd *, struct report *);

#endif
