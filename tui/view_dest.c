/*
 * Destinations: `dest ls` as a list. Enter opens a destination's messages, f tries them now.
 */
#include <stdlib.h>

#include "ctl/jsonl.h"
#include "mtactl/display.h"
#include "tui/console.h"

struct dest_view {
	struct view	 view;
	struct list	 list;
	struct list_rows coming;
};

static struct dest_view *
of(struct view *v)
{
	return (struct dest_view *)v;
}

static void
member(struct span row, const char *key, struct buf *out)
{
	struct span value;

	buf_reset(out);
	if (!jsonl_find(row, key, &value))
		return;
	if (jsonl_is_string(value))
		jsonl_text(value, out);
	else
		buf_span(out, value);
}

static void
take_row(void *arg, struct span row)
{
	struct dest_view *d = arg;
	struct buf key = BUF_INIT(2048), name = BUF_INIT(1024);

	member(row, "transport", &key);
	member(row, "destination", &name);
	buf_char(&key, ':');
	buf_span(&key, buf_view(&name));
	list_rows_add(&d->coming, buf_view(&key), row);
	buf_clear(&key);
	buf_clear(&name);
}

static int64_t
waiting(const struct list_row *r)
{
	struct span row = span_of(r->text, r->len), value;
	int64_t deferred = 0, queued = 0;

	if (jsonl_find(row, "deferred", &value))
		jsonl_int(value, &deferred);
	if (jsonl_find(row, "queued", &value))
		jsonl_int(value, &queued);
	return deferred + queued;
}

static int
compare(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = waiting(x), n = waiting(y);

	return m != n ? (m > n ? -1 : 1) : strcmp(x->key, y->key);
}

static void
rows_done(void *arg, int status, struct span error)
{
	struct dest_view *d = arg;
	size_t n = d->coming.count;

	if (n > 1)
		qsort(d->coming.items, n, sizeof *d->coming.items, compare);
	if (status <= 1)
		list_take(&d->list, &d->coming, 0, n);
	else
		list_rows_clear(&d->coming);
	view_done(arg, status, error);
}

static void
fetch(struct view *v)
{
	list_rows_clear(&of(v)->coming);
	view_ask(v, CMD_dest_ls, NULL, take_row, rows_done);
}

static const struct {
	const char	*key, *title;
	int		 width;
} columns[] = {
	{ "transport", "TRANSPORT", 9 }, { "destination", "DESTINATION", 24 }, { "queued", "QUEUED", -6 }, { "active", "ACTIVE", -6 },
	{ "deferred", "DEFERRED", -8 }, { "concurrency", "CONC", -4 }, { "limit", "LIMIT", -5 },
	{ "suspended_until", "SUSPENDED", 9 }, { "reason", "REASON", 0 },
};
#define COLUMNS	(sizeof columns / sizeof columns[0])

static void
draw_row(const struct list_row *r, int y, bool cursor)
{
	struct span row = span_of(r->text, r->len);
	struct buf text = BUF_INIT(0);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = 1;
	for (size_t i = 0; i < COLUMNS; i++) {
		enum style style = STYLE_PLAIN;
		int64_t when;
		member(row, columns[i].key, &text);
		if (span_eqs(span_str(columns[i].key), "suspended_until") && jsonl_int(buf_view(&text), &when)) {
			buf_reset(&text);
			when_text(&text, when, console_now());
			style = STYLE_WARN;
		} else if (columns[i].width < 0 && span_eqs(buf_view(&text), "0")) {
			style = STYLE_DIM;
		}
		line_cell(&l, columns[i].width, style, buf_view(&text));
	}
	buf_clear(&text);
}

static void
draw(struct view *v, int y, int height)
{
	struct dest_view *d = of(v);
	struct line l;

	list_set_height(&d->list, height > 1 ? (size_t)height - 1 : 1);
	if (d->list.total == 0) {
		view_draw_empty(v, y, height, "no mail waits for any destination");
		return;
	}
	line_begin(&l, y, STYLE_BOLD, false);
	l.x = 1;
	for (size_t i = 0; i < COLUMNS; i++)
		line_cell(&l, columns[i].width, STYLE_PLAIN, span_str(columns[i].title));
	for (int i = 0; i < height - 1; i++) {
		size_t place = d->list.top + (size_t)i;
		const struct list_row *row = list_at(&d->list, place);
		if (row != NULL)
			draw_row(row, y + 1 + i, place == d->list.cursor);
		else
			line_begin(&l, y + 1 + i, STYLE_PLAIN, false);
	}
}

static void
move_to(struct view *v, enum list_move how)
{
	list_move(&of(v)->list, how);
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	list_search(v, &of(v)->list, wanted, backwards);
}

/* A selector of the destination under the cursor; false: there is none. */
static bool
selector_of(struct view *v, struct buf *out)
{
	const struct list_row *r = list_current(&of(v)->list);
	struct buf text = BUF_INIT(0);

	if (r == NULL)
		return false;
	member(span_of(r->text, r->len), "destination", &text);
	buf_printf(out, "dest = \"%s\"", text.len > 0 ? text.ptr : "");
	member(span_of(r->text, r->len), "transport", &text);
	buf_printf(out, " and transport = \"%s\"", text.len > 0 ? text.ptr : "");
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

static void
clear_view(struct view *v)
{
	list_clear(&of(v)->list);
	list_rows_clear(&of(v)->coming);
}

static const struct view_ops ops = {
	.name = "destinations",
	.size = sizeof(struct dest_view),
	.keys = keys,
	.clear = clear_view,
	.fetch = fetch,
	.draw = draw,
	.move = move_to,
	.enter = enter,
	.search = search,
};

struct view *
dest_new(struct console *con)
{
	return view_new(&ops, con);
}
