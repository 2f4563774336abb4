/* What postmap, postalias and newaliases share. */
#ifndef MTACTL_POSTFIX_MAP_H
#define MTACTL_POSTFIX_MAP_H

#include "mtactl/postfix.h"
#include "table/build.h"

struct postmap {
	struct postfix	*postfix;
	struct conf	*conf;
	struct build_options build;
	const char	*query, *delete_;
	bool		 list, insert;
	bool		 aliases;
};

/* "type:name"; a name alone is of the default type. */
void	postmap_spec(const struct postmap *, const char *word, struct buf *spec);
int	postmap_build(struct postmap *, const char *spec);
int	postmap_change(struct postmap *, const char *spec);	/* -i */
int	postmap_delete(struct postmap *, char *const *specs, size_t n);

#endif
