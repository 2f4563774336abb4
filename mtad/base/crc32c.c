#include "base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLY	0x82f63b78u	/* 0x1edc6f41, bits reversed */

/* Filled at the first use; two threads that fill it at once write the same values. */
static uint32_t table[256];

static void
fill_table(void)
{
	for (uint32_t i = 255; i > 0; i--) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = (c & 1) != 0 ? c >> 1 ^ POLY : c >> 1;
		__atomic_store_n(&table[i], c, __ATOMIC_RELEASE);
	}
}

uint32_t
crc32c_table(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;

	/* Entry 1 is filled last. */
	if (__atomic_load_n(&table[1], __ATOMIC_ACQUIRE) == 0)
		fill_table();
	crc = ~crc;
	for (; n > 0; n--)
		crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t c = ~crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;
		memcpy(&v, p, sizeof v);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; n > 0; n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
	return ~(uint32_t)c;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, data, n);
#endif
	return crc32c_table(crc, data, n);
}
