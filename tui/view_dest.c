/*
 * Destinations: `dest ls` as a list. Enter opens a destination's messages; S and R suspend and resume it.
 */
#include <string.h>

#include "mtactl/display.h"
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

/* Suspended by an operator, or pausing after failures. */
static void
show_state(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t until = row_number(row, "suspended_until");
	struct buf when = BUF_INIT(64), who = BUF_INIT(64);

	(void)v; (void)value;
	if (until > 0)
		when_text(&when, until, console_now());
	if (row_text(row, "suspended_by", &who)) {
		buf_printf(out, "suspended%s%s", until > 0 ? ", ends " : " by ", until > 0 ? when.ptr : who.ptr);
		*style = STYLE_BAD;
	} else if (until > 0) {
		buf_printf(out, "pauses, tried %s", when.ptr);
		*style = STYLE_WARN;
	}
	buf_clear(&when);
	buf_clear(&who);
}

static void
show_reason(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v; (void)value;
	*style = STYLE_DIM;
	if (!row_text(row, "suspended_reason", out))
		row_text(row, "reason", out);
}

static void
bar(struct view *v, struct span row, struct buf *out)
{
	(void)v;
	row_text(row, "transport", out);
	buf_char(out, ':');
	row_text(row, "destination", out);
	struct buf who = BUF_INIT(512);
	if (row_text(row, "suspended_by", &who))
		buf_printf(out, "  suspended by %s", who.ptr);
	buf_clear(&who);
}

static void
text(struct view *v, struct span row, struct buf *out)
{
	enum style style;

	show_reason(v, row, SPAN_NONE, out, &style);
}

static const struct column columns[] = {
	{ "transport", "TRANSPORT", 9, 0, NULL }, { "destination", "DESTINATION", 24, 0, NULL },
	{ "queued", "QUEUED", -6, 0, column_count }, { "active", "ACTIVE", -6, 0, column_count },
	{ "deferred", "DEFERRED", -8, 0, column_count }, { "concurrency", "CONC", -4, 0, column_count },
	{ "limit", "LIMIT", -5, 100, column_count }, { NULL, "STATE", 22, 0, show_state },
	{ NULL, "REASON", 0, 0, show_reason },
	{ NULL, NULL, 0, 0, NULL },
};

static const struct list_shape shape = {
	.columns = columns,
	.keys = { "transport", "destination" },
	.compare = compare,
	.empty = "no mail waits for any destination",
	.detail = 3,
	.bar = bar,
	.text = text,
};

static void
put_test(struct buf *out, const char *field, struct span row, const char *key)
{
	struct buf text = BUF_INIT(0);

	row_text(row, key, &text);
	buf_printf(out, "%s%s = ", out->len > 0 ? " and " : "", field);
	put_quoted(out, buf_view(&text));
	buf_clear(&text);
}

/* A selector of the destination under the cursor; false: there is none. */
static bool
selector_of(struct view *v, struct buf *out)
{
	struct span row = list_view_row(v);

	if (row.len == 0)
		return false;
	put_test(out, "dest", row, "destination");
	put_test(out, "transport", row, "transport");
	return true;
}

static bool
name_of(struct span row, struct buf *out)
{
	if (!row_text(row, "transport", out))
		return false;
	buf_char(out, ':');
	return row_text(row, "destination", out);
}

void
dest_trouble(struct console *con, struct span row)
{
	struct buf selector = BUF_INIT(4096), name = BUF_INIT(1200), title = BUF_INIT(2048);

	if (name_of(row, &name)) {
		put_test(&selector, "dest", row, "destination");
		put_test(&selector, "transport", row, "transport");
		buf_printf(&title, "destination %s", name.ptr);
		buf_reset(&name);
		row_text(row, "destination", &name);
		console_push(con, trouble_new(con, selector.ptr, title.ptr, name.ptr));
	}
	buf_clear(&selector);
	buf_clear(&name);
	buf_clear(&title);
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

static void
key_why(struct view *v)
{
	if (list_view_row(v).len > 0)
		dest_trouble(v->con, list_view_row(v));
}

static void
key_suspend(struct view *v)
{
	struct buf name = BUF_INIT(1200);

	if (name_of(list_view_row(v), &name))
		act_suspend(v->con, name.ptr);
	buf_clear(&name);
}

static void
key_resume(struct view *v)
{
	struct buf name = BUF_INIT(1200);

	/* Without a transport: that ends a suspension over all of them as well. */
	if (row_text(list_view_row(v), "destination", &name))
		act_resume(v->con, name.ptr);
	buf_clear(&name);
}

static const struct key keys[] = {
	{ KEY_RETURN, "its messages", enter },
	{ 'w', "why does its mail wait, and what helps?", key_why },
	{ 'S', "suspend: deliver nothing to it", key_suspend }, { 'R', "resume it", key_resume },
	{ 'f', "try all mail for it now", key_flush },
	{ 'r', "requeue all mail for it: forget back-off, route anew", key_requeue },
	{ 'h', "hold all mail for it", key_hold },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "Enter", "List" }, { "w", "Why" }, { "S", "Suspend" }, { "R", "Resume" }, { "f", "Try" }, { "r", "Requeue" }, { "h", "Hold" },
	{ NULL, NULL },
};

static const struct view_ops ops = {
	.name = "destinations",
	.size = sizeof(struct list_view),
	.keys = keys,
	.hints = hints,
	.label = list_view_label,
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
