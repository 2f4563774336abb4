/*
 * The command line of mtad: mtad [-t] [-f] [-u] [-v] [-c DIR] [-o name=value]...
 */
#ifndef MASTER_OPTIONS_H
#define MASTER_OPTIONS_H

#include <stdbool.h>

#include "conf/conf.h"

struct options {
	char		*dir;		/* absolute where it exists */
	struct conf_override *overrides;
	size_t		 override_count;
	bool		 test;		/* -t: check the configuration, and end */
	bool		 foreground;	/* -f */
	bool		 unprivileged;	/* -u, or not started by root */
	bool		 verbose;	/* -v: every start of a role is logged */
};

/* False where the process shall end, with *status as its exit status; the user was told why. */
bool	options_parse(struct options *, int argc, char **argv, int *status);

#endif
