/*
 * A command line taken apart: the verb, and parameters of MAIL and RCPT.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include <stdbool.h>

#include "base/span.h"

enum smtp_verb {
	SMTP_HELO, SMTP_EHLO, SMTP_LHLO, SMTP_XCLIENT, SMTP_XFORWARD, SMTP_STARTTLS, SMTP_AUTH, SMTP_MAIL, SMTP_RCPT,
	SMTP_DATA, SMTP_BDAT, SMTP_RSET, SMTP_NOOP, SMTP_VRFY, SMTP_ETRN, SMTP_QUIT, SMTP_UNKNOWN,
	SMTP_VERB_COUNT
};

struct smtp_command {
	enum smtp_verb	 verb;
	struct span	 word;		/* as it came */
	struct span	 args;		/* what follows, trimmed */
};

/* False where the line has no word at all. */
bool	smtp_command_parse(struct span line, struct smtp_command *);
/* Verb and arguments, where there are such, as they stand in the line. */
struct span smtp_command_line(const struct smtp_command *);
const char *smtp_verb_name(enum smtp_verb);	/* "EHLO"; "UNKNOWN" */

/* The next KEYWORD[=VALUE] off the front of *rest; value.ptr is NULL where there is no "=". */
struct smtp_param {
	struct span	 raw, name, value;
};
bool	smtp_param_next(struct span *rest, struct smtp_param *);

/* What follows "FROM:" or "TO:", whatever its case; false where the arguments do not begin so. */
bool	smtp_path_arg(struct span args, const char *prefix, struct span *path);

#endif
