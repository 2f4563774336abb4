/*
 * The dialogue with a peer (or with all), both ways, as it happens. The screen follows until the cursor leaves the last line, and again when it is back there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ctl/jsonl.h"
#include "mtactl/display.h"
#include "tui/list_view.h"

#define LINES_KEPT	5000

struct trace_view {
	struct list_view base;
	char		*peer;		/* NULL: all */
	bool		 paused;
	uint64_t	 serial;	/* of lines so far: their keys */
	size_t		 unseen;	/* that came while paused */
};

static struct trace_view *
of(struct view *v)
{
	return (struct trace_view *)v;
}

/* -- the stream ----------------------------------------------------------- */

static void
to_last(struct trace_view *t)
{
	t->paused = false;
	t->unseen = 0;
	if (t->base.list.total > 0)
		list_go(&t->base.list, t->base.list.total - 1);
}

static void
take_row(void *arg, struct span row)
{
	struct trace_view *t = arg;
	char key[24];

	snprintf(key, sizeof key, "%llu", (unsigned long long)t->serial++);
	list_append(&t->base.list, span_str(key), row, LINES_KEPT);
	t->base.view.con->redraw = true;
	if (t->paused)
		t->unseen++;
	else
		to_last(t);
}

static void
fetch(struct view *v)
{
	v->known = true;
	view_ask(v, CMD_trace, (const struct link_arg[]){ { "peer", span_str(of(v)->peer) }, { NULL, SPAN_NONE } }, take_row, NULL);
}

/* -- on the screen -------------------------------------------------------- */

static void
show_time(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	struct buf text = BUF_INIT(64);
	int64_t when = 0;

	(void)v;
	(void)row;
	size_t whole = span_find(value, '.');
	if (jsonl_int(span_head(value, whole), &when))
		time_text(&text, when, when);
	if (text.len >= 8)
		buf_span(out, span_skip(buf_view(&text), text.len - 8));
	if (whole < value.len)
		buf_span(out, span_head(span_skip(value, whole), 4));
	*style = STYLE_DIM;
	buf_clear(&text);
}

static bool
from_is(struct span row, const char *who)
{
	struct buf from = BUF_INIT(64);
	bool is = row_text(row, "from", &from) && span_eqs(buf_view(&from), who);

	buf_clear(&from);
	return is;
}

static void
show_from(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v;
	(void)value;
	(void)style;
	buf_str(out, from_is(row, "peer") ? "<-" : from_is(row, "mtad") ? "->" : "");
}

/* "4xx " or "5xx-": somebody said no. */
static enum style
reply_style(struct span text)
{
	if (text.len < 3 || (text.ptr[0] != '4' && text.ptr[0] != '5') || text.ptr[1] < '0' || text.ptr[1] > '5' || text.ptr[2] < '0' ||
	    text.ptr[2] > '9' || (text.len > 3 && text.ptr[3] != ' ' && text.ptr[3] != '-'))
		return STYLE_PLAIN;
	return text.ptr[0] == '4' ? STYLE_WARN : STYLE_BAD;
}

static void
show_text(struct view *v, struct span row, struct span value, struct buf *out, enum style *style)
{
	(void)v;
	(void)value;
	if (row_number(row, "lost") > 0) {
		buf_printf(out, "... %lld lines were not shown: too many at once", (long long)row_number(row, "lost"));
		*style = STYLE_WARN;
	} else if (row_text(row, "text", out)) {
		*style = from_is(row, "note") ? STYLE_DIM : reply_style(buf_view(out));
	}
}

static const struct column columns[] = {
	{ "time", "TIME", 12, 0, show_time }, { "session", "SESSION", 9, 0, NULL }, { "peer", "PEER", 30, 130, NULL },
	{ "from", "", 2, 0, show_from }, { "text", "TEXT  (<- from the peer, -> from mtad)", 0, 0, show_text },
	{ NULL, NULL, 0, 0, NULL },
};

static void
bar(struct view *v, struct span row, struct buf *out)
{
	struct buf elapsed = BUF_INIT(64);

	(void)v;
	row_text(row, "session", out);
	buf_str(out, "  ");
	row_text(row, "direction", out);
	buf_str(out, "  ");
	row_text(row, "peer", out);
	if (row_text(row, "elapsed", &elapsed))
		buf_printf(out, "  %.10s s after its start", elapsed.ptr);
	buf_clear(&elapsed);
}

static void
text(struct view *v, struct span row, struct buf *out)
{
	(void)v;
	row_text(row, "text", out);
}

static const struct list_shape shape = {
	.columns = columns,
	.empty = "waiting for the next line of a dialogue ...",
	.detail = 4,
	.bar = bar,
	.text = text,
};

static void
label(struct view *v, struct buf *out)
{
	struct trace_view *t = of(v);

	buf_printf(out, " %s", t->peer != NULL ? t->peer : "of all");
	if (t->paused)
		buf_printf(out, "  paused, %zu new", t->unseen);
	else
		buf_str(out, "  live");
}

/* -- keys ----------------------------------------------------------------- */

static void
move_to(struct view *v, enum list_move how)
{
	struct trace_view *t = of(v);

	list_view_move(v, how);
	if (t->base.list.cursor + 1 >= t->base.list.total)
		to_last(t);
	else
		t->paused = true;
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	if (of(v)->base.list.total == 0)
		return;
	of(v)->paused = true;
	list_view_search(v, wanted, backwards);
}

static void
key_pause(struct view *v)
{
	if (of(v)->paused)
		to_last(of(v));
	else
		of(v)->paused = true;
}

static void
put_plain(struct view *v, const struct list_row *r, struct buf *out)
{
	struct span row = span_of(r->text, r->len), value = SPAN_NONE;
	struct buf cell = BUF_INIT(0);
	enum style style;

	jsonl_find(row, "time", &value);
	for (const struct column *c = columns; c->title != NULL; c++) {
		if (cell.len > 0)
			buf_char(&cell, ' ');
		if (c->show != NULL)
			c->show(v, row, value, &cell, &style);
		else
			row_text(row, c->key, &cell);
	}
	safe_text(out, buf_view(&cell), false);
	buf_char(out, '\n');
	buf_clear(&cell);
}

static bool
write_new(const char *path, struct span text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return false;
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		text = span_skip(text, (size_t)n);
	}
	return close(fd) == 0 && text.len == 0;
}

static void
save(struct view *v, struct span name)
{
	const struct list *list = &of(v)->base.list;
	struct buf all = BUF_INIT(0);
	char *path = span_dup(span_trim(name));

	for (size_t i = 0; i < list->rows.count; i++)
		put_plain(v, &list->rows.items[i], &all);
	if (*path == '\0')
		console_say(v->con, STYLE_DIM, "nothing was written");
	else if (write_new(path, buf_view(&all)))
		console_say(v->con, STYLE_GOOD, "%zu lines are in %s", list->rows.count, path);
	else
		console_say(v->con, STYLE_BAD, "%s: %s", path, strerror(errno));
	buf_clear(&all);
	free(path);
}

static void
key_save(struct view *v)
{
	char name[64];

	snprintf(name, sizeof name, "trace-%lld.txt", (long long)console_now());
	prompt_open(&v->con->prompt, v, "save to: ", name, save);
}

static void
key_clear(struct view *v)
{
	list_clear(&of(v)->base.list);
	of(v)->paused = false;
	of(v)->unseen = 0;
}

static const struct key keys[] = {
	{ ' ', "stop following, or go on", key_pause }, { 'p', NULL, key_pause },
	{ 's', "save what was kept to a file", key_save },
	{ 'c', "clear: begin anew", key_clear },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "Space", "Pause" }, { "/", "Search" }, { "s", "Save" }, { "c", "Clear" }, { "q", "Back" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	list_view_clear(v);
	free(of(v)->peer);
}

static const struct view_ops ops = {
	.name = "trace",
	.size = sizeof(struct trace_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = list_view_draw,
	.move = move_to,
	.search = search,
	.label = label,
};

void
trace_show(struct console *con, struct span peer)
{
	if (link_up(con->link) && !(link_rights(con->link) & CTL_READ)) {
		console_say(con, STYLE_WARN, "not allowed: this takes the right to read (mtad_read_users)");
		return;
	}
	struct view *v = list_view_new(&ops, &shape, con);
	of(v)->peer = peer.len > 0 ? span_dup(peer) : NULL;
	console_push(con, v);
	console_echo(con, "trace%s%.*s", peer.len > 0 ? " " : "", SPAN_ARG(peer));
}
