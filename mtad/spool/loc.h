/*
 * Where a record stands in the spool.
 */
#ifndef SPOOL_LOC_H
#define SPOOL_LOC_H

#include <stdint.h>

struct loc {
	uint32_t	segment;	/* 0: nowhere */
	uint32_t	block;		/* offset / SPOOL_BLOCK */
	uint32_t	length;		/* bytes of the whole record, header included */
};

#define SPOOL_BLOCK	64u
#define SPOOL_INLINE_MAX ((size_t)1 << 20)	/* a larger body goes to a spill file */

#endif
