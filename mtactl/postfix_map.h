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
	bool		 headers, body, mime;	/* -h, -b, -m */
	bool		 files;		/* -F: values are names of files */
};

/* "type:name"; a name alone is of the default type. */
void	postmap_spec(const struct postmap *, const char *word, struct buf *spec);
int	postmap_build(struct postmap *, const char *spec);
int	postmap_change(struct postmap *, const char *spec);	/* -i */
int	postmap_delete(struct postmap *, char *const *specs, size_t n);
void	postmap_read_stdin(struct buf *);	/* all of it, within a bound */

/* postfix_message.c: each header and line of a message, as a key; false from the function ends it. */
typedef bool	postmap_key_fn(void *arg, struct span key);
void	postmap_message(const struct postmap *, struct span message, postmap_key_fn *, void *arg);

#endif
