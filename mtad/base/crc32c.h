/*
 * CRC-32C (Castagnoli), with the processor's instruction where it has one.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from an earlier result; 0 to start with. */
uint32_t crc32c(uint32_t crc, const void *, size_t);
/* The same by table, for tests and for processors without the instruction. */
uint32_t crc32c_table(uint32_t crc, const void *, size_t);

#endif
