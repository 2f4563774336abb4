/*
 * The queue role: the index, the scheduler, routing at activation, bounces; owner of the spool.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "base/role.h"

const struct role_spec *queue_role(void);

#endif
