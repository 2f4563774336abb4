/*
 * Plans: what a command would do, frozen. A plan is 24 bytes a message: its queue ID, and a print of what the operator saw of it (its state, how
 * its recipients stand and why). Another attempt that fails for the same reason is no change; anything else is, and `apply` leaves such a message alone.
 */
#include "queue/acting.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/num.h"
#include "ctl/commands.h"
#include "ctl/rights.h"

#define PLANS_MAX	32u
#define PLAN_TIME	(15 * MINUTE)
#define ITEMS_MAX	((size_t)2500000)	/* of all plans: 60 MB */
#define SAMPLES		10u
#define TOP		5u
#define GROUPS_MAX	20000u			/* of a kind; what comes behind is counted as "(others)" */

struct plan_item {
	struct qid	 id;
	uint64_t	 print;
};

enum by_kind { BY_SENDER, BY_DEST, BY_CAUSE, BY_KINDS };

struct plan {
	struct plan	*next;
	uint32_t	 number;
	int64_t		 expires;	/* monotonic */
	const struct verb *verb;
	char		*who, *selector, *reason;
	struct plan_item *items;
	size_t		 count, cap;
	size_t		*total;		/* of all plans: counts this one's items */
	uint64_t	 recipients, bytes;
	struct map	 groups[BY_KINDS];
};

struct plans {
	struct plan	*first;		/* oldest first */
	unsigned	 count;
	size_t		 items;
	uint32_t	 last;
};

static struct plans *
plans_of(struct role_queue *rq)
{
	if (rq->plans == NULL)
		MEM_NEW(rq->plans);
	return rq->plans;
}

static void
groups_clear(struct plan *p)
{
	for (int k = 0; k < BY_KINDS; k++) {
		size_t at = 0;
		void *g;
		while ((g = map_next(&p->groups[k], &at)) != NULL)
			free(g);
		map_clear(&p->groups[k]);
	}
}

void
plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	groups_clear(p);
	*p->total -= p->count;
	free(p->items);
	free(p->who);
	free(p->selector);
	free(p->reason);
	free(p);
}

static void
drop(struct plans *ps, struct plan **at)
{
	struct plan *p = *at;

	*at = p->next;
	ps->count--;
	plan_free(p);
}

void
plans_expire(struct role_queue *rq)
{
	struct plans *ps = plans_of(rq);

	while (ps->first != NULL && ps->first->expires <= clock_mono())
		drop(ps, &ps->first);
}

void
plans_clear(struct role_queue *rq)
{
	while (rq->plans != NULL && rq->plans->first != NULL)
		drop(rq->plans, &rq->plans->first);
	free(rq->plans);
	rq->plans = NULL;
}

/* -- what a message looks like ------------------------------------------------------------------------ */

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u + v + 1;	/* of the order, too */
	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
}

/* What its own attempt found and what was found by another's is the same trouble. */
static struct span
trouble(struct span cause)
{
	static const char behind[] = "delivery temporarily suspended: ";

	return span_starts(cause, behind) ? span_skip(cause, sizeof behind - 1) : cause;
}

static uint64_t
print_of(const struct queue *q, const struct entry *e)
{
	uint64_t h = mix(1, e->flags & (ENTRY_HELD | ENTRY_BAD | ENTRY_TRASHED));

	h = mix(h, e->action);

	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		const struct entry_rcpt *r = &e->rcpts[i];
		h = mix(h, r->status);
		if (r->cause != 0)
			h = mix(h, map_hash(trouble(index_cause_text(&q->index, r->cause))));
	}
	return h;
}

/* -- gathering -------------------------------------------------------------------------------------------- */

static struct span
group_key(const void *item)
{
	const struct group *g = item;

	return span_of(g->name, g->len);
}

static void
count_group(struct map *m, struct span name, struct qid id)
{
	name = span_head(name, 200);
	struct group *g = map_get(m, name);

	if (g == NULL && m->count >= GROUPS_MAX) {
		name = SPAN("(others)");
		g = map_get(m, name);
	}
	if (g == NULL) {
		g = mem_new(sizeof *g + name.len);
		g->len = name.len;
		if (name.len > 0)
			memcpy(g->name, name.ptr, name.len);
		map_add(m, g);
	}
	if (qid_eq(g->last, id))
		return;
	g->last = id;
	g->messages++;
}

/* Where it waits, or else the domain: nothing is read from the files for this. */
static struct span
dest_of(const struct queue *q, const struct entry *e, uint32_t rcpt)
{
	const struct dest *d = e->rcpts[rcpt].dest == 0 ? NULL : dest_numbered(q, e->rcpts[rcpt].dest);
	struct span address = entry_address(e, rcpt);
	size_t at = span_rfind(address, '@');

	if (d != NULL)
		return span_str(d->nexthop);
	return at < address.len ? span_skip(address, at + 1) : address;
}

static void
count_groups(const struct queue *q, struct plan *p, const struct entry *e)
{
	count_group(&p->groups[BY_SENDER], entry_sender(e), e->id);
	for (uint32_t i = 0; i < e->rcpt_count; i++) {
		if (rcpt_final(&e->rcpts[i]))
			continue;
		count_group(&p->groups[BY_DEST], dest_of(q, e, i), e->id);
		if (e->rcpts[i].cause != 0)
			count_group(&p->groups[BY_CAUSE], index_cause_text(&q->index, e->rcpts[i].cause), e->id);
	}
}

static bool
add_item(const struct queue *q, struct plan *p, const struct entry *e)
{
	if (*p->total >= ITEMS_MAX)
		return false;
	if (p->count == p->cap) {
		p->cap = p->cap == 0 ? 64 : p->cap * 2;
		p->items = mem_grow(p->items, p->cap, sizeof *p->items);
	}
	p->items[p->count++] = (struct plan_item){ .id = e->id, .print = print_of(q, e) };
	(*p->total)++;
	p->recipients += e->open;
	p->bytes += e->size;
	count_groups(q, p, e);
	return true;
}

/* Room for one more: the oldest of the same user makes it. */
static bool
make_room(struct plans *ps, const struct plan *p)
{
	struct plan **at = &ps->first;

	if (ps->count < PLANS_MAX)
		return true;
	while (*at != NULL && strcmp((*at)->who, p->who) != 0)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	drop(ps, at);
	return true;
}

/* -- rows ---------------------------------------------------------------------------------------------------- */

static int
by_messages(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	if (x->messages != y->messages)
		return x->messages > y->messages ? -1 : 1;
	size_t n = x->len < y->len ? x->len : y->len;
	int by = n == 0 ? 0 : memcmp(x->name, y->name, n);
	return by != 0 ? by : x->len < y->len ? -1 : x->len > y->len;
}

static void
put_groups(struct buf *out, const struct map *m, const char *by)
{
	struct group **all = mem_array(m->count + 1, sizeof(struct group *)), *g;
	size_t at = 0, n = 0;

	while ((g = map_next(m, &at)) != NULL)
		all[n++] = g;
	qsort(all, n, sizeof(struct group *), by_messages);
	for (size_t i = 0; i < n && i < TOP; i++) {
		struct jsonl j = { .out = out };
		jsonl_object(&j, NULL);
		jsonl_str(&j, "by", span_str(by));
		jsonl_str(&j, "value", group_key(all[i]));
		jsonl_i64(&j, "messages", (int64_t)all[i]->messages);
		jsonl_end_object(&j);
		buf_char(out, '\n');
	}
	free(all);
}

static void
put_samples(struct role_queue *rq, struct buf *out, const struct plan *p)
{
	struct buf row = BUF_INIT(0);

	for (size_t i = 0; i < p->count && i < SAMPLES; i++) {
		const struct entry *e = index_find(&rq->q.index, p->items[i].id);
		if (e == NULL)
			continue;
		buf_reset(&row);
		row_put(rq, &row, e, false);
		buf_str(out, "{\"sample\":true,");
		buf_span(out, span_skip(buf_view(&row), 1));
	}
	buf_clear(&row);
}

static void
put_plan(struct role_queue *rq, struct buf *out, const struct plan *p)
{
	struct jsonl j = { .out = out };
	int64_t left = p->expires - clock_mono();

	jsonl_object(&j, NULL);
	jsonl_i64(&j, "plan", p->number);
	jsonl_str(&j, "command", span_str(p->verb->command));
	jsonl_i64(&j, "messages", (int64_t)p->count);
	jsonl_i64(&j, "recipients", (int64_t)p->recipients);
	jsonl_i64(&j, "size", (int64_t)p->bytes);
	jsonl_i64(&j, "expires", (clock_wall() + left) / SECOND);
	jsonl_end_object(&j);
	buf_char(out, '\n');
	put_samples(rq, out, p);
	put_groups(out, &p->groups[BY_SENDER], "sender");
	put_groups(out, &p->groups[BY_DEST], "dest");
	put_groups(out, &p->groups[BY_CAUSE], "cause");
}

/* -- --plan ------------------------------------------------------------------------------------------------------ */

static void
keep_plan(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct plans *ps = plans_of(rq);
	struct plan *p = a->acting->plan, **last = &ps->first;

	plans_expire(rq);
	if (!make_room(ps, p)) {
		ask_fail(a, 75, "there are %u plans already; each ends after %d minutes", PLANS_MAX, (int)(PLAN_TIME / MINUTE));
		return;
	}
	p->number = ++ps->last;
	p->expires = clock_mono() + PLAN_TIME;
	put_plan(rq, out, p);
	groups_clear(p);
	while (*last != NULL)
		last = &(*last)->next;
	*last = p;
	ps->count++;
	a->acting->plan = NULL;
}

bool
plan_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct plan *p = a->acting->plan;
	const struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, out, &pause)) != NULL) {
		if (p->verb->stops(e) != NULL)
			continue;
		if (!add_item(&rq->q, p, e)) {
			ask_fail(a, 75, "the plans of all together would hold more than %zu messages; apply one, "
			    "or wait until they end", ITEMS_MAX);
			return true;
		}
	}
	if (pause)
		return false;
	if (p->count == 0)
		a->status = 1;
	else
		keep_plan(rq, a, out);
	return true;
}

void
plan_begin(struct role_queue *rq, struct ask *a)
{
	struct acting *g = a->acting;
	struct plan *p;

	a->durable = false;
	if (!(a->rights & CTL_ADMINISTER)) {	/* plans are few, and who may only flush needs none */
		ask_fail(a, 77, "--plan needs the right to administer");
		a->slice = said_slice;
		return;
	}
	plans_expire(rq);
	MEM_NEW(p);
	p->verb = g->verb;
	p->who = mem_str(a->who);
	p->selector = mem_str(g->selector);
	p->reason = mem_str(g->reason);
	p->total = &plans_of(rq)->items;
	for (int k = 0; k < BY_KINDS; k++)
		p->groups[k] = MAP_INIT(group_key);
	g->plan = p;
	a->slice = plan_slice;
}

/* -- apply ------------------------------------------------------------------------------------------------------------ */

bool
apply_slice(struct role_queue *rq, struct ask *a, struct buf *out)
{
	struct acting *g = a->acting;

	while (g->at < g->plan->count) {
		if (ask_slice_is_over(a, out))
			return false;
		const struct plan_item *item = &g->plan->items[g->at++];
		struct entry *e = index_find(&rq->q.index, item->id);
		if (e != NULL && print_of(&rq->q, e) == item->print) {
			acting_on(rq, a, e, out, true);
			continue;
		}
		g->skipped++;
		acting_put(out, item->id, "skipped", e == NULL ? "it is finished, and gone" : "it was changed since");
	}
	acting_end(rq, a, out);
	return true;
}

static struct plan *
take(struct role_queue *rq, struct ask *a, uint32_t number)
{
	struct plans *ps = plans_of(rq);
	struct plan **at = &ps->first;

	plans_expire(rq);
	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	if (*at == NULL) {
		ask_fail(a, 1, "there is no plan %u (any more); a plan is applied once, within %d minutes", number,
		    (int)(PLAN_TIME / MINUTE));
		return NULL;
	}
	struct plan *p = *at;
	if (strcmp(p->who, a->who) != 0 && strcmp(a->who, "root") != 0) {
		ask_fail(a, 77, "plan %u is of %s: only that user or root may apply it", number, p->who);
		return NULL;
	}
	*at = p->next;
	ps->count--;
	return p;
}

bool
apply_begin(struct role_queue *rq, struct ask *a, struct span args)
{
	struct acting *g = a->acting;
	struct span text;
	uint32_t number = 0;

	a->slice = said_slice;
	if (!args_get(args, "number", &text) || !num_u32(text, &number)) {
		ask_fail(a, 64, "the number of the plan is missing");
		return true;
	}
	g->plan = take(rq, a, number);
	if (g->plan == NULL)
		return true;
	g->verb = g->plan->verb;
	g->selector = mem_str(g->plan->selector);
	g->reason = mem_str(g->plan->reason);
	a->durable = g->verb->durable;
	a->slice = apply_slice;
	return true;
}
