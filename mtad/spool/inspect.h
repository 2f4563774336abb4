/*
 * Looking into a spool directory without owning it: for `mtactl spool dump` and `spool check`, with the daemon up or down.
 * Nothing is locked or changed; a segment that is being written to is read as far as it is committed.
 */
#ifndef SPOOL_INSPECT_H
#define SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "spool/scan.h"
#include "spool/segment.h"

struct inspect_ops {
	/* Each file in segments/, by rising number; false skips its records. page is NULL where its first page is damaged. Each function may be NULL. */
	bool	(*segment)(void *arg, const char *name, const struct segment_page *page, const char *damage);
	void	(*record)(void *arg, const struct segment_page *, const struct scan_record *);
	void	(*corrupt)(void *arg, const struct segment_page *, const struct scan_record *);
	void	(*segment_end)(void *arg, const struct segment_page *, const struct scan *);
	void	(*spill)(void *arg, uint64_t spill, uint64_t size);
	/* A file in corrupt/. */
	void	(*set_aside)(void *arg, const char *name, uint64_t size);
};

/* dir is $queue_directory/spool. ERR_SYS where it can't be read, ERR_PERM where it is no spool of ours. */
bool	inspect_spool(int dir, const struct inspect_ops *, void *arg, struct err *);

/* Everything verified, and counted. */
struct inspect_totals {
	uint32_t	 segments, free, sealed, damaged;
	uint64_t	 messages, events, copies;	/* records; copies: messages with a generation above 0 */
	uint64_t	 bytes;				/* of records */
	uint64_t	 corrupt, torn, unreadable;
	uint64_t	 spills, spill_bytes;
	uint64_t	 bad_messages;			/* records whose CRCs hold, and whose content does not parse */
	uint64_t	 missing_spills;		/* messages whose spill file is not there, or too short; of ended ones that is normal */
	uint64_t	 set_aside;
	bool		 checkpoint, checkpoint_ok;
	uint64_t	 checkpoint_entries, checkpoint_bytes;
};
/* `fault` (may be NULL) gets a line for each thing found wrong. */
bool	inspect_check(int dir, struct inspect_totals *, void (*fault)(void *arg, const char *line), void *arg, struct err *);

/* A text of one line for a record: type, place, generation, for messages queue ID, size and sender. For `spool dump`. */
void	inspect_line(struct buf *, const struct segment_page *, const struct scan_record *);

#endif
