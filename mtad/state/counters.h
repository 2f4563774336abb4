/*
 * What clients do, counted over all receive roles: connections open, and what was begun in this time unit
 * (anvil_rate_time_unit), by service and client; the same for networks, senders, users and domains. An entry in which nothing is left is forgotten.
 */
#ifndef STATE_COUNTERS_H
#define STATE_COUNTERS_H

#include <stdint.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/span.h"

#define COUNTER_SLOTS	64
#define COUNTERS_MAX	100000	/* at a time; whoever comes then is not counted: senders make up names */

/* What is counted; all but the first are told by `count_event`. */
enum counter_event { COUNT_CONNECT, COUNT_MAIL, COUNT_RCPT, COUNT_TLS, COUNT_AUTH, COUNT_EVENTS };

/* The highest number since somebody last asked, whose it was, and when. */
struct counter_most {
	uint32_t	 n;
	int64_t		 at;		/* wall */
	char		 whose[256];	/* "service:client" */
};

struct counters {
	struct map	 map;
	struct heap	 expiry;
	int64_t		 unit;		/* microseconds */
	/* Of clients: the rates by event, and connections open at a time. */
	struct counter_most rates[COUNT_EVENTS], open;
	size_t		 most_entries;
	int64_t		 most_entries_at;
};

void	counters_init(struct counters *, int64_t unit);
void	counters_clear(struct counters *);

/* `slot`: the receive role's; now is monotonic. */
void	counters_connect(struct counters *, struct span service, struct span client, uint32_t slot, int64_t now,
	    uint32_t *open, uint32_t *rate);
void	counters_disconnect(struct counters *, struct span service, struct span client, uint32_t slot, int64_t now);
/* Anything but a connection; key 0: a client's, else any number that tells kinds of keys apart. How often in this unit of time. */
uint32_t counters_event(struct counters *, enum counter_event, unsigned key, struct span service, struct span client, int64_t now);
/* A receive role ended, and its connections with it. */
void	counters_slot_gone(struct counters *, uint32_t slot, int64_t now);
/* Forgets what is over; returns when the next is due (monotonic), or -1. */
int64_t	counters_expire(struct counters *, int64_t now);

#endif
