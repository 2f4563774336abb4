/*
 * Who may name which spill file. A receive process is given files for large bodies; a message that it submits, or a file that it gives
 * up, must be one of those: any other number would be another message's body.
 */
#include "queue/role.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

struct spill_grant {
	uint64_t	 spill;
	uint32_t	 slot, epoch;
	bool		 orphan;	/* an earlier queue role gave it to one of them: the first that names it has it */
};

static void
add(struct role_queue *rq, struct spill_grant g)
{
	if (rq->grant_count == rq->grant_cap) {
		rq->grant_cap = rq->grant_cap == 0 ? 16 : rq->grant_cap * 2;
		rq->grants = mem_grow(rq->grants, rq->grant_cap, sizeof *rq->grants);
	}
	rq->grants[rq->grant_count++] = g;
}

void
spills_granted(struct role_queue *rq, uint64_t spill, uint32_t slot, uint32_t epoch)
{
	add(rq, (struct spill_grant){ .spill = spill, .slot = slot, .epoch = epoch });
}

bool
spills_claim(struct role_queue *rq, uint64_t spill, uint32_t slot, uint32_t epoch)
{
	for (size_t i = 0; i < rq->grant_count; i++) {
		const struct spill_grant *g = &rq->grants[i];
		if (g->spill != spill || (!g->orphan && (g->slot != slot || g->epoch != epoch)))
			continue;
		rq->grants[i] = rq->grants[--rq->grant_count];
		return true;
	}
	log_error("qmgr", "receive process %u names spill file %llx, which it was not given", slot,
	    (unsigned long long)spill);
	return false;
}

void
spills_writer_gone(struct role_queue *rq, uint32_t slot, uint32_t epoch)
{
	for (size_t i = 0; i < rq->grant_count;) {
		const struct spill_grant *g = &rq->grants[i];
		if (g->orphan || g->slot != slot || g->epoch != epoch) {
			i++;
			continue;
		}
		store_spill_remove(rq->store, g->spill);	/* no message names it: the log was read to its end */
		rq->grants[i] = rq->grants[--rq->grant_count];
	}
}

struct orphans {
	struct role_queue *rq;
	bool		(*wanted)(void *arg, uint64_t spill);
	void		*arg;
};

static bool
keep(void *arg, uint64_t spill)
{
	struct orphans *o = arg;

	if (!o->wanted(o->arg, spill))
		add(o->rq, (struct spill_grant){ .spill = spill, .orphan = true });
	return true;
}

void
spills_adopt(struct role_queue *rq, bool (*wanted)(void *arg, uint64_t spill), void *arg)
{
	struct orphans o = { .rq = rq, .wanted = wanted, .arg = arg };

	(void)store_spill_sweep(rq->store, keep, &o);
}
