/*
 * The addresses of a destination, kept for a delivery.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "send/core.h"

static const char *
put_name(char **at, const char *name)
{
	size_t len = strlen(name) + 1;
	char *copy = memcpy(*at, name, len);

	*at += len;
	return copy;
}

void
delivery_take_targets(struct delivery *d, const struct targets *t)
{
	size_t names = 0;

	for (size_t i = 0; i < t->count; i++)
		names += strlen(t->list[i].host) + strlen(t->list[i].final) + 2;
	d->mx = t->mx;
	d->mx_secure = t->mx_secure;
	free(d->mx_final);
	d->mx_final = mem_str(t->mx_final);
	free(d->targets);
	d->targets = mem_new(t->count * sizeof *d->targets + names);
	d->target_count = d->target_at = 0;
	char *name = (char *)(d->targets + t->count);
	for (size_t i = 0; i < t->count; i++) {
		if (net_addr_same_host(&d->tried, &t->list[i].addr))
			continue;
		struct target *to = &d->targets[d->target_count++];
		*to = t->list[i];
		to->host = put_name(&name, t->list[i].host);
		to->final = put_name(&name, t->list[i].final);
	}
}
