#include "queue/actions.h"

#include <stdlib.h>

#include "base/mem.h"

static char *
text(struct span s)
{
	return s.len == 0 ? NULL : span_dup(span_head(s, ACTION_TEXT_MAX));
}

struct action *
action_number(struct queue *q, const struct action_new *n)
{
	struct action *a = actions_add(&q->index.actions, 0);

	a->time = queue_wall(q, queue_now(q));
	a->effect = (uint8_t)n->effect;
	a->flags = (uint8_t)(ACTION_OPEN | (n->keep ? ACTION_KEPT : 0));
	a->undoes = n->undoes;
	a->until = n->until;
	a->command = text(n->command);
	a->who = text(n->who);
	a->selector = text(n->selector);
	a->reason = text(n->reason);
	a->argument = text(n->argument);
	a->before = text(n->before);
	return a;
}

void
action_start(struct queue *q, struct action *a)
{
	if (a->event == 0)
		journal_action(q, a, true);
}

struct action *
action_begin(struct queue *q, const struct action_new *n)
{
	struct action *a = action_number(q, n);

	action_start(q, a);
	return a;
}

void
action_end(struct queue *q, struct action *a)
{
	struct action *undone = a->undoes == 0 ? NULL : action_find(q, a->undoes);

	a->flags = (uint8_t)(a->flags & ~ACTION_OPEN);
	if (undone != NULL) {
		undone->undone_by = a->number;
		journal_action(q, undone, false);
	}
	journal_action(q, a, false);
}

void
action_cancel(struct queue *q, struct action *a)
{
	actions_forget(&q->index.actions, a->number);
}

void
action_record(struct queue *q, struct action *a)
{
	journal_action(q, a, false);
}

void
action_keep(struct queue *q, struct action *a, bool keep)
{
	a->flags = (uint8_t)(keep ? a->flags | ACTION_KEPT : a->flags & ~ACTION_KEPT);
	journal_action(q, a, false);
}

struct action *
action_find(const struct queue *q, uint32_t number)
{
	return number == 0 ? NULL : actions_find(&q->index.actions, number);
}

struct action *
action_before(const struct queue *q, uint32_t number)
{
	const struct actions *as = &q->index.actions;
	size_t low = 0, high = as->count;

	while (number != 0 && low < high) {
		size_t mid = low + (high - low) / 2;
		if (as->list[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return high == 0 ? NULL : as->list[high - 1];
}

bool
action_can_undo(const struct action *a)
{
	return a->effect != EFFECT_NONE && !(a->flags & ACTION_OPEN) && a->undone_by == 0 &&
	    (a->reversible > 0 || a->argument != NULL);
}

/* An undo, an undo of an undo ...: numbers fall along the chain, so it has an end. */
static bool
is_undo(const struct queue *q, const struct action *a)
{
	bool odd = false;

	while (a->undoes != 0 && a->undoes < a->number) {
		odd = !odd;
		a = action_find(q, a->undoes);
		if (a == NULL)
			break;
	}
	return odd;
}

struct action *
action_last_undoable(const struct queue *q)
{
	struct action *a = action_before(q, 0);

	while (a != NULL && (!action_can_undo(a) || is_undo(q, a)))
		a = action_before(q, a->number);
	return a;
}

/* -- what is no message ------------------------------------------------------------------------ */

static action_undo_fn *others[EFFECTS];

void
actions_on_undo(enum action_effect effect, action_undo_fn *fn)
{
	others[effect] = fn;
}

bool
action_undo_other(struct queue *q, const struct action *what, struct action *by, struct err *err)
{
	action_undo_fn *fn = others[what->effect];

	if (fn != NULL)
		return fn(q, what, by, err);
	err_set(err, ERR_PERM, "action %u (%s) cannot be taken back", what->number, what->command);
	return false;
}

/* -- recovery, old journals ---------------------------------------------------------------------- */

static bool
any_open(const struct queue *q)
{
	const struct actions *as = &q->index.actions;

	for (size_t i = 0; i < as->count; i++)
		if (as->list[i]->flags & ACTION_OPEN)
			return true;
	return false;
}

static void
count_open(struct queue *q)
{
	struct qid at = QID_NONE;

	for (const struct entry *e; (e = index_after(&q->index, at)) != NULL; at = e->id) {
		struct action *a = action_find(q, e->action);
		if (a == NULL || !(a->flags & ACTION_OPEN))
			continue;
		a->messages++;
		a->reversible += a->effect != EFFECT_NONE;
	}
}

void
actions_recovered(struct queue *q)
{
	const struct actions *as = &q->index.actions;

	if (!any_open(q))
		return;
	for (size_t i = 0; i < as->count; i++)
		if (as->list[i]->flags & ACTION_OPEN)
			as->list[i]->messages = as->list[i]->reversible = 0;
	count_open(q);
	for (size_t i = as->count; i-- > 0;) {
		struct action *a = as->list[i];
		if (!(a->flags & ACTION_OPEN))
			continue;
		if (a->event == 0) {	/* a checkpoint saw it before its first change */
			actions_forget(&q->index.actions, a->number);
			continue;
		}
		a->flags = (uint8_t)((a->flags & ~ACTION_OPEN) | ACTION_PARTED);
		journal_action(q, a, false);
	}
}

void
actions_rescue(struct queue *q, uint32_t segment)
{
	const struct actions *as = &q->index.actions;

	for (size_t i = 0; i < as->count; i++)
		if (as->list[i]->segment != 0 && as->list[i]->segment <= segment)
			journal_action(q, as->list[i], false);
}
