/*
 * queue ls, queue show, queue count.
 */
#include "queue/query.h"

#include <stdlib.h>

#include "base/mem.h"
#include "ctl/commands.h"

/* -- in the order of queue IDs --------------------------------------------------------------------------- */

static bool
end_of_list(struct ask *a)
{
	if (a->matched == 0 && a->error == NULL)
		a->status = 1;
	return true;
}

bool
list_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	const struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, rows, &pause)) != NULL)
		row_put(rq, rows, e, a->detail);
	if (pause)
		return false;
	if (a->matched == 0 && a->detail)
		ask_fail(a, 1, "no such message in the queue");
	return end_of_list(a);
}

/* -- in another order: the keys of all that match first ------------------------------------------------------ */

static void
key_of(struct role_queue *rq, const struct ask *a, const struct entry *e, struct sort_item *item)
{
	enum selector_field f = (enum selector_field)a->field;
	enum selector_type type = selector_field_row(f)->type;
	struct row row = { .rq = rq, .e = e };
	struct span text;
	bool have = false;

	*item = (struct sort_item){ .usec = e->id.usec, .writer = e->id.writer, .hint = a->hint };
	if (f == SEL_ID)	/* that is the order by which they are compared in the end */
		return;
	for (uint32_t i = 0; !have && i < (e->rcpt_count == 0 ? 1 : e->rcpt_count); i++) {
		if (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN) {
			if (!row_text(&row, f, i, &text))
				continue;
			for (size_t k = 0; k < text.len && k < sizeof item->text; k++) {
				char c = text.ptr[k];
				item->text[k] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
			}
			have = true;
		} else {
			have = row_number(&row, f, i, &item->number);
		}
		if (!selector_field_row(f)->per_recipient)
			break;
	}
	row_clear(&row);
}

/* False: not all are there yet. The limit counts what is shown, not what is gathered. */
static bool
collect(struct role_queue *rq, struct ask *a, const struct buf *rows)
{
	uint64_t limit = a->limit;
	struct sort_item key;
	const struct entry *e;
	bool pause;

	a->limit = 0;
	while ((e = ask_next(rq, a, rows, &pause)) != NULL) {
		key_of(rq, a, e, &key);
		sorter_add(&a->keys, &key);
		if (!qid_eq(e->id, a->around))
			continue;
		a->around_key = key;
		a->around_found = true;
	}
	a->limit = limit;
	return !pause;
}

/* Where the window begins: half of it before the message that it is around, where that is there. */
static void
place_window(struct ask *a, struct buf *rows)
{
	size_t count = a->keys.count, limit = a->limit > 0 && a->limit < count ? a->limit : count;
	size_t last = count - limit, at = a->offset < last ? a->offset : last;
	struct jsonl j = { .out = rows };

	if (!a->total && a->offset > last)	/* who pages through it wants nothing twice */
		at = a->offset < count ? a->offset : count;
	if (a->around_found) {
		size_t rank = sorter_rank(&a->keys, &a->around_key);
		at = rank > limit / 2 ? rank - limit / 2 : 0;
		at = at < last ? at : last;
	}
	a->item_at = at;
	if (!a->total)
		return;
	jsonl_object(&j, NULL);
	jsonl_i64(&j, "total", (int64_t)count);
	jsonl_i64(&j, "offset", (int64_t)at);
	jsonl_end_object(&j);
	buf_char(rows, '\n');
}

/* The rows of the window, from the first of them on. */
static bool
put_window(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	while (a->item_at < a->item_end) {
		if (ask_slice_is_over(a, rows))
			return false;
		const struct sort_item *item = sorter_next(&a->keys);
		if (item == NULL)
			break;
		if (a->passed++ < a->item_at)
			continue;
		const struct entry *e = index_find_at(&rq->q.index, sort_item_id(item), item->hint);
		a->item_at++;
		if (e != NULL)
			row_put(rq, rows, e, false);
	}
	return end_of_list(a);
}

bool
sorted_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	if (!a->collected) {
		if (!collect(rq, a, rows))
			return false;
		sorter_end(&a->keys);
		a->collected = true;
		if (a->window)
			place_window(a, rows);
		size_t left = a->keys.count - a->item_at;
		a->item_end = a->item_at + (a->limit > 0 && a->limit < left ? a->limit : left);
	}
	return put_window(rq, a, rows);
}

/* What is sorted or grouped by stands in the journal. */
static enum ask_need
need_of(int field)
{
	if (field == SEL_REASON)
		return NEEDS_REASON;
	return field == SEL_DEST || field == SEL_TRANSPORT ? NEEDS_ROUTE : NEEDS_NOTHING;
}

static void
sorted_begin(struct ask *a)
{
	enum selector_type type = selector_field_row((enum selector_field)a->field)->type;
	bool text = (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN) && a->field != SEL_ID;

	sorter_begin(&a->keys, text, a->reverse);
	a->any_order = true;
	a->needs = need_of(a->field);
	a->slice = sorted_slice;
}

/* -- counting ----------------------------------------------------------------------------------------------------- */

static struct span
group_key(const void *item)
{
	const struct group *g = item;

	return span_of(g->name, g->len);
}

static struct group *
group_of(struct ask *a, struct span name)
{
	name = span_head(name, 200);
	struct group *g = map_get(&a->groups, name);

	if (g != NULL)
		return g;
	if (a->groups.count >= 100000) {	/* the memory of a question has an end */
		name = SPAN("(others)");
		g = map_get(&a->groups, name);
		if (g != NULL)
			return g;
	}
	g = mem_new(sizeof *g + name.len);
	g->len = name.len;
	if (name.len > 0)
		memcpy(g->name, name.ptr, name.len);
	map_add(&a->groups, g);
	return g;
}

static void
count_recipient(struct ask *a, struct row *row, uint32_t rcpt)
{
	const struct entry *e = row->e;
	struct span name = SPAN_NONE;
	int64_t number;
	char text[32];

	if (a->field < 0) {
		name = span_str(entry_state_text(e->state));
	} else if (!row_text(row, (enum selector_field)a->field, rcpt, &name) &&
	    row_number(row, (enum selector_field)a->field, rcpt, &number)) {
		(void)snprintf(text, sizeof text, "%lld", (long long)number);
		name = span_str(text);
	}
	struct group *g = group_of(a, name);
	g->recipients++;
	if (qid_eq(g->last, e->id))
		return;
	g->last = e->id;
	g->messages++;
	g->bytes += e->size;
}

static void
put_groups(const struct ask *a, struct buf *rows)
{
	size_t at = 0;
	const struct group *g;

	while ((g = map_next(&a->groups, &at)) != NULL) {
		struct jsonl j = { .out = rows };
		jsonl_object(&j, NULL);
		jsonl_str(&j, "value", group_key(g));
		jsonl_i64(&j, "messages", (int64_t)g->messages);
		jsonl_i64(&j, "recipients", (int64_t)g->recipients);
		jsonl_i64(&j, "size", (int64_t)g->bytes);
		jsonl_end_object(&j);
		buf_char(rows, '\n');
	}
}

bool
count_slice(struct role_queue *rq, struct ask *a, struct buf *rows)
{
	const struct entry *e;
	bool pause;

	while ((e = ask_next(rq, a, rows, &pause)) != NULL) {
		struct row row = { .rq = rq, .e = e };
		for (uint32_t i = 0; i < e->rcpt_count; i++)
			if (!rcpt_final(&e->rcpts[i]) && (selector_all(a->selector) ||
			    selector_match_recipient(a->selector, &row_ops, &row, i)))
				count_recipient(a, &row, i);
		row_clear(&row);
	}
	if (pause)
		return false;
	put_groups(a, rows);
	return end_of_list(a);
}

bool
list_begin(struct role_queue *rq, struct ask *a, struct span command, struct span args)
{
	(void)rq;
	(void)args;
	a->groups = MAP_INIT(group_key);
	if (span_eqs(command, "queue ls")) {
		/* Who wants all that match something in the journal gets them sooner if it is read from one end to the other. */
		bool whole = a->limit == 0 && !a->by_id && (selector_reads(a->selector, SEL_REASON) ||
		    selector_reads(a->selector, SEL_DEST) || selector_reads(a->selector, SEL_TRANSPORT));
		if ((a->reverse || a->window || whole) && a->field < 0)
			a->field = SEL_ID;
		a->slice = list_slice;
		if (a->field >= 0)
			sorted_begin(a);
	} else if (span_eqs(command, "queue show")) {
		a->detail = true;
		a->slice = list_slice;
	} else if (span_eqs(command, "queue count")) {
		a->any_order = true;
		a->needs = need_of(a->field);
		a->slice = count_slice;
	} else {
		return false;
	}
	return true;
}
