/*
 * What a failed attempt means, in an operator's words: from the outcome that was logged to the cause
 * and the step that would help. One table, first match wins; a reply that is not in it is told by its class.
 */
#ifndef MAIL_EXPLAIN_H
#define MAIL_EXPLAIN_H

#include "mail/outcome.h"

struct explanation {
	const char	*code;		/* one word for scripts: "refused-connection", "greylisted" ... */
	const char	*cause;		/* "the server refuses connections: nothing listens there now" */
	const char	*help;		/* what would help; never NULL */
};

/* Always gives one; the strings are constants. */
const struct explanation *explain(const struct outcome *);

#endif
