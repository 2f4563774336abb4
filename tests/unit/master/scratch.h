/* A directory for a test of the master, with a configuration in it. */
#ifndef UNIT_MASTER_SCRATCH_H
#define UNIT_MASTER_SCRATCH_H

#include "conf/conf.h"

extern char scratch_dir[64];

int	scratch_make(void **state);	/* cmocka set-up */
int	scratch_remove(void **state);
/* main.cf gets queue_directory and these lines. */
struct conf *scratch_conf(const char *main_cf, const char *master_cf);
int	scratch_free_port(void);

#endif
