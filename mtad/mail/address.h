/*
 * Mail addresses. Inside mtad an address is in unquoted form: the local part with its quotes and backslashes
 * undone, "@", the domain; the last "@" divides them. `<"john doe"@example.org>` is "john doe@example.org", the null sender is the empty span.
 * Follows RFC 5321 (paths in commands), RFC 5322 (lists in headers) and RFC 6531, with the tolerance that Postfix has.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

#define ADDRESS_MAX	1024	/* bytes of one address; RFC 5321 wants at least 64 + 1 + 255 */

enum address_flag {
	ADDRESS_STRICT	= 1,	/* strict_rfc821_envelopes: <> must be there, and nothing but the address in them */
	ADDRESS_UTF8	= 2,	/* SMTPUTF8: bytes over 127 may be there, and must be UTF-8 */
	ADDRESS_8BIT	= 4,	/* any bytes over 127 are let through (strict_smtputf8 = no, local submission) */
	ADDRESS_EMPTY	= 8,	/* "<>" is good (MAIL FROM) */
};

/*
 * The path at the front of what follows "MAIL FROM:" or "RCPT TO:". The unquoted address is put behind what `out` holds, and *rest is what follows the
 * path (the ESMTP parameters), trimmed. False with *fault, a few words for the log ("unbalanced \"<\""), and `out` as it was.
 * A source route (@a,@b:) is dropped. Unless strict, the <> may be missing, and white space and comments may stand inside them.
 */
bool	address_path(struct span arg, unsigned flags, struct buf *out, struct span *rest, const char **fault);

/* False where there is no "@": then all is local, and domain is empty. */
bool	address_split(struct span address, struct span *local, struct span *domain);
struct span address_local(struct span address);
struct span address_domain(struct span address);
/* "user+ext" by recipient_delimiter ("" has none; each of its bytes is one). False, and all is user, where there is no extension. */
bool	address_extension(struct span local, const char *delimiters, struct span *user, struct span *ext);

/* The external form, quoted where it must be: "john doe"@example.org. */
void	address_quote(struct buf *, struct span address);
/* The local part alone. */
void	address_quote_local(struct buf *, struct span local);
/* With the domain in lower case (ASCII), the local part as it is; unquoted. */
void	address_fold(struct buf *, struct span address);
/* Domains without regard to case, local parts with. */
bool	address_eq(struct span, struct span);

/* A host name by its bytes and lengths: letters, digits, "-" and "_", labels of 1 to 63 (and bytes over 127 with utf8). */
bool	address_hostname_ok(struct span, bool utf8);
/* "[1.2.3.4]" or "[IPv6:...]": the address inside. False where it is none. */
bool	address_literal(struct span domain, struct span *ip, bool *v6);
bool	address_is_utf8(struct span);	/* well-formed UTF-8 */

/*
 * The mailboxes of a header like To:, one at a time: groups are flattened, routes skipped, folding and comments anywhere. Spans point into
 * the value. Never recursive; a broken list yields what can be made out.
 */
struct mailbox_list {			/* start with { .left = the value } */
	struct span	 left;
	bool		 in_group;
	bool		 fault;		/* something could not be made out */
};

struct mailbox {
	struct span	 raw;		/* all of it, display name and comments included */
	struct span	 name;		/* display name as it stands (quoted), or empty */
	struct span	 spec;		/* local@domain as it stands, without <> and route; may hold comments and folding */
};

bool	mailbox_next(struct mailbox_list *, struct mailbox *);
/* The unquoted address of a spec, put behind what `out` holds. False (and `out` as it was) where it is none. */
bool	mailbox_address(struct span spec, struct buf *out);

#endif
