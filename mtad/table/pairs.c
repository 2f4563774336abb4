#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "table/type.h"

struct pair {
	size_t		 key_len, value_len;
	char		 bytes[];	/* key, value */
};

static struct span
pair_key(const void *item)
{
	const struct pair *p = item;
	return span_of(p->bytes, p->key_len);
}

void
pairs_init(struct pairs *p)
{
	p->map = MAP_INIT(pair_key);
}

void
pairs_clear(struct pairs *p)
{
	size_t at = 0;
	void *item;

	while ((item = map_next(&p->map, &at)) != NULL)
		free(item);
	map_clear(&p->map);
}

bool
pairs_add(struct pairs *p, struct span key, struct span value)
{
	char space[TABLE_KEY_MAX];

	if (!table_fold(key, space, &key) || map_get(&p->map, key) != NULL)
		return false;
	struct pair *new = mem_new(sizeof *new + key.len + value.len);
	new->key_len = key.len;
	new->value_len = value.len;
	if (key.len > 0)
		memcpy(new->bytes, key.ptr, key.len);
	if (value.len > 0)
		memcpy(new->bytes + key.len, value.ptr, value.len);
	map_add(&p->map, new);
	return true;
}

void
pairs_put(struct pairs *p, struct span key, struct span value)
{
	char space[TABLE_KEY_MAX];

	if (table_fold(key, space, &key))
		free(map_del(&p->map, key));
	(void)pairs_add(p, key, value);
}

enum table_result
pairs_get(const struct pairs *p, struct span key, struct buf *value)
{
	const struct pair *found = map_get(&p->map, key);

	if (found == NULL)
		return TABLE_ABSENT;
	buf_put(value, found->bytes + found->key_len, found->value_len);
	return TABLE_FOUND;
}

void
pairs_each(const struct pairs *p, table_each_fn *fn, void *arg)
{
	const struct pair *item;
	size_t at = 0;

	while ((item = map_next(&p->map, &at)) != NULL)
		if (!fn(arg, pair_key(item), span_of(item->bytes + item->key_len, item->value_len)))
			return;
}
