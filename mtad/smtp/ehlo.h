/*
 * Keywords of EHLO replies, as the server offers and the client reads them, and the
 * lists of them in the configuration (smtpd_discard_ehlo_keywords, smtp_discard_ehlo_keywords).
 */
#ifndef SMTP_EHLO_H
#define SMTP_EHLO_H

#include "base/buf.h"
#include "base/span.h"

enum smtp_ehlo {
	EHLO_PIPELINING		= 1,
	EHLO_SIZE		= 2,
	EHLO_VRFY		= 4,
	EHLO_ETRN		= 8,
	EHLO_STARTTLS		= 16,
	EHLO_AUTH		= 32,
	EHLO_ENHANCEDSTATUSCODES = 64,
	EHLO_8BITMIME		= 128,
	EHLO_DSN		= 256,
	EHLO_SMTPUTF8		= 512,
	EHLO_CHUNKING		= 1024,
	EHLO_XCLIENT		= 2048,
	EHLO_XFORWARD		= 4096,
	EHLO_VERP		= 8192,
	EHLO_SILENT_DISCARD	= 16384,	/* of the lists only: do not log what is discarded */
};

/* The bit of a keyword, whatever its case; 0 where it is not known. */
unsigned smtp_ehlo_keyword(struct span);
/* The bits of a list as main.cf has it; words that are not known are left out. */
unsigned smtp_ehlo_list(struct span);
/* "AUTH DSN": for the log. */
void	smtp_ehlo_names(unsigned bits, struct buf *);

#endif
