/*
 * A record in a segment: 32 bytes of header, the payload, zeros up to the next multiple of 64.
 *
 *   0  8  tag: made from the segment's nonce and the place, so that no sender of a message can guess it
 *   8  4  type (low 8 bits), generation (a copy made by compaction has one more)
 *  12  4  length of the payload
 *  16  8  sequence of the batch in its segment, from 1
 *  24  4  CRC-32C of the payload
 *  28  4  CRC-32C of the 28 bytes before
 *
 * Both CRCs start from the nonce and the offset: a record counts in its own place only, and in no later life of the file.
 */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "spool/loc.h"

#define RECORD_HEADER	32u
#define RECORD_MAX	((uint32_t)256 << 20)	/* of a payload; segments are smaller */
#define RECORD_GENERATION_MAX 0xffffffu

struct record_head {
	uint8_t		 type;		/* enum record_type, writer.h */
	uint32_t	 generation;
	uint32_t	 length;
	uint64_t	 sequence;
	uint32_t	 data_crc;
};

/* Bytes in the segment, padding included, of a record with that payload. */
static inline uint64_t
record_space(uint64_t payload)
{
	return (payload + RECORD_HEADER + SPOOL_BLOCK - 1) / SPOOL_BLOCK * SPOOL_BLOCK;
}

static inline uint64_t
loc_offset(struct loc l)
{
	return (uint64_t)l.block * SPOOL_BLOCK;
}

/* Where the next record begins. */
static inline uint64_t
loc_end(struct loc l)
{
	return loc_offset(l) + ((uint64_t)l.length + SPOOL_BLOCK - 1) / SPOOL_BLOCK * SPOOL_BLOCK;
}

static inline struct loc
loc_make(uint32_t segment, uint64_t offset, uint32_t length)
{
	return (struct loc){ segment, (uint32_t)(offset / SPOOL_BLOCK), length };
}

/* The tag that a record's header has at that place. */
uint64_t record_tag(uint64_t nonce, uint64_t offset);

/* Writes the header before `head->length` bytes of payload that stand at p + RECORD_HEADER already; works out data_crc. */
void	record_finish(unsigned char *p, uint64_t nonce, uint64_t offset, struct record_head *head);
/* False where these 32 bytes are no header of that place. */
bool	record_head_get(const unsigned char *p, uint64_t nonce, uint64_t offset, struct record_head *);
bool	record_data_ok(const void *payload, uint64_t nonce, uint64_t offset, const struct record_head *);

/* A commit frame's payload: what it covers. */
struct commit {
	uint64_t	 start;		/* offset of the batch's first record */
	uint32_t	 length;	/* up to the frame */
	uint32_t	 count;		/* records, without the frame */
	uint64_t	 durable;	/* what stands before was synced when this was written */
};
#define COMMIT_PAYLOAD	24u
#define COMMIT_SPACE	64u

void	commit_put(unsigned char p[COMMIT_PAYLOAD], const struct commit *);
bool	commit_get(struct span, struct commit *);

/*
 * Reads a record with one pread into `into` (emptied first) and checks it; *payload points into it. ERR_PERM: corrupt, or no
 * record there; ERR_SYS: it could not be read.
 */
bool	record_read(int fd, uint64_t nonce, struct loc, struct buf *into, struct record_head *, struct span *payload,
	    struct err *);

#endif
