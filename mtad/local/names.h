/*
 * $user, $home, $extension and the others of local(8), for forward_path, luser_relay and command_execution_directory. What they stand for was written by
 * outsiders: what the filter does not have becomes "_".
 */
#ifndef LOCAL_NAMES_H
#define LOCAL_NAMES_H

#include <pwd.h>

#include "local/job.h"

struct names {
	const struct job *job;
	const struct passwd *pw;	/* NULL: no account */
	struct span	 recipient, local, user, ext;
	const char	*filter;	/* NULL: all goes through */
	bool		 extended;	/* out: the extension was asked for, and is there */
	struct buf	 folded;	/* the local part in lower case; local, user and ext are in it */
	struct buf	 value;
};

void	names_of(struct names *, const struct job *, struct span recipient, const struct passwd *);
void	names_clear(struct names *);
/* In place of what out holds. *undefined: a name stands alone for which there is nothing. False with a warning where the text is wrong. */
bool	names_expand(struct names *, struct span text, struct buf *out, bool *undefined, struct report *);

/* The user and extension of a local part; one with "/" is none, as it would lead a path elsewhere. */
void	names_split(const struct job *, struct span local, struct span *user, struct span *ext);

#endif
