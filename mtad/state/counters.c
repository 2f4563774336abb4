#include "state/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#define NAME_MAX_BYTES	256	/* longer services or clients share a counter with those that begin alike */

struct counter {
	struct heap_node expiry;	/* when the time unit is over */
	int64_t		 since;		/* the time unit began */
	uint32_t	 rates[COUNT_EVENTS];
	bool		 used;		/* something was counted in this unit */
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
	if (c != NULL || !make || cs->map.count >= COUNTERS_MAX)
		return c;
	c = mem_new(sizeof *c + b.len);
	memcpy(c->key, b.ptr, b.len);
	c->key_len = (uint32_t)b.len;
	map_add(&cs->map, c);
	if (cs->map.count > cs->most_entries) {
		cs->most_entries = cs->map.count;
		cs->most_entries_at = clock_wall();
	}
	return c;
}

static void
new_unit(struct counters *cs, struct counter *c, int64_t now)
{
	if (c->used && now - c->since < cs->unit)
		return;
	memset(c->rates, 0, sizeof c->rates);
	c->used = true;
	c->since = now;
	heap_set(&cs->expiry, &c->expiry, now + cs->unit);
}

static void
note_most(struct counter_most *m, const struct counter *c, uint32_t n)
{
	size_t service = strlen(c->key);

	if (n <= m->n)
		return;
	m->n = n;
	m->at = clock_wall();
	snprintf(m->whose, sizeof m->whose, "%.100s:%.*s", c->key, (int)(c->key_len - service - 1), c->key + service + 1);
}

void
counters_connect(struct counters *cs, struct span service, struct span client, uint32_t slot, int64_t now,
    uint32_t *open, uint32_t *rate)
{
	struct counter *c = find(cs, service, client, true);

	*open = *rate = 0;
	if (c == NULL)
		return;
	new_unit(cs, c, now);
	c->rates[COUNT_CONNECT]++;
	if (slot < COUNTER_SLOTS && c->by_slot[slot] < UINT16_MAX) {
		c->by_slot[slot]++;
		c->open++;
	}
	*open = c->open;
	*rate = c->rates[COUNT_CONNECT];
	note_most(&cs->open, c, c->open);
	note_most(&cs->rates[COUNT_CONNECT], c, *rate);
}

uint32_t
counters_event(struct counters *cs, enum counter_event event, unsigned key, struct span service, struct span client, int64_t now)
{
	char kind[2] = { (char)key, '\0' };

	/* A service's name has no byte that small. */
	struct counter *c = find(cs, key == 0 ? service : span_of(kind, 1), client, true);
	if (c == NULL)
		return 0;
	new_unit(cs, c, now);
	if (c->rates[event] < UINT32_MAX)
		c->rates[event]++;
	if (key == 0)
		note_most(&cs->rates[event], c, c->rates[event]);
	return c->rates[event];
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
		memset(c->rates, 0, sizeof c->rates);
		c->used = false;
		forget_if_over(cs, c, now);
	}
	return n == NULL ? -1 : n->at;
}
