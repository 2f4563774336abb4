/*
 * Actions: the daemon's plan first (the exact messages, counted, some of them shown), a question, then the doing of what was frozen. What was done last can be
 * taken back, by the daemon's journal.
 */
#include "tui/plan.h"
#include "tui/nc.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tui/list_view.h"

#define SAMPLES		5
#define GROUPS		15
#define IDS_AT_ONCE	1500	/* a selector takes 2000 tests, 32 KB */

static const struct {
	enum command	 command;
	const char	*verb;
	bool		 reasons;
} kinds[] = {
	{ CMD_delete, "Delete", true },
	{ CMD_undelete, "Take back from the trash", false },
	{ CMD_hold, "Hold", true },
	{ CMD_release, "Release", true },
	{ CMD_requeue, "Requeue", true },
	{ CMD_flush, "Try now", true },
	{ CMD_bounce, "Bounce", true },
};
#define KINDS	(sizeof kinds / sizeof kinds[0])

const char *
plan_verb(enum command c)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].command == c)
			return kinds[i].verb;
	return command_row(c)->name;
}

bool
plan_reasons(const struct plan *p)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].command == p->command)
			return kinds[i].reasons && p->question == NULL;
	return false;
}

void
plan_command(const struct plan *p, struct buf *out)
{
	const struct list_rows *what = p->selectors.count > 0 ? &p->selectors : &p->steps;

	buf_printf(out, "mtactl %s", command_row(p->command)->name);
	if (what->count > 0) {
		bool plain = span_find(span_str(what->items[0].key), '=') == strlen(what->items[0].key);
		buf_printf(out, plain ? " %s" : " '%s'", what->items[0].key);
	}
	if (what->count > 1)
		buf_printf(out, " ... (in %zu parts)", what->count);
	if (p->reason != NULL)
		buf_printf(out, " --reason '%s'", p->reason);
}

static void
free_counts(struct plan *p)
{
	list_rows_clear(&p->samples);
	list_rows_clear(&p->groups);
	p->messages = p->recipients = p->bytes = 0;
}

static void
drop(struct plan *p)
{
	p->con->plan = NULL;
	link_forget(p->con->link, p);
	free_counts(p);
	list_rows_clear(&p->selectors);
	list_rows_clear(&p->steps);
	free(p->reason);
	free(p->question);
	free(p);
}

void
plan_free(struct console *con)
{
	if (con->plan != NULL)
		drop(con->plan);
}

/* -- counting ------------------------------------------------------------- */

static void
count_row(void *arg, struct span row)
{
	struct plan *p = arg;
	struct buf number = BUF_INIT(32);

	if (row_text(row, "plan", &number)) {
		list_rows_add(&p->steps, buf_view(&number), SPAN_NONE);
		p->messages += row_number(row, "messages");
		p->recipients += row_number(row, "recipients");
		p->bytes += row_number(row, "size");
	} else if (row_true(row, "sample")) {
		if (p->samples.count < SAMPLES)
			list_rows_add(&p->samples, SPAN_NONE, row);
	} else if (p->at <= 1 && p->groups.count < GROUPS) {
		list_rows_add(&p->groups, SPAN_NONE, row);
	}
	buf_clear(&number);
}

static void	count_done(void *arg, int status, struct span error);

static void
count_next(struct plan *p)
{
	struct span selector = span_str(p->selectors.items[p->at++].key);

	link_call(p->con->link, p->command, (const struct link_arg[]){ { "selector", selector }, { "reason", span_str(p->reason) },
	    { "plan", SPAN("1") }, { NULL, SPAN_NONE } }, (struct link_handler){ count_row, count_done, p });
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
	} else if (p->at < p->selectors.count) {
		count_next(p);
	} else if (p->messages == 0) {
		console_say(con, STYLE_WARN, "nothing is there to %s", command_row(p->command)->name);
		drop(p);
	} else {
		p->stage = PLAN_ASKING;
	}
}

/* -- doing ---------------------------------------------------------------- */

static void
action_row(struct plan *p, struct span row)
{
	if (p->action_count < ACTIONS_LAST)
		p->actions[p->action_count++] = row_number(row, "action");
	p->can_undo = p->can_undo || row_true(row, "undo");
}

static void
do_row(void *arg, struct span row)
{
	struct plan *p = arg;
	struct buf id = BUF_INIT(64), text = BUF_INIT(200);

	row_text(row, "result", &text);
	row_text(row, "queue_id", &id);
	if (row_number(row, "action") > 0) {
		action_row(p, row);
	} else if (text.len > 0 && !span_eqs(buf_view(&text), "skipped")) {
		snprintf(p->result, sizeof p->result, "%s", text.ptr);
		p->done += id.len > 0 ? 1 : 0;	/* else it was a destination */
	} else {
		p->skipped++;
		buf_reset(&text);
		row_text(row, "detail", &text);
		snprintf(p->detail, sizeof p->detail, "%.64s: %.128s", id.len > 0 ? id.ptr : "", text.len > 0 ? text.ptr : "");
	}
	p->con->redraw = true;
	buf_clear(&id);
	buf_clear(&text);
}

static void
say_result(struct plan *p, int status, struct span error)
{
	struct buf out = BUF_INIT(480), command = BUF_INIT(200);
	bool bad = status > 1 || (status == 1 && p->action_count == 0);

	if (p->done > 0)
		buf_printf(&out, "%s %zu message%s", p->result, p->done, p->done == 1 ? "" : "s");
	if (p->skipped > 0)
		buf_printf(&out, "%sskipped %zu (%s)", out.len > 0 ? ", " : "", p->skipped, p->detail);
	if (error.len > 0 && (bad || out.len == 0))
		buf_printf(&out, "%s%.*s", out.len > 0 ? "; " : "", SPAN_ARG(span_head(error, 200)));
	if (out.len == 0)
		buf_printf(&out, "%s", bad ? "that did not work" : p->result[0] != '\0' ? p->result : "done");
	if (p->can_undo)
		buf_str(&out, "; z takes it back");
	plan_command(p, &command);
	buf_printf(&out, "  $ %s", command.ptr);
	console_say(p->con, bad ? STYLE_BAD : p->skipped > 0 ? STYLE_WARN : STYLE_GOOD, "%s", out.ptr);
	buf_clear(&out);
	buf_clear(&command);
}

static void
remember(struct plan *p)
{
	struct last_action *last = &p->con->last;

	if (!p->can_undo)
		return;
	memcpy(last->numbers, p->actions, sizeof last->numbers);
	last->count = p->action_count;
	last->messages = (int64_t)p->done;
	last->command = p->command;
}

static void	do_done(void *arg, int status, struct span error);

static void
do_next(struct plan *p)
{
	struct span value = span_str(p->steps.items[p->at++].key);
	bool reason = p->step != CMD_apply && p->reason != NULL;	/* a plan has frozen its own */

	link_call(p->con->link, p->step, (const struct link_arg[]){ { p->step_arg, value },
	    { reason ? "reason" : NULL, reason ? span_str(p->reason) : SPAN_NONE }, { NULL, SPAN_NONE } },
	    (struct link_handler){ do_row, do_done, p });
}

static void
do_done(void *arg, int status, struct span error)
{
	struct plan *p = arg;
	struct console *con = p->con;

	if (status <= 1 && p->at < p->steps.count) {
		do_next(p);
		return;
	}
	say_result(p, status, error);
	remember(p);
	con->stats_due = 0;
	view_refresh(con->top);
	drop(p);
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
	p->step = CMD_apply;
	p->step_arg = "number";
	con->plan = p;
	return p;
}

/* On messages: counted by the daemon, then asked about. */
static void
begin(struct plan *p)
{
	free_counts(p);
	list_rows_clear(&p->steps);
	p->at = 0;
	p->stage = PLAN_COUNTING;
	count_next(p);
}

void
act_on_selector(struct console *con, enum command c, const char *selector)
{
	struct plan *p = plan_new(con, c);

	if (p == NULL)
		return;
	list_rows_add(&p->selectors, span_str(selector), SPAN_NONE);
	begin(p);
}

void
act_on(struct console *con, enum command c, const char *id)
{
	act_on_selector(con, c, id);
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
	struct list_rows ids = { .count = 0 };
	struct buf selector = BUF_INIT(0);
	size_t at = 0;
	const char *id;

	if (p == NULL)
		return;
	while ((id = map_next(&con->tags, &at)) != NULL)
		list_rows_add(&ids, span_str(id), SPAN_NONE);
	qsort(ids.items, ids.count, sizeof *ids.items, compare_keys);
	for (size_t i = 0; i < ids.count; i++) {
		buf_printf(&selector, "%s%s", selector.len > 0 ? " " : "", ids.items[i].key);
		if (i + 1 < ids.count && (i + 1) % IDS_AT_ONCE != 0)
			continue;
		list_rows_add(&p->selectors, buf_view(&selector), SPAN_NONE);
		buf_reset(&selector);
	}
	buf_clear(&selector);
	list_rows_clear(&ids);
	begin(p);
}

/* What is no plan of messages: asked about at once, and done by a command of its own. */
static struct plan *
ask(struct console *con, enum command c, const char *arg, const char *value, const char *question)
{
	struct plan *p = plan_new(con, c);

	if (p == NULL)
		return NULL;
	p->step = c;
	p->step_arg = arg;
	p->question = mem_str(question);
	p->stage = PLAN_ASKING;
	if (value != NULL)
		list_rows_add(&p->steps, span_str(value), SPAN_NONE);
	return p;
}

static void
undo_question(struct buf *out, int64_t number, const char *command, int64_t messages)
{
	buf_printf(out, "Take back action %lld (%s", (long long)number, command);
	if (messages > 0)
		buf_printf(out, ", %lld message%s", (long long)messages, messages == 1 ? "" : "s");
	buf_str(out, ")");
}

void
act_undo_one(struct console *con, int64_t number, const char *command, int64_t messages)
{
	struct buf question = BUF_INIT(400);
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)number);
	undo_question(&question, number, command, messages);
	ask(con, CMD_undo, "number", text, question.ptr);
	buf_clear(&question);
}

void
act_undo(struct console *con)
{
	const struct last_action *last = &con->last;
	struct buf question = BUF_INIT(400);

	if (last->count == 0) {
		console_say(con, STYLE_WARN, "nothing was done here that could be taken back (9: what was done elsewhere)");
		return;
	}
	undo_question(&question, last->numbers[0], command_row(last->command)->name, last->messages);
	struct plan *p = ask(con, CMD_undo, "number", NULL, question.ptr);
	for (size_t i = last->count; p != NULL && i > 0; i--) {
		char number[24];
		snprintf(number, sizeof number, "%lld", (long long)last->numbers[i - 1]);
		list_rows_add(&p->steps, span_str(number), SPAN_NONE);
	}
	buf_clear(&question);
}

/* -- destinations --------------------------------------------------------- */

static void
suspend_with(struct view *v, struct span reason)
{
	struct console *con = v->con;
	struct buf question = BUF_INIT(1200);

	buf_printf(&question, "Suspend %s: nothing is delivered to it until it is resumed", con->suspending);
	struct plan *p = ask(con, CMD_dest_suspend, "dest", con->suspending, question.ptr);
	if (p != NULL && span_trim(reason).len > 0)
		p->reason = span_dup(span_trim(reason));
	buf_clear(&question);
}

void
act_suspend(struct console *con, const char *dest)
{
	if (dest == NULL) {
		console_say(con, STYLE_WARN, "this is not about one destination (destinations: Tab)");
	} else if (console_may(con, CTL_ADMINISTER)) {
		free(con->suspending);
		con->suspending = mem_str(dest);
		prompt_open(&con->prompt, con->top, "reason: ", NULL, suspend_with);
	}
}

void
act_resume(struct console *con, const char *dest)
{
	struct buf question = BUF_INIT(1200);

	if (dest == NULL) {
		console_say(con, STYLE_WARN, "this is not about one destination (destinations: Tab)");
		return;
	}
	buf_printf(&question, "Resume %s: deliver to it again", dest);
	ask(con, CMD_dest_resume, "dest", dest, question.ptr);
	buf_clear(&question);
}

/* -- the question --------------------------------------------------------- */

static void
take_reason(struct view *v, struct span text)
{
	struct plan *p = v->con->plan;

	if (p == NULL || p->stage != PLAN_ASKING)
		return;
	free(p->reason);
	p->reason = span_trim(text).len > 0 ? span_dup(span_trim(text)) : NULL;
	begin(p);
}

void
plan_key(struct console *con, int key)
{
	struct plan *p = con->plan;

	if (p->stage == PLAN_ASKING && (key == 'y' || key == 'Y')) {
		p->stage = PLAN_DOING;
		p->at = 0;
		do_next(p);
	} else if (p->stage == PLAN_ASKING && key == 'r' && plan_reasons(p)) {
		prompt_open(&con->prompt, con->top, "reason: ", p->reason, take_reason);
	} else if (p->stage != PLAN_DOING && (key == 'n' || key == 'N' || key == 'q' || key == KEY_ESCAPE || key == CTRL('c'))) {
		drop(p);
		console_say(con, STYLE_DIM, "nothing was done");
	}
}
