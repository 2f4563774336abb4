/*
 * Values packed into bytes, for messages between roles, spool records and the
 * checkpoint: fixed little-endian integers, and byte strings behind a 32-bit length.
 * The reader's fault is sticky: after the first bad value every later one is zero or empty,
 * so a decoder checks once, with unpack_end, which also refuses trailing bytes.
 */
#ifndef BASE_PACK_H
#define BASE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

void	pack_u8(struct buf *, uint8_t);
void	pack_u16(struct buf *, uint16_t);
void	pack_u32(struct buf *, uint32_t);
void	pack_u64(struct buf *, uint64_t);
void	pack_i64(struct buf *, int64_t);
void	pack_span(struct buf *, struct span);	/* at most UINT32_MAX bytes: panic past it */

struct unpack {				/* start with { .left = the bytes } */
	struct span	left;
	bool		fault;
};

uint8_t		unpack_u8(struct unpack *);
uint16_t	unpack_u16(struct unpack *);
uint32_t	unpack_u32(struct unpack *);
uint64_t	unpack_u64(struct unpack *);
int64_t		unpack_i64(struct unpack *);
struct span	unpack_span(struct unpack *);	/* into the input */

/* True where nothing was wrong and nothing is left. */
bool		unpack_end(const struct unpack *);
/* True while nothing was wrong and something is left: for lists that fill the rest. */
bool		unpack_more(const struct unpack *);

#endif
