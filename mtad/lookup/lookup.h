/*
 * The lookup role: tables whose answers may block, asked by the other roles by name. It has "unix:passwd.byname" and "unix:group.byname", from
 * the name services; for those it keeps its root directory and may open files, as mail_owner.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/role.h"

const struct role_spec *lookup_role(void);

/* The values of ipc's lookup_done.status. */
enum lookup_status { LOOKUP_FOUND, LOOKUP_NOT_THERE, LOOKUP_FAILED };

/* Puts the value, or for LOOKUP_FAILED the reason. */
enum lookup_status lookup_table(struct span table, struct span key, struct buf *out);

#endif
