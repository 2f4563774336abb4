/*
 * story, queue top, queue shape, dest suspend and dest resume, and what queue export wrote.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

static bool
is_empty(struct span raw)
{
	return raw.len == 0 || span_eqs(raw, "\"\"");
}

static int64_t
number(struct span row, const char *key)
{
	int64_t n = 0;

	(void)jsonl_int(member(row, key), &n);
	return n;
}

static void
put_colored(struct display *d, enum color color, struct span raw)
{
	put_color(d, color);
	put_value(d, raw);
	put_color(d, COLOR_NONE);
}

/* -- story ---------------------------------------------------------------- */

static enum color
event_color(struct span event)
{
	static const struct { const char *event; enum color color; } colors[] = {
		{ "\"delivered\"", COLOR_GREEN }, { "\"relayed\"", COLOR_GREEN }, { "\"expanded\"", COLOR_GREEN },
		{ "\"deferred\"", COLOR_YELLOW }, { "\"held\"", COLOR_YELLOW },
		{ "\"bounced\"", COLOR_RED }, { "\"expired\"", COLOR_RED }, { "\"corrupt\"", COLOR_RED },
		{ "\"deleted\"", COLOR_RED },
	};

	for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++)
		if (span_eqs(event, colors[i].event))
			return colors[i].color;
	return COLOR_BOLD;
}

static void
put_details(struct display *d, struct span row)
{
	static const struct { const char *key, *label; } details[] = {
		{ "who", "by" }, { "relay", "relay" }, { "dsn", "dsn" }, { "attempt", "attempt" }, { "action", "action" },
	};
	bool any = false;

	for (size_t i = 0; i < sizeof details / sizeof details[0]; i++) {
		struct span value = member(row, details[i].key);
		if (is_empty(value) || span_eqs(value, "\"none\""))
			continue;
		put(d, "%s%s ", any ? ", " : " (", details[i].label);
		put_value(d, value);
		any = true;
	}
	int64_t next = number(row, "next_time");
	if (next != 0) {
		put(d, "%snext ", any ? ", " : " (");
		time_text(&d->out, next, d->now);
		any = true;
	}
	put(d, any ? ")" : "");
}

static void
story_row(struct display *d, struct span row)
{
	struct span event = member(row, "event"), recipient = member(row, "recipient"), text = member(row, "text");
	size_t from = d->out.len;

	if (d->tty)
		time_text(&d->out, number(row, "time"), d->now);
	else
		iso_text(&d->out, number(row, "time"));
	put(d, d->tty ? "  " : "\t");
	put_color(d, event_color(event));
	put_column(d, event, d->tty ? 9 : 0);
	put_color(d, COLOR_NONE);
	put(d, d->tty ? "  " : "\t");
	if (!is_empty(recipient)) {
		put(d, "<");
		put_value(d, recipient);
		put(d, is_empty(text) ? ">" : ">: ");
	}
	if (!is_empty(text))
		put_value(d, text);
	put_details(d, row);
	if (d->tty)
		wrap_line(d, from, 17);
	put(d, "\n");
}

const struct presenter present_story = { NULL, story_row, NULL };

/* -- queue top ------------------------------------------------------------ */

static void
top_begin(struct display *d)
{
	if (!d->tty)
		return;
	put_color(d, COLOR_BOLD);
	put(d, "%8s %10s %6s %6s  %s", "MESSAGES", "RECIPIENTS", "SIZE", "OLDEST", "CAUSE");
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
top_plain(struct display *d, struct span row)
{
	static const char *const keys[] = { "messages", "recipients", "size", "oldest", "newest", "code", "dest", "example",
	    "cause", "reason" };

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		put(d, i == 0 ? "" : "\t");
		put_value(d, member(row, keys[i]));
	}
	put(d, "\n");
}

static void
put_right(struct display *d, struct buf *text, int width)
{
	put(d, "%*s", width, text->ptr == NULL ? "" : text->ptr);
	buf_reset(text);
}

static void
top_row(struct display *d, struct span row)
{
	struct buf text = BUF_INIT(256);
	struct span dest = member(row, "dest"), reason = member(row, "reason");

	if (!d->tty) {
		top_plain(d, row);
		return;
	}
	put_column(d, member(row, "messages"), -8);
	put(d, " ");
	put_column(d, member(row, "recipients"), -10);
	size_text(&text, number(row, "size"));
	put(d, " ");
	put_right(d, &text, 6);
	age_text(&text, d->now - number(row, "oldest"));
	put(d, " ");
	put_right(d, &text, 6);
	put(d, "  ");
	put_colored(d, COLOR_BOLD, member(row, "code"));
	if (!is_empty(dest)) {
		put(d, " at ");
		put_value(d, dest);
	}
	put_color(d, COLOR_DIM);
	put(d, "  ");
	put_value(d, member(row, "example"));
	put_color(d, COLOR_NONE);
	put(d, "\n");
	size_t from = d->out.len;
	put(d, "%8s ", "");
	put_value(d, is_empty(reason) ? member(row, "cause") : reason);
	wrap_line(d, from, 9);
	put(d, "\n");
	buf_clear(&text);
}

const struct presenter present_queue_top = { top_begin, top_row, NULL };

/* -- queue shape ---------------------------------------------------------- */

/* The columns of qshape: as wide as the total's figures, which come first. */
static const char *const heads[] = { "T", "5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+" };
#define SHAPE_COLUMNS	(sizeof heads / sizeof heads[0])
#define SHAPE_WIDTH	80
#define SHAPE_NAME	18

static int shape_widths[SHAPE_COLUMNS], shape_name;	/* of the one command that is shown at a time */

static void
measure(struct span total, struct span ages)
{
	struct jsonl_walk w;
	struct span value = total;

	shape_name = SHAPE_WIDTH;
	(void)jsonl_walk_array(&w, ages);
	for (size_t i = 0; i < SHAPE_COLUMNS; i++) {
		size_t n = strlen(heads[i]);
		if (i > 0 && !jsonl_element(&w, &value))
			value = SPAN_NONE;
		n = value.len > n ? value.len : n;
		shape_widths[i] = n > 2 ? (int)n + 1 : 3;
		shape_name -= shape_widths[i];
	}
	if (shape_name < SHAPE_NAME)
		shape_name = SHAPE_NAME;
}

/* Of a name that is too long the end shows, where domains differ least from what people know. */
static void
put_shape_name(struct display *d, struct span raw)
{
	struct buf text = BUF_INIT(1024), safe = BUF_INIT(4096);

	if (!jsonl_text(raw, &text))
		buf_reset(&text);
	safe_text(&safe, buf_view(&text), false);
	if (safe.len > (size_t)shape_name)
		put(d, "+%s", safe.ptr + safe.len - (size_t)shape_name + 1);
	else
		put(d, "%*s", shape_name, safe.len > 0 ? safe.ptr : "");
	buf_clear(&text);
	buf_clear(&safe);
}

static void
put_heads(struct display *d)
{
	put_color(d, COLOR_BOLD);
	put(d, "%*s", shape_name, "");
	for (size_t i = 0; i < SHAPE_COLUMNS; i++)
		put(d, "%*s", shape_widths[i], heads[i]);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
shape_row(struct display *d, struct span row)
{
	struct span total = member(row, "total"), ages = member(row, "ages"), value = total;
	struct jsonl_walk w;

	if (d->tty && d->rows <= 1) {
		measure(total, ages);
		put_heads(d);
	}
	if (d->tty)
		put_shape_name(d, member(row, "value"));
	else
		put_value(d, member(row, "value"));
	(void)jsonl_walk_array(&w, ages);
	for (size_t i = 0; i < SHAPE_COLUMNS; i++) {
		if (i > 0 && !jsonl_element(&w, &value))
			value = SPAN_NONE;
		put(d, d->tty ? "" : "\t");
		put_column(d, value, d->tty ? -shape_widths[i] : 0);
	}
	put(d, "\n");
}

const struct presenter present_queue_shape = { NULL, shape_row, NULL };

/* -- destinations --------------------------------------------------------- */

static void
suspend_row(struct display *d, struct span row)
{
	struct span dest = member(row, "destination");
	int64_t waiting = number(row, "waiting"), until = number(row, "suspended_until"), action = number(row, "action");

	if (action != 0) {
		if (span_eqs(member(row, "undo"), "true"))
			snprintf(d->first_id, sizeof d->first_id, "%lld", (long long)action);
		return;
	}
	put_value(d, dest);
	put(d, d->tty ? ": " : "\t");
	put_value(d, member(row, "result"));
	if (until != 0) {
		put(d, d->tty ? " until " : "\t");
		if (d->tty)
			time_text(&d->out, until, d->now);
		else
			iso_text(&d->out, until);
	}
	if (d->tty && waiting > 0)
		put(d, ", %lld recipient%s wait%s", (long long)waiting, waiting == 1 ? "" : "s", waiting == 1 ? "s" : "");
	else if (!d->tty)
		put(d, "\t%lld", (long long)waiting);
	put(d, "\n");
}

static void
suspend_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->first_id[0] != '\0')
		buf_printf(note, "\"mtactl undo %s\" takes it back", d->first_id);
}

const struct presenter present_dest_suspend = { NULL, suspend_row, suspend_end };
const struct presenter present_dest_resume = { NULL, suspend_row, suspend_end };

/* -- queue export --------------------------------------------------------- */

static void
export_row(struct display *d, struct span row)
{
	put_value(d, member(row, "file"));
	put(d, "\n");
}

const struct presenter present_queue_export = { NULL, export_row, NULL };
