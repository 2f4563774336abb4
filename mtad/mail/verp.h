/*
 * Variable envelope return paths: each recipient's mail has a sender of its own, list+user=domain@site, so that what comes back says whose it is.
 * Two delimiters part the pieces; they are kept in two bytes of an envelope's flags.
 */
#ifndef MAIL_VERP_H
#define MAIL_VERP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* Whether the text is two characters, both of those that verp_delimiter_filter lists. */
bool	verp_delimiters_ok(struct span, const char *filter);

/* As bits of the flags (spool/envelope.h), and back; 0: none. Plain ASCII, or nothing. */
uint32_t verp_flags(struct span delimiters);
bool	verp_delimiters(uint32_t flags, char delimiters[2]);

/* The sender of mail to that recipient: both unquoted. */
void	verp_sender(struct buf *, const char delimiters[2], struct span sender, struct span recipient);

#endif
