/*
 * Actions: a plan first (the exact messages, counted, some of them shown), a question, then the doing, message by message as frozen.
 * What was done last can be taken back.
 */
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mtactl/display.h"
#include "mtactl/present.h"
#include "tui/console.h"

#define SAMPLES		5
#define PLAN_MAX	10000	/* messages in a plan */
#define CHUNK		200	/* queue IDs a request: the daemon looks those up and walks nothing */

enum stage { COUNTING, ASKING, DOING };

struct plan {
	struct console	*con;
	enum command	 command;
	enum stage	 stage;
	struct list_rows given;		/* IDs that are looked up; none: the selector is */
	size_t		 given_at;
	char		*selector;
	struct list_rows ids;		/* what is there of it: the plan */
	struct list_rows samples;
	int64_t		 recipients, bytes;
	bool		 more;		/* than PLAN_MAX */
	size_t		 at;		/* doing: the next of ids */
	struct list_rows acted;
	size_t		 skipped;
	char		 detail[200];	/* of one skipped */
	char		 done[16];	/* "held" */
};

struct plan_row {
	enum command	 command, undo;
	const char	*verb;
	bool		 can_undo;
};

static const struct plan_row kinds[] = {
	{ CMD_delete, CMD_undelete, "Delete", true },
	{ CMD_undelete, CMD_delete, "Take back from the trash", true },
	{ CMD_hold, CMD_release, "Hold", true },
	{ CMD_release, CMD_hold, "Release", true },
	{ CMD_requeue, CMD_requeue, "Requeue", false },
	{ CMD_flush, CMD_flush, "Try now", false },
};

static const struct plan_row *
kind_of(enum command c)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].command == c)
			return &kinds[i];
	return &kinds[0];
}

static void
free_one(struct plan *p)
{
	if (p == NULL)
		return;
	link_forget(p->con->link, p);
	list_rows_clear(&p->given);
	list_rows_clear(&p->ids);
	list_rows_clear(&p->samples);
	list_rows_clear(&p->acted);
	free(p->selector);
	free(p);
}

void
plan_free(struct console *con)
{
	free_one(con->plan);
	free_one(con->last);
	con->plan = con->last = NULL;
}

static void
drop(struct plan *p)
{
	p->con->plan = NULL;
	free_one(p);
}

/* The IDs from `at` on, at most a chunk of them, as a selector. */
static size_t
join_ids(const struct list_rows *ids, size_t at, size_t most, struct buf *out)
{
	size_t n = 0;

	for (; n < most && at + n < ids->count; n++)
		buf_printf(out, "%s%s", n > 0 ? " " : "", ids->items[at + n].key);
	return n;
}

/* The command that does the same; a very long one is cut where it is shown. */
static void
put_command(const struct plan *p, struct buf *out)
{
	buf_printf(out, "mtactl %s ", command_row(p->command)->name);
	if (p->selector != NULL)
		buf_printf(out, "'%s'", p->selector);
	else if (p->ids.count <= 12)
		join_ids(&p->ids, 0, 12, out);
	else
		buf_printf(out, "%s %s ... (%zu queue IDs)", p->ids.items[0].key, p->ids.items[1].key, p->ids.count);
}

/* -- counting ------------------------------------------------------------- */

static void
count_row(void *arg, struct span row)
{
	struct plan *p = arg;
	struct queue_row q;
	struct jsonl_walk w;
	struct rcpt_row r;
	struct buf id = BUF_INIT(64);

	queue_row_read(row, &q);
	if (q.id.len == 0 || !jsonl_text(q.id, &id))
		return;
	if (p->ids.count >= PLAN_MAX) {
		p->more = true;
	} else {
		list_rows_add(&p->ids, buf_view(&id), SPAN_NONE);
		if (p->samples.count < SAMPLES)
			list_rows_add(&p->samples, buf_view(&id), row);
		p->bytes += q.size;
		if (jsonl_walk_array(&w, q.recipients))
			while (rcpt_row_next(&w, &r))
				p->recipients++;
	}
	buf_clear(&id);
}

static void	count_done(void *arg, int status, struct span error);

static void
count_next(struct plan *p)
{
	struct buf ids = BUF_INIT(0);
	char limit[16];

	snprintf(limit, sizeof limit, "%d", PLAN_MAX + 1);
	p->given_at += join_ids(&p->given, p->given_at, CHUNK, &ids);
	link_call(p->con->link, CMD_queue_ls, (const struct link_arg[]){
	    { "selector", p->selector != NULL ? span_str(p->selector) : buf_view(&ids) },
	    { "limit", span_str(limit) }, { NULL, SPAN_NONE } }, (struct link_handler){ count_row, count_done, p });
	buf_clear(&ids);
}

static void
count_done(void *arg, int status, struct span error)
{
	struct plan *p = arg;
	struct console *con = p->con;

	con->redraw = true;
	if (status > 1) {
		console_say(con, STYLE_BAD, "%.*s", SPAN_ARG(span_head(error, 300)));
		drop(p);
	} else if (p->selector == NULL && p->given_at < p->given.count) {
		count_next(p);
	} else if (p->ids.count == 0) {
		console_say(con, STYLE_WARN, "nothing is there to %s", command_row(p->command)->name);
		drop(p);
	} else {
		p->stage = ASKING;
	}
}

/* -- doing ---------------------------------------------------------------- */

static void
do_row(void *arg, struct span row)
{
	struct plan *p = arg;
	struct span value = SPAN_NONE;
	struct buf id = BUF_INIT(64), text = BUF_INIT(200);

	if (jsonl_find(row, "queue_id", &value))
		jsonl_text(value, &id);
	if (jsonl_find(row, "result", &value))
		jsonl_text(value, &text);
	if (text.len > 0 && !span_eqs(buf_view(&text), "skipped")) {
		snprintf(p->done, sizeof p->done, "%s", text.ptr);
		list_rows_add(&p->acted, buf_view(&id), SPAN_NONE);
	} else {
		p->skipped++;
		buf_reset(&text);
		if (jsonl_find(row, "detail", &value))
			jsonl_text(value, &text);
		snprintf(p->detail, sizeof p->detail, "%.64s: %.128s", id.len > 0 ? id.ptr : "", text.len > 0 ? text.ptr : "");
	}
	buf_clear(&id);
	buf_clear(&text);
}

static void
say_result(struct plan *p, int status, struct span error)
{
	struct buf out = BUF_INIT(480), command = BUF_INIT(200);
	bool bad = status > 1;

	if (p->acted.count > 0)
		buf_printf(&out, "%s %zu message%s", p->done, p->acted.count, p->acted.count == 1 ? "" : "s");
	if (p->skipped > 0)
		buf_printf(&out, "%sskipped %zu (%s)", out.len > 0 ? ", " : "", p->skipped, p->detail);
	if (error.len > 0 && (bad || out.len == 0))
		buf_printf(&out, "%s%.*s", out.len > 0 ? "; " : "", SPAN_ARG(span_head(error, 200)));
	if (p->acted.count > 0 && kind_of(p->command)->can_undo)
		buf_str(&out, "; z takes it back");
	put_command(p, &command);
	buf_printf(&out, "  $ %s", command.len > 0 ? command.ptr : "mtactl");
	console_say(p->con, bad ? STYLE_BAD : p->skipped > 0 ? STYLE_WARN : STYLE_GOOD, "%s", out.len > 0 ? out.ptr : "done");
	buf_clear(&out);
	buf_clear(&command);
}

static void	do_done(void *arg, int status, struct span error);

static void
do_next(struct plan *p)
{
	struct buf ids = BUF_INIT(0);

	p->stage = DOING;
	p->at += join_ids(&p->ids, p->at, CHUNK, &ids);
	link_call(p->con->link, p->command, (const struct link_arg[]){ { "selector", buf_view(&ids) }, { NULL, SPAN_NONE } },
	    (struct link_handler){ do_row, do_done, p });
	buf_clear(&ids);
}

static void
do_done(void *arg, int status, struct span error)
{
	struct plan *p = arg;
	struct console *con = p->con;

	if (status <= 1 && p->at < p->ids.count) {
		do_next(p);
		return;
	}
	say_result(p, status, error);
	con->plan = NULL;
	con->stats_due = 0;
	view_refresh(con->top);
	if (p->acted.count > 0 && kind_of(p->command)->can_undo) {
		free_one(con->last);
		con->last = p;
	} else {
		free_one(p);
	}
}

/* -- beginning ------------------------------------------------------------ */

static struct plan *
plan_new(struct console *con, enum command c)
{
	struct plan *p;

	if (con->plan != NULL || !console_may(con, command_row(c)->right))
		return NULL;
	MEM_NEW(p);
	p->con = con;
	p->command = c;
	con->plan = p;
	return p;
}

void
act_on(struct console *con, enum command c, const char *id)
{
	struct plan *p = plan_new(con, c);

	if (p == NULL)
		return;
	list_rows_add(&p->given, span_str(id), SPAN_NONE);
	count_next(p);
}

static int
compare_keys(const void *a, const void *b)
{
	const struct list_row *x = a, *y = b;

	return strcmp(x->key, y->key);
}

void
act_on_tagged(struct console *con, enum command c)
{
	struct plan *p = tag_count(con) == 0 ? NULL : plan_new(con, c);
	size_t at = 0;
	const char *id;

	if (p == NULL)
		return;
	while ((id = map_next(&con->tags, &at)) != NULL)
		list_rows_add(&p->given, span_str(id), SPAN_NONE);
	qsort(p->given.items, p->given.count, sizeof *p->given.items, compare_keys);
	count_next(p);
}

void
act_on_selector(struct console *con, enum command c, const char *selector)
{
	struct plan *p = plan_new(con, c);

	if (p == NULL)
		return;
	p->selector = mem_str(selector);
	count_next(p);
}

void
act_undo(struct console *con)
{
	struct plan *last = con->last;

	if (last == NULL) {
		console_say(con, STYLE_WARN, "nothing was done here that could be taken back");
		return;
	}
	struct plan *p = plan_new(con, kind_of(last->command)->undo);
	if (p == NULL)
		return;
	p->given = last->acted;
	last->acted = (struct list_rows){ .count = 0 };
	con->last = NULL;
	free_one(last);
	count_next(p);
}

/* -- the question --------------------------------------------------------- */

void
plan_key(struct console *con, int key)
{
	struct plan *p = con->plan;

	if (p->stage == ASKING && (key == 'y' || key == 'Y')) {
		do_next(p);
	} else if (p->stage != DOING && (key == 'n' || key == 'N' || key == 'q' || key == KEY_ESCAPE || key == CTRL('c'))) {
		drop(p);
		console_say(con, STYLE_DIM, "nothing was done");
	}
}

static void
draw_sample(int y, const struct list_row *row)
{
	struct span first = SPAN_NONE;
	struct buf text = BUF_INIT(0);
	struct queue_row q;
	struct jsonl_walk w;
	struct rcpt_row r;
	struct line l;

	queue_row_read(span_of(row->text, row->len), &q);
	if (jsonl_walk_array(&w, q.recipients) && rcpt_row_next(&w, &r))
		first = r.address;
	line_begin(&l, y, STYLE_PLAIN, false);
	l.x = 4;
	line_cell(&l, 14, STYLE_PLAIN, span_str(row->key));
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
	line_printf(&l, STYLE_PLAIN, " %s %s%zu message%s (%lld recipient%s, %s)?", kind_of(p->command)->verb,
	    p->more ? "the first " : "", p->ids.count, p->ids.count == 1 ? "" : "s", (long long)p->recipients,
	    p->recipients == 1 ? "" : "s", size.ptr);
	line_right(&l, STYLE_PLAIN, SPAN("y yes  n no "));
	buf_clear(&size);
}

void
plan_draw(struct console *con, int rows)
{
	const struct plan *p = con->plan;
	struct buf command = BUF_INIT(0);
	struct line l;

	if (p->stage != ASKING) {
		line_begin(&l, rows - 2, STYLE_PLAIN, false);
		line_printf(&l, STYLE_WARN, p->stage == COUNTING ? "counting ..." : "%zu of %zu ...", p->at, p->ids.count);
		return;
	}
	int y = rows - 4 - (int)p->samples.count - (p->ids.count > p->samples.count ? 1 : 0);
	draw_question(p, y > 1 ? y : 1);
	y = y > 1 ? y + 1 : 2;
	for (size_t i = 0; i < p->samples.count; i++)
		draw_sample(y++, &p->samples.items[i]);
	if (p->ids.count > p->samples.count) {
		line_begin(&l, y++, STYLE_PLAIN, false);
		line_printf(&l, STYLE_DIM, "    and %zu more", p->ids.count - p->samples.count);
	}
	line_begin(&l, y++, STYLE_PLAIN, false);
	line_begin(&l, rows - 2, STYLE_PLAIN, false);
	put_command(p, &command);
	line_printf(&l, STYLE_DIM, "$ %s", command.ptr);
	buf_clear(&command);
}
