/*
 * The spool directory: which segments and spill files there are, who has them, what is free. The queue role owns it.
 *
 *   uuid          the spool's identity, and the format's version
 *   lock          flock'ed by the owner; its pid
 *   numbers       a bound below which segment and spill numbers may have been used: none is used twice
 *   segments/     NNNNNNNN in hexadecimal; "new.*" while being made
 *   spill/        16 hexadecimal digits
 *   corrupt/      what was set aside: SEGMENT.OFFSET
 *   checkpoint    checkpoint.h
 *
 * Work that blocks (making, recycling, removing, syncing) is a helper thread's, ahead of need: nothing here waits for a disk
 * after store_start, but for reading segments' first bytes at store_open. All names are relative to the directory, links are not followed.
 *
 * Recovery: store_open; checkpoint; scan each segment of store_each from its position; store_seal what no process writes to any more;
 * store_live for what is in the queue; store_start; when every worker has listed, store_spill_sweep.
 */
#ifndef SPOOL_STORE_H
#define SPOOL_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "spool/loc.h"
#include "spool/segment.h"

struct store;
struct jobs;

enum store_mode {
	STORE_OWN,	/* exclusive; missing files are made */
	STORE_READ,	/* no lock, nothing is changed: mtactl with the daemon down. Only store_each, _get, _fd, _spill_open, _uuid */
};

struct store_config {
	uint64_t	 segment_size;	/* of new ones */
	uint32_t	 reserve;	/* free segments to keep ready, beside the one for the queue role and the one for compaction */
	uint32_t	 spills;	/* spill files to keep ready: two a receive slot */
};

struct store_ops {
	/* Something was made after store_grant or store_spill_take said no: try again. */
	void	(*ready)(void *arg);
	/* Preparing failed (disk full): for the log, and to tell receive. It is tried again after a pause. */
	void	(*failed)(void *arg, const char *text);
};

/* dir is $queue_directory/spool; duplicated. ERR_TEMP: locked, the text names the pid. ERR_PERM: a format from the future. */
struct store *store_open(int dir, enum store_mode, const struct store_config *, struct err *);
/* Starts the helper threads and the preparing; after the role's rights are dropped. */
void	store_start(struct store *, const struct store_ops *, void *arg);
/* Waits for the helpers' running work. */
void	store_close(struct store *);

const unsigned char *store_uuid(const struct store *);	/* SPOOL_UUID bytes */
int	store_dir(const struct store *);
uint64_t store_free_bytes(const struct store *);	/* of the file system, for us; asked of the kernel at each call */

struct store_segment {
	uint32_t	 number;
	uint64_t	 nonce, size;
	struct segment_grant grant;
	bool		 sealed;
	uint64_t	 end;		/* where sealed */
	uint32_t	 live;		/* messages that are in the queue (or trash) */
	uint64_t	 live_bytes;
	bool		 pinned;	/* the caller's: a journal that is still needed, a copy under way */
};

/* Borrowed; until the segment is released. NULL: no such segment (any more), or it is free. */
const struct store_segment *store_get(const struct store *, uint32_t number);
/* Every segment that was granted, by rising number. fn may not release; it may seal. False from fn ends it. */
void	store_each(const struct store *, bool (*fn)(void *arg, const struct store_segment *), void *arg);
uint32_t store_count(const struct store *, enum segment_use);	/* FREE: those ready */
/* Segments in whose file nothing could be read: for the log. */
void	store_each_damaged(const struct store *, void (*fn)(void *arg, const char *name, const char *why), void *arg);

/* A descriptor for reading (O_RDONLY), kept open by the store until the segment is released; -1 with the err. */
int	store_fd(struct store *, uint32_t number, struct err *);

/*
 * A ready segment, granted: *fd is the caller's (O_RDWR, to be sent to the writer or given to spool_writer_grant). False: none
 * ready; ops->ready tells. The last two are kept: one for SEGMENT_JOURNAL or _COMPACT, the last for SEGMENT_COMPACT.
 */
bool	store_grant(struct store *, const struct segment_grant *, struct store_segment *out, int *fd);
/* Nobody writes to it any more: `end` bytes of it count (segment_done, or scan.end). Written and synced by the helper. */
void	store_seal(struct store *, uint32_t number, uint64_t end);

/* A message came to live in the segment, or (count -1) left it. */
void	store_live(struct store *, uint32_t number, int count, int64_t bytes);
void	store_pin(struct store *, uint32_t number, bool);
/* Sealed, nothing live, not pinned. */
bool	store_dead(const struct store *, uint32_t number);
/* Dead ones, or (where `at_most_live` > 0 percent) sealed mail and compact ones with little alive: for compaction. Returns how many numbers were put. */
uint32_t store_pick_dead(const struct store *, uint32_t *numbers, uint32_t max);
uint32_t store_pick_sparse(const struct store *, uint32_t at_most_live, uint32_t *numbers, uint32_t max);
/*
 * Recycles or removes a dead segment. The events that say that its messages ended or moved must be durable before
 * (spool_writer_sync of the journal): after a power loss the old journal would name messages that are gone.
 */
void	store_release(struct store *, uint32_t number);

/* A ready spill file: *fd is the caller's (O_RDWR). False as store_grant. */
bool	store_spill_take(struct store *, uint64_t *spill, int *fd);
/* For reading; the caller's. -1 with the err. */
int	store_spill_open(const struct store *, uint64_t spill, struct err *);
void	store_spill_remove(struct store *, uint64_t spill);
/*
 * Removes the spill files found at store_open for which `wanted` is false. Only when no worker of an earlier queue role can hold one
 * still: role_epoch() is 1, or every receive process is newer than this one. Returns how many.
 */
uint32_t store_spill_sweep(struct store *, bool (*wanted)(void *arg, uint64_t spill), void *arg);

/* Copies damaged bytes to corrupt/ for people to look at. Blocks; for recovery. */
bool	store_set_aside(struct store *, struct loc, struct span raw, struct err *);

/* The helper that makes the checkpoint (checkpoint.c). */
struct jobs *store_jobs(struct store *);

#endif
