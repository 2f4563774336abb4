#include "tui/queue_draw.h"

#include "mtactl/display.h"
#include "mtactl/present.h"
#include "tui/list_view.h"

struct columns {
	int	sender, recipient, reason;
};

static struct columns
layout(int cols)
{
	int left = cols - (1 + 1 + 15 + 9 + 6 + 5 + 4 + 6);	/* tag, mark, ID, state, size, age, tries, next */

	if (left >= 100)
		return (struct columns){ left / 4, left / 4, 0 };
	if (left >= 70)
		return (struct columns){ left / 3, left / 3, 0 };
	return (struct columns){ left / 2, 0, -1 };
}

void
queue_draw_heading(int y)
{
	struct columns c = layout(paint_columns());
	struct line l;

	line_begin(&l, y, STYLE_BOLD, false);
	l.x = 2;
	line_cell(&l, 14, STYLE_PLAIN, SPAN("QUEUE ID"));
	line_cell(&l, 8, STYLE_PLAIN, SPAN("STATE"));
	line_cell(&l, -5, STYLE_PLAIN, SPAN("SIZE"));
	line_cell(&l, -4, STYLE_PLAIN, SPAN("AGE"));
	line_cell(&l, -3, STYLE_PLAIN, SPAN("TRY"));
	line_cell(&l, -5, STYLE_PLAIN, SPAN("NEXT"));
	line_cell(&l, c.sender, STYLE_PLAIN, SPAN("SENDER"));
	line_cell(&l, c.recipient, STYLE_PLAIN, SPAN("RECIPIENT"));
	if (c.reason >= 0)
		line_cell(&l, 0, STYLE_PLAIN, SPAN("REASON"));
}

static enum style
state_style(struct span raw)
{
	if (span_eqs(raw, "\"active\"") || span_eqs(raw, "\"incoming\""))
		return STYLE_GOOD;
	if (span_eqs(raw, "\"hold\""))
		return STYLE_WARN;
	return span_eqs(raw, "\"corrupt\"") ? STYLE_BAD : STYLE_PLAIN;
}

/* Of a row's recipients: the first, how many, and the one whose reason stands for all. */
struct about {
	struct rcpt_row	 first, told;
	int64_t		 attempts, next;
	size_t		 count;
};

static struct about
about_recipients(struct span recipients)
{
	struct about a = { .count = 0 };
	struct jsonl_walk w;
	struct rcpt_row r;

	if (!jsonl_walk_array(&w, recipients))
		return a;
	for (; rcpt_row_next(&w, &r); a.count++) {
		if (a.count == 0)
			a.first = a.told = r;
		if (a.told.reason.len == 0 && r.reason.len > 0)
			a.told = r;
		if (r.attempts > a.attempts)
			a.attempts = r.attempts;
		if (r.next > 0 && (a.next == 0 || r.next < a.next))
			a.next = r.next;
	}
	return a;
}

static void
cell_json(struct line *l, int width, enum style style, struct span raw, const char *empty)
{
	struct buf text = BUF_INIT(0);

	jsonl_text(raw, &text);
	line_cell(l, width, style, text.len > 0 ? reason_core(buf_view(&text)) : span_str(empty));
	buf_clear(&text);
}

static void
cell_recipient(struct line *l, int width, const struct about *a)
{
	struct buf text = BUF_INIT(0);

	jsonl_text(a->first.address, &text);
	if (a->count > 1)
		buf_printf(&text, " +%zu", a->count - 1);
	line_cell(l, width, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static void
cell_number(struct line *l, int width, int64_t n, void (*format)(struct buf *, int64_t))
{
	struct buf text = BUF_INIT(64);

	format(&text, n);
	line_cell(l, width, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static void
plain_number(struct buf *out, int64_t n)
{
	if (n > 0)
		buf_printf(out, "%lld", (long long)n);
}

static void
until_text(struct buf *out, int64_t seconds)
{
	if (seconds <= 0)
		buf_str(out, "now");
	else
		age_text(out, seconds);
}

static void
nothing(struct buf *out, int64_t n)
{
	(void)n;
	buf_char(out, '-');
}

void
queue_draw_row(const struct console *con, const struct list_row *row, int y, bool cursor)
{
	struct columns c = layout(paint_columns());
	int64_t now = console_now();
	struct queue_row r;
	struct line l;

	queue_row_read(span_of(row->text, row->len), &r);
	struct about a = about_recipients(r.recipients);
	bool tagged = tag_has(con, row->key);
	line_begin(&l, y, STYLE_PLAIN, cursor);
	line_cell(&l, 1, STYLE_WARN, tagged ? SPAN("+") : SPAN(" "));
	line_cell(&l, 14, tagged ? STYLE_WARN : STYLE_BOLD, span_str(row->key));
	cell_json(&l, 8, state_style(r.queue), r.queue, "");
	cell_number(&l, -5, r.size, size_text);
	cell_number(&l, -4, now - r.arrival, age_text);
	cell_number(&l, -3, a.attempts, plain_number);
	cell_number(&l, -5, a.next - now, a.next > 0 ? until_text : nothing);
	cell_json(&l, c.sender, STYLE_PLAIN, r.sender, "<>");
	cell_recipient(&l, c.recipient, &a);
	if (c.reason >= 0)
		cell_json(&l, 0, STYLE_DIM, r.hold_reason.len > 0 ? r.hold_reason : a.told.reason, "");
}

void
queue_draw_detail(const struct list_row *row, int y)
{
	struct buf text = BUF_INIT(0);
	struct queue_row r;
	struct line l;

	line_begin(&l, y, STYLE_BAR, false);
	line_begin(&l, y + 1, STYLE_PLAIN, false);
	if (row == NULL)
		return;
	queue_row_read(span_of(row->text, row->len), &r);
	struct about a = about_recipients(r.recipients);
	line_begin(&l, y, STYLE_BAR, false);
	jsonl_text(r.sender, &text);
	line_printf(&l, STYLE_PLAIN, " %s  %s", row->key, text.len > 0 ? text.ptr : "<>");
	buf_reset(&text);
	jsonl_text(a.told.address, &text);
	line_printf(&l, STYLE_PLAIN, " to %s", text.len > 0 ? text.ptr : "-");
	if (a.count > 1)
		line_printf(&l, STYLE_PLAIN, " and %zu more", a.count - 1);
	buf_reset(&text);
	jsonl_text(r.hold_reason.len > 0 ? r.hold_reason : a.told.reason, &text);
	if (text.len == 0)
		jsonl_text(a.first.blocker, &text);
	line_begin(&l, y + 1, STYLE_PLAIN, false);
	l.x = 1;
	line_text(&l, STYLE_PLAIN, reason_core(buf_view(&text)));
	buf_clear(&text);
}
