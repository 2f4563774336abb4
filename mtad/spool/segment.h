/*
 * The first page of a segment: header (twice, in sectors of their own), who was granted it, where it was sealed.
 * Records follow from SEGMENT_DATA on.
 */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SEGMENT_DATA	4096u
#define SEGMENT_MIN	((uint64_t)64 << 10)
#define SEGMENT_MAX	((uint64_t)1 << 30)
#define SEGMENT_VERSION	1
#define SPOOL_UUID	16

struct segment_header {
	uint32_t	 number;
	uint64_t	 nonce;
	uint64_t	 size;
	unsigned char	 uuid[SPOOL_UUID];	/* the spool's */
};

/* What a segment is for. */
enum segment_use {
	SEGMENT_FREE,		/* prepared, in reserve */
	SEGMENT_MAIL,		/* a receive role's */
	SEGMENT_JOURNAL,	/* the queue role's events */
	SEGMENT_COMPACT,	/* copies made by compaction */
};

struct segment_grant {
	enum segment_use use;
	uint32_t	 slot, epoch;	/* of the writer */
};

/* All write through fileops and do not sync. */
bool	segment_header_write(int fd, const struct segment_header *, struct err *);
bool	segment_grant_write(int fd, uint64_t nonce, const struct segment_grant *, struct err *);
bool	segment_seal_write(int fd, uint64_t nonce, uint64_t end, struct err *);

struct segment_page {
	struct segment_header header;
	struct segment_grant grant;	/* SEGMENT_FREE: never granted */
	bool		 sealed;
	uint64_t	 end;		/* where sealed: bytes that count */
	bool		 repaired;	/* the first header was damaged, the copy was used */
};

/* ERR_PERM: no valid header; or from a later version, which the text says. ERR_SYS: unreadable. */
bool	segment_page_read(int fd, struct segment_page *, struct err *);

#endif
