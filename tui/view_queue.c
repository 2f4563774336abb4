/*
 * The queue: a window of `queue ls`, sorted and filtered by the daemon. Only what the screen shows (and a margin) is fetched.
 */
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "ctl/selector.h"
#include "mtactl/display.h"
#include "mtactl/present.h"
#include "tui/queue_draw.h"

struct queue_view {
	struct view	 view;
	struct list	 list;
	struct list_rows coming;
	size_t		 coming_first, coming_total;
	char		*selector;	/* NULL: everything */
	size_t		 sort;
	bool		 reverse;
	bool		 to_tagged;	/* ; was typed: the next action is for the tagged, or for all of the list where nothing is tagged */
	size_t		 tagging;	/* tagged by the expression so far */
};

static const struct {
	const char	*field, *label;
} sorts[] = {
	{ NULL, "arrival" }, { "size", "size" }, { "sender", "sender" }, { "rcpt", "recipient" }, { "rcpt.domain", "domain" },
	{ "next", "next try" }, { "attempts", "attempts" }, { "nrcpt", "recipients" }, { "state", "state" },
};
#define SORTS	(sizeof sorts / sizeof sorts[0])

static struct queue_view *
of(struct view *v)
{
	return (struct queue_view *)v;
}

/* -- fetching ------------------------------------------------------------- */

static void
take_row(void *arg, struct span row)
{
	struct queue_view *q = arg;
	struct span value;
	struct buf id = BUF_INIT(64);
	int64_t n;

	if (jsonl_find(row, "queue_id", &value) && jsonl_text(value, &id)) {
		list_rows_add(&q->coming, buf_view(&id), row);
	} else {
		if (jsonl_find(row, "total", &value) && jsonl_int(value, &n) && n >= 0)
			q->coming_total = (size_t)n;
		if (jsonl_find(row, "offset", &value) && jsonl_int(value, &n) && n >= 0)
			q->coming_first = (size_t)n;
	}
	buf_clear(&id);
}

static void
rows_done(void *arg, int status, struct span error)
{
	struct queue_view *q = arg;

	if (status <= 1)
		list_take(&q->list, &q->coming, q->coming_first, q->coming_total);
	else
		list_rows_clear(&q->coming);
	if (!list_covered(&q->list) && status <= 1 && q->list.rows.count > 0)
		view_refresh(&q->view);
	view_done(arg, status, error);
}

static void
fetch(struct view *v)
{
	struct queue_view *q = of(v);
	size_t height = q->list.height == 0 ? (size_t)LINES : q->list.height;
	char offset[24], limit[24];

	snprintf(offset, sizeof offset, "%zu", q->list.top > height ? q->list.top - height : 0);
	snprintf(limit, sizeof limit, "%zu", height * 3);
	list_rows_clear(&q->coming);
	q->coming_first = q->coming_total = 0;
	view_ask(v, CMD_queue_ls, (const struct link_arg[]){
	    { "selector", span_str(q->selector) }, { "sort", span_str(sorts[q->sort].field) },
	    { "reverse", q->reverse ? SPAN("1") : SPAN_NONE }, { "limit", span_str(limit) }, { "offset", span_str(offset) },
	    { "around", span_str(q->list.key) }, { "total", SPAN("1") }, { NULL, SPAN_NONE } }, take_row, rows_done);
}

static void
echo_command(struct queue_view *q)
{
	struct buf text = BUF_INIT(400);

	buf_str(&text, "queue ls");
	if (q->selector != NULL)
		buf_printf(&text, " '%s'", q->selector);
	if (sorts[q->sort].field != NULL)
		buf_printf(&text, " --sort %s", sorts[q->sort].field);
	if (q->reverse)
		buf_str(&text, " --reverse");
	console_echo(q->view.con, "%s", text.ptr);
	buf_clear(&text);
}

/* Other rows, or in another order: what is there is no longer theirs. */
static void
start_anew(struct queue_view *q, bool keep_row)
{
	link_forget(q->view.con->link, q);
	q->view.pending = 0;
	if (!keep_row) {
		list_clear(&q->list);
		q->view.known = false;
	}
	view_refresh(&q->view);
	echo_command(q);
}

void
queue_filter(struct view *v, const char *selector)
{
	struct queue_view *q = of(v);

	free(q->selector);
	q->selector = selector == NULL || *selector == '\0' ? NULL : mem_str(selector);
	start_anew(q, false);
}

/* -- drawing -------------------------------------------------------------- */

static void
draw(struct view *v, int y, int height)
{
	struct queue_view *q = of(v);
	int rows = height - 3;
	struct line l;

	list_set_height(&q->list, rows > 0 ? (size_t)rows : 1);
	if (q->list.total == 0) {
		view_draw_empty(v, y, height, q->selector != NULL ? "nothing matches" : "the queue is empty");
		return;
	}
	queue_draw_heading(y);
	for (int i = 0; i < rows; i++) {
		size_t place = q->list.top + (size_t)i;
		const struct list_row *row = list_at(&q->list, place);
		if (row != NULL)
			queue_draw_row(v->con, row, y + 1 + i, place == q->list.cursor);
		else
			line_begin(&l, y + 1 + i, STYLE_PLAIN, place == q->list.cursor && place < q->list.total);
	}
	queue_draw_detail(list_current(&q->list), y + height - 2);
	if (v->error[0] != '\0') {
		line_begin(&l, y + height - 1, STYLE_PLAIN, false);
		line_text(&l, STYLE_BAD, span_str(v->error));
	}
}

static void
label(struct view *v, struct buf *out)
{
	struct queue_view *q = of(v);

	if (q->selector != NULL)
		buf_printf(out, " %.60s", q->selector);
	if (sorts[q->sort].field != NULL || q->reverse)
		buf_printf(out, " by %s%s", sorts[q->sort].label, q->reverse ? " down" : "");
	if (q->list.total > 0)
		buf_printf(out, "  %zu/%zu", q->list.cursor + 1, q->list.total);
}

/* -- keys ----------------------------------------------------------------- */

static void
move_to(struct view *v, enum list_move how)
{
	struct queue_view *q = of(v);

	q->to_tagged = false;
	list_move(&q->list, how);
	if (!list_covered(&q->list))
		view_refresh(v);
}

static const char *
current_id(struct view *v)
{
	const struct list_row *row = list_current(&of(v)->list);

	return row == NULL ? NULL : row->key;
}

static void
enter(struct view *v)
{
	if (current_id(v) != NULL)
		console_push(v->con, message_new(v->con, current_id(v)));
}

static void
set_filter(struct view *v, struct span text)
{
	struct err err = { .kind = ERR_NONE };
	struct selector *s = selector_new(text, &err);
	char *copy = span_dup(text);

	if (s == NULL)
		console_say(v->con, STYLE_BAD, "%s", err.text);
	else
		queue_filter(v, copy);
	selector_free(s);
	free(copy);
}

static void
key_filter(struct view *v)
{
	prompt_open(&v->con->prompt, v, "/", of(v)->selector, set_filter);
}

static void
key_sort(struct view *v)
{
	of(v)->sort = (of(v)->sort + 1) % SORTS;
	start_anew(of(v), true);
}

static void
key_reverse(struct view *v)
{
	of(v)->reverse = !of(v)->reverse;
	start_anew(of(v), true);
}

static void
key_tag(struct view *v)
{
	const char *id = current_id(v);

	if (id == NULL)
		return;
	tag_set(v->con, id, !tag_has(v->con, id));
	move_to(v, MOVE_DOWN);
}

static void
tag_row(void *arg, struct span row)
{
	struct queue_view *q = arg;
	struct span value;
	struct buf id = BUF_INIT(64);

	if (jsonl_find(row, "queue_id", &value) && jsonl_text(value, &id)) {
		tag_set(q->view.con, id.ptr, true);
		q->tagging++;
	}
	buf_clear(&id);
}

static void
tag_done(void *arg, int status, struct span error)
{
	struct queue_view *q = arg;

	if (status > 1)
		console_say(q->view.con, STYLE_BAD, "%.*s", SPAN_ARG(span_head(error, 200)));
	else
		console_say(q->view.con, STYLE_GOOD, "%zu message%s match and are tagged; ; then d h l r f acts on them", q->tagging,
		    q->tagging == 1 ? "" : "s");
	view_done(arg, 0, SPAN_NONE);
}

static void
tag_matching(struct view *v, struct span text)
{
	struct err err = { .kind = ERR_NONE };
	struct selector *s = selector_new(text, &err);

	if (s == NULL) {
		console_say(v->con, STYLE_BAD, "%s", err.text);
		return;
	}
	selector_free(s);
	of(v)->tagging = 0;
	view_ask(v, CMD_queue_ls, (const struct link_arg[]){ { "selector", text }, { "limit", SPAN("10000") }, { NULL, SPAN_NONE } },
	    tag_row, tag_done);
}

static void
key_tag_by(struct view *v)
{
	prompt_open(&v->con->prompt, v, "tag: ", of(v)->selector, tag_matching);
}

static void
key_untag(struct view *v)
{
	tag_none(v->con);
}

static void
key_tagged(struct view *v)
{
	size_t tagged = tag_count(v->con), all = of(v)->list.total;

	of(v)->to_tagged = tagged > 0 || all > 0;
	if (of(v)->to_tagged)
		console_say(v->con, STYLE_WARN, "%s%zu%s: d delete, h hold, l release, r requeue, f try, b bounce; Esc: no",
		    tagged > 0 ? "" : "all ", tagged > 0 ? tagged : all, tagged > 0 ? " tagged" : " of this list");
}

static void
key_escape(struct view *v)
{
	if (of(v)->to_tagged)
		of(v)->to_tagged = false;
	else
		console_back(v->con);	/* the view may be gone now */
}

static void
act(struct view *v, enum command c)
{
	if (of(v)->to_tagged && tag_count(v->con) == 0)
		act_on_selector(v->con, c, of(v)->selector != NULL ? of(v)->selector : "*");
	else if (of(v)->to_tagged)
		act_on_tagged(v->con, c);
	else if (current_id(v) != NULL)
		act_on(v->con, c, current_id(v));
	of(v)->to_tagged = false;
}

#define ACT_KEY(name, command) \
	static void name(struct view *v) { act(v, command); }
ACT_KEY(key_delete, CMD_delete)
ACT_KEY(key_hold, CMD_hold)
ACT_KEY(key_release, CMD_release)
ACT_KEY(key_requeue, CMD_requeue)
ACT_KEY(key_flush, CMD_flush)
ACT_KEY(key_undelete, CMD_undelete)
ACT_KEY(key_bounce, CMD_bounce)

static void
key_why(struct view *v)
{
	if (current_id(v) != NULL)
		command_why(v->con, current_id(v));
}

static void
search(struct view *v, struct span wanted, bool backwards)
{
	list_search(v, &of(v)->list, wanted, backwards);
}

static const struct key keys[] = {
	{ '/', "filter by a selector; an empty one shows all", key_filter }, { FN(KEY_F(4)), NULL, key_filter },
	{ 's', "sort by the next field", key_sort }, { FN(KEY_F(6)), NULL, key_sort },
	{ 'S', "the other way round", key_reverse },
	{ 'w', "why is it still here?", key_why },
	{ 'd', "delete (to the trash)", key_delete }, { FN(KEY_F(9)), NULL, key_delete },
	{ 'h', "hold", key_hold }, { 'l', "release from hold", key_release },
	{ 'r', "requeue: forget back-off, route anew", key_requeue }, { 'f', "try now", key_flush },
	{ 'b', "bounce: give up, and tell the sender", key_bounce },
	{ 'U', "undelete: back from the trash", key_undelete },
	{ 't', "tag, or untag", key_tag }, { ' ', NULL, key_tag },
	{ 'T', "tag all that a selector picks", key_tag_by }, { 'u', "untag all", key_untag },
	{ ';', "the next action is for the tagged, or for all of the list where none is (Esc: it is not)", key_tagged },
	{ KEY_ESCAPE, "back", key_escape },
	{ 0, NULL, NULL },
};

static const struct hint hints[] = {
	{ "/", "Filter" }, { "s", "Sort" }, { "w", "Why" }, { "f", "Try" }, { "h", "Hold" }, { "l", "Release" }, { "d", "Delete" },
	{ "b", "Bounce" }, { "r", "Requeue" }, { "t", "Tag" }, { "T", "Tag by" }, { ";", "All" }, { NULL, NULL },
};

static void
clear_view(struct view *v)
{
	list_clear(&of(v)->list);
	list_rows_clear(&of(v)->coming);
	free(of(v)->selector);
}

static const struct view_ops ops = {
	.name = "queue",
	.size = sizeof(struct queue_view),
	.keys = keys,
	.hints = hints,
	.clear = clear_view,
	.fetch = fetch,
	.draw = draw,
	.move = move_to,
	.enter = enter,
	.search = search,
	.label = label,
};

bool
queue_is(const struct view *v)
{
	return v->ops == &ops;
}

struct view *
queue_new(struct console *con, const char *selector)
{
	struct view *v = view_new(&ops, con);

	of(v)->selector = selector == NULL ? NULL : mem_str(selector);
	return v;
}
