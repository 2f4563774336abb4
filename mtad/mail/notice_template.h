/*
 * The texts of notices: our own, and those of a file as bounce(5) has it. A template is a few headers and a text for people, in which $name stands for a
 * parameter; the caller expands it. Nothing is copied: what is read points into the bytes that were given.
 */
#ifndef MAIL_NOTICE_TEMPLATE_H
#define MAIL_NOTICE_TEMPLATE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

enum template_kind { TEMPLATE_FAILURE, TEMPLATE_DELAY, TEMPLATE_SUCCESS, TEMPLATE_VERIFY, TEMPLATES };

struct notice_template {
	struct span	 charset, from, subject;	/* each one line of ASCII, never empty */
	struct span	 postmaster_subject;		/* of copies; empty: there are none */
	struct span	 text;				/* whole lines; $name is not expanded */
	unsigned	 line;				/* of the file, where it begins; 0: our own */
};

struct notice_templates {
	struct notice_template of[TEMPLATES];
};

const char *template_name(enum template_kind);	/* "failure" */

/* obsolete_from: "MAILER-DAEMON (Mail Delivery System)", as header_from_format wants it. */
void	notice_templates_own(struct notice_templates *, bool obsolete_from);

/* What is wrong, once for each place. */
typedef void	notice_template_fault(void *arg, unsigned line, const char *text);

/*
 * The file's templates over what is there. One that is wrong is left out, and what was there stays. False where the file as a whole cannot be read as
 * templates: then nothing of it counts.
 */
bool	notice_templates_parse(struct notice_templates *, struct span file, notice_template_fault *, void *arg);

/* The form in which the file has it, without the last LF. */
void	notice_template_put(struct buf *, enum template_kind, const struct notice_template *);

/* The value of a From: header with the domain added where its address has none. */
void	notice_from_put(struct buf *, struct span from, struct span origin);

#endif
