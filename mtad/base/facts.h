/*
 * The facts of one decision. Decision code asks (facts_get); what is not known yet makes it return "pending". Its driver fetches what
 * was asked for (facts_wanted), gives the answers (facts_answer), and calls the decision again, until it is done.
 * A decision that is asked again with the same facts must come to the same result, so `now` stands still in it too.
 *
 * Immediate facts (tables in this process) never get here. Pure ones (DNS, remote tables) have a source and a key, and may be hinted
 * ahead. Effectful ones (policy service, counters, sleep) carry a place, so that each place in each stage asks once for itself.
 */
#ifndef BASE_FACTS_H
#define BASE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define FACTS_MAX	10000			/* of one decision; past either, every new fact fails */
#define FACTS_BYTES_MAX	((size_t)1 << 20)

enum fact_state { FACT_KNOWN, FACT_ABSENT, FACT_FAILED, FACT_PENDING };
#define FACT_PURE	0			/* the place of a pure fact */
/* The place of an effectful one: the stage (from 1), and which rule in it. */
#define FACT_PLACE(stage, position)	((uint32_t)(stage) << 16 | ((uint32_t)(position) & 0xffff))

struct facts;

struct facts *facts_new(void);
void	facts_free(struct facts *);		/* NULL is fine */
/* For the next decision: forgets all; answers to the old one's questions are ignored from now on. */
void	facts_reset(struct facts *, int64_t now);
int64_t	facts_now(const struct facts *);	/* wall clock, microseconds */

/*
 * KNOWN: *value is the answer; FAILED: *value says why. Either lives until facts_reset. source: "unix:passwd.byname", "sleep". A NULL
 * struct facts knows nothing: FAILED.
 */
enum fact_state facts_get(struct facts *, uint32_t place, struct span source, struct span key, struct span *value);
/* Will probably be asked for: let it be fetched with the others. Pure facts only. */
void	facts_hint(struct facts *, struct span source, struct span key);

/* -- for drivers ------------------------------------------------------------------------- */

struct fact_want {
	uint64_t	 id;		/* for facts_answer */
	uint32_t	 place;		/* FACT_PURE, or of an effectful one */
	struct span	 source, key;	/* until facts_reset */
};
/* The next that was asked for and not handed out yet; each is handed out once. */
bool	facts_wanted(struct facts *, struct fact_want *);
/* False, and nothing changes, where nobody waits for the id any more (a late answer) or it is answered already. State: not PENDING. */
bool	facts_answer(struct facts *, uint64_t id, enum fact_state, struct span value);
/* How many were handed out and are not answered. */
unsigned facts_open(const struct facts *);
/* The bounds were passed: answer 451, defer. */
bool	facts_over(const struct facts *);

#endif
