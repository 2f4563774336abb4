#include "state/counters.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define NAME_MAX_BYTES	256	/* longer services or clients share a counter with those that begin alike */

struct counter {
	struct heap_node expiry;	/* when the time unit is over */
	int64_t		 since;		/* the time unit began */
	uint32_t	 rate;
	uint32_t	 open;
	uint32_t	 key_len;
	uint16_t	 by_slot[COUNTER_SLOTS];
	char		 key[];
};

static struct span
key_of(const void *item)
{
	const struct counter *c = item;
	return span_of(c->key, c->key_len);
}

void
counters_init(struct counters *cs, int64_t unit)
{
	*cs = (struct counters){ .map = MAP_INIT(key_of), .unit = unit };
}

void
counters_clear(struct counters *cs)
{
	size_t at = 0;
	void *item;

	heap_clear(&cs->expiry);
	while ((item = map_next(&cs->map, &at)) != NULL)
		free(item);
	map_clear(&cs->map);
}

static struct counter *
find(struct counters *cs, struct span service, struct span client, bool make)
{
	char key[2 * NAME_MAX_BYTES + 1];
	struct buf b = { .ptr = key, .cap = sizeof key, .max = sizeof key - 1 };

	service = span_head(service, NAME_MAX_BYTES - 1);
	client = span_head(client, NAME_MAX_BYTES - 1);
	buf_span(&b, service);
	buf_char(&b, '\0');
	buf_span(&b, client);
	struct counter *c = map_get(&cs->map, buf_view(&b));
	if (c != NULL || !make)
		return c;
	c = mem_new(sizeof *c + b.len);
	memcpy(c->key, b.ptr, b.len);
	c->key_len = (uint32_t)b.len;
	map_add(&cs->map, c);
	return c;
}

static void
new_unit(struct counters *cs, struct counter *c, int64_t now)
{
	if (c->rate > 0 && now - c->since < cs->unit)
		return;
	c->rate = 0;
	c->since = now;
	heap_set(&cs->expiry, &c->expiry, now + cs->unit);
}

void
counters_connect(struct counters *cs, struct span service, struct span client, uint32_t slot, int64_t now,
    uint32_t *open, uint32_t *rate)
{
	struct counter *c = find(cs, service, client, true);

	new_unit(cs, c, now);
	c->rate++;
	if (slot < COUNTER_SLOTS && c->by_slot[slot] < UINT16_MAX) {
		c->by_slot[slot]++;
		c->open++;
	}
	*open = c->open;
	*rate = c->rate;
}

static void
forget_if_over(struct counters *cs, struct counter *c, int64_t now)
{
	if (c->open > 0 || now - c->since < cs->unit)
		return;
	heap_del(&cs->expiry, &c->expiry);
	(void)map_del(&cs->map, key_of(c));
	free(c);
}

void
counters_disconnect(struct counters *cs, struct span service, struct span client, uint32_t slot, int64_t now)
{
	struct counter *c = find(cs, service, client, false);

	if (c == NULL || slot >= COUNTER_SLOTS || c->by_slot[slot] == 0)
		return;
	c->by_slot[slot]--;
	c->open--;
	forget_if_over(cs, c, now);
}

void
counters_slot_gone(struct counters *cs, uint32_t slot, int64_t now)
{
	size_t at = 0;
	struct counter *c;

	if (slot >= COUNTER_SLOTS)
		return;
	while ((c = map_next(&cs->map, &at)) != NULL) {
		if (c->by_slot[slot] == 0)
			continue;
		c->open -= c->by_slot[slot];
		c->by_slot[slot] = 0;
		/* Whether it is over is seen at its time; the map must not change during the walk. */
		int64_t end = c->since + cs->unit;
		heap_set(&cs->expiry, &c->expiry, end > now ? end : now);
	}
}

int64_t
counters_expire(struct counters *cs, int64_t now)
{
	struct heap_node *n;

	while ((n = heap_first(&cs->expiry)) != NULL && n->at <= now) {
		struct counter *c = HEAP_ITEM(n, struct counter, expiry);
		heap_del(&cs->expiry, n);
		c->rate = 0;
		forget_if_over(cs, c, now);
	}
	return n == NULL ? -1 : n->at;
}
