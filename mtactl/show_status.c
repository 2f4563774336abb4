/*
 * status: a row a process. In a pipe every counter as it came; for people one line a process in a fixed order, what is not zero.
 */
#include "mtactl/present.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "ctl/jsonl.h"

/* The order in which a message meets them. */
static const char *const order[] = { "control", "master", "queue", "receive", "send", "local", "lookup", "state" };
#define ORDER	(sizeof order / sizeof order[0])
#define ROWS	64

struct line {
	char		*row;
	size_t		 len;
	unsigned	 rank;
	int64_t		 slot;
};

/* Of the one command that a process shows at a time. */
static struct line lines[ROWS];
static size_t line_count;

static bool
is_bytes(struct span key)
{
	return span_eqs(key, "bytes") || span_eqs(key, "free") || span_eqs(key, "memory");
}

/* True where it says something: not zero, not empty, not false. */
static bool
says_something(struct span value)
{
	return !span_eqs(value, "0") && !span_eqs(value, "\"\"") && !span_eqs(value, "false");
}

static void
put_number(struct display *d, struct span key, struct span value)
{
	struct buf text = BUF_INIT(64);
	int64_t n;

	if (num_i64(value, &n) && is_bytes(key))
		size_text(&text, n);
	else if (num_i64(value, &n) && span_eqs(key, "uptime"))
		age_text(&text, n);
	else if (num_i64(value, &n) && span_eqs(key, "started"))
		time_text(&text, n, d->now);
	if (text.len > 0)
		put_safe(d, buf_view(&text));
	else
		put_value(d, value);
	buf_clear(&text);
}

static void
put_stats(struct display *d, struct span stats)
{
	struct jsonl_walk w;
	struct span key, value;
	bool any = false;

	if (!jsonl_walk_object(&w, stats))
		return;
	while (jsonl_member(&w, &key, &value)) {
		if (span_eqs(key, "degraded") || (d->tty && !says_something(value)))
			continue;	/* that comes in rows of its own */
		put(d, "%s", !any ? "" : d->tty ? ", " : " ");
		any = true;
		put_safe(d, key);
		put(d, d->tty ? " " : "=");
		if (d->tty)
			put_number(d, key, value);
		else
			put_value(d, value);
	}
	if (!any && d->tty)
		put(d, "idle");
}

static void
put_line(struct display *d, struct span row)
{
	struct span role = SPAN_NONE, slot = SPAN_NONE, value;

	jsonl_find(row, "role", &role);
	jsonl_find(row, "slot", &slot);
	size_t from = d->out.len;
	put_color(d, COLOR_BOLD);
	put_column(d, role, d->tty ? 8 : 0);
	put_color(d, COLOR_NONE);
	put(d, d->tty ? " " : "\t");
	put_value(d, slot);
	put(d, d->tty ? "  " : "\t");
	if (jsonl_find(row, "error", &value)) {
		put_color(d, COLOR_RED);
		put_value(d, value);
		put_color(d, COLOR_NONE);
	} else if (jsonl_find(row, "degraded", &value)) {
		put_color(d, COLOR_YELLOW);
		put(d, d->tty ? "! " : "degraded=");
		put_value(d, value);
		put_color(d, COLOR_NONE);
	} else if (jsonl_find(row, "stats", &value)) {
		put_stats(d, value);
	}
	if (d->tty)
		wrap_line(d, from, 12);
	put(d, "\n");
}

static unsigned
rank_of(struct span role)
{
	struct span name = role.len >= 2 ? span_head(span_skip(role, 1), role.len - 2) : role;	/* without its quotes */
	unsigned i = 0;

	while (i < ORDER && !span_eqs(name, order[i]))
		i++;
	return i;
}

static void
status_row(struct display *d, struct span row)
{
	struct span role = SPAN_NONE, slot = SPAN_NONE, value;
	struct line *l = &lines[line_count];

	if (!d->tty || line_count == ROWS) {
		put_line(d, row);
		return;
	}
	jsonl_find(row, "role", &role);
	if (jsonl_find(row, "slot", &slot) && !num_i64(slot, &l->slot))
		l->slot = 0;
	l->rank = rank_of(role) + (jsonl_find(row, "degraded", &value) ? (unsigned)ORDER + 1 : 0);
	l->row = span_dup(row);
	l->len = row.len;
	line_count++;
}

static int
by_order(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void
status_end(struct display *d, struct buf *note, int *status)
{
	(void)note;
	(void)status;
	qsort(lines, line_count, sizeof lines[0], by_order);
	for (size_t i = 0; i < line_count; i++) {
		put_line(d, span_of(lines[i].row, lines[i].len));
		free(lines[i].row);
	}
	line_count = 0;
}

const struct presenter present_status = { NULL, status_row, status_end };
