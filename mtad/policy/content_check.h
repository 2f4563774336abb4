/*
 * header_checks(5): what tables say of a header or of a line of the body. Decisions only: who asks has the message, and does what is said. The same
 * code serves intake (header_checks ...) and the clients (smtp_header_checks ...).
 */
#ifndef POLICY_CONTENT_CHECK_H
#define POLICY_CONTENT_CHECK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"

enum check_kind { CHECK_HEADER, CHECK_MIME, CHECK_NESTED, CHECK_BODY };
#define CHECK_KINDS	4

enum check_action {
	CHECK_DUNNO, CHECK_BCC, CHECK_DISCARD, CHECK_FILTER, CHECK_HOLD, CHECK_IGNORE, CHECK_INFO, CHECK_PASS, CHECK_PREPEND,
	CHECK_REDIRECT, CHECK_REJECT, CHECK_REPLACE, CHECK_STRIP, CHECK_WARN,
	CHECK_FAILED,		/* a table could not be asked */
};

/* Who asks: the parameters that name its tables. */
enum check_user { CHECK_CLEANUP, CHECK_SMTP, CHECK_LMTP };

struct content_checks;

/* With *out NULL where no table is named. False with the err: "NAME: what is wrong". */
bool	content_checks_new(struct conf *, const struct view *, enum check_user, struct content_checks **out, struct err *);
void	content_checks_free(struct content_checks *);	/* NULL is fine */
bool	content_checks_has(const struct content_checks *, enum check_kind);

/* Start with { .value = BUF_INIT(0) } or reuse. */
struct check_result {
	enum check_action action;
	struct span	 text;		/* behind the action; of REJECT complete: "5.7.1 text" */
	char		 complaint[300];	/* the table's value is wrong, to be logged; the action is DUNNO then, or what is left of it */
	struct buf	 value;
};
void	content_check(const struct content_checks *, enum check_kind, struct span text, struct check_result *);
/* Headers of MIME in the message's own block are CHECK_MIME's; else the kind that was given. */
enum check_kind content_check_kind(enum check_kind, struct span header);

/* What is logged of an action: "reject", "warning" ...; NULL: nothing. */
const char *content_check_word(enum check_action);

/* Where the text came from, for the log. Each may be empty; from and to unquoted. */
struct check_source {
	struct span	 origin;	/* "name[addr]", "local" */
	struct span	 sender, recipient, protocol, helo;
	bool		 has_recipient;
};
/* "reject: header Subject: x from name[addr]; from=<a> to=<b> proto=ESMTP helo=<h>: 5.7.1 text", to go behind "QUEUEID: ". */
void	content_check_log(struct buf *, const struct check_result *, enum check_kind, struct span text, const struct check_source *);
/* The same of what no table decided: "what text from ...: why". */
void	content_check_tell(struct buf *, const char *what, struct span text, const struct check_source *, struct span why);

#endif
