/*
 * The send role: delivers leases of the queue role over SMTP and LMTP.
 */
#ifndef SEND_SEND_H
#define SEND_SEND_H

#include "base/role.h"

const struct role_spec *send_role(void);

#endif
