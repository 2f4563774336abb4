/*
 * The lookup role: tables whose answers may block, asked by the other roles by name: the name services ("unix:passwd.byname"), SQL, LDAP, tcp, socketmap,
 * memcache. Each table is asked in processes of its own (lookup/pool.h), so that none waits for another's server. For those it keeps its root directory and may open files and connect, as mail_owner; it asks only tables that the configuration names.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/role.h"
#include "conf/conf.h"

const struct role_spec *lookup_role(void);

/* The values of ipc's lookup_done.status. */
enum lookup_status { LOOKUP_FOUND, LOOKUP_NOT_THERE, LOOKUP_FAILED };

/* From now on tables are those of this configuration; takes the reference. NULL: only the name services'. */
void	lookup_use(struct conf *);
bool	lookup_allowed(struct span table);
/* In the process that may block. Puts the value, or for LOOKUP_FAILED the reason. */
enum lookup_status lookup_table(struct span table, struct span key, struct buf *out);

#endif
