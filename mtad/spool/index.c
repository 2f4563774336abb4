#include "spool/index.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "spool/index_cause.h"
#include "spool/index_private.h"
#include "spool/index_words.h"

static const char *const state_text[ENTRY_STATES] = {
	"incoming", "active", "deferred", "hold", "corrupt", "trash",
};

const char *
entry_state_text(uint8_t state)
{
	return state < ENTRY_STATES ? state_text[state] : "unknown";
}

static const char *
text_of(const struct entry *e)
{
	return (const char *)(e->rcpts + e->rcpt_count);
}

struct span
entry_sender(const struct entry *e)
{
	return span_of(text_of(e) + e->sender, e->sender_len);
}

struct span
entry_address(const struct entry *e, uint32_t rcpt)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];
	return span_of(text_of(e) + r->address, r->address_len);
}

struct span
entry_orcpt(const struct entry *e, uint32_t rcpt)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];
	return span_of(text_of(e) + r->address + r->address_len, r->orcpt_len);
}

struct span
entry_original(const struct entry *e, uint32_t rcpt)
{
	const struct entry_rcpt *r = &e->rcpts[rcpt];
	return span_of(text_of(e) + r->address + r->address_len + r->orcpt_len, r->original_len);
}

/* The extra's actor is who holds it, where it is held. */
struct span
entry_deleted_by(const struct index *ix, const struct entry *e)
{
	const struct action *a = e->action == 0 ? NULL : actions_find(&ix->actions, e->action);

	if (a != NULL)
		return span_str(a->who);
	return e->extra == NULL || (e->flags & ENTRY_HELD) ? SPAN_NONE : span_str(e->extra->actor);
}

struct entry_extra *
entry_extra(struct entry *e)
{
	if (e->extra == NULL)
		MEM_NEW(e->extra);
	return e->extra;
}

void
index_init(struct index *ix)
{
	*ix = (struct index){ 0 };
	intern_init(&ix->causes);
	intern_init(&ix->clients);
	words_init(ix);
}

void
index_clear(struct index *ix)
{
	struct entry *e;

	while ((e = index_after(ix, QID_NONE)) != NULL)
		index_remove(ix, e);
	free(ix->chunks);
	actions_clear(&ix->actions);
	intern_clear(&ix->causes);
	intern_clear(&ix->clients);
	words_clear(ix);
	*ix = (struct index){ 0 };
}

/* -- states and tallies ---------------------------------------------------------------- */

static uint8_t
state_of(const struct entry *e)
{
	if (e->flags & ENTRY_TRASHED)
		return ENTRY_TRASH;
	if (e->flags & ENTRY_BAD)
		return ENTRY_CORRUPT;
	if (e->flags & ENTRY_HELD)
		return ENTRY_HOLD;
	if (e->flags & ENTRY_RUNNING)
		return ENTRY_ACTIVE;
	return e->flags & ENTRY_TRIED ? ENTRY_DEFERRED : ENTRY_INCOMING;
}

void
index_tally(struct index *ix, struct entry *e, bool in)
{
	if (in)
		e->state = state_of(e);
	struct index_tally *t = &ix->tally[e->state];
	uint64_t sign = in ? 1 : UINT64_MAX;

	t->messages += sign;
	t->recipients += sign * e->open;
	t->bytes += sign * e->size;
}

void
index_running(struct index *ix, struct entry *e, bool running)
{
	index_tally(ix, e, false);
	e->flags = (uint8_t)(running ? e->flags | ENTRY_RUNNING : e->flags & ~ENTRY_RUNNING);
	index_tally(ix, e, true);
}

static void
live(const struct index *ix, const struct entry *e, int sign)
{
	if (ix->live != NULL)
		ix->live(ix->live_arg, e->loc.segment, sign, sign * (int64_t)e->loc.length);
}

void
index_moved(struct index *ix, struct entry *e, struct loc loc, uint32_t generation)
{
	live(ix, e, -1);
	e->loc = loc;
	e->generation = generation;
	live(ix, e, 1);
}

/* -- entries ------------------------------------------------------------------------------ */

#define TEXT_LEN_MAX	UINT16_MAX	/* of one address; RFC 5321 has 256, intake cuts long before this */

static uint16_t
text_len(struct span s)
{
	return (uint16_t)(s.len < TEXT_LEN_MAX ? s.len : TEXT_LEN_MAX);
}

static struct entry *
make(const struct envelope *env)
{
	struct unpack u = { .left = env->recipients };
	struct recipient r;
	size_t text = text_len(env->sender);
	uint32_t n = 0;

	while (n < env->recipient_count && recipient_next(&u, &r)) {
		text += text_len(r.address) + (size_t)text_len(r.orcpt) + text_len(r.original);
		n++;
	}
	if (text > UINT32_MAX)
		return NULL;
	struct entry *e = mem_new(sizeof *e + n * sizeof *e->rcpts + text);
	e->rcpt_count = e->open = n;
	e->sender_len = text_len(env->sender);
	char *at = (char *)(e->rcpts + n);
	if (e->sender_len > 0)
		memcpy(at, env->sender.ptr, e->sender_len);
	uint32_t used = e->sender_len;
	u = (struct unpack){ .left = env->recipients };
	for (uint32_t i = 0; i < n && recipient_next(&u, &r); i++) {
		struct entry_rcpt *er = &e->rcpts[i];
		*er = (struct entry_rcpt){ .address = used, .address_len = text_len(r.address),
			.orcpt_len = text_len(r.orcpt), .original_len = text_len(r.original), .notify = r.notify };
		if (er->address_len > 0)
			memcpy(at + used, r.address.ptr, er->address_len);
		used += er->address_len;
		if (er->orcpt_len > 0)
			memcpy(at + used, r.orcpt.ptr, er->orcpt_len);
		used += er->orcpt_len;
		if (er->original_len > 0)
			memcpy(at + used, r.original.ptr, er->original_len);
		used += er->original_len;
	}
	return e;
}

/* Into the order and the counts. */
bool
index_enter(struct index *ix, struct entry *e)
{
	if (!order_insert(ix, e))
		return false;
	if (e->id.usec > ix->last_usec)
		ix->last_usec = e->id.usec;
	live(ix, e, 1);
	index_tally(ix, e, true);
	return true;
}

void
index_set_str(char **place, struct span s)
{
	free(*place);
	*place = s.len == 0 ? NULL : span_dup(s);
}

#define CLIENTS_LEAST	((size_t)1 << 20)
#define CLIENTS_MESSAGE	4u	/* bytes more for each message in the queue: where each has a client of its own, most are left in their records */

void
index_client_text(const struct envelope *env, struct buf *out)
{
	buf_span(out, span_head(env->client_name, 256));
	buf_char(out, '[');
	buf_span(out, span_head(env->client_addr, 256));
	buf_char(out, ']');
}

void
index_set_client(struct index *ix, struct entry *e, struct span text)
{
	e->client = intern_ref(&ix->clients, text, CLIENTS_LEAST + CLIENTS_MESSAGE * ix->count);
}

struct span
entry_client(const struct index *ix, const struct entry *e)
{
	return intern_text(&ix->clients, e->client);
}

/* A checkpoint's entry has it behind all else. */
static void
set_client(struct index *ix, struct entry *e, const struct envelope *env)
{
	char room[520];
	struct buf text = { .ptr = room, .cap = sizeof room, .max = sizeof room - 1 };

	if (env->service.len == 0 && env->client_addr.len == 0)
		return;
	index_client_text(env, &text);
	index_set_client(ix, e, buf_view(&text));
}

struct entry *
index_add(struct index *ix, const struct envelope *env, struct loc loc)
{
	if (env->id.usec == 0 || index_find(ix, env->id) != NULL)
		return NULL;
	struct entry *e = make(env);
	if (e == NULL)
		return NULL;
	e->id = env->id;
	e->arrival = e->since = env->arrival;
	e->size = env->size;
	e->spill = env->spill;
	e->loc = loc;
	e->envelope = env->flags;
	if (env->flags & ENVELOPE_HOLD) {
		e->flags |= ENTRY_HELD;
		index_set_str(&entry_extra(e)->reason, env->hold_reason);
	}
	if (env->filter.len > 0)
		index_set_str(&entry_extra(e)->filter, env->filter);
	if (env->origin.usec != 0) {
		entry_extra(e)->origin = env->origin;
		e->extra->origin_event = env->origin_event;
	}
	(void)index_enter(ix, e);
	set_client(ix, e, env);
	return e;
}

void
index_extra_free(struct entry_extra *x)
{
	if (x == NULL)
		return;
	for (struct entry_intent *in = x->intents, *next; in != NULL; in = next) {
		next = in->next;
		free(in->recipient);
		buf_clear(&in->state);
		free(in);
	}
	free(x->reason);
	free(x->actor);
	free(x->filter);
	free(x);
}

void
index_remove(struct index *ix, struct entry *e)
{
	order_delete(ix, e);
	index_tally(ix, e, false);
	live(ix, e, -1);
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		cause_unref(ix, e->rcpts[i].cause);
		words_forget(ix, &e->rcpts[i]);
	}
	intern_unref(&ix->clients, e->client);
	index_extra_free(e->extra);
	free(e);
}
