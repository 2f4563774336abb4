/*
 * The state role: what all receive roles must agree on. Today that is the counting of client connections.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/role.h"

const struct role_spec *state_role(void);

#endif
