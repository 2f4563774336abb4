/*
 * Connections of clients, counted over all receive roles: how many a client has open, and how many it began in this
 * time unit (anvil_rate_time_unit), by service and client. An entry in which nothing is left is forgotten.
 */
#ifndef STATE_COUNTERS_H
#define STATE_COUNTERS_H

#include <stdint.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/span.h"

#define COUNTER_SLOTS	64

struct counters {
	struct map	 map;
	struct heap	 expiry;
	int64_t		 unit;		/* microseconds */
};

void	counters_init(struct counters *, int64_t unit);
void	counters_clear(struct counters *);

/* `slot`: the receive role's; now is monotonic. */
void	counters_connect(struct counters *, struct span service, struct span client, uint32_t slot, int64_t now,
	    uint32_t *open, uint32_t *rate);
void	counters_disconnect(struct counters *, struct span service, struct span client, uint32_t slot, int64_t now);
/* A receive role ended, and its connections with it. */
void	counters_slot_gone(struct counters *, uint32_t slot, int64_t now);
/* Forgets what is over; returns when the next is due (monotonic), or -1. */
int64_t	counters_expire(struct counters *, int64_t now);

#endif
