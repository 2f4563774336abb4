/*
 * What is wrong with the file of an SQL, LDAP or memcache table, told without asking its server: lines that are no "name = value", names that nothing knows,
 * values that the table cannot be opened with, what is missing. What is known of each name is table/remote_params.def.
 */
#ifndef TABLE_REMOTE_CHECK_H
#define TABLE_REMOTE_CHECK_H

#include <stdbool.h>

#include "base/span.h"

/* error: the table fails because of it. line 0: of the file as a whole. */
typedef void	remote_finding_fn(void *arg, bool error, unsigned line, const char *text);
void	remote_check(struct span type, struct span text, remote_finding_fn *, void *arg);

#endif
