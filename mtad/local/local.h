/*
 * The local role: delivery to mailboxes of this machine's users, Maildir or mbox, by a process of its own for each delivery.
 * The parent never looks into a message; the child does, once it has become the recipient.
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include "base/role.h"

const struct role_spec *local_role(void);

#endif
