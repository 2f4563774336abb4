/*
 * What is known of addresses: whether mail to them would be delivered, as probes found out. verify(8)'s rules: when a result is old, when it is
 * probed again, and that a failure does not take the place of a success that still holds. It asks nobody itself.
 */
#ifndef STATE_VERIFY_H
#define STATE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/span.h"

/* As the fact "verify" has them, the status as a digit before the text. */
enum verify_status { VERIFY_OK, VERIFY_DEFER, VERIFY_BOUNCE, VERIFY_TODO };

#define VERIFY_TEXT	500u
#define VERIFY_MAX	200000u		/* addresses; more are not kept */

struct verify_times {			/* microseconds */
	int64_t		 positive_expire, positive_refresh, negative_expire, negative_refresh;
	bool		 negative;	/* failures are kept at all */
	uint32_t	 pending_limit;
};

struct verified {
	struct map	 map;
	struct map	 probes;	/* under way, by number */
	uint64_t	 number;
	struct verify_times times;
	/* An entry became that, or (NULL) went: for the file. */
	void		(*keep)(void *arg, struct span address, const char *value);
	void		*arg;
};

void	verify_init(struct verified *, const struct verify_times *);
void	verify_clear(struct verified *);

/*
 * What is known at `now` (wall). *probe: not 0 where the address is to be probed, under that number. The text lives until the next call.
 */
enum verify_status verify_ask(struct verified *, struct span address, int64_t now, const char **text, uint64_t *probe);
/* What the probe came to. False: nobody knows of it. */
bool	verify_probed(struct verified *, uint64_t probe, enum verify_status, struct span text, int64_t now);
/* None of those under way will be answered. */
void	verify_lost(struct verified *);
/* Entries that do not hold any more go. */
void	verify_expire(struct verified *, int64_t now);
/* The next entry that has a result, behind *at; false at the end. text and address live until the map changes. */
struct verify_row {
	struct span	 address;
	enum verify_status status;
	int64_t		 updated;
	const char	*text;
};
bool	verify_next(const struct verified *, size_t *at, struct verify_row *);
bool	verify_drop(struct verified *, struct span address);
/* `keep` for every entry that has a result. */
void	verify_keep_all(struct verified *);
/* An entry out of the file: "status:probed:updated:text". False: it is none. */
bool	verify_load(struct verified *, struct span address, struct span value);

#endif
