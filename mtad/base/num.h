/*
 * Numbers in text and in bytes. Text parsing takes the whole span or nothing:
 * on failure (empty, sign, overflow, other bytes) the output is untouched.
 * Bytes are little-endian everywhere in mtad's own formats.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

bool	num_u64(struct span, uint64_t *);
bool	num_u32(struct span, uint32_t *);
bool	num_i64(struct span, int64_t *);	/* one leading '-' allowed */
bool	num_hex(struct span, uint64_t *);	/* 1 to 16 digits, no 0x */

static inline void
num_put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

static inline void
num_put32(unsigned char *p, uint32_t v)
{
	num_put16(p, (uint16_t)v);
	num_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void
num_put64(unsigned char *p, uint64_t v)
{
	num_put32(p, (uint32_t)v);
	num_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t
num_get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
num_get32(const unsigned char *p)
{
	return num_get16(p) | (uint32_t)num_get16(p + 2) << 16;
}

static inline uint64_t
num_get64(const unsigned char *p)
{
	return num_get32(p) | (uint64_t)num_get32(p + 4) << 32;
}

#endif
