/*
 * A message's record: envelope, then a header block, then a body, either in the record or
 * in a spill file. Content is kept with LF line ends; dots are not stuffed.
 */
#ifndef SPOOL_MESSAGE_H
#define SPOOL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "spool/envelope.h"
#include "spool/loc.h"

/* The parts of the record in the order in which they are written; head is filled for the caller to write with spool_append. */
#define MESSAGE_IOV	4

/*
 * Lays out a record from an envelope, its header block (with the empty line that ends it) and its body (inline, as up to one span; empty with envelope->spill set). `head` receives the bytes
 * before the header block and must live as long as the iov.
 */
int	message_layout(struct buf *head, const struct envelope *, struct span header, struct span body,
	    uint64_t spill_length, struct iovec iov[MESSAGE_IOV]);

/* A message read back. Spans point into `record` (owned by this struct), which holds all but a spilled body. */
struct message {
	struct buf	 record;
	struct envelope	 envelope;
	struct span	 header;	/* ends with the empty line */
	struct span	 body;		/* empty where it is spilled */
	uint64_t	 spill_length;	/* 0: inline */
};

/*
 * Reads and checks the record at loc. fd and nonce are the segment's. ERR_PERM: the record is corrupt; ERR_SYS: it could not be read.
 */
bool	message_read(int fd, uint64_t nonce, struct loc, struct message *, struct err *);
/* The same from a record's payload that is in memory already (a scan). */
bool	message_parse(struct span payload, struct message *, struct err *);
/* The envelope's bytes of the record (envelope_unpack takes them), at most `most`; nothing is checked. False: not to be had. */
bool	message_envelope(int fd, struct loc, size_t most, struct buf *out);
/* The same from the first bytes of a record's payload that are in memory; false where it does not lie in them. */
bool	message_envelope_in(struct span payload, struct span *out);
void	message_clear(struct message *);
/* Empties it and keeps the memory for the next one. */
void	message_reset(struct message *);

#endif
