/*
 * Who may do what over the control socket: lists of users from the configuration, made into numbers while names can still be looked up.
 */
#ifndef CONTROL_USERS_H
#define CONTROL_USERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/users.h"

struct users {
	struct user_names names;	/* as they were at the start; a reload cannot ask the system any more */
	uid_t		 owner;		/* of an unprivileged instance: administers; 0 in a privileged one */
	struct user_list view, flush, read, administer;
};

/* Reads the system's users; before the role gives up its rights. */
void	users_init(struct users *);
void	users_clear(struct users *);
/* The lists of this configuration. What cannot be followed is logged, and lets nobody in. */
void	users_configure(struct users *, const struct view *);

/* enum ctl_rights, joined. */
uint8_t	users_rights(const struct users *, uid_t);
/* "root", or "uid 1000" where the name is not known. */
void	users_name(const struct users *, uid_t, struct buf *);

#endif
