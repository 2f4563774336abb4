/*
 * The seccomp filter of a role: a list of the system calls that it may make
 * after its drop. Opening a path gives EACCES (libraries try, and go on without); anything else that is not
 * listed ends the process, which the kernel logs and the master reports. Built with sanitizers: does nothing, as they need more.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"
#include "base/ipc.h"

/* For every thread of the process, and for good. The roles master and local have no filter: they fork, execute and change users. */
bool	sandbox_enter(enum role, struct err *);
bool	sandbox_has_filter(enum role);

#endif
