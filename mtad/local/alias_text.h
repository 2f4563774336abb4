/*
 * The right side of aliases(5), and the text of :include: and .forward files: items between commas and line ends. Anybody may have written it.
 */
#ifndef LOCAL_ALIAS_TEXT_H
#define LOCAL_ALIAS_TEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

enum alias_kind {
	ALIAS_ADDRESS,		/* unquoted: local@domain, or local */
	ALIAS_USER,		/* "\user": the mailbox, and nothing of what the user says */
	ALIAS_COMMAND,		/* without "|" */
	ALIAS_FILE,		/* an absolute path */
	ALIAS_INCLUDE,		/* the path of another text */
	ALIAS_BAD,		/* what cannot be made out, as it stands */
};

/* The next item off the front of *rest; its text replaces what `out` holds. False at the end. */
bool	alias_next(struct span *rest, enum alias_kind *, struct buf *out);

#endif
