/*
 * The queue role's state at one moment, in a file: where each log stood, and entries that only the index
 * understands. Written beside the old one, synced, renamed; blocks carry CRCs and the end says how many entries there were.
 * Writing is fed in slices from the loop; the helper thread does the writing and the sync.
 */
#ifndef SPOOL_CHECKPOINT_H
#define SPOOL_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct store;

/* All records of the segment before `offset` are in the entries. */
struct checkpoint_log {
	uint32_t	 segment;
	uint64_t	 nonce;		/* another one in the segment: it was recycled, read it from its start */
	uint64_t	 offset;	/* where a record begins; loc_end of the last one */
};

struct checkpoint;

/* One at a time. `extra` is the index's own head, returned by checkpoint_open. */
struct checkpoint *checkpoint_begin(struct store *, const struct checkpoint_log *, uint32_t logs, struct span extra);
/* At most 16 MiB an entry. */
void	checkpoint_put(struct checkpoint *, struct span entry);
/* Much is waiting for the disk: go on in a later round. */
bool	checkpoint_busy(const struct checkpoint *);
/* Ends it, whichever way; done (never called from inside) says how it went, *checkpoint is gone then. */
void	checkpoint_commit(struct checkpoint *, void (*done)(void *arg, bool ok, const char *text), void *arg);
void	checkpoint_drop(struct checkpoint *);

struct checkpoint_reader;

/*
 * *found false and NULL, no error: there is none. NULL with the err: unreadable, damaged, of another spool, or from a later version;
 * the caller scans everything. dir as for store_open.
 */
struct checkpoint_reader *checkpoint_open(int dir, const unsigned char *uuid, bool *found, struct err *);
/* The same of an open file, which it takes. uuid NULL: of any spool. */
struct checkpoint_reader *checkpoint_open_fd(int fd, const unsigned char *uuid, struct err *);
const struct checkpoint_log *checkpoint_logs(const struct checkpoint_reader *, uint32_t *count);
struct span checkpoint_extra(const struct checkpoint_reader *);
uint64_t checkpoint_size(const struct checkpoint_reader *);	/* bytes of the file */

enum checkpoint_result { CHECKPOINT_ENTRY, CHECKPOINT_END, CHECKPOINT_DAMAGED };
/* The entry lives until the next call. After CHECKPOINT_DAMAGED everything it gave must be thrown away. */
enum checkpoint_result checkpoint_next(struct checkpoint_reader *, struct span *entry);
void	checkpoint_close(struct checkpoint_reader *);

#endif
