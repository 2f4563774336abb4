/*
 * Connections by transport and next hop, and those that wait there for the next delivery.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "send/core.h"

struct span
pool_key(const void *item)
{
	const struct pool *p = item;

	return span_of(p->key, p->key_len);
}

static struct span
key_of(const struct delivery *d)
{
	/* take_data puts transport and next hop side by side, each with a NUL. */
	return span_of(d->transport.ptr, d->transport.len + 1 + d->nexthop.len);
}

struct pool *
pool_find(const struct delivery *d)
{
	return map_get(&d->send->pools, key_of(d));
}

struct pool *
pool_of(struct delivery *d)
{
	struct span key = key_of(d);
	struct pool *p = pool_find(d);

	if (p == NULL) {
		MEM_NEW(p);
		p->key = span_dup(key);
		p->key_len = key.len;
		map_add(&d->send->pools, p);
	}
	return p;
}

void
pool_leave(struct send *s, struct pool *p)
{
	if (--p->conns > 0)
		return;
	map_del(&s->pools, pool_key(p));
	free(p->key);
	free(p);
}

void
pool_take(struct conn *c)
{
	struct conn **at = &c->pool->idle;

	while (*at != NULL && *at != c)
		at = &(*at)->idle_next;
	if (*at == c)
		*at = c->idle_next;
	c->idle_next = NULL;
}
