#include "tui/list_view.h"

#include <stdio.h>
#include <stdlib.h>

#include "ctl/jsonl.h"
#include "mtactl/display.h"

static struct list_view *
of(struct view *v)
{
	return (struct list_view *)v;
}

struct view *
list_view_new(const struct view_ops *ops, const struct list_shape *shape, struct console *con)
{
	struct view *v = view_new(ops, con);

	of(v)->shape = shape;
	return v;
}

/* -- rows ----------------------------------------------------------------- */

struct span
reason_core(struct span reason)
{
	static const char behind[] = "delivery temporarily suspended: ";

	return span_starts(reason, behind) ? span_skip(reason, sizeof behind - 1) : reason;
}

bool
row_text(struct span row, const char *key, struct buf *out)
{
	struct span value;
	size_t was = out->len;

	if (!jsonl_find(row, key, &value))
		return false;
	if (jsonl_is_string(value))
		jsonl_text(value, out);
	else
		buf_span(out, value);
	return out->len > was;
}

int64_t
row_number(struct span row, const char *key)
{
	struct span value;
	int64_t n = 0;

	if (jsonl_find(row, key, &value))
		jsonl_int(span_head(value, span_find(value, '.')), &n);
	return n;
}

bool
row_true(struct span row, const char *key)
{
	struct span value;

	return jsonl_find(row, key, &value) && jsonl_true(value);
}

void
put_quoted(struct buf *out, struct span text)
{
	buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"')
			buf_char(out, '\\');
		buf_char(out, text.ptr[i]);
	}
	buf_char(out, '"');
}

/* Equal rows without a key of their own are told apart by their number. */
static void
add_whole(struct list_view *l, struct span row)
{
	struct buf key = BUF_INIT(0);
	unsigned again = 0;

	for (size_t i = l->coming.count; i > 0 && span_eqs(row, l->coming.items[i - 1].text); i--)
		again++;
	buf_span(&key, row);
	if (again > 0)
		buf_printf(&key, " %u", again);
	list_rows_add(&l->coming, buf_view(&key), row);
	buf_clear(&key);
}

static void
take_row(void *arg, struct span row)
{
	struct list_view *l = arg;
	struct buf key = BUF_INIT(4096);

	if (l->shape->keys[0] == NULL) {
		add_whole(l, row);
		return;
	}
	for (size_t i = 0; i < 3 && l->shape->keys[i] != NULL; i++) {
		if (i > 0)
			buf_char(&key, ':');
		row_text(row, l->shape->keys[i], &key);
	}
	list_rows_add(&l->coming, buf_view(&key), row);
	buf_clear(&key);
}

static void
rows_done(void *arg, int status, struct span error)
{
	struct list_view *l = arg;
	size_t n = l->coming.count;

	if (n > 1 && l->shape->compare != NULL)
		qsort(l->coming.items, n, sizeof *l->coming.items, l->shape->compare);
	if (status <= 1 || n > 0)	/* not every role has answered: what there is, is shown */
		list_take(&l->list, &l->coming, 0, n);
	else
		list_rows_clear(&l->coming);
	view_done(arg, status > 1 && n > 0 ? 1 : status, error);
}

void
list_view_ask(struct view *v, enum command c, const struct link_arg *args)
{
	list_rows_clear(&of(v)->coming);
	view_ask(v, c, args, take_row, rows_done);
}

struct span
list_view_row(struct view *v)
{
	const struct list_row *r = list_current(&of(v)->list);

	return r == NULL ? SPAN_NONE : span_of(r->text, r->len);
}

/* -- on the screen -------------------------------------------------------- */

static void
draw_cells(struct view *v, struct line *l, struct span row)
{
	struct buf text = BUF_INIT(0);

	for (const struct column *c = of(v)->shape->columns; c->title != NULL; c++) {
		enum style style = STYLE_PLAIN;
		struct span value = SPAN_NONE;
		if (c->from > paint_columns())
			continue;
		buf_reset(&text);
		if (c->key != NULL)
			jsonl_find(row, c->key, &value);
		if (c->show != NULL)
			c->show(v, row, value, &text, &style);
		else if (c->key != NULL)
			row_text(row, c->key, &text);
		line_cell(l, c->width, style, buf_view(&text));
	}
	buf_clear(&text);
}

static void
draw_heading(const struct list_shape *s, int y)
{
	struct line l;

	line_begin(&l, y, STYLE_BOLD, false);
	l.x = 1;
	for (const struct column *c = s->columns; c->title != NULL; c++)
		if (c->from <= paint_columns())
			line_cell(&l, c->width, STYLE_PLAIN, span_str(c->title));
}

/* What does not fit on its line goes on in the next. */
static void
draw_wrapped(int y, int lines, struct span text)
{
	struct buf safe = BUF_INIT(0);
	int width = paint_columns() - 2;

	safe_text(&safe, span_head(text, 8192), false);
	struct span rest = buf_view(&safe);
	for (int i = 0; i < lines; i++) {
		struct line l;
		size_t at = 0;
		int used = 0, w;
		while (at < rest.len) {
			size_t n = paint_char(span_skip(rest, at), &w);
			if (used + w > width)
				break;
			used += w;
			at += n;
		}
		line_begin(&l, y + i, STYLE_PLAIN, false);
		l.x = 1;
		line_text(&l, STYLE_PLAIN, span_head(rest, at));
		rest = span_skip(rest, at);
	}
	buf_clear(&safe);
}

static void
draw_detail(struct view *v, int y, int lines)
{
	const struct list_shape *s = of(v)->shape;
	struct span row = list_view_row(v);
	struct buf text = BUF_INIT(0);
	struct line l;

	line_begin(&l, y, STYLE_BAR, false);
	l.x = 1;
	if (row.len > 0 && s->bar != NULL)
		s->bar(v, row, &text);
	if (v->error[0] != '\0')
		line_text(&l, STYLE_ALARM, span_str(v->error));
	else
		line_text(&l, STYLE_PLAIN, buf_view(&text));
	buf_reset(&text);
	if (row.len > 0 && s->text != NULL)
		s->text(v, row, &text);
	draw_wrapped(y + 1, lines - 1, buf_view(&text));
	buf_clear(&text);
}

void
list_view_draw(struct view *v, int y, int height)
{
	struct list_view *lv = of(v);
	int detail = height > 8 ? lv->shape->detail : 0, rows = height - 1 - detail;
	struct line l;

	list_set_height(&lv->list, rows > 0 ? (size_t)rows : 1);
	if (lv->list.total == 0) {
		view_draw_empty(v, y, height, lv->shape->empty);
		return;
	}
	draw_heading(lv->shape, y);
	for (int i = 0; i < rows; i++) {
		size_t place = lv->list.top + (size_t)i;
		const struct list_row *row = list_at(&lv->list, place);
		line_begin(&l, y + 1 + i, STYLE_PLAIN, row != NULL && place == lv->list.cursor);
		l.x = 1;
		if (row != NULL)
			draw_cells(v, &l, span_of(row->text, row->len));
	}
	if (detail > 0)
		draw_detail(v, y + height - detail, detail);
}

/* -- keys ----------------------------------------------------------------- */

void
list_view_move(struct view *v, enum list_move how)
{
	list_move(&of(v)->list, how);
}

void
list_view_search(struct view *v, struct span wanted, bool backwards)
{
	list_search(v, &of(v)->list, wanted, backwards);
}

void
list_view_clear(struct view *v)
{
	list_clear(&of(v)->list);
	list_rows_clear(&of(v)->coming);
}

void
list_view_label(struct view *v, struct buf *out)
{
	const struct list *l = &of(v)->list;

	if (l->total > 0)
		buf_printf(out, "  %zu/%zu", l->cursor + 1, l->total);
}

/* -- columns -------------------------------------------------------------- */

void
column_age(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t when;

	(void)v; (void)row; (void)style;
	if (jsonl_int(value, &when) && when > 0)
		age_text(out, console_now() - when);
}

void
column_seconds(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t n;

	(void)v; (void)row; (void)style;
	if (jsonl_int(value, &n) && n > 0)
		age_text(out, n);
}

void
column_size(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t n;

	(void)v; (void)row; (void)style;
	if (jsonl_int(value, &n))
		size_text(out, n);
}

void
column_count(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t n;

	(void)v; (void)row;
	if (!jsonl_int(value, &n))
		return;
	buf_printf(out, "%lld", (long long)n);
	if (n == 0)
		*style = STYLE_DIM;
}

void
column_when(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t when;

	(void)v; (void)row;
	if (!jsonl_int(value, &when) || when <= 0)
		return;
	when_text(out, when, console_now());
	*style = STYLE_WARN;
}

void
column_time(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	struct buf text = BUF_INIT(64);
	int64_t when, now = console_now();

	(void)v; (void)row; (void)style;
	if (!jsonl_int(span_head(value, span_find(value, '.')), &when) || when <= 0)
		return;
	time_text(&text, when, now);
	size_t at = now - when < 20 * 3600 && text.len > 8 ? text.len - 8 : 0;
	buf_span(out, span_skip(buf_view(&text), at));
	buf_clear(&text);
}

void
column_severity(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v; (void)value;
	if (!row_text(row, "severity", out))
		return;
	struct span name = buf_view(out);
	*style = span_eqs(name, "info") || span_eqs(name, "debug") ? STYLE_DIM : span_eqs(name, "warning") ? STYLE_WARN : STYLE_BAD;
}
