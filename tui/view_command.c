/*
 * A command's answer, shown by the controller's own presenter: why, doctor, and whatever is typed behind ":".
 */
#include <stdlib.h>

#include "base/mem.h"
#include "mtactl/present.h"
#include "tui/text_view.h"

#define OUTPUT_MAX	((size_t)8 << 20)

struct command_view {
	struct text_view base;
	struct request	 request;
	struct display	 display;
	bool		 repeat;	/* again every two seconds */
	bool		 cut;
};

static struct command_view *
of(struct view *v)
{
	return (struct command_view *)v;
}

static void
take_row(void *arg, struct span row)
{
	struct command_view *c = arg;

	if (c->display.out.len + row.len > OUTPUT_MAX) {
		c->cut = true;
		return;
	}
	c->display.rows++;
	presenter_of(c->request.command)->row(&c->display, row);
}

static void
rows_done(void *arg, int status, struct span error)
{
	struct command_view *c = arg;
	const struct presenter *p = presenter_of(c->request.command);
	struct buf note = BUF_INIT(0);
	int shown = status;

	if (p->end != NULL && status <= 1)
		p->end(&c->display, &note, &shown);
	if (error.len > 0) {
		put_color(&c->display, COLOR_RED);
		put_safe(&c->display, error);
		put_color(&c->display, COLOR_NONE);
		put(&c->display, "\n");
	}
	if (c->cut)
		put(&c->display, "... (cut off here)\n");
	if (note.len > 0) {
		put_safe(&c->display, buf_view(&note));
		put(&c->display, "\n");
	} else if (c->display.out.len == 0) {
		put(&c->display, "%s\n", status <= 1 ? "nothing" : "failed");
	}
	text_take(&c->base.text, &c->display.out);
	buf_clear(&note);
	view_done(arg, 0, SPAN_NONE);
	if (!c->repeat)
		c->base.view.due = INT64_MAX;
}

static void
fetch(struct view *v)
{
	struct command_view *c = of(v);
	const struct presenter *p = presenter_of(c->request.command);

	display_clear(&c->display);
	c->display = (struct display){ .tty = true, .colored = true, .now = console_now(), .request = &c->request };
	c->cut = false;
	if (p->begin != NULL)
		p->begin(&c->display);
	v->pending++;
	link_ask(v->con->link, &c->request, (struct link_handler){ take_row, rows_done, c });
}

static void
label(struct view *v, struct buf *out)
{
	struct span value;

	buf_printf(out, " %s", command_row(of(v)->request.command)->name);
	if (request_get(&of(v)->request, "selector", &value) || request_get(&of(v)->request, "id", &value))
		buf_printf(out, " %.*s", SPAN_ARG(span_head(value, 40)));
}

static void
clear_view(struct view *v)
{
	text_view_clear(v);
	display_clear(&of(v)->display);
	request_clear(&of(v)->request);
}

static const struct view_ops ops = {
	.name = "mtactl",
	.size = sizeof(struct command_view),
	.clear = clear_view,
	.fetch = fetch,
	.draw = text_view_draw,
	.move = text_view_move,
	.search = text_view_search,
	.label = label,
};

struct view *
command_new(struct console *con, struct request *req, bool repeat)
{
	struct view *v = view_new(&ops, con);

	of(v)->request = *req;
	of(v)->repeat = repeat;
	*req = (struct request){ .count = 0 };
	return v;
}

static void
push_of_message(struct console *con, enum command c, const char *arg, const char *id)
{
	struct request req = { .command = c };
	struct err err;

	if (request_add(&req, span_str(arg), span_str(id), &err)) {
		console_push(con, command_new(con, &req, true));
		console_echo(con, "%s %s", command_row(c)->name, id);
	}
	request_clear(&req);
}

void
command_why(struct console *con, const char *id)
{
	push_of_message(con, CMD_why, "selector", id);
}

void
command_story(struct console *con, const char *id)
{
	push_of_message(con, CMD_story, "id", id);
}

/* -- the ":" line --------------------------------------------------------- */

/* One word off the front, quotes as in a shell undone, into `out`. False: none is left. */
static bool
next_word(struct span *rest, struct buf *out)
{
	char quote = '\0';

	*rest = span_ltrim(*rest);
	if (rest->len == 0)
		return false;
	size_t i = 0;
	for (; i < rest->len; i++) {
		char c = rest->ptr[i];
		if (quote == '\0' && (c == ' ' || c == '\t'))
			break;
		if (quote == '\0' && (c == '\'' || c == '"'))
			quote = c;
		else if (c == quote)
			quote = '\0';
		else
			buf_char(out, c);
	}
	if (out->ptr == NULL)
		buf_str(out, "");
	*rest = span_skip(*rest, i);
	return true;
}

/* Commands that have a view of their own. False: this one has none. */
static bool
show_view(struct console *con, const struct request *req)
{
	struct span value = SPAN_NONE;
	char *selector;

	switch (req->command) {
	case CMD_session_ls:
		console_show(con, MAIN_SESSIONS);
		return true;
	case CMD_journal:
		console_show(con, MAIN_JOURNAL);
		return true;
	case CMD_trace:
		request_get(req, "peer", &value);
		trace_show(con, value);
		return true;
	case CMD_log:
		selector = request_get(req, "selector", &value) ? span_dup(value) : NULL;
		console_push(con, log_new(con, selector, request_get(req, "follow", &value)));
		free(selector);
		return true;
	default:
		return false;
	}
}

static void
run_request(struct console *con, struct request *req)
{
	const struct command_row *row = command_row(req->command);
	bool shows = row->right == CTL_VIEW || row->right == CTL_READ;

	if (show_view(con, req) || files_command(con, req))
		return;
	if (req->command == CMD_help)
		console_push(con, help_new(con, con->top));
	else if (row->where & LOCAL)
		console_say(con, STYLE_WARN, "%s reads files: run it in a shell (mtactl %s)", row->name, row->name);
	else if (!shows && !console_may(con, row->right))
		return;
	else
		console_push(con, command_new(con, req, false));
}

void
command_line(struct console *con, struct span line)
{
	struct buf words[64];
	struct span views[64];
	struct err err = { .kind = ERR_NONE };
	struct request req = { .count = 0 };
	size_t n = 0;

	for (; n < 64; n++) {
		words[n] = BUF_INIT(0);
		if (!next_word(&line, &words[n]))
			break;
		views[n] = buf_view(&words[n]);
	}
	size_t skip = n > 1 && span_eqs(views[0], "mtactl") ? 1 : 0;
	if (line.len > 0 && n == 64)
		console_say(con, STYLE_BAD, "more than 64 words");
	else if (!request_parse(&req, views + skip, n - skip, &err))
		console_say(con, STYLE_BAD, "%s", err.text);
	else
		run_request(con, &req);
	request_clear(&req);
	for (size_t i = 0; i < n; i++)
		buf_clear(&words[i]);
}
