/*
 * Appending to the spool with group commit. A writer belongs to one role's loop and has one helper thread that
 * writes and syncs: what is appended while a sync is under way forms the next batch. It writes only to
 * segments it was granted, each ended by itself; it never continues another process's.
 */
#ifndef SPOOL_WRITER_H
#define SPOOL_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/span.h"
#include "spool/loc.h"

enum record_type {
	RECORD_MESSAGE	= 1,	/* a message: message.h */
	RECORD_EVENT	= 2,	/* of the queue role: event.h */
	RECORD_COMMIT	= 3,	/* ends a batch; written by the writer itself */
};

struct spool_writer;

struct spool_writer_ops {
	/* The current segment is ended: `end` bytes of it count. A failed sync ends one too. */
	void	(*segment_done)(void *arg, uint32_t segment, uint64_t end);
	/* There is room again after spool_append said no. */
	void	(*room)(void *arg);
	/* A write or sync failed: the segment is ended, its batch got ok false (lazy: what was not yet synced is in doubt). For the log; may be NULL. */
	void	(*failed)(void *arg, uint32_t segment, const char *text);
};

/*
 * lazy: 0, every batch is synced before its callbacks; else microseconds: callbacks come once the batch is written (it survives the process, not the machine),
 * and a sync follows within that time.
 */
struct spool_writer *spool_writer_new(const struct spool_writer_ops *, void *arg, int64_t lazy);
/* After the last callback; syncs what is pending. */
void	spool_writer_free(struct spool_writer *);

/* The descriptor is the writer's from now on. Segments are used in the order in which they were granted. */
void	spool_writer_grant(struct spool_writer *, uint32_t segment, uint64_t nonce, uint64_t size, int fd);

/* Called in the loop: durable (or written, if lazy) at loc; or ok false, and nothing of it will be seen again. */
typedef void spool_done_fn(void *arg, bool ok, struct loc);

/*
 * Copies the parts into the next batch as one record. sync_first (-1: none) is synced before the batch (a spill file); it must stay open until the
 * callback. False where there is no segment with room (wait for ops->room) or the record is too large for any.
 */
bool	spool_append(struct spool_writer *, enum record_type, const struct iovec *, int n, int sync_first,
	    spool_done_fn *, void *arg);

/* The same for a copy of a record: its payload, unchanged, and the generation that the copy gets. */
bool	spool_append_copy(struct spool_writer *, enum record_type, uint32_t generation, const struct iovec *, int n,
	    spool_done_fn *, void *arg);

/* Calls back (loc is empty) when all that was appended before is durable, lazy or not; ok false where a sync failed since. */
void	spool_writer_sync(struct spool_writer *, spool_done_fn *, void *arg);
/* Ends the current segment once its batches are written: segment_done follows. At a role's stop, and to begin a new journal. */
void	spool_writer_end(struct spool_writer *);
/* Segments granted, the current one included: 0 means that spool_append will say no. */
unsigned spool_writer_segments(const struct spool_writer *);

/* Bytes gathered and not yet written: against the role's memory budget. */
size_t	spool_writer_pending(const struct spool_writer *);

#endif
