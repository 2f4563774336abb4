/*
 * What a delivery has to know from tables that block.
 */
#include "base/clock.h"
#include "send/core.h"

struct facts *
delivery_facts(struct delivery *d)
{
	if (d->facts == NULL) {
		d->facts = facts_new();
		facts_reset(d->facts, clock_wall());
	}
	return d->facts;
}

static void
looked_up(void *arg, uint64_t id, const struct ask_answer *a)
{
	struct delivery *d = arg;

	if (d->facts == NULL || !ask_learnt(d->facts, id, a) || facts_open(d->facts) > 0 || d->again == NULL)
		return;
	void (*again)(struct delivery *) = d->again;
	d->again = NULL;
	again(d);
}

bool
delivery_ask(struct delivery *d, void (*again)(struct delivery *))
{
	struct fact_want w;
	bool later = false;

	while (facts_wanted(d->facts, &w))
		later = asks_lookup(&d->send->lookups, d->facts, &w, looked_up, d) || later;
	d->again = later ? again : NULL;
	return later;
}

void
delivery_forget_facts(struct delivery *d)
{
	if (d->facts == NULL)
		return;
	asks_drop(&d->send->lookups, d);
	facts_free(d->facts);
	d->facts = NULL;
	d->again = NULL;
}
