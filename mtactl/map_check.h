/* map check, over its two files. */
#ifndef MTACTL_MAP_CHECK_H
#define MTACTL_MAP_CHECK_H

#include "mtactl/local.h"
#include "table/named.h"
#include "table/source.h"

struct map_check {
	struct session	*session;
	struct conf	*conf;
	const char	*spec, *name, *grammar;	/* as of struct named_table */
	const char	*users;		/* "alias_maps, alias_database" */
	bool		 aliases;
	struct source	*source;	/* the text; NULL: there is none */
	unsigned	 errors, warnings;
};

void	map_finding(struct map_check *, bool error, const char *file, unsigned line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* map_targets.c: values that lead nowhere, by what the parameter that names the table means by them. */
void	map_check_targets(struct map_check *);

#endif
