#include "tui/overview.h"

#include "base/num.h"
#include "mtactl/display.h"
#include "tui/list_view.h"

#define CODE_WIDTH	18	/* "refused-connection" */
#define SECOND_HALF	40	/* the column where rates stand */

const char *const overview_queues[QUEUES] = { "deferred", "active", "incoming", "hold", "corrupt", "trash" };

unsigned
overview_number(const struct list_row *row)
{
	uint32_t n = 0;

	num_u32(span_str(row->key + 1), &n);
	return n;
}

/* -- queues and rates ----------------------------------------------------- */

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
	l->x = SECOND_HALF;
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

	l->x = SECOND_HALF;
	line_cell(l, 12, STYLE_DIM, span_str(name));
	size_text(&text, bytes);
	line_cell(l, -9, style, buf_view(&text));
	buf_clear(&text);
}

/* Beside each queue stands something of the whole. */
static void
draw_beside(const struct console *con, struct line *l, unsigned n)
{
	const struct stats *s = &con->stats;

	switch (n) {
	case 0:
		draw_rate(l, "received", rate(con, get_submitted), s->submitted);
		break;
	case 1:
		draw_rate(l, "sent", rate(con, get_sent), s->sent);
		break;
	case 2:
		draw_rate(l, "deferrals", rate(con, get_deferrals), s->deferrals);
		break;
	case 3:
		draw_rate(l, "bounced", rate(con, get_bounced), s->bounced);
		break;
	case 4:
		draw_size(l, "queued", s->bytes, STYLE_PLAIN);
		break;
	default:
		draw_size(l, "free", s->free, s->full ? STYLE_BAD : STYLE_PLAIN);
		break;
	}
}

static void
draw_queue(const struct console *con, struct line *l, unsigned n)
{
	const struct stats *s = &con->stats;
	const struct { int64_t count; enum style style; } rows[QUEUES] = {
		{ s->deferred, STYLE_PLAIN }, { s->active, STYLE_GOOD }, { s->incoming, STYLE_GOOD },
		{ s->hold, STYLE_WARN }, { s->corrupt, STYLE_BAD }, { s->trash, STYLE_DIM },
	};
	struct buf count = BUF_INIT(32);

	l->x = 2;
	line_printf(l, STYLE_DIM, "%u ", n + 1);
	line_cell(l, 12, STYLE_PLAIN, span_str(overview_queues[n]));
	buf_printf(&count, "%lld", (long long)rows[n].count);
	line_cell(l, -10, rows[n].count > 0 ? rows[n].style : STYLE_DIM, buf_view(&count));
	buf_clear(&count);
	draw_beside(con, l, n);
}

/* -- troubles ------------------------------------------------------------- */

static void
cell_count(struct line *l, int width, int64_t n)
{
	struct buf text = BUF_INIT(32);

	buf_printf(&text, "%lld", (long long)n);
	line_cell(l, width, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static void
cell_age(struct line *l, int64_t since)
{
	struct buf text = BUF_INIT(32);

	age_text(&text, console_now() - since);
	line_cell(l, -5, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static int
name_width(void)
{
	return paint_columns() >= 120 ? 34 : 22;
}

static void
draw_cause(struct line *l, struct span row)
{
	struct buf text = BUF_INIT(0);

	cell_count(l, -7, row_number(row, "messages"));
	cell_age(l, row_number(row, "oldest"));
	row_text(row, "dest", &text);
	line_cell(l, name_width(), STYLE_BOLD, text.len > 0 ? buf_view(&text) : SPAN("-"));
	buf_reset(&text);
	row_text(row, "code", &text);
	bool stopped = span_eqs(buf_view(&text), "held") || span_eqs(buf_view(&text), "suspended");
	line_cell(l, CODE_WIDTH, STYLE_WARN, buf_view(&text));
	buf_reset(&text);
	/* The reason of what an operator stopped is how it failed before; Enter tells who stopped it. */
	if (!stopped && !row_text(row, "reason", &text))
		row_text(row, "cause", &text);
	line_cell(l, 0, STYLE_PLAIN, reason_core(buf_view(&text)));
	buf_clear(&text);
}

static void
draw_dest(struct line *l, struct span row)
{
	struct buf text = BUF_INIT(0), when = BUF_INIT(64);
	int64_t until = row_number(row, "suspended_until");

	l->x += 14;
	row_text(row, "transport", &text);
	buf_char(&text, ':');
	row_text(row, "destination", &text);
	line_cell(l, name_width(), STYLE_BOLD, buf_view(&text));
	buf_reset(&text);
	if (until > 0)
		when_text(&when, until, console_now());
	if (row_text(row, "suspended_by", &text)) {
		struct buf by = BUF_INIT(512);
		buf_printf(&by, "suspended by %s%s%s", text.ptr, until > 0 ? ", ends " : "", until > 0 ? when.ptr : "");
		line_text(l, STYLE_BAD, buf_view(&by));
		line_text(l, STYLE_PLAIN, SPAN("  "));
		buf_clear(&by);
	} else if (until > 0) {
		line_printf(l, STYLE_WARN, "pauses, tried %s  ", when.ptr);
	}
	buf_reset(&text);
	if (!row_text(row, "suspended_reason", &text))
		row_text(row, "reason", &text);
	line_cell(l, 0, STYLE_DIM, buf_view(&text));
	buf_clear(&text);
	buf_clear(&when);
}

static void
draw_error(struct line *l, struct span row)
{
	struct buf text = BUF_INIT(0);
	enum style style = STYLE_PLAIN;

	column_severity(NULL, row, SPAN_NONE, &text, &style);
	line_cell(l, -7, style, buf_view(&text));
	cell_age(l, row_number(row, "time"));
	buf_reset(&text);
	row_text(row, "program", &text);
	line_cell(l, 10, STYLE_DIM, buf_view(&text));
	buf_reset(&text);
	row_text(row, "text", &text);
	line_cell(l, 0, STYLE_PLAIN, buf_view(&text));
	buf_clear(&text);
}

static void
draw_oldest(struct line *l, struct span row)
{
	struct buf text = BUF_INIT(0);

	l->x += 8;
	cell_age(l, row_number(row, "arrival_time"));
	row_text(row, "queue_id", &text);
	line_cell(l, 15, STYLE_BOLD, buf_view(&text));
	buf_reset(&text);
	line_text(l, STYLE_DIM, SPAN("from "));
	line_text(l, STYLE_PLAIN, row_text(row, "sender", &text) ? buf_view(&text) : SPAN("<>"));
	buf_clear(&text);
}

/* -- lines ---------------------------------------------------------------- */

static void
draw_heading(struct line *l, unsigned n)
{
	static const char *const headings[HEADINGS] = {
		[HEADING_QUEUES] = "  QUEUE            MESSAGES",
		[HEADING_CAUSES] = "  MESSAGES  OLD  WHY MAIL WAITS",
		[HEADING_DESTS] = "                 DESTINATIONS IN TROUBLE",
		[HEADING_ERRORS] = "     AGO         LAST WARNINGS AND ERRORS",
		[HEADING_OLDEST] = "            OLD  OLDEST MESSAGE",
	};

	line_text(l, STYLE_BOLD, span_str(n < HEADINGS ? headings[n] : ""));
	l->x = SECOND_HALF;
	if (n == HEADING_QUEUES)
		line_text(l, STYLE_BOLD, SPAN("RATES            NOW  SINCE START"));
}

void
overview_draw_line(const struct console *con, const struct list_row *row, int y, bool cursor)
{
	struct span json = span_of(row->text, row->len);
	struct line l;

	line_begin(&l, y, STYLE_PLAIN, cursor);
	if (*row->key == LINE_HEADING) {
		draw_heading(&l, overview_number(row));
		return;
	}
	l.x = 3;
	switch (*row->key) {
	case LINE_QUEUE:
		draw_queue(con, &l, overview_number(row));
		break;
	case LINE_CAUSE:
		draw_cause(&l, json);
		break;
	case LINE_DEST:
		draw_dest(&l, json);
		break;
	case LINE_ERROR:
		draw_error(&l, json);
		break;
	case LINE_OLDEST:
		draw_oldest(&l, json);
		break;
	default:
		break;
	}
}
