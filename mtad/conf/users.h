/*
 * Lists of users, as authorized_mailq_users is one: names and numbers, "!name", static:anyone. Names are made into numbers while the system can still be asked,
 * before rights are given up; who is added to the system later is not known by name.
 */
#ifndef CONF_USERS_H
#define CONF_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct user_rule {
	bool		 negated;	/* "!name" */
	bool		 anyone;	/* "static:anyone" */
	uid_t		 uid;
};

struct user_list {
	struct user_rule *rules;
	size_t		 count;
};

struct user_name {
	uid_t		 uid;
	char		 name[64];
};

struct user_names {
	struct user_name *items;
	size_t		 count;
};

void	user_names_read(struct user_names *);
void	user_names_clear(struct user_names *);
/* "root", or "uid 1000" where the name is not known. */
void	user_names_text(const struct user_names *, uid_t, struct buf *);

/* What cannot be followed is logged, and lets nobody in. */
void	user_list_make(struct user_list *, const struct user_names *, const char *parameter, const char *text);
void	user_list_clear(struct user_list *);
/* The first rule that fits decides, as in Postfix's lists of users. */
bool	user_list_has(const struct user_list *, uid_t);

#endif
