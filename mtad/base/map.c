#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/num.h"

#define MIN_SLOTS	16

/* A multiply-fold hash (as wyhash does), keyed so that an outsider cannot aim for collisions. */
static uint64_t
fold(uint64_t a, uint64_t b)
{
	__uint128_t r = (__uint128_t)a * b;
	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t
map_hash(struct span s)
{
	static uint64_t key[2];
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t n = s.len;

	if (key[0] == 0) {
		clock_random_bytes(key, sizeof key);
		key[0] |= 1;
	}
	uint64_t h = key[0] ^ n;
	for (; n >= 8; p += 8, n -= 8)
		h = fold(h ^ num_get64(p), key[1] ^ 0xa0761d6478bd642fu);
	uint64_t last = 0;
	for (size_t i = 0; i < n; i++)
		last = last << 8 | p[i];
	h = fold(h ^ last, key[1] ^ 0xe7037ed1a0b428dbu);
	return fold(h ^ key[1], 0x8ebc6af09c88c6e3u);
}

static uint32_t
short_hash(struct span s)
{
	return (uint32_t)map_hash(s);
}

void
map_clear(struct map *m)
{
	free(m->items);
	free(m->hashes);
	*m = MAP_INIT(m->key);
}

static void
place(struct map *m, void *item, uint32_t hash)
{
	size_t i = hash & (m->slots - 1);

	while (m->items[i] != NULL)
		i = (i + 1) & (m->slots - 1);
	m->items[i] = item;
	m->hashes[i] = hash;
}

static void
resize(struct map *m, size_t slots)
{
	struct map old = *m;

	m->items = mem_array(slots, sizeof *m->items);
	m->hashes = mem_array(slots, sizeof *m->hashes);
	m->slots = slots;
	for (size_t i = 0; i < old.slots; i++)
		if (old.items[i] != NULL)
			place(m, old.items[i], old.hashes[i]);
	free(old.items);
	free(old.hashes);
}

void
map_reserve(struct map *m, size_t count)
{
	size_t slots = m->slots < MIN_SLOTS ? MIN_SLOTS : m->slots;

	while (count * 10 > slots * 8)
		slots *= 2;
	if (slots != m->slots)
		resize(m, slots);
}

/* The slot that holds the key, or the free one where the search ended. */
static size_t
seek(const struct map *m, struct span key, uint32_t hash)
{
	size_t i = hash & (m->slots - 1);

	while (m->items[i] != NULL &&
	    !(m->hashes[i] == hash && span_eq(m->key(m->items[i]), key)))
		i = (i + 1) & (m->slots - 1);
	return i;
}

void *
map_get(const struct map *m, struct span key)
{
	return m->count == 0 ? NULL : m->items[seek(m, key, short_hash(key))];
}

void
map_add(struct map *m, void *item)
{
	struct span key = m->key(item);
	uint32_t hash = short_hash(key);

	map_reserve(m, m->count + 1);
	size_t i = seek(m, key, hash);
	if (m->items[i] != NULL)
		panic("map_add: a key that is there already");
	m->items[i] = item;
	m->hashes[i] = hash;
	m->count++;
}

/* Closes the gap, so that a search never needs a tombstone. */
static void
close_gap(struct map *m, size_t gap)
{
	size_t mask = m->slots - 1;

	for (size_t i = (gap + 1) & mask; m->items[i] != NULL; i = (i + 1) & mask) {
		size_t home = m->hashes[i] & mask;
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		m->items[gap] = m->items[i];
		m->hashes[gap] = m->hashes[i];
		m->items[i] = NULL;
		gap = i;
	}
}

void *
map_del(struct map *m, struct span key)
{
	if (m->count == 0)
		return NULL;
	size_t i = seek(m, key, short_hash(key));
	void *item = m->items[i];
	if (item == NULL)
		return NULL;
	m->items[i] = NULL;
	m->count--;
	close_gap(m, i);
	return item;
}

void *
map_next(const struct map *m, size_t *at)
{
	while (*at < m->slots) {
		void *item = m->items[(*at)++];
		if (item != NULL)
			return item;
	}
	return NULL;
}
