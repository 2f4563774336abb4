#include "spool/index.h"

#include <stdlib.h>

#include "base/mem.h"
#include "spool/index_cause.h"
#include "mail/notice.h"
#include "spool/index_private.h"
#include "spool/index_words.h"

#define KEPT_FLAGS	(ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED | ENTRY_TRIED | ENTRY_DELAY_TOLD)
#define KEPT_RCPT_FLAGS	(RCPT_INTENT | RCPT_SETTLED)

static void
put_loc(struct buf *b, struct loc l)
{
	pack_u32(b, l.segment);
	pack_u32(b, l.block);
	pack_u32(b, l.length);
}

static struct loc
get_loc(struct unpack *u)
{
	struct loc l;

	l.segment = unpack_u32(u);
	l.block = unpack_u32(u);
	l.length = unpack_u32(u);
	return l;
}

static void
put_intents(struct buf *b, const struct entry_intent *in)
{
	for (; in != NULL; in = in->next) {
		pack_u8(b, 1);
		pack_u64(b, in->number);
		pack_u8(b, in->kind);
		pack_span(b, span_str(in->recipient));
		pack_u32(b, in->count);
		for (uint32_t i = 0; i < in->count; i++)
			pack_u32(b, in->numbers[i]);
		if (in->kind == NOTICE_FORWARD)
			pack_span(b, buf_view(&in->state));
	}
	pack_u8(b, 0);
}

/* What follows, in a byte: the first format knew the extra alone. */
enum follows { FOLLOWS_EXTRA = 1, FOLLOWS_ACTION = 2 };

static void
put_extra(struct buf *b, const struct entry *e)
{
	const struct entry_extra *x = e->extra;

	pack_u8(b, (uint8_t)((x != NULL ? FOLLOWS_EXTRA : 0) | (e->action != 0 ? FOLLOWS_ACTION : 0)));
	if (e->action != 0)
		pack_u32(b, e->action);
	if (x == NULL)
		return;
	pack_span(b, span_str(x->reason));
	pack_span(b, span_str(x->actor));
	pack_i64(b, x->until);
	pack_span(b, span_str(x->filter));
	pack_u64(b, x->origin.usec);
	pack_u32(b, x->origin.writer);
	pack_u64(b, x->origin_event);
	put_intents(b, x->intents);
}

static bool
get_intent(struct unpack *u, struct entry_extra *x)
{
	uint64_t number = unpack_u64(u);
	uint8_t kind = unpack_u8(u);
	struct span recipient = unpack_span(u);
	uint32_t count = unpack_u32(u);

	if (u->fault || count > u->left.len / 4)
		return false;
	struct entry_intent *in = mem_new(sizeof *in + count * sizeof *in->numbers);
	in->number = number;
	in->kind = kind;
	in->recipient = span_dup(recipient);
	in->count = count;
	for (uint32_t i = 0; i < count; i++)
		in->numbers[i] = unpack_u32(u);
	in->state = BUF_INIT(0);
	if (kind == NOTICE_FORWARD)
		buf_span(&in->state, unpack_span(u));
	in->next = x->intents;
	x->intents = in;
	return true;
}

static bool
get_extra(struct unpack *u, struct entry *e)
{
	uint8_t follows = unpack_u8(u);
	e->action = follows & FOLLOWS_ACTION ? unpack_u32(u) : 0;
	if (!(follows & FOLLOWS_EXTRA))
		return !u->fault;
	struct entry_extra *x = entry_extra(e);
	index_set_str(&x->reason, unpack_span(u));
	index_set_str(&x->actor, unpack_span(u));
	x->until = unpack_i64(u);
	index_set_str(&x->filter, unpack_span(u));
	x->origin.usec = unpack_u64(u);
	x->origin.writer = unpack_u32(u);
	x->origin_event = unpack_u64(u);
	while (unpack_u8(u) == 1)
		if (!get_intent(u, x))
			return false;
	return !u->fault;
}

/* What an event can change: the snapshot has it too. */
static void
put_state(const struct index *ix, const struct entry *e, struct buf *b)
{
	pack_u8(b, e->flags & KEPT_FLAGS);
	pack_u64(b, e->applied);
	pack_i64(b, e->since);
	pack_u32(b, e->rcpt_count);
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		pack_i64(b, r->next);
		put_loc(b, r->reply);
		pack_span(b, index_cause_text(ix, r->cause));
		pack_u16(b, r->attempts);
		pack_u8(b, r->status);
		pack_u8(b, r->flags & KEPT_RCPT_FLAGS);
	}
	put_extra(b, e);
}

static bool
get_rcpt(struct index *ix, struct entry *e, struct entry_rcpt *r, struct unpack *u)
{
	r->next = unpack_i64(u);
	r->reply = get_loc(u);
	words_forget(ix, r);
	cause_unref(ix, r->cause);
	r->cause = cause_ref_print(ix, unpack_span(u));
	r->attempts = unpack_u16(u);
	r->status = unpack_u8(u);
	r->flags = unpack_u8(u) & KEPT_RCPT_FLAGS;
	if (u->fault || r->status > RCPT_FAILED) {
		r->status = RCPT_WAITING;
		return false;
	}
	if (!rcpt_final(r))
		e->open++;
	return true;
}

static bool
get_state(struct index *ix, struct entry *e, struct unpack *u)
{
	e->flags = (uint8_t)((e->flags & ~KEPT_FLAGS) | (unpack_u8(u) & KEPT_FLAGS));
	e->applied = unpack_u64(u);
	e->since = unpack_i64(u);
	if (unpack_u32(u) != e->rcpt_count || u->fault)
		return false;
	e->open = 0;
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		if (!get_rcpt(ix, e, &e->rcpts[i], u))
			return false;
	return get_extra(u, e);
}

void
index_restore(struct index *ix, struct entry *e, const struct spool_event *ev, struct loc at)
{
	struct unpack u = { .left = ev->state }, texts = { .left = ev->outcomes };
	struct outcome o;
	uint64_t applied = e->applied;

	index_extra_free(e->extra);
	e->extra = NULL;
	(void)get_state(ix, e, &u);
	e->applied = applied;
	e->open = 0;		/* counted anew: a state that is cut short was taken as far as it went */
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		e->open += !rcpt_final(&e->rcpts[i]);
	while (outcome_next(&texts, &o))
		if (o.number < e->rcpt_count)
			e->rcpts[o.number].reply = at;
}

void
index_encode_state(const struct index *ix, const struct entry *e, struct buf *b)
{
	put_state(ix, e, b);
}

void
index_encode(const struct index *ix, const struct entry *e, struct buf *b)
{
	pack_u64(b, e->id.usec);
	pack_u32(b, e->id.writer);
	pack_i64(b, e->arrival);
	pack_u64(b, e->size);
	pack_u64(b, e->spill);
	put_loc(b, e->loc);
	put_loc(b, e->last);
	pack_u32(b, e->generation);
	pack_u32(b, e->envelope);
	pack_span(b, entry_sender(e));
	pack_u32(b, e->rcpt_count);
	for (uint32_t i = 0; i < e->rcpt_count; i++)
		recipient_pack(b, &(struct recipient){ .number = i, .notify = e->rcpts[i].notify,
		    .address = entry_address(e, i), .orcpt = entry_orcpt(e, i),
		    .original = entry_original(e, i) });
	put_state(ix, e, b);
	pack_span(b, entry_client(ix, e));
}

/* The recipients of the encoded entry as a span of their own, passed over. */
static struct span
take_recipients(struct unpack *u, uint32_t count)
{
	const char *start = u->left.ptr;
	struct recipient r;

	for (uint32_t i = 0; i < count; i++)
		if (!recipient_next(u, &r))
			return SPAN_NONE;
	return span_of(start, (size_t)(u->left.ptr - start));
}

struct entry *
index_decode(struct index *ix, struct unpack *u)
{
	struct envelope env = { .id.usec = unpack_u64(u) };
	env.id.writer = unpack_u32(u);
	env.arrival = unpack_i64(u);
	env.size = unpack_u64(u);
	env.spill = unpack_u64(u);
	struct loc loc = get_loc(u), last = get_loc(u);
	uint32_t generation = unpack_u32(u);
	uint32_t flags = unpack_u32(u);
	env.sender = unpack_span(u);
	env.recipient_count = unpack_u32(u);
	env.recipients = take_recipients(u, env.recipient_count);
	if (u->fault || (env.recipient_count > 0 && env.recipients.ptr == NULL))
		return NULL;
	struct entry *e = index_add(ix, &env, loc);
	if (e == NULL)
		return NULL;
	e->last = last;
	e->generation = generation;
	e->envelope = flags;
	index_tally(ix, e, false);
	bool ok = e->rcpt_count == env.recipient_count && get_state(ix, e, u);
	index_tally(ix, e, true);
	if (ok && unpack_more(u))	/* the second format had no clients */
		index_set_client(ix, e, unpack_span(u));
	if (ok && !u->fault)
		return e;
	index_remove(ix, e);
	return NULL;
}
