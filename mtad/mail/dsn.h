/*
 * Delivery status: enhanced status codes (RFC 3463), and the parameters by which SMTP asks
 * for notifications (RFC 3461): xtext, NOTIFY, RET, ENVID, ORCPT.
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "mail/outcome.h"

#define DSN_TEXT	12	/* "5.999.999" and its NUL */

/* Length of a status code (2, 4 or 5, then subject and detail of 1 to 3 digits) at the front of the text, or 0. */
size_t	dsn_code_len(struct span text);

/*
 * The status of a reply: the code at the front of its text where its class fits the reply's, else the reply's class and ".0.0". *rest
 * (may be NULL) is the text behind the status code. Reply classes other than 2 and 5 count as 4.
 */
const char *dsn_of_reply(unsigned reply, struct span text, char out[DSN_TEXT], struct span *rest);
/* The same status in another class, e.g. a 5.x.x that soft_bounce makes 4.x.x. */
const char *dsn_with_class(struct span code, char cls, char out[DSN_TEXT]);

void	xtext_encode(struct buf *, struct span);
/* False (and the buffer as it was) where it is no xtext. */
bool	xtext_decode(struct buf *, struct span);

/* "NEVER", or "SUCCESS,FAILURE,DELAY" in any order; case does not matter. */
bool	dsn_notify_parse(struct span value, uint8_t *notify);
/* The value, e.g. "SUCCESS,FAILURE"; nothing for NOTIFY_DEFAULT. */
void	dsn_notify_put(struct buf *, uint8_t notify);

enum dsn_ret { DSN_RET_NONE, DSN_RET_FULL, DSN_RET_HDRS };
bool	dsn_ret_parse(struct span value, enum dsn_ret *);

/* ENVID's value, decoded and put behind what `out` holds. Printable, at most 100 bytes as it came. */
bool	dsn_envid_parse(struct span value, struct buf *out);
/* ORCPT's "rfc822;xtext" or "utf-8;...": the decoded "type;address", as struct recipient keeps it. */
bool	dsn_orcpt_parse(struct span value, struct buf *out);
/* "type;address" as a value for ORCPT=. */
void	dsn_orcpt_put(struct buf *, struct span orcpt);

#endif
