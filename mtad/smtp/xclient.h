/*
 * XCLIENT and XFORWARD, by which a program that we trust says who the client behind it is: NAME=value ..., values in xtext, as Postfix's XCLIENT_README and
 * XFORWARD_README define them.
 */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

enum smtp_xattr {
	XATTR_NAME, XATTR_ADDR, XATTR_PORT, XATTR_PROTO, XATTR_HELO, XATTR_IDENT, XATTR_SOURCE, XATTR_LOGIN, XATTR_DESTADDR, XATTR_DESTPORT,
	XATTR_REVERSE_NAME, XATTR_COUNT
};
enum smtp_xstate { XSTATE_UNSAID, XSTATE_SAID, XSTATE_UNAVAILABLE, XSTATE_TEMPORARY };

#define XATTR_MAX	255

struct smtp_xattrs {
	struct {
		enum smtp_xstate state;
		char		 text[XATTR_MAX + 1];	/* decoded, with SAID */
	} items[XATTR_COUNT];
};

/* False with the reply, "501 5.5.4 ..." without its line end. */
bool	smtp_xattrs_parse(struct span args, bool forward, struct smtp_xattrs *, struct buf *reply);
/* What EHLO tells: "XCLIENT NAME ADDR ...". */
const char *smtp_xattrs_keyword(bool forward);

#endif
