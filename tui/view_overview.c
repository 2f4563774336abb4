/*
 * The overview: queues, rates, the oldest message, destinations in trouble, why mail is deferred. Enter opens the messages behind a line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "mtactl/display.h"
#include "mtactl/present.h"
#include "tui/console.h"

#define MANY		200	/* destinations, causes kept */

struct named_count {
	char		*name;
	int64_t		 count;
};

struct overview {
	struct view	 view;
	struct list	 list;		/* lines; a row's text is its selector, empty: not to be opened */
	struct list_rows coming_dests, dests;
	struct named_count *coming_causes, *causes;
	size_t		 coming_count, cause_count;
	char		*oldest, *coming_oldest;	/* its JSON row */
};

static struct overview *
of(struct view *v)
{
	return (struct overview *)v;
}

static void
free_causes(struct named_count *causes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(causes[i].name);
	free(causes);
}

/* -- fetching ------------------------------------------------------------- */

static int64_t
number(struct span row, const char *key)
{
	struct span value;
	int64_t n = 0;

	if (jsonl_find(row, key, &value))
		jsonl_int(value, &n);
	return n;
}

static void
dest_row(void *arg, struct span row)
{
	struct overview *o = arg;
	struct span unused;

	if (o->coming_dests.count < MANY && (number(row, "deferred") > 0 || jsonl_find(row, "suspended_until", &unused)))
		list_rows_add(&o->coming_dests, SPAN_NONE, row);
}

static int
compare_dests(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;
	int64_t m = number(span_of(x->text, x->len), "deferred"), n = number(span_of(y->text, y->len), "deferred");

	return m > n ? -1 : m < n;
}

static void
dests_done(void *arg, int status, struct span error)
{
	struct overview *o = arg;

	list_rows_clear(&o->dests);
	o->dests = o->coming_dests;
	o->coming_dests = (struct list_rows){ .count = 0 };
	if (o->dests.count > 1)
		qsort(o->dests.items, o->dests.count, sizeof *o->dests.items, compare_dests);
	view_done(arg, status, error);
}

static void
cause_row(void *arg, struct span row)
{
	struct overview *o = arg;
	struct buf name = BUF_INIT(4096);
	struct span value;

	if (o->coming_count < MANY && jsonl_find(row, "value", &value) && jsonl_text(value, &name) && name.len > 0) {
		o->coming_causes = mem_grow(o->coming_causes, o->coming_count + 1, sizeof *o->coming_causes);
		o->coming_causes[o->coming_count++] = (struct named_count){ buf_take(&name), number(row, "messages") };
	}
	buf_clear(&name);
}

static int
compare_causes(const void *a, const void *b)
{
	const struct named_count *x = a, *y = b;

	return x->count != y->count ? (x->count > y->count ? -1 : 1) : strcmp(x->name, y->name);
}

static void
causes_done(void *arg, int status, struct span error)
{
	struct overview *o = arg;

	free_causes(o->causes, o->cause_count);
	o->causes = o->coming_causes;
	o->cause_count = o->coming_count;
	o->coming_causes = NULL;
	o->coming_count = 0;
	if (o->cause_count > 1)
		qsort(o->causes, o->cause_count, sizeof *o->causes, compare_causes);
	view_done(arg, status, error);
}

static void
oldest_row(void *arg, struct span row)
{
	struct overview *o = arg;

	free(o->coming_oldest);
	o->coming_oldest = span_dup(row);
}

static void
oldest_done(void *arg, int status, struct span error)
{
	struct overview *o = arg;

	free(o->oldest);
	o->oldest = o->coming_oldest;
	o->coming_oldest = NULL;
	view_done(arg, status, error);
}

static void
fetch(struct view *v)
{
	view_ask(v, CMD_dest_ls, NULL, dest_row, dests_done);
	view_ask(v, CMD_queue_count, (const struct link_arg[]){ { "selector", SPAN("state = deferred") }, { "by", SPAN("cause") },
	    { NULL, SPAN_NONE } }, cause_row, causes_done);
	view_ask(v, CMD_queue_ls, (const struct link_arg[]){ { "limit", SPAN("1") }, { NULL, SPAN_NONE } }, oldest_row, oldest_done);
}

/* -- the lines ------------------------------------------------------------ */

static double
rate(const struct console *con, int64_t (*of_stats)(const struct stats *))
{
	const struct rate_sample *last = &con->samples[(con->sample_at + RATE_SAMPLES - 1) % RATE_SAMPLES], *first = last;

	for (size_t i = 0; i < RATE_SAMPLES; i++)
		if (con->samples[i].at != 0 && con->samples[i].at < first->at)
			first = &con->samples[i];
	if (last->at == 0 || first->at == last->at)
		return 0;
	double n = (double)(of_stats(&last->stats) - of_stats(&first->stats));
	return n < 0 ? 0 : n * 1e6 / (double)(last->at - first->at);
}

static int64_t get_submitted(const struct stats *s) { return s->submitted; }
static int64_t get_sent(const struct stats *s) { return s->sent; }
static int64_t get_deferrals(const struct stats *s) { return s->deferrals; }
static int64_t get_bounced(const struct stats *s) { return s->bounced; }

static void
draw_rate(struct line *l, const char *name, double per_second, int64_t all)
{
	l->x = 40;
	line_cell(l, 12, STYLE_DIM, span_str(name));
	struct buf text = BUF_INIT(64);
	buf_printf(&text, per_second < 10 ? "%.1f/s" : "%.0f/s", per_second);
	line_cell(l, -9, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	buf_printf(&text, "%lld", (long long)all);
	line_cell(l, -12, STYLE_DIM, buf_view(&text));
	buf_clear(&text);
}

static void
draw_size(struct line *l, const char *name, int64_t bytes, enum style style)
{
	struct buf text = BUF_INIT(64);

	l->x = 40;
	line_cell(l, 12, STYLE_DIM, span_str(name));
	size_text(&text, bytes);
	line_cell(l, -9, style, buf_view(&text));
	buf_clear(&text);
}

static void
draw_queue(struct overview *o, int y, unsigned n, bool cursor)
{
	const struct console *con = o->view.con;
	const struct stats *s = &con->stats;
	const struct { const char *name; int64_t count; enum style style; } rows[] = {
		{ "deferred", s->deferred, STYLE_PLAIN }, { "active", s->active, STYLE_GOOD }, { "incoming", s->incoming, STYLE_GOOD },
		{ "hold", s->hold, STYLE_WARN }, { "corrupt", s->corrupt, STYLE_BAD }, { "trash", s->trash, STYLE_DIM },
	};
	struct buf count = BUF_INIT(32);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = 2;
	line_printf(&l, STYLE_DIM, "%u ", n + 1);
	line_cell(&l, 12, STYLE_PLAIN, span_str(rows[n].name));
	buf_printf(&count, "%lld", (long long)rows[n].count);
	line_cell(&l, -10, rows[n].count > 0 ? rows[n].style : STYLE_DIM, buf_view(&count));
	buf_clear(&count);
	switch (n) {
	case 0:
		draw_rate(&l, "received", rate(con, get_submitted), s->submitted);
		break;
	case 1:
		draw_rate(&l, "sent", rate(con, get_sent), s->sent);
		break;
	case 2:
		draw_rate(&l, "deferrals", rate(con, get_deferrals), s->deferrals);
		break;
	case 3:
		draw_rate(&l, "bounced", rate(con, get_bounced), s->bounced);
		break;
	case 4:
		draw_size(&l, "queued", s->bytes, STYLE_PLAIN);
		break;
	default:
		draw_size(&l, "free", s->free, s->full ? STYLE_BAD : STYLE_PLAIN);
		break;
	}
}

static void
draw_oldest(struct overview *o, int y, bool cursor)
{
	struct buf text = BUF_INIT(0);
	struct queue_row q;
	struct line l;

	queue_row_read(span_str(o->oldest), &q);
	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = 4;
	age_text(&text, console_now() - q.arrival);
	line_cell(&l, -8, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	jsonl_text(q.id, &text);
	line_cell(&l, 15, STYLE_BOLD, buf_view(&text));
	buf_reset(&text);
	jsonl_text(q.sender, &text);
	line_text(&l, STYLE_PLAIN, text.len > 0 ? buf_view(&text) : SPAN("<>"));
	buf_clear(&text);
}

static void
draw_dest(struct overview *o, int y, size_t n, bool cursor)
{
	struct span row = span_of(o->dests.items[n].text, o->dests.items[n].len), value;
	struct buf text = BUF_INIT(0);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = 4;
	buf_printf(&text, "%lld", (long long)number(row, "deferred"));
	line_cell(&l, -8, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	if (jsonl_find(row, "transport", &value))
		jsonl_text(value, &text);
	buf_char(&text, ':');
	if (jsonl_find(row, "destination", &value))
		jsonl_text(value, &text);
	line_cell(&l, 30, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	if (jsonl_find(row, "suspended_until", &value)) {
		buf_str(&text, "suspended, ");
		when_text(&text, number(row, "suspended_until"), console_now());
		line_cell(&l, 18, STYLE_WARN, buf_view(&text));
		buf_reset(&text);
	}
	if (jsonl_find(row, "reason", &value))
		jsonl_text(value, &text);
	line_cell(&l, 0, STYLE_DIM, buf_view(&text));
	buf_clear(&text);
}

static void
draw_cause(struct overview *o, int y, size_t n, bool cursor)
{
	struct buf text = BUF_INIT(0);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	l.x = 4;
	buf_printf(&text, "%lld", (long long)o->causes[n].count);
	line_cell(&l, -8, STYLE_PLAIN, buf_view(&text));
	line_cell(&l, 0, STYLE_PLAIN, span_str(o->causes[n].name));
	buf_clear(&text);
}

static void
quoted(struct buf *out, const char *text)
{
	buf_char(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
	buf_char(out, '"');
}

static void
add_line(struct list_rows *rows, char kind, size_t n, const char *selector)
{
	char key[32];

	snprintf(key, sizeof key, "%c%zu", kind, n);
	list_rows_add(rows, span_str(key), span_str(selector));
}

static size_t
line_number(const char *key)
{
	uint32_t n = 0;

	num_u32(span_str(key + 1), &n);
	return n;
}

static void
add_queues(struct list_rows *rows)
{
	static const char *const states[] = { "deferred", "active", "incoming", "hold", "corrupt", "trash" };
	char selector[32];

	add_line(rows, 'h', 0, "");
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		snprintf(selector, sizeof selector, "state = %s", states[i]);
		add_line(rows, 'q', i, selector);
	}
}

static void
add_dests(struct overview *o, struct list_rows *rows, size_t most)
{
	struct buf selector = BUF_INIT(4096);

	if (o->dests.count == 0)
		return;
	add_line(rows, 'b', 2, "");
	add_line(rows, 'h', 2, "");
	for (size_t i = 0; i < o->dests.count && i < most; i++) {
		struct span value;
		struct buf name = BUF_INIT(1024);
		buf_reset(&selector);
		buf_str(&selector, "dest = ");
		if (jsonl_find(span_of(o->dests.items[i].text, o->dests.items[i].len), "destination", &value) && jsonl_text(value, &name)
		    && name.len > 0)
			quoted(&selector, name.ptr);
		else
			buf_str(&selector, "\"\"");
		add_line(rows, 'd', i, selector.ptr);
		buf_clear(&name);
	}
	buf_clear(&selector);
}

static void
add_causes(struct overview *o, struct list_rows *rows)
{
	struct buf selector = BUF_INIT(8192);

	if (o->cause_count == 0)
		return;
	add_line(rows, 'b', 3, "");
	add_line(rows, 'h', 3, "");
	for (size_t i = 0; i < o->cause_count; i++) {
		buf_reset(&selector);
		buf_str(&selector, "cause = ");
		quoted(&selector, o->causes[i].name);
		add_line(rows, 'c', i, selector.ptr);
	}
	buf_clear(&selector);
}

static void
make_lines(struct overview *o, int height)
{
	struct list_rows rows = { .count = 0 };

	add_queues(&rows);
	if (o->oldest != NULL) {
		add_line(&rows, 'b', 1, "");
		add_line(&rows, 'h', 1, "");
		add_line(&rows, 'o', 0, "*");
	}
	add_dests(o, &rows, height > 30 ? (size_t)height / 3 : 4);
	add_causes(o, &rows);
	size_t n = rows.count;
	if (o->list.key == NULL)
		o->list.cursor = 1;
	list_take(&o->list, &rows, 0, n);
}

static void
draw_line(struct overview *o, const struct list_row *row, int y, bool cursor)
{
	static const char *const headings[] = { "QUEUE            MESSAGES", "OLDEST", "DESTINATIONS WITH DEFERRED MAIL", "WHY MAIL IS DEFERRED" };
	size_t n = line_number(row->key);
	struct line l;

	switch (*row->key) {
	case 'q':
		draw_queue(o, y, (unsigned)n, cursor);
		break;
	case 'o':
		draw_oldest(o, y, cursor);
		break;
	case 'd':
		draw_dest(o, y, n, cursor);
		break;
	case 'c':
		draw_cause(o, y, n, cursor);
		break;
	default:
		line_begin(&l, y, STYLE_BOLD, cursor);
		l.x = 2;
		if (*row->key == 'h')
			line_text(&l, STYLE_BOLD, span_str(headings[n]));
		l.x = 40;
		if (*row->key == 'h' && n == 0)
			line_text(&l, STYLE_BOLD, SPAN("RATES            NOW  SINCE START"));
		break;
	}
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
	make_lines(o, height);
	list_set_height(&o->list, height > 0 ? (size_t)height : 1);
	for (int i = 0; i < height; i++) {
		size_t place = o->list.top + (size_t)i;
		const struct list_row *row = list_at(&o->list, place);
		if (row != NULL)
			draw_line(o, row, y + i, place == o->list.cursor);
		else
			line_begin(&l, y + i, STYLE_PLAIN, false);
	}
}

/* -- keys ----------------------------------------------------------------- */

static bool
can_open(const struct overview *o)
{
	const struct list_row *row = list_current(&o->list);

	return row != NULL && row->len > 0;
}

/* Headings and blank lines are stepped over. */
static void
move_to(struct view *v, enum list_move how)
{
	struct overview *o = of(v);
	bool up = how == MOVE_UP || how == MOVE_PAGE_UP || how == MOVE_LAST;
	size_t was = o->list.cursor;

	list_move(&o->list, how);
	for (size_t i = 0; i < 4 && !can_open(o); i++)
		list_move(&o->list, how == MOVE_FIRST ? MOVE_DOWN : up ? MOVE_UP : MOVE_DOWN);
	if (!can_open(o))
		list_go(&o->list, was);
}

static void
enter(struct view *v)
{
	struct overview *o = of(v);
	const struct list_row *row = list_current(&o->list);
	struct buf id = BUF_INIT(64);
	struct queue_row q;

	if (!can_open(o))
		return;
	if (*row->key != 'o') {
		console_push(v->con, queue_new(v->con, row->text));
		return;
	}
	queue_row_read(span_str(o->oldest), &q);
	if (jsonl_text(q.id, &id))
		console_push(v->con, message_new(v->con, id.ptr));
	buf_clear(&id);
}

static void
clear_view(struct view *v)
{
	struct overview *o = of(v);

	list_clear(&o->list);
	list_rows_clear(&o->dests);
	list_rows_clear(&o->coming_dests);
	free_causes(o->causes, o->cause_count);
	free_causes(o->coming_causes, o->coming_count);
	free(o->oldest);
	free(o->coming_oldest);
}

static const struct view_ops ops = {
	.name = "overview",
	.size = sizeof(struct overview),
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
