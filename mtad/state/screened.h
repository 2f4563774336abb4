/*
 * What the screener knows of clients, for all receive processes: a record (policy/screen_record.h) an address. It asks nobody and knows no clock.
 */
#ifndef STATE_SCREENED_H
#define STATE_SCREENED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/span.h"
#include "policy/screen_record.h"

#define SCREENED_MAX	200000u		/* clients; more are not kept */
#define SCREENED_ADDR	64u		/* bytes of an address */

struct screened_clients {
	struct map	 map;
	void		(*keep)(void *arg, struct span address, const char *record);	/* NULL as record: it went */
	void		*arg;
};

void	screened_init(struct screened_clients *);
void	screened_clear(struct screened_clients *);
/* NULL: nothing is known. */
const struct screen_record *screened_get(const struct screened_clients *, struct span address);
/* The newest record counts. False: it is none, or there is no room. now: seconds. */
bool	screened_put(struct screened_clients *, struct span address, struct span record, int64_t now);
/* A record out of the file: as put, and is not kept again. */
bool	screened_load(struct screened_clients *, struct span address, struct span record);
bool	screened_drop(struct screened_clients *, struct span address);
/* Those go of which no test has held for so long. */
void	screened_expire(struct screened_clients *, int64_t now, int64_t retention);
/* The next one behind *at; NULL at the end. */
const struct screen_record *screened_next(const struct screened_clients *, size_t *at, struct span *address);
void	screened_keep_all(struct screened_clients *);

#endif
