/*
 * Questions to another role (lookup, state) that wait for their answers, by number. Where the channel is down or the answer does not
 * come in time, the question is answered as failed.
 */
#ifndef BASE_ASK_H
#define BASE_ASK_H

#include <stdint.h>

#include "base/facts.h"
#include "base/ipc.h"
#include "base/loop.h"

struct ask;

/* What came: for lookups status (0 found, 1 not there, 2 failed) and value; for counters the numbers. */
struct ask_answer {
	bool		 ok;		/* false: no answer */
	uint8_t		 status;
	struct span	 value;
	uint32_t	 open, rate;
};
typedef void	ask_fn(void *arg, uint64_t id, const struct ask_answer *);

struct asks {
	struct ipc	*ipc;		/* NULL: the role is not there */
	struct ask	*first, **last;	/* oldest first */
	uint64_t	 number;
	int64_t		 within;
	struct loop_timer timer;
};

void	asks_init(struct asks *, int64_t within);
/* A new channel, or NULL: it closed (what was asked fails). */
void	asks_channel(struct asks *, struct ipc *);
/* The question's number, to be sent by the caller. fn is called once, later, with arg and id; never within. */
uint64_t asks_add(struct asks *, ask_fn *, void *arg, uint64_t id);
void	asks_answer(struct asks *, uint64_t request, const struct ask_answer *);
/*
 * A table's fact, asked of the lookup role: fn is called later, and hands the answer to ask_learnt. False, and the fact is answered as failed,
 * where nobody is there who could know.
 */
bool	asks_lookup(struct asks *, struct facts *, const struct fact_want *, ask_fn *, void *arg);
/* False where nobody waits for it any more. */
bool	ask_learnt(struct facts *, uint64_t id, const struct ask_answer *);
/* Nothing more is called for this arg. */
void	asks_drop(struct asks *, void *arg);

#endif
