/*
 * access(5): what a table or a policy server says of a client, a sender, a recipient, taken apart.
 */
#ifndef POLICY_ACTION_H
#define POLICY_ACTION_H

#include "base/span.h"

enum access_action {
	ACCESS_EMPTY, ACCESS_DUNNO, ACCESS_OK, ACCESS_REJECT, ACCESS_DEFER, ACCESS_DEFER_IF_PERMIT, ACCESS_DEFER_IF_REJECT, ACCESS_BCC,
	ACCESS_DISCARD, ACCESS_FILTER, ACCESS_HOLD, ACCESS_INFO, ACCESS_PREPEND, ACCESS_REDIRECT, ACCESS_WARN,
	ACCESS_CODE,		/* "4NN text", "5NN text" */
	ACCESS_LIST,		/* names of restrictions */
};

struct access {
	enum access_action action;
	int		 code;		/* ACCESS_CODE */
	char		 dsn[12];	/* "5.7.1", of the text or the usual one; of those that refuse */
	struct span	 text;		/* behind it, trimmed; into the value */
};

void	access_parse(struct span value, struct access *);
const char *access_action_name(enum access_action);	/* "REJECT" */
/* "5.7.1 text": the status off the front of *text, where there is one. */
bool	access_dsn(struct span *text, char dsn[12]);

#endif
