#include "tui/plan.h"

#include "ctl/jsonl.h"
#include "mtactl/display.h"
#include "mtactl/present.h"
#include "tui/list_view.h"

static void
draw_sample(int y, struct span row)
{
	struct span first = SPAN_NONE;
	struct buf text = BUF_INIT(0);
	struct queue_row q;
	struct jsonl_walk w;
	struct rcpt_row r;
	struct line l;

	queue_row_read(row, &q);
	if (jsonl_walk_array(&w, q.recipients) && rcpt_row_next(&w, &r))
		first = r.address;
	line_begin(&l, y, STYLE_PLAIN, false);
	l.x = 4;
	jsonl_text(q.id, &text);
	line_cell(&l, 14, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	jsonl_text(q.sender, &text);
	line_text(&l, STYLE_PLAIN, text.len > 0 ? buf_view(&text) : SPAN("<>"));
	buf_reset(&text);
	jsonl_text(first, &text);
	line_text(&l, STYLE_DIM, SPAN(" to "));
	line_text(&l, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static void
draw_question(const struct plan *p, int y)
{
	struct buf size = BUF_INIT(32);
	struct line l;

	line_begin(&l, y, STYLE_BAR, false);
	size_text(&size, p->bytes);
	if (p->question != NULL)
		line_printf(&l, STYLE_PLAIN, " %s?", p->question);
	else
		line_printf(&l, STYLE_PLAIN, " %s %lld message%s (%lld recipient%s, %s)?", plan_verb(p->command), (long long)p->messages,
		    p->messages == 1 ? "" : "s", (long long)p->recipients, p->recipients == 1 ? "" : "s", size.ptr);
	line_right(&l, STYLE_PLAIN, plan_reasons(p) ? SPAN(" y yes  n no  r reason ") : SPAN(" y yes  n no "));
	buf_clear(&size);
}

/* The lines of groups: one for each `by`, its values side by side. */
static int
draw_groups(const struct plan *p, int y)
{
	struct buf by = BUF_INIT(64), was = BUF_INIT(64), value = BUF_INIT(0);
	struct line l = { .y = y - 1 };

	for (size_t i = 0; i < p->groups.count; i++) {
		struct span row = span_of(p->groups.items[i].text, p->groups.items[i].len);
		buf_reset(&by);
		buf_reset(&value);
		row_text(row, "by", &by);
		row_text(row, "value", &value);
		if (!span_eq(buf_view(&by), buf_view(&was))) {
			line_begin(&l, l.y + 1, STYLE_PLAIN, false);
			l.x = 4;
			line_cell(&l, 7, STYLE_DIM, buf_view(&by));
			buf_reset(&was);
			buf_span(&was, buf_view(&by));
		} else {
			line_text(&l, STYLE_PLAIN, SPAN(", "));
		}
		line_printf(&l, STYLE_BOLD, "%lld ", (long long)row_number(row, "messages"));
		line_text(&l, STYLE_PLAIN, value.len > 0 ? span_head(buf_view(&value), 60) : SPAN("-"));
	}
	buf_clear(&by);
	buf_clear(&was);
	buf_clear(&value);
	return l.y + 1;
}

static int
group_lines(const struct plan *p)
{
	struct buf by = BUF_INIT(64), was = BUF_INIT(64);
	int n = 0;

	for (size_t i = 0; i < p->groups.count; i++) {
		buf_reset(&by);
		row_text(span_of(p->groups.items[i].text, p->groups.items[i].len), "by", &by);
		n += n == 0 || !span_eq(buf_view(&by), buf_view(&was)) ? 1 : 0;
		buf_reset(&was);
		buf_span(&was, buf_view(&by));
	}
	buf_clear(&by);
	buf_clear(&was);
	return n;
}

/* Groups say nothing of one message. */
static void
draw_contents(const struct plan *p, int rows)
{
	int more = p->messages > (int64_t)p->samples.count && p->question == NULL ? 1 : 0;
	int groups = p->messages > 1 ? group_lines(p) : 0;
	int y = rows - 4 - (int)p->samples.count - more - groups;
	struct line l;

	if (y < 1)
		y = 1;
	draw_question(p, y++);
	for (size_t i = 0; i < p->samples.count && y < rows - 3; i++)
		draw_sample(y++, span_of(p->samples.items[i].text, p->samples.items[i].len));
	if (more > 0) {
		line_begin(&l, y++, STYLE_PLAIN, false);
		line_printf(&l, STYLE_DIM, "    and %lld more", (long long)(p->messages - (int64_t)p->samples.count));
	}
	if (groups > 0 && y + groups < rows - 1)
		y = draw_groups(p, y);
	line_begin(&l, y, STYLE_PLAIN, false);
}

void
plan_draw(struct console *con, int rows)
{
	const struct plan *p = con->plan;
	struct buf command = BUF_INIT(0);
	struct line l;

	if (p->stage == PLAN_ASKING)
		draw_contents(p, rows);
	if (con->prompt.open)
		return;
	line_begin(&l, rows - 2, STYLE_PLAIN, false);
	if (p->stage == PLAN_COUNTING) {
		line_text(&l, STYLE_WARN, SPAN("counting ..."));
	} else if (p->stage == PLAN_DOING) {
		line_printf(&l, STYLE_WARN, "%zu of %lld ...", p->done + p->skipped, (long long)p->messages);
	} else {
		plan_command(p, &command);
		line_printf(&l, STYLE_DIM, "$ %s", command.ptr);
	}
	buf_clear(&command);
}
