/*
 * Several instances on one machine: the default configuration's multi_instance_directories name the configuration directories of the others, and each has its
 * multi_instance_name, multi_instance_group and multi_instance_enable. Follows postmulti(1).
 */
#ifndef MTACTL_INSTANCES_H
#define MTACTL_INSTANCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "conf/conf.h"

struct instance {
	char		*dir, *name, *group;	/* name, group: "" where it has none */
	bool		 enabled;
	struct conf	*conf;
};

struct instances {
	struct instance	*list;		/* the first is the default one */
	size_t		 count;
};

/* False with the err where one of them cannot be read. Clear it in either case. */
bool	instances_read(const char *dir, struct instances *, struct err *);
void	instances_clear(struct instances *);
/* By its name or directory, "-" is the default one; NULL: there is none. */
const struct instance *instances_find(const struct instances *, const char *name);

/* The directory of the instance `name`, which is the caller's; NULL with the err. */
char	*instance_dir(const char *primary, const char *name, struct err *);

#endif
