/*
 * Compaction's one step: a message's record again, in another segment, with a generation one higher.
 * After a crash between the copy and the record of the move, both are found; the higher generation wins.
 */
#ifndef SPOOL_COPY_H
#define SPOOL_COPY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "spool/writer.h"

/*
 * Reads and checks the record at `from` (fd and nonce: its segment's) and appends it to the writer. The callback gives the new place, durable. *full is
 * set where only room was missing (wait for ops->room). scratch is the caller's, reused.
 */
bool	spool_copy(struct spool_writer *to, int fd, uint64_t nonce, struct loc from, struct buf *scratch,
	    spool_done_fn *, void *arg, bool *full, struct err *);

#endif
