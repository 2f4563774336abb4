/*
 * Destinations: `dest ls` as a list. Enter opens a destination's messages, f tries them now.
 */
#include <string.h>

#include "tui/list_view.h"

static int64_t
waiting(const struct list_row *r)
{
	struct span row = span_of(r->text, r->len);

	return row_number(row, "deferred") + row_number(row, "queued");
}

static int
compare(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = waiting(x), n = waiting(y);

	return m != n ? (m > n ? -1 : 1) : strcmp(x->key, y->key);
}

static void
fetch(struct view *v)
{
	list_view_ask(v, CMD_dest_ls, NULL);
}

static const struct column columns[] = {
	{ "transport", "TRANSPORT", 9, 0, NULL }, { "destination", "DESTINATION", 24, 0, NULL },
	{ "queued", "QUEUED", -6, 0, column_count }, { "active", "ACTIVE", -6, 0, column_count },
	{ "deferred", "DEFERRED", -8, 0, column_count }, { "concurrency", "CONC", -4, 0, column_count },
	{ "limit", "LIMIT", -5, 0, column_count }, { "suspended_until", "SUSPENDED", 9, 0, column_when },
	{ "reason", "REASON", 0, 0, NULL },
	{ NULL, NULL, 0, 0, NULL },
};

static const struct list_shape shape = {
	.columns = columns,
	.keys = { "transport", "destination" },
	.compare = compare,
	.empty = "no mail waits for any destination",
};

/* A selector of the destination under the cursor; false: there is none. */
static bool
selector_of(struct view *v, struct buf *out)
{
	struct span row = list_view_row(v);
	struct buf text = BUF_INIT(0);

	if (row.len == 0)
		return false;
	buf_str(out, "dest = ");
	row_text(row, "destination", &text);
	put_quoted(out, buf_view(&text));
	buf_str(out, " and transport = ");
	buf_reset(&text);
	row_text(row, "transport", &text);
	put_quoted(out, buf_view(&text));
	buf_clear(&text);
	return true;
}

static void
enter(struct view *v)
{
	struct buf selector = BUF_INIT(4096);

	if (selector_of(v, &selector))
		console_push(v->con, queue_new(v->con, selector.ptr));
	buf_clear(&selector);
}

static void
act(struct view *v, enum command c)
{
	struct buf selector = BUF_INIT(4096);

	if (selector_of(v, &selector))
		act_on_selector(v->con, c, selector.ptr);
	buf_clear(&selector);
}

static void
key_flush(struct view *v)
{
	act(v, CMD_flush);
}

static void
key_requeue(struct view *v)
{
	act(v, CMD_requeue);
}

static void
key_hold(struct view *v)
{
	act(v, CMD_hold);
}

static const struct key keys[] = {
	{ 'f', "try all mail for it now", key_flush },
	{ 'r', "requeue all mail for it: forget back-off, route anew", key_requeue },
	{ 'h', "hold all mail for it", key_hold },
	{ 0, NULL, NULL },
};

static const struct view_ops ops = {
	.name = "destinations",
	.size = sizeof(struct list_view),
	.keys = keys,
	.clear = list_view_clear,
	.fetch = fetch,
	.draw = list_view_draw,
	.move = list_view_move,
	.enter = enter,
	.search = list_view_search,
};

struct view *
dest_new(struct console *con)
{
	return list_view_new(&ops, &shape, con);
}
