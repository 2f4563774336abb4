/*
 * main.cf, edited with its layout kept: comments, order, blanks and what else is there stay. Changes are in memory until conf_edit_commit; see
 * base/textfile.h for how that is done.
 */
#ifndef CONF_EDIT_H
#define CONF_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"

struct conf_edit;

/* A setting as it stands in the file. Where a name is set more than once, the last counts. */
struct conf_edit_setting {
	struct span	 name, value;	/* continued lines joined; until the next call */
	unsigned	 line, last;	/* physical lines, from 1 */
	bool		 counts;
};

/* DIR/main.cf. NULL with the err. */
struct conf_edit *conf_edit_open(const char *dir, struct err *);
void	conf_edit_free(struct conf_edit *);
const char *conf_edit_path(const struct conf_edit *);
struct span conf_edit_text(const struct conf_edit *);

size_t	conf_edit_count(const struct conf_edit *);
bool	conf_edit_setting(struct conf_edit *, size_t index, struct conf_edit_setting *);
/* The one that counts. */
bool	conf_edit_find(struct conf_edit *, struct span name, size_t *index);

/*
 * Changes the setting that counts in its place, or appends one. Lines of a value behind the first become continuation lines. False with the err for a
 * name or value that cannot stand in main.cf.
 */
bool	conf_edit_set(struct conf_edit *, struct span name, struct span value, struct err *);
/* Takes out every setting of the name; false with the err where there is none. */
bool	conf_edit_unset(struct conf_edit *, struct span name, struct err *);
/* Turns every setting of the name into comments, line by line; false with the err where there is none. */
bool	conf_edit_comment(struct conf_edit *, struct span name, struct err *);
bool	conf_edit_edited(const struct conf_edit *);
void	conf_edit_diff(const struct conf_edit *, struct buf *out);

/* What conf_load would say of the text as it is now, with DIR/master.cf; the conf, or NULL. A setting's errors name "main.cf" and its line. */
struct conf *conf_edit_check(const struct conf_edit *, struct conf_problems *);
/* Does no check of its own: ask conf_edit_check first (and the linter: lint_text). */
bool	conf_edit_commit(struct conf_edit *, struct err *);
/* Swaps main.cf with what it was before the last commit. *diff may be NULL. */
bool	conf_edit_undo(const char *dir, struct buf *diff, struct err *);
bool	conf_edit_undo_diff(const char *dir, struct buf *diff, struct err *);

#endif
