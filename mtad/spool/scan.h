/*
 * Reads a segment's records in order, as recovery and mtactl do. What stands before the last valid commit frame (or before the seal)
 * counts: a record there that fails its checks is corrupt, and reported; its neighbours are not
 * touched, whatever was damaged. What stands behind is a torn tail: never answered for, cut, counted.
 */
#ifndef SPOOL_SCAN_H
#define SPOOL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "spool/loc.h"

enum scan_result {
	SCAN_RECORD,
	SCAN_CORRUPT,	/* loc.length bytes of damage; `why` says what; payload is the raw bytes */
	SCAN_END,
};

struct scan_record {
	struct loc	 loc;
	uint8_t		 type;		/* enum record_type; commit frames are not shown. 0 where the header is damaged */
	uint32_t	 generation;
	uint64_t	 sequence;	/* of its batch in the segment */
	struct span	 payload;	/* lives until scan_close */
	const char	*why;
	/*
	 * Of a corrupt one: nothing says that it was ever synced. A batch that a power loss cut short, and
	 * nobody was answered for, looks the same (of a journal: its last second).
	 */
	bool		 maybe_torn;
};

struct scan {
	/* After SCAN_END. */
	uint64_t	 end;		/* what counts ends here: seal there */
	uint32_t	 batches;	/* valid commit frames */
	uint32_t	 bad_frames;	/* commit frames with damaged content; no record is lost by that */
	uint32_t	 corrupt;	/* SCAN_CORRUPT results */
	uint32_t	 torn;		/* records of the torn tail that have a valid header */
	uint64_t	 unreadable;	/* bytes that the disk did not give; seen as damage */

	/* The scan's own. */
	unsigned char	*bytes;	/* of the segment from `base` on */
	size_t		 mapped;
	uint64_t	 base, limit, pos, sure, durable, nonce;
	uint32_t	 segment;
	bool		 sealed, no_more;	/* no_more: no frame behind `sure` */
};

/*
 * from: 0 for all, or where a record begins (loc_end of the last one known). end: where the segment is sealed, or 0.
 * size: of the segment's header. The bytes are read here; false (ERR_SYS) only where there is no memory.
 */
bool	scan_open(struct scan *, int fd, uint32_t segment, uint64_t nonce, uint64_t size, uint64_t from, uint64_t end,
	    struct err *);
enum scan_result scan_next(struct scan *, struct scan_record *);
void	scan_close(struct scan *);

/* The same over bytes in memory that begin with the segment's first page; they must outlive the scan (tests, the fuzzer). */
void	scan_memory(struct scan *, const void *, size_t, uint32_t segment, uint64_t nonce, uint64_t from, uint64_t end);

#endif
