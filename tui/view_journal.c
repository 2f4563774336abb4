/*
 * What operators did, the latest first, and how it is taken back.
 */
#include "mtactl/display.h"
#include "tui/list_view.h"

static void
fetch(struct view *v)
{
	list_view_ask(v, CMD_journal, (const struct link_arg[]){ { "limit", SPAN("500") }, { NULL, SPAN_NONE } });
}

static void
show_state(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	int64_t undone = row_number(row, "undone"), undoes = row_number(row, "undoes");

	(void)v;
	(void)value;
	*style = STYLE_DIM;
	if (undone > 0)
		buf_printf(out, "undone by %lld", (long long)undone);
	else if (undoes > 0)
		buf_printf(out, "undoes %lld", (long long)undoes);
	else if (row_true(row, "can_undo"))
		buf_str(out, "u undoes it");
}

static void
show_subject(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	struct buf reason = BUF_INIT(0);

	(void)v;
	(void)value;
	(void)style;
	row_text(row, "selector", out);
	if (row_text(row, "reason", &reason))
		buf_printf(out, "%s(%s)", out->len > 0 ? "  " : "", reason.ptr);
	buf_clear(&reason);
}

static const struct column columns[] = {
	{ "action", "ACTION", -6, 0, NULL }, { "time", "TIME", 8, 0, column_time }, { "who", "WHO", 10, 0, NULL },
	{ "command", "COMMAND", 12, 0, NULL }, { "messages", "MESSAGES", -8, 0, column_count },
	{ NULL, "", 14, 0, show_state }, { NULL, "WHAT (REASON)", 0, 0, show_subject },
	{ NULL, NULL, 0, 0, NULL },
};

static void
bar(struct view *v, struct span row, struct buf *out)
{
	struct buf time = BUF_INIT(64);

	(void)v;
	time_text(&time, row_number(row, "time"), console_now());
	buf_printf(out, "action %lld, %s, by ", (long long)row_number(row, "action"), time.len > 0 ? time.ptr : "-");
	row_text(row, "who", out);
	buf_clear(&time);
}

static void
text(struct view *v, struct span row, struct buf *out)
{
	enum style style;

	row_text(row, "command", out);
	buf_char(out, ' ');
	struct buf subject = BUF_INIT(0);
	show_subject(v, row, SPAN_NONE, &subject, &style);
	buf_span(out, buf_view(&subject));
	buf_clear(&subject);
}

static const struct list_shape shape = {
	.columns = columns,
	.keys = { "action" },
	.empty = "no operator has changed anything here yet",
	.detail = 3,
	.bar = bar,
	.text = text,
};

static void
key_undo(struct view *v)
{
	struct span row = list_view_row(v);
	struct buf command = BUF_INIT(64);

	if (row.len == 0)
		return;
	row_text(row, "command", &command);
	if (row_number(row, "undone") > 0)
		console_say(v->con, STYLE_WARN, "that was taken back already, by action %lld", (long long)row_number(row, "undone"));
	else if (!row_true(row, "can_undo"))
		console_say(v->con, STYLE_WARN, "that cannot be taken back");
	else
		act_undo_one(v->con, row_number(row, "action"), command.len > 0 ? command.ptr : "", row_number(row, "messages"));
	buf_clear(&command);
}

static const struct key keys[] = {
	{ 'u', "take it back (after a question)", key_undo }, { KEY_RETURN, NULL, key_undo },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "u", "Undo this" }, { "F3", "Search" }, { "F5", "Refresh" }, { NULL, NULL },
};

static const struct view_ops ops = {
	.name = "journal",
	.size = sizeof(struct list_view),
	.keys = keys,
	.hints = hints,
	.clear = list_view_clear,
	.fetch = fetch,
	.draw = list_view_draw,
	.move = list_view_move,
	.enter = key_undo,
	.search = list_view_search,
	.label = list_view_label,
};

struct view *
journal_new(struct console *con)
{
	return list_view_new(&ops, &shape, con);
}
