#include "spool/action.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pack.h"
#include "spool/event.h"

enum action_effect
action_inverse(enum action_effect effect)
{
	static const enum action_effect inverse[EFFECTS] = {
		[EFFECT_HOLD] = EFFECT_RELEASE, [EFFECT_RELEASE] = EFFECT_HOLD,
		[EFFECT_DELETE] = EFFECT_UNDELETE, [EFFECT_UNDELETE] = EFFECT_DELETE,
		[EFFECT_SUSPEND] = EFFECT_RESUME, [EFFECT_RESUME] = EFFECT_SUSPEND,
	};

	return effect < EFFECTS ? inverse[effect] : EFFECT_NONE;
}

static void
action_free(struct action *a)
{
	free(a->command);
	free(a->who);
	free(a->selector);
	free(a->reason);
	free(a->argument);
	free(a->before);
	free(a);
}

/* Where the number is, or would be. */
static size_t
place_of(const struct actions *as, uint32_t number)
{
	size_t low = 0, high = as->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (as->list[mid]->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct action *
actions_find(const struct actions *as, uint32_t number)
{
	size_t at = place_of(as, number);

	return at < as->count && as->list[at]->number == number ? as->list[at] : NULL;
}

static void
forget(struct actions *as, size_t at)
{
	action_free(as->list[at]);
	as->count--;
	memmove(as->list + at, as->list + at + 1, (as->count - at) * sizeof(struct action *));
}

/* Which one is missed least; count: none. */
static size_t
least(const struct actions *as)
{
	size_t oldest = as->count;

	for (size_t i = as->count; i-- > 0;) {
		if (as->list[i]->flags & (ACTION_OPEN | ACTION_KEPT))
			continue;
		oldest = i;
	}
	for (size_t i = 0; i < as->count; i++)
		if (as->list[i]->effect == EFFECT_NONE && !(as->list[i]->flags & (ACTION_OPEN | ACTION_KEPT)))
			return i;
	return oldest;
}

struct action *
actions_add(struct actions *as, uint32_t number)
{
	struct action *a = number == 0 ? NULL : actions_find(as, number);

	if (a != NULL)
		return a;
	if (as->count >= ACTIONS_MAX) {
		size_t at = least(as);
		if (at < as->count)
			forget(as, at);
	}
	if (as->count == as->cap) {
		as->cap = as->cap == 0 ? 16 : as->cap * 2;
		as->list = mem_grow(as->list, as->cap, sizeof *as->list);
	}
	MEM_NEW(a);
	a->number = number == 0 ? as->last + 1 : number;
	size_t at = place_of(as, a->number);
	memmove(as->list + at + 1, as->list + at, (as->count - at) * sizeof(struct action *));
	as->list[at] = a;
	as->count++;
	if (a->number > as->last)
		as->last = a->number;
	return a;
}

void
actions_forget(struct actions *as, uint32_t number)
{
	size_t at = place_of(as, number);

	if (at == as->count || as->list[at]->number != number)
		return;
	forget(as, at);
	if (number == as->last)
		as->last--;
}

void
actions_clear(struct actions *as)
{
	for (size_t i = 0; i < as->count; i++)
		action_free(as->list[i]);
	free(as->list);
	*as = (struct actions){ 0 };
}

/* -- bytes ------------------------------------------------------------------------ */

static struct span
text(const char *s)
{
	return span_head(span_str(s), ACTION_TEXT_MAX);
}

static void
take_text(char **to, struct unpack *u)
{
	struct span s = span_head(unpack_span(u), ACTION_TEXT_MAX);

	free(*to);
	*to = s.len == 0 ? NULL : span_dup(s);
}

void
action_pack(struct buf *b, const struct action *a)
{
	pack_u64(b, a->event);
	pack_i64(b, a->time);
	pack_u8(b, a->effect);
	pack_u8(b, a->flags);
	pack_u32(b, a->undone_by);
	pack_u32(b, a->undoes);
	pack_u64(b, a->messages);
	pack_u64(b, a->reversible);
	pack_i64(b, a->until);
	pack_span(b, text(a->command));
	pack_span(b, text(a->who));
	pack_span(b, text(a->selector));
	pack_span(b, text(a->reason));
	pack_span(b, text(a->argument));
	pack_span(b, text(a->before));
}

/* What a later version puts behind is passed over. */
static bool
unpack_action(struct unpack *u, struct action *a)
{
	a->event = unpack_u64(u);
	a->time = unpack_i64(u);
	a->effect = unpack_u8(u);
	a->flags = unpack_u8(u);
	a->undone_by = unpack_u32(u);
	a->undoes = unpack_u32(u);
	a->messages = unpack_u64(u);
	a->reversible = unpack_u64(u);
	a->until = unpack_i64(u);
	take_text(&a->command, u);
	take_text(&a->who, u);
	take_text(&a->selector, u);
	take_text(&a->reason, u);
	take_text(&a->argument, u);
	take_text(&a->before, u);
	if (a->effect >= EFFECTS)	/* a later version's: this one cannot take it back */
		a->effect = EFFECT_NONE;
	return !u->fault;
}

bool
actions_apply(struct actions *as, const struct spool_event *ev, uint32_t segment)
{
	struct unpack u = { .left = ev->state };
	struct action fresh = { 0 };

	if (ev->attempt == 0)
		return false;
	struct action *a = actions_find(as, ev->attempt);
	if (a != NULL && a->event > ev->number)
		return true;	/* a checkpoint that was taken after this */
	if (!unpack_action(&u, &fresh)) {
		free(fresh.command);
		free(fresh.who);
		free(fresh.selector);
		free(fresh.reason);
		free(fresh.argument);
		free(fresh.before);
		return false;
	}
	a = actions_add(as, ev->attempt);
	fresh.number = a->number;
	fresh.event = ev->number;
	fresh.segment = segment;
	struct action *old;
	MEM_NEW(old);
	*old = *a;
	*a = fresh;
	action_free(old);
	return true;
}

static enum action_effect
effect_of(uint8_t kind)
{
	switch (kind) {
	case EVENT_HOLD:
		return EFFECT_HOLD;
	case EVENT_RELEASE:
	case EVENT_REQUEUE:
		return EFFECT_RELEASE;
	case EVENT_DELETE:
		return EFFECT_DELETE;
	case EVENT_UNDELETE:
		return EFFECT_UNDELETE;
	default:
		return EFFECT_NONE;
	}
}

void
actions_seen(struct actions *as, const struct spool_event *ev)
{
	if (ev->of <= as->last || ev->of > UINT32_MAX)
		return;
	struct action *a = actions_add(as, (uint32_t)ev->of);
	a->time = ev->time;
	a->effect = (uint8_t)effect_of(ev->kind);
	a->flags = ACTION_OPEN | ACTION_PARTED;
	a->event = 1;	/* any record of its own is newer */
	a->command = mem_str(ev->kind == EVENT_OUTCOMES ? "bounce" : event_kind_text(ev->kind));
	a->who = span_dup(span_head(ev->actor, ACTION_TEXT_MAX));
}

/* -- the checkpoint's head ------------------------------------------------------------- */

void
actions_encode(const struct actions *as, struct buf *b)
{
	struct buf one = BUF_INIT(0);

	pack_u32(b, as->last);
	pack_u32(b, (uint32_t)as->count);
	for (size_t i = 0; i < as->count; i++) {
		buf_reset(&one);
		pack_u32(&one, as->list[i]->number);
		pack_u32(&one, as->list[i]->segment);
		action_pack(&one, as->list[i]);
		pack_span(b, buf_view(&one));
	}
	buf_clear(&one);
}

bool
actions_decode(struct actions *as, struct span bytes)
{
	struct unpack u = { .left = bytes };
	uint32_t last = unpack_u32(&u), count = unpack_u32(&u);

	for (uint32_t i = 0; i < count && !u.fault; i++) {
		struct unpack one = { .left = unpack_span(&u) };
		uint32_t number = unpack_u32(&one), segment = unpack_u32(&one);
		if (one.fault || number == 0 || number > last || actions_find(as, number) != NULL)
			return false;
		struct action *a = actions_add(as, number);
		a->segment = segment;
		if (!unpack_action(&one, a))
			return false;
	}
	if (last > as->last)
		as->last = last;
	return unpack_end(&u);
}
