/*
 * The receive role: SMTP sessions, local submission, pickup and notices; intake of every new message, and its own spool log.
 */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include "base/role.h"

const struct role_spec *receive_role(void);

#endif
