/*
 * The control role: the control socket ($queue_directory/ctl), its users' rights, and the way of questions to the other roles
 * and of answers back. docs/protocol.md says what goes over the socket.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "base/role.h"

const struct role_spec *control_role(void);

#endif
