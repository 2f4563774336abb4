#include "table/build_bulk.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct entry {
	uint32_t	 order;
	uint32_t	 key_len;
	size_t		 value_len;
	char		 bytes[];	/* key, value */
};

static struct span
entry_key(const void *item)
{
	const struct entry *e = item;

	return span_of(e->bytes, e->key_len);
}

/* GDBM's own hash of a key. Only the time that it takes to store would be another if it were not. */
static uint32_t
order_of(struct span key)
{
	uint32_t h = 0x238F13AFu * (uint32_t)key.len;

	for (size_t i = 0; i < key.len; i++)
		h = (h + ((uint32_t)(unsigned char)key.ptr[i] << (i * 5 % 24))) & 0x7FFFFFFFu;
	return (1103515243u * h + 12345u) & 0x7FFFFFFFu;
}

struct bulk *
bulk_new(void)
{
	struct bulk *b;

	MEM_NEW(b);
	b->entries = MAP_INIT(entry_key);
	return b;
}

void
bulk_free(struct bulk *b)
{
	size_t at = 0;
	void *item;

	if (b == NULL)
		return;
	while ((item = map_next(&b->entries, &at)) != NULL)
		free(item);
	map_clear(&b->entries);
	free(b);
}

bool
bulk_put(struct bulk *b, struct span key, struct span value, bool replace)
{
	bool known = map_get(&b->entries, key) != NULL;

	if (known && !replace)
		return false;
	struct entry *e = mem_new(sizeof *e + key.len + value.len);
	e->order = order_of(key);
	e->key_len = (uint32_t)key.len;
	e->value_len = value.len;
	if (key.len > 0)
		memcpy(e->bytes, key.ptr, key.len);
	if (value.len > 0)
		memcpy(e->bytes + key.len, value.ptr, value.len);
	if (known)
		free(map_del(&b->entries, key));
	map_add(&b->entries, e);
	return !known;
}

static int
compare(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

	return x->order < y->order ? -1 : x->order > y->order;
}

bool
bulk_each(const struct bulk *b, bool (*fn)(void *arg, struct span key, struct span value), void *arg)
{
	struct entry **sorted = mem_array(b->entries.count, sizeof(struct entry *)), *e;
	size_t n = 0, at = 0;
	bool more = true;

	while ((e = map_next(&b->entries, &at)) != NULL)
		sorted[n++] = e;
	if (n > 0)
		qsort(sorted, n, sizeof(struct entry *), compare);
	for (size_t i = 0; more && i < n; i++)
		more = fn(arg, entry_key(sorted[i]), span_of(sorted[i]->bytes + sorted[i]->key_len, sorted[i]->value_len));
	free(sorted);
	return more;
}
