/*
 * A message's header block: lines that end in LF or CRLF, folded as RFC 5322 says. Nothing is
 * copied: spans point into the block.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct header {
	struct span	 raw;		/* the lines, with their line ends */
	struct span	 name;		/* "Subject" */
	struct span	 value;		/* behind ":" and white space, still folded, without the last line end */
};

/* A logical header off the front of *rest. False at the empty line, at a line that is no header, and at the end; *rest begins with it. */
bool	header_next(struct span *rest, struct header *);
/* Length of "Name:" (the colon not counted) where the line begins with a valid one, else 0. White space before the colon is let through. */
size_t	header_name_len(struct span line);
/* Bytes up to and with the empty line that ends the block; the whole length where there is none. */
size_t	header_block_len(struct span content);
/* The first with that name, whatever its case. */
bool	header_find(struct span block, const char *name, struct header *);

/* What intake wants to know, in one pass. */
enum header_seen {
	HEADER_FROM		= 1,
	HEADER_DATE		= 2,
	HEADER_MESSAGE_ID	= 4,
	HEADER_RECIPIENT	= 8,	/* To, Cc, Bcc or a Resent- one of them */
	HEADER_TO		= 16,
	HEADER_RESENT		= 32,	/* any Resent-*: then Resent-From, -Date, -Message-ID count below */
	HEADER_RESENT_FROM	= 64,
	HEADER_RESENT_DATE	= 128,
	HEADER_RESENT_MESSAGE_ID = 256,
	HEADER_MIME_VERSION	= 512,
	HEADER_RETURN_PATH	= 1024,
	HEADER_BCC		= 2048,	/* Bcc or Resent-Bcc */
};
struct header_facts {
	unsigned	 seen;		/* enum header_seen */
	unsigned	 received;	/* hop count */
	unsigned	 delivered_to;
	struct span	 message_id;	/* raw values; empty where there is none */
	struct span	 subject;
	size_t		 longest;	/* bytes of the longest logical header */
	size_t		 length;	/* of the block that was walked, without the empty line */
};
void	header_look(struct span block, struct header_facts *);

/* Whether a Delivered-To: header names this address (whatever its case): a loop. */
bool	header_delivered_to(struct span block, struct span address);

/* A folded value as one line: each line end goes, with the white space behind it made one space. */
void	header_unfold(struct buf *, struct span value);
/* One line "Name: value\n", folded before words that would pass 78 columns. The value must have no line ends. */
void	header_put(struct buf *, const char *name, struct span value);
/* Copies the block and leaves out what each logical header has beyond header_size_limit bytes (whole lines). */
void	header_copy_limited(struct buf *, struct span block, size_t limit);
/* Copies the block without the headers of that name ("bcc"). */
void	header_copy_without(struct buf *, struct span block, const char *name);

#endif
