/*
 * What was done to each message (hold, release, requeue, delete, undelete, flush), and the answers of reload and stop.
 */
#include <stdio.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

static void
remember_first(struct display *d, struct span id)
{
	struct buf text = BUF_INIT(sizeof d->first_id - 1);

	if (d->first_id[0] != '\0' || !jsonl_text(id, &text) || text.over)
		text.len = 0;
	if (text.len > 0)
		snprintf(d->first_id, sizeof d->first_id, "%s", text.ptr);
	buf_clear(&text);
}

static void
action_row(struct display *d, struct span row)
{
	struct span id = SPAN_NONE, result = SPAN_NONE, detail = SPAN_NONE;

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
	remember_first(d, id);
	if (jsonl_is_string(result))
		tally_add(d, span_of(result.ptr + 1, result.len - 2));
}

static void
action_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	for (unsigned i = 0; i < TALLIES && d->tallies[i].count > 0; i++) {
		if (note->len > 0)
			buf_str(note, ", ");
		safe_text(note, span_str(d->tallies[i].name), false);
		buf_printf(note, ": %llu message%s", (unsigned long long)d->tallies[i].count,
		    d->tallies[i].count == 1 ? "" : "s");
	}
}

static bool
tallied(const struct display *d, const char *name)
{
	for (unsigned i = 0; i < TALLIES; i++)
		if (d->tallies[i].count > 0 && span_eqs(span_str(name), d->tallies[i].name))
			return true;
	return false;
}

static void
delete_end(struct display *d, struct buf *note, int *status)
{
	action_end(d, note, status);
	if (!tallied(d, "deleted"))
		return;
	if (d->rows == 1)
		buf_printf(note, "; \"mtactl undelete %s\" takes it back", d->first_id);
	else
		buf_str(note, "; \"mtactl undelete SELECTOR\" takes them back");
	if (d->trash_time > 0) {
		buf_str(note, ", within ");
		age_text(note, d->trash_time);
	}
}

static void
hold_end(struct display *d, struct buf *note, int *status)
{
	action_end(d, note, status);
	if (tallied(d, "held"))
		buf_str(note, "; \"mtactl release\" lets them go");
}

const struct presenter present_flush = { NULL, action_row, action_end };
const struct presenter present_hold = { NULL, action_row, hold_end };
const struct presenter present_release = { NULL, action_row, action_end };
const struct presenter present_requeue = { NULL, action_row, action_end };
const struct presenter present_delete = { NULL, action_row, delete_end };
const struct presenter present_undelete = { NULL, action_row, action_end };

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
