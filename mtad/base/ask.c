#include "base/ask.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

struct ask {
	struct ask	*next;
	uint64_t	 request;
	int64_t		 until;		/* monotonic */
	ask_fn		*fn;
	void		*arg;
	uint64_t	 id;
};

static void
unlink_ask(struct asks *a, struct ask **at)
{
	struct ask *ask = *at;

	*at = ask->next;
	if (a->last == &ask->next)
		a->last = at;
}

static void
fail_first(struct asks *a)
{
	struct ask *ask = a->first;

	unlink_ask(a, &a->first);
	ask->fn(ask->arg, ask->id, &(struct ask_answer){ .ok = false });
	free(ask);
}

static void
on_timer(void *arg)
{
	struct asks *a = arg;
	int64_t now = clock_mono();

	while (a->first != NULL && (a->ipc == NULL || a->first->until <= now))
		fail_first(a);
	if (a->first != NULL)
		loop_timer_set(&a->timer, a->first->until - now);
}

void
asks_init(struct asks *a, int64_t within)
{
	*a = (struct asks){ .within = within };
	a->last = &a->first;
	loop_timer_init(&a->timer, on_timer, a);
}

void
asks_channel(struct asks *a, struct ipc *ipc)
{
	a->ipc = ipc;
	/* What was asked of the old process is never answered; what is asked meanwhile fails by the timer. */
	for (struct ask *ask = a->first; ask != NULL; ask = ask->next)
		ask->until = 0;
	if (a->first != NULL)
		loop_timer_set(&a->timer, 0);
}

uint64_t
asks_add(struct asks *a, ask_fn *fn, void *arg, uint64_t id)
{
	struct ask *ask;

	MEM_NEW(ask);
	*ask = (struct ask){ .request = ++a->number, .until = clock_mono() + a->within, .fn = fn, .arg = arg, .id = id };
	if (a->first == NULL)
		loop_timer_set(&a->timer, a->ipc == NULL ? 0 : a->within);
	*a->last = ask;
	a->last = &ask->next;
	return ask->request;
}

void
asks_answer(struct asks *a, uint64_t request, const struct ask_answer *answer)
{
	/* Answers come nearly in order, so the walk is short. */
	for (struct ask **at = &a->first; *at != NULL; at = &(*at)->next) {
		struct ask *ask = *at;
		if (ask->request != request)
			continue;
		unlink_ask(a, at);
		ask->fn(ask->arg, ask->id, answer);
		free(ask);
		return;
	}
}

void
asks_drop(struct asks *a, void *arg)
{
	for (struct ask **at = &a->first; *at != NULL; ) {
		struct ask *ask = *at;
		if (ask->arg != arg) {
			at = &ask->next;
			continue;
		}
		unlink_ask(a, at);
		free(ask);
	}
}

bool
asks_lookup(struct asks *a, struct facts *facts, const struct fact_want *w, ask_fn *fn, void *arg)
{
	if (!span_has(w->source, ':') || a->ipc == NULL) {
		(void)facts_answer(facts, w->id, FACT_FAILED, SPAN("no service answers for this table"));
		return false;
	}
	uint64_t request = asks_add(a, fn, arg, w->id);
	ipc_send_lookup(a->ipc, &(struct ipc_lookup){ .request = request, .table = w->source, .key = w->key }, -1);
	return true;
}

bool
ask_learnt(struct facts *facts, uint64_t id, const struct ask_answer *a)
{
	static const enum fact_state states[] = { FACT_KNOWN, FACT_ABSENT, FACT_FAILED };

	if (!a->ok || a->status >= sizeof states / sizeof *states)
		return facts_answer(facts, id, FACT_FAILED, SPAN("the lookup service does not answer"));
	return facts_answer(facts, id, states[a->status], a->value);
}
