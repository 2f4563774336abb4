/*
 * Message content as it comes over SMTP, turned into what is kept: line ends become LF, stuffed dots go,
 * and only CRLF "." CRLF ends a DATA message. A bare LF ends a line, but a "." on a line that begins or ends with a bare LF neither
 * ends the message nor stays (as Postfix's smtpd_forbid_bare_newline = normalize); a bare CR becomes a space (cleanup_replace_stray_cr_lf).
 * So nothing that we pass on can end a message for anyone else.
 */
#ifndef SMTP_CONTENT_H
#define SMTP_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct smtp_content {
	bool		 mid_line;	/* the line that comes next has begun already */
	bool		 last_bare;	/* the line before ended with a bare LF */
	bool		 bare_lf;	/* one was seen in this message */
	uint32_t	 crs;		/* CRs that wait for what follows them */
	uint64_t	 bytes;		/* given out */
	uint64_t	 lines;
};

/* The room that smtp_content_data and _chunk may fill for an input of that length. */
static inline size_t
smtp_content_room(const struct smtp_content *c, size_t len)
{
	return len + c->crs + 1;
}

/*
 * DATA: fills out with what `in` means and sets *filled; returns how much of the input was used. *end is set when the message has ended;
 * the rest is commands then. What is left over (at most a few bytes at the start of a line) must come again with more behind it.
 */
size_t	smtp_content_data(struct smtp_content *, struct span in, char *out, size_t *filled, bool *end);
/* BDAT: all of the input is used, and no line is special. */
void	smtp_content_chunk(struct smtp_content *, struct span in, char *out, size_t *filled);
/* After BDAT LAST: ends the last line where it has no end. Fills at most smtp_content_room(c, 0) bytes. */
void	smtp_content_last(struct smtp_content *, char *out, size_t *filled);

#endif
