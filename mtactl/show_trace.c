/*
 * trace and log: what comes as it happens, a line each.
 */
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "ctl/jsonl.h"
#include "mtactl/present.h"

/* The string's bytes between the quotes, escapes and all: to be looked at, not shown. */
static struct span
inner(struct span raw)
{
	return jsonl_is_string(raw) ? span_of(raw.ptr + 1, raw.len - 2) : SPAN_NONE;
}

/* "1763780000.123456" */
static bool
split_time(struct span raw, int64_t *seconds, unsigned *millis)
{
	size_t dot = span_find(raw, '.');
	struct span digits = span_head(span_skip(raw, dot + 1), 3);
	uint32_t part;

	*millis = 0;
	if (!num_i64(span_head(raw, dot), seconds))
		return false;
	if (num_u32(digits, &part))
		*millis = digits.len == 1 ? part * 100 : digits.len == 2 ? part * 10 : part;
	return true;
}

static void
put_clock(struct display *d, struct span raw)
{
	unsigned millis;
	int64_t seconds;
	char text[16];
	struct tm tm;

	if (!split_time(raw, &seconds, &millis))
		return;
	time_t t = (time_t)seconds;
	if (localtime_r(&t, &tm) == NULL)
		return;
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	put(d, "%s.%03u", text, millis);
}

/* True where the row only says that lines are missing. */
static bool
put_lost(struct display *d, struct span row)
{
	struct span lost = member(row, "lost");

	if (lost.len == 0)
		return false;
	put_color(d, COLOR_YELLOW);
	put(d, d->tty ? "-- " : "lost\t");
	put_value(d, lost);
	put(d, d->tty ? " lines were lost here: they came faster than they were read\n" : "\n");
	put_color(d, COLOR_NONE);
	return true;
}

/* -- trace ------------------------------------------------------------------ */

enum speaker { SPEAKER_PEER, SPEAKER_MTAD, SPEAKER_NOTE };

static enum speaker
speaker_of(struct span row)
{
	struct span from = inner(member(row, "from"));

	return span_eqs(from, "peer") ? SPEAKER_PEER : span_eqs(from, "mtad") ? SPEAKER_MTAD : SPEAKER_NOTE;
}

/* Refusals stand out, whoever speaks them. */
static enum color
text_color(enum speaker who, struct span text)
{
	bool reply = text.len >= 3 && text.ptr[1] >= '0' && text.ptr[1] <= '9' && text.ptr[2] >= '0' && text.ptr[2] <= '9';

	if (who == SPEAKER_NOTE)
		return COLOR_DIM;
	if (reply && text.ptr[0] == '5')
		return COLOR_RED;
	if (reply && text.ptr[0] == '4')
		return COLOR_YELLOW;
	return who == SPEAKER_PEER ? COLOR_GREEN : COLOR_NONE;
}

/* The peer is named when another session than that of the line before speaks. */
static void
put_session(struct display *d, struct span session, struct span peer)
{
	char name[sizeof d->first_id];

	snprintf(name, sizeof name, "%.*s", SPAN_ARG(span_head(session, sizeof name - 1)));
	if (strcmp(name, d->first_id) == 0)
		return;
	memcpy(d->first_id, name, sizeof name);
	put_color(d, COLOR_BOLD);
	put(d, "-- ");
	put_safe(d, session);
	put(d, " ");
	put_value(d, peer);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
trace_line(struct display *d, struct span row)
{
	static const char *const arrows[] = { "<-", "->", "--" }, *const plain[] = { "<", ">", "#" };
	enum speaker who = speaker_of(row);
	struct span text = member(row, "text"), session = inner(member(row, "session"));

	if (!d->tty) {
		put_value(d, member(row, "time"));
		put(d, "\t");
		put_value(d, member(row, "session"));
		put(d, "\t");
		put_value(d, member(row, "peer"));
		put(d, "\t%s\t", plain[who]);
		put_value(d, text);
		put(d, "\n");
		return;
	}
	put_session(d, session, member(row, "peer"));
	put_clock(d, member(row, "time"));
	put(d, " ");
	put_safe(d, session);
	put(d, " %s ", arrows[who]);
	put_color(d, text_color(who, inner(text)));
	put_value(d, text);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
trace_row(struct display *d, struct span row)
{
	if (!put_lost(d, row))
		trace_line(d, row);
}

const struct presenter present_trace = { NULL, trace_row, NULL };

/* -- log -------------------------------------------------------------------- */

static void
put_severity(struct display *d, struct span severity)
{
	if (span_eqs(severity, "info"))
		return;
	put_color(d, span_eqs(severity, "warning") ? COLOR_YELLOW : COLOR_RED);
	put_safe(d, severity);
	put_color(d, COLOR_NONE);
	put(d, ": ");
}

static void
log_line_row(struct display *d, struct span row)
{
	struct buf when = BUF_INIT(60);
	unsigned millis;
	int64_t seconds;

	if (put_lost(d, row))
		return;
	if (split_time(member(row, "time"), &seconds, &millis))
		time_text(&when, seconds, d->now);
	put(d, "%s ", when.len > 0 ? when.ptr : "-");
	put_color(d, COLOR_BOLD);
	put_value(d, member(row, "program"));
	put_color(d, COLOR_NONE);
	put(d, "[");
	put_value(d, member(row, "role"));
	put(d, " ");
	put_value(d, member(row, "slot"));
	put(d, "]: ");
	put_severity(d, inner(member(row, "severity")));
	put_value(d, member(row, "text"));
	put(d, "\n");
	buf_clear(&when);
}

static void
log_end(struct display *d, struct buf *note, int *status)
{
	struct span follow, selector;

	if (d->rows > 0 || request_get(d->request, "follow", &follow))
		return;
	*status = 0;
	if (d->tty && !request_get(d->request, "selector", &selector))
		buf_str(note, "no warnings and no errors since mtad started; \"mtactl log -f\" follows the log");
}

const struct presenter present_log = { NULL, log_line_row, log_end };
