/*
 * One message: why it is here on top, then envelope and recipients, then the content, decoded or raw.
 */
#include "tui/nc.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/base64.h"
#include "mtactl/present.h"
#include "tui/mime.h"
#include "tui/text_view.h"

#define HEADING		"\033[32m"
#define CONTENT_MAX	((size_t)2 << 20)	/* more is not shown */
#define HISTORY_LINES	10	/* of the story */
#define FETCH_MAX	((int64_t)16 << 20)	/* of a larger message only the header is asked for */

struct message_view {
	struct text_view pane;
	char		*id;
	struct display	 why, story;	/* being made */
	struct buf	 envelope;
	struct buf	 content, refused;
	bool		 raw, all_headers, have_content, big;
	struct request	 request;	/* what presenters look at */
};

static struct message_view *
of(struct view *v)
{
	return (struct message_view *)v;
}

static void
heading(struct buf *out, const char *text)
{
	buf_printf(out, HEADING "%s\033[0m\n", text);
}

/* As it is, but for the CR of line ends that SMTP has. */
static void
put_raw(struct buf *out, struct span content)
{
	struct span line;

	while (content.len > 0 && span_cut(&content, '\n', &line)) {
		safe_text(out, span_ends(line, "\r") ? span_head(line, line.len - 1) : line, true);
		buf_char(out, '\n');
	}
}

static void
put_decoded(const struct message_view *m, struct buf *out)
{
	struct buf text = BUF_INIT(0), tree = BUF_INIT(0);

	mime_show(&text, &tree, buf_view(&m->content), m->all_headers);
	if (tree.len > 0) {
		heading(out, "Parts");
		buf_span(out, buf_view(&tree));
		buf_char(out, '\n');
	}
	heading(out, m->all_headers ? "Content, all headers (H: few; v: raw)" : "Content (v: raw, H: all headers)");
	buf_span(out, buf_view(&text));
	buf_clear(&text);
	buf_clear(&tree);
}

/* The last lines of the story: s shows all of it. */
static void
put_history(const struct message_view *m, struct buf *out)
{
	struct span all = buf_view(&m->story.out);
	size_t at = all.len, lines = 0;

	for (; at > 0 && lines <= HISTORY_LINES; at--)
		lines += all.ptr[at - 1] == '\n' ? 1 : 0;
	if (at > 0) {	/* stopped before the newline in front of the first line shown */
		heading(out, "History, its end (s: all)");
		buf_span(out, span_skip(all, at + 1));
	} else {
		heading(out, "History");
		buf_span(out, all);
	}
	buf_char(out, '\n');
}

/* Text safe for the terminal, from the four answers. */
static void
compose(struct message_view *m)
{
	struct buf all = BUF_INIT(0);

	heading(&all, "Why");
	buf_span(&all, buf_view(&m->why.out));
	buf_char(&all, '\n');
	heading(&all, "Envelope");
	buf_span(&all, buf_view(&m->envelope));
	buf_char(&all, '\n');
	if (m->story.out.len > 0)
		put_history(m, &all);
	if (m->refused.len > 0) {
		heading(&all, "Content");
		safe_text(&all, buf_view(&m->refused), true);
	} else if (!m->have_content) {
		heading(&all, "Content");
		buf_str(&all, "...");
	} else if (m->raw) {
		heading(&all, "Content, raw (v: decoded)");
		put_raw(&all, buf_view(&m->content));
	} else {
		put_decoded(m, &all);
	}
	if (m->big)
		buf_str(&all, "\n... (a large message: its body is not shown)\n");
	text_take(&m->pane.text, &all);
}

/* -- the answers ---------------------------------------------------------- */

static void
why_row(void *arg, struct span row)
{
	struct message_view *m = arg;

	if (m->why.out.len < CONTENT_MAX)
		presenter_of(CMD_why)->row(&m->why, row);
}

static void
why_done(void *arg, int status, struct span error)
{
	struct message_view *m = arg;

	if (status != 0)
		safe_text(&m->why.out, error, false);
	if (status == 0 || m->why.out.len > 0)
		compose(m);
	view_done(arg, 0, SPAN_NONE);
}

static void
story_row(void *arg, struct span row)
{
	struct message_view *m = arg;

	if (m->story.out.len < CONTENT_MAX)
		presenter_of(CMD_story)->row(&m->story, row);
}

static void
story_done(void *arg, int status, struct span error)
{
	(void)status;	/* without a history there is the rest */
	(void)error;
	compose(arg);
	view_done(arg, 0, SPAN_NONE);
}

static void
show_row(void *arg, struct span row)
{
	struct message_view *m = arg;
	struct display d = { .tty = true, .colored = true, .now = console_now(), .request = &m->request };
	struct queue_row q;

	queue_row_read(row, &q);
	m->big = q.size > FETCH_MAX;
	presenter_of(CMD_queue_show)->row(&d, row);
	buf_clear(&m->envelope);
	if (d.out.len < CONTENT_MAX * 2)
		m->envelope = d.out;
	else
		buf_clear(&d.out);
	d.out = BUF_INIT(0);
	display_clear(&d);
}

static void
cat_row(void *arg, struct span row)
{
	struct message_view *m = arg;
	struct buf text = BUF_INIT(0);
	struct span value;

	if (m->content.len >= CONTENT_MAX)
		return;
	if (jsonl_find(row, "header", &value) || jsonl_find(row, "body", &value)) {
		jsonl_text(value, &m->content);
	} else if (jsonl_find(row, "header64", &value) || jsonl_find(row, "body64", &value)) {
		if (jsonl_text(value, &text))
			base64_decode(&m->content, buf_view(&text));
	}
	buf_clear(&text);
}

static void
cat_done(void *arg, int status, struct span error)
{
	struct message_view *m = arg;

	buf_reset(&m->refused);
	if (status != 0)
		buf_printf(&m->refused, "(%.*s)", SPAN_ARG(span_head(error.len > 0 ? error : SPAN("not there"), 500)));
	m->have_content = true;
	compose(m);
	view_done(arg, 0, SPAN_NONE);
}

static void
show_done(void *arg, int status, struct span error)
{
	struct message_view *m = arg;

	if (status == 0 && !m->have_content) {
		buf_reset(&m->content);
		view_ask(&m->pane.view, CMD_cat, (const struct link_arg[]){ { "id", span_str(m->id) },
		    { "headers", m->big ? SPAN("1") : SPAN_NONE }, { NULL, SPAN_NONE } }, cat_row, cat_done);
	} else if (status != 0) {
		buf_clear(&m->envelope);
		buf_str(&m->envelope, "the message is no longer in the queue\n");
	}
	(void)error;
	compose(m);
	view_done(arg, 0, SPAN_NONE);
}

/* The content is fetched once; why and envelope again and again. */
static void
fetch(struct view *v)
{
	struct message_view *m = of(v);

	display_clear(&m->why);
	display_clear(&m->story);
	m->why = (struct display){ .tty = true, .colored = true, .now = console_now(), .request = &m->request };
	m->story = (struct display){ .tty = true, .colored = true, .now = console_now(), .request = &m->request };
	view_ask(v, CMD_why, (const struct link_arg[]){ { "selector", span_str(m->id) }, { NULL, SPAN_NONE } }, why_row, why_done);
	view_ask(v, CMD_queue_show, (const struct link_arg[]){ { "id", span_str(m->id) }, { NULL, SPAN_NONE } }, show_row, show_done);
	view_ask(v, CMD_story, (const struct link_arg[]){ { "id", span_str(m->id) }, { NULL, SPAN_NONE } }, story_row, story_done);
}

/* -- on the screen -------------------------------------------------------- */

static void
label(struct view *v, struct buf *out)
{
	buf_printf(out, " %s%s", of(v)->id, of(v)->raw ? " raw" : "");
}

static void
key_headers(struct view *v)
{
	of(v)->all_headers = !of(v)->all_headers;
	of(v)->raw = false;
	compose(of(v));
}

/* From heading to heading, round the end. */
static void
key_section(struct view *v)
{
	struct text *t = &of(v)->pane.text;

	for (size_t i = 1; i <= t->count; i++) {
		size_t n = (t->top + i) % t->count;
		if (!span_starts(span_skip(buf_view(&t->content), t->lines[n].at), HEADING))
			continue;
		t->top = n;
		return;
	}
}

static void
key_raw(struct view *v)
{
	of(v)->raw = !of(v)->raw;
	compose(of(v));
	console_echo(v->con, "cat %s", of(v)->id);
}

static void
key_why(struct view *v)
{
	command_why(v->con, of(v)->id);
}

static void
key_story(struct view *v)
{
	command_story(v->con, of(v)->id);
}

#define ACT_KEY(name, command) \
	static void name(struct view *v) { act_on(v->con, command, of(v)->id); }
ACT_KEY(key_delete, CMD_delete)
ACT_KEY(key_hold, CMD_hold)
ACT_KEY(key_release, CMD_release)
ACT_KEY(key_requeue, CMD_requeue)
ACT_KEY(key_flush, CMD_flush)
ACT_KEY(key_undelete, CMD_undelete)
ACT_KEY(key_bounce, CMD_bounce)

static const struct key keys[] = {
	{ 'v', "content: decoded, or raw", key_raw },
	{ 'H', "all headers, or those that say something", key_headers },
	{ 'c', "to the next section: why, envelope, parts, content", key_section },
	{ 'w', "why is it still here?", key_why }, { 's', "its story: everything that happened to it", key_story },
	{ 'd', "delete (to the trash)", key_delete }, { FN(KEY_F(9)), NULL, key_delete },
	{ 'h', "hold", key_hold }, { 'l', "release from hold", key_release },
	{ 'r', "requeue: forget back-off, route anew", key_requeue }, { 'f', "try now", key_flush },
	{ 'b', "bounce: give up, and tell the sender", key_bounce },
	{ 'U', "undelete: back from the trash", key_undelete },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "f", "Try" }, { "r", "Requeue" }, { "h", "Hold" }, { "l", "Release" }, { "b", "Bounce" }, { "d", "Delete" },
	{ "s", "Story" }, { "v", "Raw" }, { "H", "Headers" }, { "c", "Section" }, { "w", "Why" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	struct message_view *m = of(v);

	text_view_clear(v);
	display_clear(&m->why);
	display_clear(&m->story);
	buf_clear(&m->envelope);
	buf_clear(&m->content);
	buf_clear(&m->refused);
	free(m->id);
}

static const struct view_ops ops = {
	.name = "message",
	.size = sizeof(struct message_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = text_view_draw,
	.move = text_view_move,
	.search = text_view_search,
	.label = label,
};

struct view *
message_new(struct console *con, const char *id)
{
	struct view *v = view_new(&ops, con);

	of(v)->id = mem_str(id);
	of(v)->request.command = CMD_why;
	console_echo(con, "why %s; mtactl cat %s", id, id);
	return v;
}
