/*
 * queue top (what fails, why, and how much of it) and queue shape (how old the mail of each domain is, as qshape shows it).
 */
#include "queue/query.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/commands.h"
#include "mail/explain.h"
#include "spool/index_words.h"

#define GROUPS_MAX	20000u		/* the memory of a question has an end */
#define TOP_DEFAULT	20u
#define AGES		10u		/* 5 10 20 ... 1280 minutes, and above */
#define TICK		(5 * MINUTE)

/* -- groups: of one cause and destination, or of one value ----------------------------------------------- */

struct tally_group {
	uint64_t	 messages, recipients, bytes;
	int64_t		 oldest, newest;	/* arrivals, wall */
	uint64_t	 ages[AGES];
	struct qid	 last, example;
	uint32_t	 example_rcpt;
	const char	*code;		/* a constant; NULL: as its example's last outcome is explained */
	size_t		 cause_len;	/* of the key; then a NUL, then the destination */
	size_t		 len;
	char		 key[];
};

static struct span
tally_key(const void *item)
{
	const struct tally_group *g = item;

	return span_of(g->key, g->len);
}

static struct tally_group *
tally_of(struct ask *a, struct span key, size_t cause_len)
{
	struct tally_group *g = map_get(&a->groups, key);

	if (g != NULL)
		return g;
	if (a->groups.count >= GROUPS_MAX) {
		key = SPAN("(others)");
		cause_len = key.len;
		g = map_get(&a->groups, key);
		if (g != NULL)
			return g;
	}
	g = mem_new(sizeof *g + key.len);
	g->len = key.len;
	g->cause_len = cause_len;
	if (key.len > 0)
		memcpy(g->key, key.ptr, key.len);
	map_add(&a->groups, g);
	return g;
}

static void
tally_count(struct tally_group *g, const struct entry *e, uint32_t rcpt)
{
	g->recipients++;
	if (g->messages == 0 || e->arrival < g->oldest) {
		g->oldest = e->arrival;
		g->example = e->id;
		g->example_rcpt = rcpt;
	}
	if (e->arrival > g->newest)
		g->newest = e->arrival;
	if (qid_eq(g->last, e->id))
		return;
	g->last = e->id;
	g->messages++;
	g->bytes += e->size;
}

static bool
matches(const struct ask *a, const struct row *row, uint32_t rcpt)
{
	return selector_all(a->selector) || selector_match_recipient(a->selector, &row_ops, row, rcpt);
}

/* The groups as an array, sorted; the map keeps them. */
static struct tally_group **
sorted(const struct ask *a, int (*compare)(const void *, const void *))
{
	struct tally_group **list = mem_array(a->groups.count + 1, sizeof(struct tally_group *)), *g;
	size_t at = 0, n = 0;

	while ((g = map_next(&a->groups, &at)) != NULL)
		list[n++] = g;
	qsort(list, n, sizeof *list, compare);
	return list;
}

static int
compare_keys(const struct tally_group *x, const struct tally_group *y)
{
	size_t n = x->len < y->len ? x->len : y->len;
	int order = n == 0 ? 0 : memcmp(x->key, y->key, n);

	return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* -- queue top ------------------------------------------------------------------------------------------------ */

struct cause {
	struct span	 text;
	const char	*code;		/* NULL: a failed attempt's, of this cause of the index */
};

/* Groups found by numbers, for the many that are in one: good within a slice, as the numbers may come to mean something else. */
struct top_memory {
	const char	*code;
	uint32_t	 cause, dest, words;
	struct tally_group *group;
};
#define MEMORY	1024u

/* Why it is not gone: what stops it, or how its last attempt failed. */
static struct cause
cause_of(const struct role_queue *rq, const struct entry *e, uint32_t i, const struct dest *d)
{
	const struct entry_rcpt *r = &e->rcpts[i];

	if (e->flags & ENTRY_TRASHED)
		return (struct cause){ SPAN("deleted"), "trash" };
	if (e->flags & ENTRY_BAD)
		return (struct cause){ SPAN("the message is damaged"), "corrupt" };
	if (e->flags & ENTRY_HELD)
		return (struct cause){ SPAN("held"), "held" };
	if (r->place == PLACE_BLOCKED && d != NULL && d->halt != NULL)
		return (struct cause){ SPAN("its destination is suspended by an operator"), "suspended" };
	if (r->status != RCPT_DEFERRED)
		return (struct cause){ SPAN("not tried yet"), "new" };
	return (struct cause){ index_cause_text(&rq->q.index, r->cause), NULL };
}

/* Where it goes, or went last. */
static struct span
dest_of(struct role_queue *rq, const struct entry *e, uint32_t i, const struct dest *d)
{
	struct last_outcome last;
	struct words known;

	if (d != NULL)
		return span_str(d->nexthop);
	if (words_of(&rq->q.index, &e->rcpts[i], &known))
		return known.nexthop;
	return reader_outcome(rq, e, i, &last) ? last.nexthop : SPAN_NONE;
}

static struct tally_group *
top_group(struct role_queue *rq, struct ask *a, const struct entry *e, uint32_t i, const struct dest *d, const struct cause *c)
{
	struct span cause = span_head(c->text, 200), dest = span_head(dest_of(rq, e, i, d), 255);
	char key[512];		/* no allocation a recipient */

	if (cause.len > 0)
		memcpy(key, cause.ptr, cause.len);
	key[cause.len] = '\0';
	if (dest.len > 0)
		memcpy(key + cause.len + 1, dest.ptr, dest.len);
	struct tally_group *g = tally_of(a, span_of(key, cause.len + 1 + dest.len), cause.len);
	g->code = c->code;
	return g;
}

static void
top_recipient(struct role_queue *rq, struct ask *a, const struct entry *e, uint32_t i, struct top_memory *memory)
{
	const struct entry_rcpt *r = &e->rcpts[i];
	const struct dest *d = dest_numbered(&rq->q, r->dest);
	struct cause c = cause_of(rq, e, i, d);
	struct top_memory now = { .code = c.code, .cause = c.code == NULL ? r->cause : 0, .dest = r->dest, .words = d == NULL ? r->words : 0 };
	struct top_memory *m = &memory[(now.cause * 31u + now.dest * 7u + now.words) % MEMORY];
	bool known = m->group != NULL && m->code == now.code && m->cause == now.cause && m->dest == now.dest && m->words == now.words;

	if (!known) {
		now.group = top_group(rq, a, e, i, d, &c);
		/* Without either number nothing tells two destinations apart. */
		known = d != NULL || now.words != 0;
		if (known)
			*m = now;
	}
	tally_count(known ? m->group : now.group, e, i);
}

static int
by_messages(const void *a, const void *b)
{
	const struct tally_group *x = *(struct tally_group *const *)a, *y = *(struct tally_group *const *)b;

	if (x->messages != y->messages)
		return x->messages > y->messages ? -1 : 1;
	if (x->recipients != y->recipients)
		return x->recipients > y->recipients ? -1 : 1;
	return compare_keys(x, y);
}

static void
put_top(struct role_queue *rq, struct buf *rows, const struct tally_group *g)
{
	const struct entry *e = index_find(&rq->q.index, g->example);
	struct jsonl j = { .out = rows };
	struct last_outcome last;
	char id[QID_TEXT];

	bool have = e != NULL && g->example_rcpt < e->rcpt_count && reader_outcome(rq, e, g->example_rcpt, &last);
	jsonl_object(&j, NULL);
	jsonl_str(&j, "cause", span_of(g->key, g->cause_len));
	jsonl_str(&j, "code", span_str(g->code != NULL ? g->code : have ? explain(&last.outcome)->code : "failed-for-now"));
	jsonl_str(&j, "dest", span_skip(tally_key(g), g->cause_len + 1));
	jsonl_i64(&j, "messages", (int64_t)g->messages);
	jsonl_i64(&j, "recipients", (int64_t)g->recipients);
	jsonl_i64(&j, "size", (int64_t)g->bytes);
	jsonl_i64(&j, "oldest", g->oldest / SECOND);
	jsonl_i64(&j, "newest", g->newest / SECOND);
	jsonl_str(&j, "example", span_str(qid_text(g->example, id)));
	if (have)
		jsonl_str(&j, "reason", last.outcome.text);
	else if (e != NULL && (e->flags & ENTRY_HELD) && e->extra != NULL && e->extra->reason != NULL)
		jsonl_str(&j, "reason", span_str(e->extra->reason));
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

static bool
top_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	const struct entry *e;
	bool pause;
	uint64_t most = a->top != 0 ? a->top : TOP_DEFAULT;
	struct top_memory memory[MEMORY];

	memset(memory, 0, sizeof memory);
	while ((e = ask_next(rq, a, rows, &pause)) != NULL) {
		struct row row = { .rq = rq, .e = e };
		for (uint32_t i = 0; i < e->rcpt_count; i++)
			if (!rcpt_final(&e->rcpts[i]) && matches(a, &row, i))
				top_recipient(rq, a, e, i, memory);
		row_clear(&row);
	}
	if (pause)
		return false;
	struct tally_group **list = sorted(a, by_messages);
	for (size_t i = 0; i < a->groups.count && i < most; i++)
		put_top(rq, rows, list[i]);
	free(list);
	a->status = a->matched == 0;
	return true;
}

/* -- queue shape -------------------------------------------------------------------------------------------- */

/* qshape's buckets: below 5 minutes, below 10, 20, 40 ... 1280, and the rest. */
static unsigned
bucket(int64_t age)
{
	unsigned b = 0;

	for (int64_t end = TICK; age >= end && b < AGES - 1; end *= 2)
		b++;
	return b;
}

static void
shape_recipient(struct ask *a, struct row *row, uint32_t i, unsigned b)
{
	enum selector_field f = (enum selector_field)a->field;
	struct span name = SPAN_NONE;
	int64_t number;
	char text[256];

	if (!row_text(row, f, i, &name)) {
		(void)snprintf(text, sizeof text, "%lld", row_number(row, f, i, &number) ? (long long)number : 0);
		name = span_str(text);
	}
	if (name.len == 0 && (f == SEL_SENDER || f == SEL_SENDER_DOMAIN))
		name = SPAN("MAILER-DAEMON");
	name = span_head(name, sizeof text - 1);
	bool fold = selector_field_row(f)->type == SELECTOR_DOMAIN && !span_eqs(name, "MAILER-DAEMON");
	for (size_t k = 0; k < name.len; k++)
		text[k] = fold ? (char)tolower((unsigned char)name.ptr[k]) : name.ptr[k];
	struct tally_group *g = tally_of(a, span_of(text, name.len), name.len);
	g->recipients++;
	g->ages[b]++;
}

/* The most first; of equals the shorter name, as qshape does. */
static int
by_recipients(const void *a, const void *b)
{
	const struct tally_group *x = *(struct tally_group *const *)a, *y = *(struct tally_group *const *)b;

	if (x->recipients != y->recipients)
		return x->recipients > y->recipients ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return compare_keys(x, y);
}

static void
put_shape(struct buf *rows, struct span name, uint64_t total, const uint64_t *ages)
{
	struct jsonl j = { .out = rows };

	jsonl_object(&j, NULL);
	jsonl_str(&j, "value", name);
	jsonl_i64(&j, "total", (int64_t)total);
	jsonl_array(&j, "ages");
	for (unsigned i = 0; i < AGES; i++)
		jsonl_i64(&j, NULL, (int64_t)ages[i]);
	jsonl_end_array(&j);
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

static void
put_shapes(const struct ask *a, struct buf *rows)
{
	struct tally_group **list = sorted(a, by_recipients);
	uint64_t total = 0, ages[AGES] = { 0 };
	uint64_t most = a->top != 0 ? a->top : UINT64_MAX;

	for (size_t i = 0; i < a->groups.count; i++) {
		total += list[i]->recipients;
		for (unsigned b = 0; b < AGES; b++)
			ages[b] += list[i]->ages[b];
	}
	put_shape(rows, SPAN("TOTAL"), total, ages);
	for (size_t i = 0; i < a->groups.count && i < most; i++)
		put_shape(rows, tally_key(list[i]), list[i]->recipients, list[i]->ages);
	free(list);
}

static bool
shape_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	int64_t now = queue_wall(&rq->q, queue_now(&rq->q));
	const struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, rows, &pause)) != NULL) {
		struct row row = { .rq = rq, .e = e };
		unsigned b = bucket(now - e->arrival);
		for (uint32_t i = 0; i < e->rcpt_count; i++)
			if (!rcpt_final(&e->rcpts[i]) && matches(a, &row, i))
				shape_recipient(a, &row, i, b);
		row_clear(&row);
	}
	if (pause)
		return false;
	put_shapes(a, rows);
	a->status = a->matched == 0;
	return true;
}

bool
top_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	(void)rq;
	(void)args;
	if (span_eqs(command, "queue top")) {
		a->slice = top_slice;
		a->needs = NEEDS_ROUTE;
	} else if (span_eqs(command, "queue shape")) {
		a->slice = shape_slice;
		if (a->field < 0)
			a->field = SEL_RCPT_DOMAIN;
	} else {
		return false;
	}
	a->groups = MAP_INIT(tally_key);
	a->any_order = true;
	a->top = a->limit;	/* of the rows: all that match are counted */
	a->limit = 0;
	return true;
}
