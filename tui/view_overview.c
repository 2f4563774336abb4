/*
 * The overview: queues, rates, causes for which mail waits, destinations in trouble, the last warnings, the oldest message. Enter opens what is behind a line.
 */
#include "tui/overview.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ctl/jsonl.h"
#include "tui/list_view.h"

#define MANY		100	/* of each kind kept */
#define WIDE_HEIGHT	30	/* from here on blank lines stand between the parts */

enum part { PART_CAUSES, PART_DESTS, PART_ERRORS, PART_OLDEST, PARTS };

struct overview {
	struct view	 view;
	struct list	 list;
	struct list_rows parts[PARTS], coming[PARTS];
	bool		 moved;		/* by the user: the cursor is his */
};

static const struct part_row {
	char		 line;
	enum overview_heading heading;
	size_t		 least;		/* lines that it has of a small screen */
} part_rows[PARTS] = {
	[PART_CAUSES] = { LINE_CAUSE, HEADING_CAUSES, 5 },
	[PART_DESTS] = { LINE_DEST, HEADING_DESTS, 2 },
	[PART_ERRORS] = { LINE_ERROR, HEADING_ERRORS, 2 },
	[PART_OLDEST] = { LINE_OLDEST, HEADING_OLDEST, 1 },
};

static struct overview *
of(struct view *v)
{
	return (struct overview *)v;
}

/* -- fetching ------------------------------------------------------------- */

static void
add_keyed(struct list_rows *rows, char line, struct span row, const char *one, const char *two)
{
	struct buf key = BUF_INIT(4096);

	if (rows->count < MANY) {
		buf_char(&key, line);
		row_text(row, one, &key);
		buf_char(&key, '\n');
		row_text(row, two, &key);
		list_rows_add(rows, buf_view(&key), row);
	}
	buf_clear(&key);
}

static void
dest_row(void *arg, struct span row)
{
	struct overview *o = arg;
	struct span unused;

	if (row_number(row, "deferred") > 0 || jsonl_find(row, "suspended_until", &unused) || jsonl_find(row, "suspended_by", &unused))
		add_keyed(&o->coming[PART_DESTS], LINE_DEST, row, "transport", "destination");
}

static bool
code_is(struct span row, const char *code)
{
	struct buf text = BUF_INIT(64);
	bool is = row_text(row, "code", &text) && span_eqs(buf_view(&text), code);

	buf_clear(&text);
	return is;
}

static void
cause_row(void *arg, struct span row)
{
	if (!code_is(row, "new") && !code_is(row, "trash"))
		add_keyed(&((struct overview *)arg)->coming[PART_CAUSES], LINE_CAUSE, row, "cause", "dest");
}

static void
error_row(void *arg, struct span row)
{
	add_keyed(&((struct overview *)arg)->coming[PART_ERRORS], LINE_ERROR, row, "time", "text");
}

static void
oldest_row(void *arg, struct span row)
{
	add_keyed(&((struct overview *)arg)->coming[PART_OLDEST], LINE_OLDEST, row, "queue_id", "");
}

static int
by_deferred(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = row_number(span_of(x->text, x->len), "deferred"), n = row_number(span_of(y->text, y->len), "deferred");

	return m != n ? (m > n ? -1 : 1) : strcmp(x->key, y->key);
}

static int
by_time(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = row_number(span_of(x->text, x->len), "time"), n = row_number(span_of(y->text, y->len), "time");

	return m != n ? (m > n ? -1 : 1) : strcmp(x->key, y->key);
}

static void
take_part(struct overview *o, enum part part, int (*compare)(const void *, const void *), int status, struct span error)
{
	struct list_rows *coming = &o->coming[part];

	if (coming->count > 1 && compare != NULL)
		qsort(coming->items, coming->count, sizeof *coming->items, compare);
	list_rows_clear(&o->parts[part]);
	o->parts[part] = *coming;
	*coming = (struct list_rows){ .count = 0 };
	/* Who may not read the log sees the rest. */
	view_done(o, part == PART_ERRORS ? 0 : status, part == PART_ERRORS ? SPAN_NONE : error);
}

static void
dests_done(void *arg, int status, struct span error)
{
	take_part(arg, PART_DESTS, by_deferred, status, error);
}

static void
causes_done(void *arg, int status, struct span error)
{
	take_part(arg, PART_CAUSES, NULL, status, error);
}

static void
errors_done(void *arg, int status, struct span error)
{
	take_part(arg, PART_ERRORS, by_time, status, error);
}

static void
oldest_done(void *arg, int status, struct span error)
{
	take_part(arg, PART_OLDEST, NULL, status, error);
}

static void
fetch(struct view *v)
{
	view_ask(v, CMD_dest_ls, NULL, dest_row, dests_done);
	view_ask(v, CMD_queue_top, (const struct link_arg[]){ { "limit", SPAN("50") }, { NULL, SPAN_NONE } }, cause_row, causes_done);
	view_ask(v, CMD_queue_ls, (const struct link_arg[]){ { "limit", SPAN("1") }, { NULL, SPAN_NONE } }, oldest_row, oldest_done);
	if (link_rights(v->con->link) & CTL_READ)
		view_ask(v, CMD_log, (const struct link_arg[]){ { "limit", SPAN("20") }, { NULL, SPAN_NONE } }, error_row, errors_done);
}

/* -- the lines ------------------------------------------------------------ */

static void
add_plain(struct list_rows *rows, char line, unsigned n)
{
	char key[32];

	snprintf(key, sizeof key, "%c%u", line, n);
	list_rows_add(rows, span_str(key), SPAN_NONE);
}

/* What each part may have of the lines: its least first, then what is left over, in order. */
static void
share_out(const struct overview *o, int height, size_t shares[PARTS])
{
	size_t gap = height >= WIDE_HEIGHT ? 2 : 1;	/* heading, and the blank above it */
	size_t left = height > QUEUES + 1 ? (size_t)height - QUEUES - 1 : 0;

	for (size_t i = 0; i < PARTS; i++) {
		size_t n = o->parts[i].count;
		shares[i] = n < part_rows[i].least ? n : part_rows[i].least;
		size_t used = n > 0 ? shares[i] + gap : 0;
		left -= used < left ? used : left;
	}
	for (size_t i = 0; i < PARTS; i++) {
		size_t more = o->parts[i].count - shares[i];
		more = more < left ? more : left;
		shares[i] += more;
		left -= more;
	}
}

static void
add_part(struct list_rows *rows, const struct list_rows *part, const struct part_row *kind, size_t most, bool gaps)
{
	if (part->count == 0)
		return;
	if (gaps)
		add_plain(rows, LINE_BLANK, kind->heading);
	add_plain(rows, LINE_HEADING, kind->heading);
	for (size_t i = 0; i < part->count && i < most; i++)
		list_rows_add(rows, span_str(part->items[i].key), span_of(part->items[i].text, part->items[i].len));
}

static bool
can_open(const struct overview *o)
{
	const struct list_row *row = list_current(&o->list);

	return row != NULL && *row->key != LINE_HEADING && *row->key != LINE_BLANK;
}

static void
make_lines(struct overview *o, int height)
{
	struct list_rows rows = { .count = 0 };
	size_t shares[PARTS];

	add_plain(&rows, LINE_HEADING, HEADING_QUEUES);
	for (unsigned i = 0; i < QUEUES; i++)
		add_plain(&rows, LINE_QUEUE, i);
	share_out(o, height, shares);
	for (size_t i = 0; i < PARTS; i++)
		add_part(&rows, &o->parts[i], &part_rows[i], shares[i], height >= WIDE_HEIGHT);
	size_t n = rows.count;
	list_take(&o->list, &rows, 0, n);
	for (size_t i = 0; !o->moved && i < n; i++) {	/* the first trouble, until the user goes elsewhere */
		char line = *o->list.rows.items[i].key;
		if (line != LINE_CAUSE && line != LINE_DEST && i + 1 < n)
			continue;
		list_go(&o->list, line == LINE_CAUSE || line == LINE_DEST ? i : 1);
		break;
	}
	while (!can_open(o) && o->list.cursor > 1)	/* its line has gone */
		list_go(&o->list, o->list.cursor - 1);
}

static void
draw(struct view *v, int y, int height)
{
	struct overview *o = of(v);
	struct line l;

	if (!v->con->stats.known || !link_up(v->con->link)) {
		view_draw_empty(v, y, height, "...");
		return;
	}
	list_set_height(&o->list, height > 0 ? (size_t)height : 1);
	make_lines(o, height);
	for (int i = 0; i < height; i++) {
		size_t place = o->list.top + (size_t)i;
		const struct list_row *row = list_at(&o->list, place);
		if (row != NULL)
			overview_draw_line(v->con, row, y + i, place == o->list.cursor);
		else
			line_begin(&l, y + i, STYLE_PLAIN, false);
	}
}

/* -- keys ----------------------------------------------------------------- */

/* Headings and blank lines are stepped over. */
static void
move_to(struct view *v, enum list_move how)
{
	struct overview *o = of(v);
	bool up = how == MOVE_UP || how == MOVE_PAGE_UP || how == MOVE_LAST;
	size_t was = o->list.cursor;

	o->moved = true;
	list_move(&o->list, how);
	for (size_t i = 0; i < 4 && !can_open(o); i++)
		list_move(&o->list, how == MOVE_FIRST ? MOVE_DOWN : up ? MOVE_UP : MOVE_DOWN);
	if (!can_open(o))
		list_go(&o->list, was);
}

static void
put_test(struct buf *out, const char *field, struct span row, const char *key)
{
	struct buf text = BUF_INIT(0);

	if (row_text(row, key, &text)) {
		buf_printf(out, "%s%s = ", out->len > 0 ? " and " : "", field);
		put_quoted(out, buf_view(&text));
	}
	buf_clear(&text);
}

static void
open_cause(struct view *v, struct span row)
{
	struct buf selector = BUF_INIT(0), title = BUF_INIT(0), dest = BUF_INIT(1024);

	if (code_is(row, "held"))
		buf_str(&selector, "state = hold");
	else if (code_is(row, "corrupt"))
		buf_str(&selector, "state = corrupt");
	else if (code_is(row, "suspended"))
		buf_str(&selector, "not state in (hold, trash)");
	else
		put_test(&selector, "cause", row, "cause");
	put_test(&selector, "dest", row, "dest");
	if (!code_is(row, "held") && !code_is(row, "corrupt") && !code_is(row, "suspended"))
		buf_str(&selector, " and not state in (hold, trash)");
	row_text(row, "dest", &dest);
	row_text(row, "cause", &title);
	if (dest.len > 0)
		buf_printf(&title, "  (%s)", dest.ptr);
	console_push(v->con, trouble_new(v->con, selector.ptr, title.ptr, dest.len > 0 ? dest.ptr : NULL));
	buf_clear(&selector);
	buf_clear(&title);
	buf_clear(&dest);
}

static void
open_message(struct view *v, struct span row)
{
	struct buf id = BUF_INIT(64);

	if (row_text(row, "queue_id", &id))
		console_push(v->con, message_new(v->con, id.ptr));
	else
		console_show(v->con, MAIN_LOG);
	buf_clear(&id);
}

static void
enter(struct view *v)
{
	const struct list_row *row = list_current(&of(v)->list);
	char selector[32];

	if (!can_open(of(v)))
		return;
	struct span json = span_of(row->text, row->len);
	of(v)->moved = true;
	switch (*row->key) {
	case LINE_QUEUE:
		snprintf(selector, sizeof selector, "state = %s", overview_queues[overview_number(row)]);
		console_push(v->con, queue_new(v->con, selector));
		break;
	case LINE_CAUSE:
		open_cause(v, json);
		break;
	case LINE_DEST:
		dest_trouble(v->con, json);
		break;
	default:
		open_message(v, json);
		break;
	}
}

static const struct key keys[] = {
	{ KEY_RETURN, "why, and the keys that mend it; of a queue: its messages", enter },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "Enter", "Why" }, { "1-6", "Queues" }, { "7", "Sessions" }, { "8", "Log" }, { "9", "Journal" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	list_clear(&of(v)->list);
	for (size_t i = 0; i < PARTS; i++) {
		list_rows_clear(&of(v)->parts[i]);
		list_rows_clear(&of(v)->coming[i]);
	}
}

static const struct view_ops ops = {
	.name = "overview",
	.size = sizeof(struct overview),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = draw,
	.move = move_to,
	.enter = enter,
};

struct view *
overview_new(struct console *con)
{
	return view_new(&ops, con);
}
