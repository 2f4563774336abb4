/*
 * why: a verdict for people, with its evidence. And doctor, which proves that there always is one.
 */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

#define LABEL	14	/* columns that a line's label takes */

struct why_row {
	struct span	id, queue, sender, recipient, state, verdict, reason, relay, next_event, blocker, help,
			destination, stage, hold_by;
	int64_t		arrival, since, last, next, attempts;
};

static void
read_texts(struct why_row *y, struct span key, struct span value)
{
	const struct { const char *key; struct span *to; } texts[] = {
		{ "queue_id", &y->id }, { "queue_name", &y->queue }, { "sender", &y->sender },
		{ "recipient", &y->recipient }, { "state", &y->state }, { "verdict", &y->verdict },
		{ "reason", &y->reason }, { "relay", &y->relay }, { "next_event", &y->next_event },
		{ "blocker", &y->blocker }, { "help", &y->help }, { "destination", &y->destination },
		{ "lease_stage", &y->stage }, { "hold_by", &y->hold_by },
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (span_eqs(key, texts[i].key))
			*texts[i].to = value;
}

static void
read_numbers(struct why_row *y, struct span key, struct span value)
{
	const struct { const char *key; int64_t *to; } numbers[] = {
		{ "arrival_time", &y->arrival }, { "since", &y->since }, { "last_time", &y->last },
		{ "next_time", &y->next }, { "attempts", &y->attempts },
	};

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (span_eqs(key, numbers[i].key))
			jsonl_int(value, numbers[i].to);
}

static void
why_read(struct span row, struct why_row *y)
{
	struct jsonl_walk w;
	struct span key, value;

	*y = (struct why_row){ .arrival = 0 };
	if (!jsonl_walk_object(&w, row))
		return;
	while (jsonl_member(&w, &key, &value)) {
		read_texts(y, key, value);
		read_numbers(y, key, value);
	}
}

static void
put_label(struct display *d, const char *label)
{
	put_color(d, COLOR_DIM);
	put(d, "  %-*s", LABEL - 2, label);
	put_color(d, COLOR_NONE);
}

static void
put_line(struct display *d, const char *label, struct span value)
{
	if (value.len == 0 || span_eqs(value, "\"\""))
		return;
	size_t from = d->out.len;
	put_label(d, label);
	put_value(d, value);
	wrap_line(d, from, LABEL);
	put(d, "\n");
}

static void
put_time_line(struct display *d, const char *label, int64_t when)
{
	put_label(d, label);
	time_text(&d->out, when, d->now);
	put(d, " (");
	when_text(&d->out, when, d->now);
	put(d, ")");
}

static void
put_head(struct display *d, const struct why_row *y)
{
	put_color(d, COLOR_BOLD);
	put_value(d, y->id);
	put_color(d, COLOR_NONE);
	put(d, " to ");
	put_value(d, y->recipient);
	put(d, ", from ");
	if (y->sender.len == 0 || span_eqs(y->sender, "\"\""))
		put(d, "<>");
	else
		put_value(d, y->sender);
	if (y->arrival > 0) {
		put(d, ", ");
		age_text(&d->out, d->now - y->arrival);
		put(d, " old");
	}
	put(d, "\n");
}

static void
put_attempts(struct display *d, const struct why_row *y)
{
	if (y->attempts == 0)
		return;
	put_label(d, "tried");
	put(d, "%lld time%s", (long long)y->attempts, y->attempts == 1 ? "" : "s");
	if (y->last > 0) {
		put(d, ", last ");
		when_text(&d->out, y->last, d->now);
	}
	put(d, "\n");
}

static void
put_next_event(struct display *d, const struct why_row *y)
{
	if (y->next == 0) {
		put_line(d, "next", y->next_event);
		return;
	}
	size_t from = d->out.len;
	put_time_line(d, "next", y->next);
	if (y->next_event.len > 0) {
		put(d, ": ");
		put_value(d, y->next_event);
		wrap_line(d, from, LABEL);
	}
	put(d, "\n");
}

static void
why_row(struct display *d, struct span row)
{
	struct why_row y;

	why_read(row, &y);
	put_head(d, &y);
	put_line(d, "verdict", y.verdict.len > 0 ? y.verdict : y.state);
	if (y.since > 0) {
		put_time_line(d, "since", y.since);
		put(d, "\n");
	}
	put_line(d, "evidence", y.reason);
	put_line(d, "relay", y.relay);
	put_line(d, "destination", y.destination);
	put_line(d, "held by", y.hold_by);
	put_attempts(d, &y);
	put_line(d, "now", y.stage);
	put_line(d, "waits for", y.blocker);
	put_next_event(d, &y);
	put_line(d, "would help", y.help);
}

const struct presenter present_why = { NULL, why_row, NULL };

/* -- doctor --------------------------------------------------------------- */

static void
doctor_check(struct display *d, struct span row, struct span check)
{
	struct span value = SPAN_NONE;
	bool ok;

	ok = jsonl_find(row, "ok", &value) && jsonl_true(value);
	put_color(d, ok ? COLOR_GREEN : COLOR_RED);
	put(d, "%-5s", ok ? "ok" : "BAD");
	put_color(d, COLOR_NONE);
	put_value(d, check);
	if (jsonl_find(row, "checked", &value)) {
		put(d, " (");
		put_value(d, value);
		put(d, " checked)");
	}
	if (jsonl_find(row, "detail", &value)) {
		put(d, ": ");
		put_value(d, value);
	}
	put(d, "\n");
}

static void
doctor_row(struct display *d, struct span row)
{
	struct span value;

	if (jsonl_find(row, "check", &value)) {
		doctor_check(d, row, value);
		return;
	}
	if (!jsonl_find(row, "violation", &value))
		return;
	d->bad++;
	struct span id = SPAN_NONE, rcpt = SPAN_NONE;
	jsonl_find(row, "queue_id", &id);
	jsonl_find(row, "recipient", &rcpt);
	put_color(d, COLOR_RED);
	put(d, "!!   ");
	put_color(d, COLOR_NONE);
	if (id.len > 0) {
		put_value(d, id);
		put(d, " ");
	}
	if (rcpt.len > 0) {
		put_value(d, rcpt);
		put(d, " ");
	}
	put_value(d, value);
	put(d, "\n");
}

static void
doctor_end(struct display *d, struct buf *note, int *status)
{
	if (d->bad > 0 && *status == 0)
		*status = 1;
	if (*status == 0 && d->tty)
		buf_str(note, "every queued recipient has a next event or a named blocker");
}

const struct presenter present_doctor = { NULL, doctor_row, doctor_end };
