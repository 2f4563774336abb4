#include "state/screened.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct screened_client {
	struct screen_record record;
	uint8_t		 len;
	char		 address[];
};

static struct span
address_key(const void *item)
{
	const struct screened_client *c = item;
	return span_of(c->address, c->len);
}

void
screened_init(struct screened_clients *s)
{
	*s = (struct screened_clients){ .map = MAP_INIT(address_key) };
}

void
screened_clear(struct screened_clients *s)
{
	struct screened_client *c;
	size_t at = 0;

	while ((c = map_next(&s->map, &at)) != NULL)
		free(c);
	map_clear(&s->map);
}

const struct screen_record *
screened_get(const struct screened_clients *s, struct span address)
{
	const struct screened_client *c = map_get(&s->map, address);

	return c == NULL ? NULL : &c->record;
}

static void
write_down(struct screened_clients *s, const struct screened_client *c)
{
	char text[SCREEN_RECORD_TEXT];

	if (s->keep == NULL)
		return;
	screen_record_print(&c->record, text);
	s->keep(s->arg, address_key(c), text);
}

static void
take_out(struct screened_clients *s, struct screened_client *c)
{
	if (s->keep != NULL)
		s->keep(s->arg, address_key(c), NULL);
	(void)map_del(&s->map, address_key(c));
	free(c);
}

static struct screened_client *
find(struct screened_clients *s, struct span address)
{
	struct screened_client *c = map_get(&s->map, address);

	if (c != NULL || s->map.count >= SCREENED_MAX)
		return c;
	c = mem_new(sizeof *c + address.len);
	c->len = (uint8_t)address.len;
	memcpy(c->address, address.ptr, address.len);
	map_add(&s->map, c);
	return c;
}

static struct screened_client *
put(struct screened_clients *s, struct span address, struct span record)
{
	struct screen_record r;

	if (address.len == 0 || address.len > SCREENED_ADDR || !screen_record_parse(record, &r))
		return NULL;
	struct screened_client *c = find(s, address);
	if (c != NULL)
		c->record = r;
	return c;
}

bool
screened_put(struct screened_clients *s, struct span address, struct span record, int64_t now)
{
	if (s->map.count >= SCREENED_MAX && map_get(&s->map, address) == NULL)
		screened_expire(s, now, 0);
	const struct screened_client *c = put(s, address, record);
	if (c != NULL)
		write_down(s, c);
	return c != NULL;
}

bool
screened_load(struct screened_clients *s, struct span address, struct span record)
{
	return put(s, address, record) != NULL;
}

bool
screened_drop(struct screened_clients *s, struct span address)
{
	struct screened_client *c = map_get(&s->map, address);

	if (c != NULL)
		take_out(s, c);
	return c != NULL;
}

void
screened_expire(struct screened_clients *s, int64_t now, int64_t retention)
{
	struct screened_client *c, **old = NULL;
	size_t at = 0, n = 0;

	while ((c = map_next(&s->map, &at)) != NULL) {
		if (screen_record_last(&c->record) + retention >= now)
			continue;
		if ((n & (n - 1)) == 0)
			old = mem_grow(old, n == 0 ? 1 : 2 * n, sizeof *old);
		old[n++] = c;
	}
	for (size_t i = 0; i < n; i++)
		take_out(s, old[i]);
	free(old);
}

const struct screen_record *
screened_next(const struct screened_clients *s, size_t *at, struct span *address)
{
	const struct screened_client *c = map_next(&s->map, at);

	if (c == NULL)
		return NULL;
	*address = address_key(c);
	return &c->record;
}

void
screened_keep_all(struct screened_clients *s)
{
	struct screened_client *c;
	size_t at = 0;

	while ((c = map_next(&s->map, &at)) != NULL)
		write_down(s, c);
}
