/*
 * The words of the dialogue with a filter before the queue (smtpd_proxy_filter): its replies taken apart, XFORWARD as smtpd(8) says it, and content as it goes over
 * the wire. No sockets; receive/before_queue.h is the dialogue.
 */
#ifndef SMTP_FILTER_H
#define SMTP_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

#define FILTER_REPLY_MAX	4096	/* of more lines no more is kept */

/* A reply of the filter's, gathered. Start with { .text = BUF_INIT(2 * FILTER_REPLY_MAX), .line = BUF_INIT(2 * FILTER_REPLY_MAX) }. */
struct filter_reply {
	struct buf	 text;		/* its lines as they may be passed on, joined by CR LF; bytes that are none of a reply's become "?" */
	struct buf	 line;		/* the one under way */
	bool		 whole;		/* the next byte begins another one */
};
/* Takes bytes until a reply is whole; how many were used. */
size_t	filter_reply_take(struct filter_reply *, struct span in);
/* '2' ... '5', or 0 where it is no reply of SMTP's. */
char	filter_reply_class(const struct filter_reply *);
void	filter_reply_clear(struct filter_reply *);

enum filter_xattr { FILTER_NAME, FILTER_ADDR, FILTER_PORT, FILTER_HELO, FILTER_IDENT, FILTER_PROTO, FILTER_SOURCE, FILTER_XATTRS };
/* The attributes (1 << enum filter_xattr) that the reply to EHLO says it takes. */
unsigned filter_xforward_offered(const struct filter_reply *);
/* The next XFORWARD command, without its line end, with as many of *left as a line has room for; empty values are told as not available. False: none is left. */
bool	filter_xforward(unsigned *left, const struct span values[FILTER_XATTRS], struct buf *out);

/* Content (lines that end in LF) as DATA has it. *begun: within a line, false at first. */
void	filter_content(struct buf *out, struct span content, bool *begun);

#endif
