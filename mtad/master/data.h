/*
 * data_directory: what the state role keeps there between its starts (state/keep.h). It belongs to mail_owner alone, and is the state role's root directory.
 */
#ifndef MASTER_DATA_H
#define MASTER_DATA_H

#include "base/err.h"
#include "master/instance.h"

/* Opens it, and makes its last part where it is missing; -1 with the err where it cannot be used. */
int	data_open(const struct instance *, const char *path, struct err *);

#endif
