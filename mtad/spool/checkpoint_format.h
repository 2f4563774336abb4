/*
 * The checkpoint's blocks. Not for others.
 *
 * Each: magic, kind, length, CRC (4 bytes each), its number in the file (8), then `length` bytes. The CRC
 * starts from the file's nonce (the head's: 0) and covers kind, length, number and bytes.
 * Head: version, features, spool UUID, nonce, logs, extra. Entries: each a packed span. End: how many blocks and entries came before.
 */
#ifndef SPOOL_CHECKPOINT_FORMAT_H
#define SPOOL_CHECKPOINT_FORMAT_H

#include <stdint.h>

#include "base/crc32c.h"
#include "base/num.h"

#define CP_MAGIC	0x62706b63u	/* "ckpb" */
#define CP_VERSION	3	/* 1: without operators' actions, 2: without clients; still read */
#define CP_BLOCK	24u
#define CP_TARGET	((size_t)256 << 10)	/* entries gather up to this */
#define CP_ENTRY_MAX	((size_t)16 << 20)
#define CP_BLOCK_MAX	(CP_TARGET + CP_ENTRY_MAX + 16)
#define CP_LOGS_MAX	100000u

enum cp_kind { CP_HEAD = 1, CP_ENTRIES = 2, CP_END = 3 };

static inline uint32_t
cp_crc(uint64_t nonce, const unsigned char *block, const void *bytes, uint32_t n)
{
	unsigned char seed[8];

	num_put64(seed, nonce);
	uint32_t crc = crc32c(0, seed, sizeof seed);
	crc = crc32c(crc, block + 4, 8);
	crc = crc32c(crc, block + 16, 8);
	return crc32c(crc, bytes, n);
}

#endif
