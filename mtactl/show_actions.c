/*
 * What was done to each message (hold, release, requeue, delete, undelete, bounce, flush, apply, undo), a plan, and the answers of reload and stop.
 */
#include <stdio.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

static int64_t
number_of(struct span row, const char *key)
{
	struct span raw;
	int64_t n = 0;

	if (jsonl_find(row, key, &raw))
		(void)jsonl_int(raw, &n);
	return n;
}

static bool
is_true(struct span row, const char *key)
{
	struct span raw;

	return jsonl_find(row, key, &raw) && span_eqs(raw, "true");
}

/* -- a plan ----------------------------------------------------------------------- */

static void
plan_row(struct display *d, struct span row)
{
	struct display_action *x = &d->action;

	x->plan = number_of(row, "plan");
	x->expires = number_of(row, "expires");
	put(d, d->tty ? "plan %lld: " : "plan\t%lld\t", (long long)x->plan);
	put_value(d, member(row, "command"));
	put(d, d->tty ? " %lld message%s, %lld recipient%s, " : "\t%lld%.0s\t%lld%.0s\t",
	    (long long)number_of(row, "messages"), number_of(row, "messages") == 1 ? "" : "s",
	    (long long)number_of(row, "recipients"), number_of(row, "recipients") == 1 ? "" : "s");
	if (d->tty)
		size_text(&d->out, number_of(row, "size"));
	else
		put(d, "%lld", (long long)number_of(row, "size"));
	put(d, "\n");
}

static void
section(struct display *d, const char *name)
{
	if (span_eqs(span_str(name), d->action.section))
		return;
	snprintf(d->action.section, sizeof d->action.section, "%s", name);
	if (d->tty)
		put(d, "\nby %s\n", name);
}

static void
group_row(struct display *d, struct span row, struct span by)
{
	static const char *const kinds[] = { "sender", "dest", "cause" };
	struct span value = member(row, "value");

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (jsonl_is_string(by) && span_eqs(span_of(by.ptr + 1, by.len - 2), kinds[i]))
			section(d, kinds[i]);
	size_t from = d->out.len;
	if (d->tty) {
		put(d, "%8lld  ", (long long)number_of(row, "messages"));
	} else {
		put(d, "by\t");
		put_value(d, by);
		put(d, "\t%lld\t", (long long)number_of(row, "messages"));
	}
	if (value.len <= 2)
		put(d, "<>");
	else
		put_value(d, value);
	if (d->tty)
		wrap_line(d, from, 10);
	put(d, "\n");
}

static void
sample_row(struct display *d, struct span row)
{
	if (!d->tty)
		put(d, "sample\t");
	else if (d->messages == 0)
		put(d, "\nfor example\n");
	present_queue_ls.row(d, row);
}

/* -- messages --------------------------------------------------------------------- */

static void
remember_end(struct display *d, struct span row, int64_t number)
{
	d->action.number = number;
	d->action.skipped = number_of(row, "skipped");
	d->action.undoes = number_of(row, "undoes");
	d->action.can_undo = is_true(row, "undo");
}

static void
action_row(struct display *d, struct span row)
{
	struct span id = SPAN_NONE, result = SPAN_NONE, detail = SPAN_NONE, other;

	if (jsonl_find(row, "action", &other)) {
		remember_end(d, row, number_of(row, "action"));
		return;
	}
	if (jsonl_find(row, "plan", &other)) {
		plan_row(d, row);
		return;
	}
	if (jsonl_find(row, "by", &other)) {
		group_row(d, row, other);
		return;
	}
	if (is_true(row, "sample")) {
		sample_row(d, row);
		return;
	}
	jsonl_find(row, "queue_id", &id);
	jsonl_find(row, "result", &result);
	jsonl_find(row, "detail", &detail);
	put_value(d, id);
	put(d, d->tty ? ": " : "\t");
	put_value(d, result);
	if (detail.len > 0) {
		put(d, d->tty ? " (" : "\t");
		put_value(d, detail);
		put(d, d->tty ? ")" : "");
	}
	put(d, "\n");
	if (jsonl_is_string(result))
		tally_add(d, span_of(result.ptr + 1, result.len - 2));
}

/* "3 messages deleted, 1 skipped" */
static void
put_counts(const struct display *d, struct buf *note)
{
	for (unsigned i = 0; i < TALLIES && d->tallies[i].count > 0; i++) {
		buf_printf(note, "%s%llu ", i > 0 ? ", " : "", (unsigned long long)d->tallies[i].count);
		if (i == 0)
			buf_str(note, d->tallies[i].count == 1 ? "message " : "messages ");
		safe_text(note, span_str(d->tallies[i].name), false);
	}
	if (note->len > 0)
		buf_char(note, '.');
}

static void
action_end(struct display *d, struct buf *note, int *status)
{
	const struct display_action *x = &d->action;

	(void)status;
	put_counts(d, note);
	if (x->plan > 0)
		buf_printf(note, "Nothing was done. Do it with: mtactl apply %lld, within ", (long long)x->plan);
	if (x->plan > 0)
		age_text(note, x->expires - d->now);
	if (x->number == 0)
		return;
	if (x->undoes > 0)
		buf_printf(note, "%sAction %lld is taken back", note->len > 0 ? " " : "", (long long)x->undoes);
	if (x->undoes > 0 && x->skipped > 0)
		buf_printf(note, ", but for %lld message%s changed since, or finished", (long long)x->skipped,
		    x->skipped == 1 ? "" : "s");
	if (x->undoes > 0)
		buf_char(note, '.');
	if (x->can_undo)
		buf_printf(note, " %s with: mtactl undo %lld", x->undoes > 0 ? "Do it again" : "Take it back",
		    (long long)x->number);
}

/* What is in the trash is there for a time. */
static void
delete_end(struct display *d, struct buf *note, int *status)
{
	action_end(d, note, status);
	if (d->action.number == 0 || !d->action.can_undo || d->trash_time <= 0)
		return;
	buf_str(note, ", within ");
	age_text(note, d->trash_time);
}

const struct presenter present_flush = { NULL, action_row, action_end };
const struct presenter present_hold = { NULL, action_row, action_end };
const struct presenter present_release = { NULL, action_row, action_end };
const struct presenter present_requeue = { NULL, action_row, action_end };
const struct presenter present_delete = { NULL, action_row, delete_end };
const struct presenter present_undelete = { NULL, action_row, action_end };
const struct presenter present_bounce = { NULL, action_row, action_end };
const struct presenter present_apply = { NULL, action_row, action_end };
const struct presenter present_undo = { NULL, action_row, action_end };

/* -- reload, stop: lines of text ------------------------------------------- */

static void
text_row(struct display *d, struct span row)
{
	struct span text;

	if (!jsonl_find(row, "text", &text))
		return;
	put_value(d, text);
	put(d, "\n");
}

static void
reload_end(struct display *d, struct buf *note, int *status)
{
	if (*status == 0 && d->rows == 0)
		buf_str(note, "the configuration was read again and is in use");
	else if (*status == 78)
		buf_str(note, "nothing was changed: mtad keeps the configuration that it has");
}

static void
stop_end(struct display *d, struct buf *note, int *status)
{
	if (*status == 0 && d->rows == 0)
		buf_str(note, "mtad is ending");
}

const struct presenter present_reload = { NULL, text_row, reload_end };
const struct presenter present_stop = { NULL, text_row, stop_end };
const struct presenter present_spool_dump = { NULL, text_row, NULL };
const struct presenter present_spool_check = { NULL, text_row, NULL };
const struct presenter present_help = { NULL, text_row, NULL };
