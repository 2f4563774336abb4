/*
 * queue ls, queue show, queue count, dest ls; and the queue as Postfix's mailq shows it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

/* -- queue ls ------------------------------------------------------------- */

static char
mark_of(struct span queue)
{
	return span_eqs(queue, "\"active\"") ? '*' : span_eqs(queue, "\"hold\"") ? '!'
	    : span_eqs(queue, "\"corrupt\"") ? '?' : span_eqs(queue, "\"trash\"") ? 'x' : ' ';
}

static enum color
color_of(char mark)
{
	return mark == '*' ? COLOR_GREEN : mark == '!' ? COLOR_YELLOW : mark == '?' ? COLOR_RED : COLOR_BOLD;
}

static void
put_sender(struct display *d, struct span raw)
{
	if (raw.len == 0 || span_eqs(raw, "\"\""))
		put(d, "<>");
	else
		put_value(d, raw);
}

static void
put_next(struct display *d, const struct rcpt_row *r, size_t from)
{
	if (r->blocker.len > 0) {
		put(d, "  ");
		put_value(d, r->blocker);
		wrap_line(d, from, 12);
	} else if (r->next > 0) {
		put(d, "  next try ");
		when_text(&d->out, r->next, d->now);
	}
}

static void
put_recipient(struct display *d, const struct rcpt_row *r)
{
	size_t from = d->out.len;

	put(d, "%8s", "");
	put_value(d, r->address);
	put_next(d, r, from);
	put(d, "\n");
	if (r->reason.len == 0)
		return;
	put_color(d, COLOR_DIM);
	from = d->out.len;
	put(d, "%12s(", "");
	put_value(d, r->reason);
	put(d, ")");
	wrap_line(d, from, 13);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
count_message(struct display *d, const struct queue_row *q)
{
	d->messages++;
	if (q->size > 0)
		d->bytes += (uint64_t)q->size;
}

static void
put_id_line(struct display *d, const struct queue_row *q)
{
	char mark = mark_of(q->queue);
	char number[32];
	struct buf text = BUF_INIT(64);

	put_color(d, color_of(mark));
	size_t before = d->out.len;
	put_value(d, q->id);
	put(d, "%c", mark);
	size_t used = d->out.len - before;
	put_color(d, COLOR_NONE);
	size_text(&text, q->size);
	snprintf(number, sizeof number, "%s", text.ptr);
	buf_reset(&text);
	age_text(&text, d->now - q->arrival);
	put(d, "%*s %5s %5s  ", used < 19 ? (int)(19 - used) : 0, "", number, text.ptr);
	buf_clear(&text);
	put_sender(d, q->sender);
	put(d, "\n");
}

static void
put_hold(struct display *d, const struct queue_row *q)
{
	if (q->hold_reason.len == 0)
		return;
	put(d, "%8sheld", "");
	if (q->hold_by.len > 0) {
		put(d, " by ");
		put_value(d, q->hold_by);
	}
	put(d, ": ");
	put_value(d, q->hold_reason);
	put(d, "\n");
}

static void
row_for_people(struct display *d, const struct queue_row *q)
{
	struct jsonl_walk w;
	struct rcpt_row r;

	put_id_line(d, q);
	put_hold(d, q);
	if (jsonl_walk_array(&w, q->recipients))
		while (rcpt_row_next(&w, &r))
			put_recipient(d, &r);
}

static void
put_tab(struct display *d)
{
	buf_char(&d->out, '\t');
}

static void
put_addresses(struct display *d, struct span recipients, struct rcpt_row *first)
{
	struct jsonl_walk w;
	struct rcpt_row r;
	bool any = false;

	if (jsonl_walk_array(&w, recipients)) {
		for (; rcpt_row_next(&w, &r); any = true) {
			if (any)
				buf_char(&d->out, ',');
			put_value(d, r.address);
			if (first->reason.len == 0)
				*first = r;
		}
	}
	if (!any)
		buf_char(&d->out, '-');
}

/* One line, tabs between: ID, queue, arrival, size, sender, recipients, next try, reason. */
static void
row_for_programs(struct display *d, const struct queue_row *q)
{
	struct jsonl size = { .out = &d->out };
	struct rcpt_row first = { .next = 0 };

	put_value(d, q->id);
	put_tab(d);
	put_value(d, q->queue);
	put_tab(d);
	iso_text(&d->out, q->arrival);
	put_tab(d);
	jsonl_i64(&size, NULL, q->size);
	put_tab(d);
	put_sender(d, q->sender);
	put_tab(d);
	put_addresses(d, q->recipients, &first);
	put_tab(d);
	if (first.next > 0)
		iso_text(&d->out, first.next);
	else
		buf_char(&d->out, '-');
	put_tab(d);
	put_value(d, first.reason);
	buf_char(&d->out, '\n');
}

static void
ls_begin(struct display *d)
{
	if (!d->tty)
		return;
	put_color(d, COLOR_DIM);
	put(d, "%-18s %5s %5s  %s", "QUEUE ID", "SIZE", "AGE", "SENDER, RECIPIENTS");
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
ls_row(struct display *d, struct span row)
{
	struct queue_row q;

	queue_row_read(row, &q);
	if (span_starts(row, "{\"total\":"))	/* --total's row is for programs */
		return;
	count_message(d, &q);
	if (d->tty)
		row_for_people(d, &q);
	else
		row_for_programs(d, &q);
}

/* An empty queue is good news, and no failure; a selector that picks nothing is an answer that scripts ask for. */
static bool
is_empty(struct display *d, int *status)
{
	struct span selector;

	if (d->messages > 0 || *status > 1)
		return false;
	*status = request_get(d->request, "selector", &selector) ? 1 : 0;
	return true;
}

static void
ls_end(struct display *d, struct buf *note, int *status)
{
	if (is_empty(d, status)) {
		buf_str(note, *status == 1 ? "nothing matches" : "Mail queue is empty");
		if (d->tty)
			buf_reset(&d->out);	/* no heading over nothing */
		return;
	}
	if (!d->tty || *status != 0)
		return;
	buf_printf(note, "-- %llu message%s, ", (unsigned long long)d->messages, d->messages == 1 ? "" : "s");
	size_text(note, (int64_t)d->bytes);
}

const struct presenter present_queue_ls = { ls_begin, ls_row, ls_end };

/* -- mailq ---------------------------------------------------------------- */

/* Local time, "Sun Nov 22 01:23:11". Messages come in bursts: most differ from the one before in the seconds alone. */
static const char *
arrival_text(int64_t arrival)
{
	static struct { int64_t minute; char text[40]; } last = { INT64_MIN, "" };
	time_t t = (time_t)arrival;
	struct tm tm;

	if (arrival / 60 != last.minute || strlen(last.text) < 19) {
		last.text[0] = '\0';
		last.minute = arrival / 60;
		if (localtime_r(&t, &tm) != NULL)
			strftime(last.text, sizeof last.text, "%a %b %e %H:%M:%S", &tm);
	} else {
		last.text[17] = (char)('0' + arrival % 60 / 10);
		last.text[18] = (char)('0' + arrival % 60 % 10);
	}
	return last.text;
}

static void
mailq_sender_line(struct display *d, const struct queue_row *q)
{
	const char *when = arrival_text(q->arrival);
	char mark = mark_of(q->queue);
	size_t before = d->out.len, width = d->short_ids ? 11 : 17;

	put_value(d, q->id);
	if (mark == '*' || mark == '!')
		put(d, "%c", mark);
	size_t used = d->out.len - before;
	put(d, "%*s", used < width ? (int)(width - used) : 0, "");
	put(d, d->short_ids ? " %7lld %-20.20s " : " %8lld %-19.19s ", (long long)q->size, when);
	if (q->sender.len == 0 || span_eqs(q->sender, "\"\""))
		put(d, "MAILER-DAEMON");
	else
		put_value(d, q->sender);
	put(d, "\n");
}

static void
mailq_heading(struct display *d)
{
	if (d->short_ids)
		put(d, "%-11s %7s %-20s %s\n", "-Queue ID-", "--Size--", "----Arrival Time----",
		    "-Sender/Recipient-------");
	else
		put(d, "%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--", "---Arrival Time----",
		    "--Sender/Recipient------");
}

/* Postfix puts a reason before the recipients that share it, indented so that it ends at the column of addresses. */
static void
mailq_reason(struct display *d, struct span reason)
{
	size_t before = d->out.len;

	put_value(d, reason);
	size_t n = d->out.len - before;
	int indent = n < 76 ? (int)(76 - n) : 0;
	buf_cut(&d->out, before);
	put(d, "%*s(", indent, "");
	put_value(d, reason);
	put(d, ")\n");
}

static void
mailq_row(struct display *d, struct span row)
{
	struct queue_row q;
	struct jsonl_walk w;
	struct span reason = SPAN_NONE;
	struct rcpt_row r;

	queue_row_read(row, &q);
	if (span_eqs(q.queue, "\"trash\""))
		return;
	if (d->messages == 0)
		mailq_heading(d);
	count_message(d, &q);
	mailq_sender_line(d, &q);
	if (jsonl_walk_array(&w, q.recipients)) {
		while (rcpt_row_next(&w, &r)) {
			if (r.reason.len > 0 && !span_eq(r.reason, reason))
				mailq_reason(d, r.reason);
			reason = r.reason;
			put(d, "%*s", d->short_ids ? 41 : 47, "");
			put_value(d, r.address);
			put(d, "\n");
		}
	}
	put(d, "\n");
}

static void
mailq_end(struct display *d, struct buf *note, int *status)
{
	(void)note;
	if (is_empty(d, status))
		put(d, "Mail queue is empty\n");
	else if (*status == 0)
		put(d, "-- %llu Kbytes in %llu Request%s.\n", (unsigned long long)(d->bytes / 1024),
		    (unsigned long long)d->messages, d->messages == 1 ? "" : "s");
}

const struct presenter present_mailq = { NULL, mailq_row, mailq_end };

/* -- queue show ----------------------------------------------------------- */

static bool
is_time(struct span key)
{
	return span_ends(key, "_time") || span_eqs(key, "since") || span_eqs(key, "suspended_until");
}

static void
put_detail(struct display *d, struct span key, struct span value, int indent)
{
	int64_t when;

	put(d, "%*s", indent, "");
	put_color(d, COLOR_DIM);
	put(d, "%-14.*s", SPAN_ARG(key));
	put_color(d, COLOR_NONE);
	put(d, " ");
	if (is_time(key) && jsonl_int(value, &when) && when > 0) {
		time_text(&d->out, when, d->now);
		put(d, " (");
		when_text(&d->out, when, d->now);
		put(d, ")");
	} else {
		put_value(d, value);
	}
	put(d, "\n");
}

static void
put_object(struct display *d, struct span object, int indent)
{
	struct jsonl_walk w;
	struct span key, value;

	if (jsonl_walk_object(&w, object))
		while (jsonl_member(&w, &key, &value))
			if (value.len > 0 && *value.ptr != '[' && *value.ptr != '{')
				put_detail(d, key, value, indent);
}

static void
show_row(struct display *d, struct span row)
{
	struct queue_row q;
	struct jsonl_walk w;
	struct span raw;

	queue_row_read(row, &q);
	count_message(d, &q);
	put_object(d, row, 0);
	if (!jsonl_walk_array(&w, q.recipients))
		return;
	while (jsonl_element(&w, &raw)) {
		put(d, "recipient\n");
		put_object(d, raw, 2);
	}
}

const struct presenter present_queue_show = { NULL, show_row, NULL };

/* -- tables --------------------------------------------------------------- */

struct column {
	const char	*key, *title;
	int		 width;		/* negative: to the right; 0: the last */
	bool		 is_time;	/* for people it and what is behind it stand on lines of their own */
};

static void
put_heading(struct display *d, const struct column *columns)
{
	if (!d->tty)
		return;
	put_color(d, COLOR_DIM);
	for (const struct column *c = columns; c->key != NULL && !c->is_time; c++)
		put(d, "%s%*s", c == columns ? "" : " ", -c->width, c->title);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
put_cell(struct display *d, const struct column *c, struct span value)
{
	int64_t when;

	if (c->is_time && jsonl_int(value, &when) && when > 0) {
		if (d->tty)
			when_text(&d->out, when, d->now);
		else
			iso_text(&d->out, when);
	} else {
		put_column(d, value, d->tty ? c->width : 0);
	}
}

static struct span
cell(struct span row, const char *key)
{
	struct span value = member(row, key);

	return span_eqs(value, "\"\"") ? SPAN_NONE : value;
}

static void
put_cells(struct display *d, const struct column *columns, struct span row)
{
	for (const struct column *c = columns; c->key != NULL; c++) {
		struct span value = SPAN_NONE;
		jsonl_find(row, c->key, &value);
		if (c != columns)
			put(d, d->tty ? " " : "\t");
		put_cell(d, c, value);
	}
	put(d, "\n");
}

static const struct column count_columns[] = {
	{ "messages", "MESSAGES", -8, false }, { "recipients", "RECIPIENTS", -10, false },
	{ "size", "BYTES", -12, false }, { "value", "VALUE", 0, false }, { NULL, NULL, 0, false },
};

static void
count_begin(struct display *d)
{
	put_heading(d, count_columns);
}

static void
count_row(struct display *d, struct span row)
{
	put_cells(d, count_columns, row);
}

const struct presenter present_queue_count = { count_begin, count_row, NULL };

static const struct column dest_columns[] = {
	{ "transport", "TRANSPORT", 9, false }, { "destination", "DESTINATION", 28, false },
	{ "queued", "QUEUED", -6, false }, { "active", "ACTIVE", -6, false }, { "deferred", "DEFERRED", -8, false },
	{ "concurrency", "CONC", -4, false }, { "limit", "LIMIT", -5, false },
	{ "suspended_until", "SUSPENDED", 9, true }, { "suspended_by", "BY", 8, false },
	{ "suspended_reason", "WHY", 12, false }, { "reason", "REASON", 0, false }, { NULL, NULL, 0, false },
};

static void
dest_begin(struct display *d)
{
	put_heading(d, dest_columns);
}

/* What an operator, or a failure, has against it: on a line of its own, as wide as the terminal is. */
static void
put_suspension(struct display *d, struct span row)
{
	struct span by = cell(row, "suspended_by"), why = cell(row, "suspended_reason"), reason = cell(row, "reason");
	struct buf text = BUF_INIT(256);
	int64_t when;

	if (jsonl_int(member(row, "suspended_until"), &when) && when > 0) {
		buf_str(&text, by.len > 0 ? "suspended, goes on " : "next attempt ");
		when_text(&text, when, d->now);
	} else if (by.len > 0) {
		buf_str(&text, "suspended until it is resumed");
	}
	put_color(d, by.len > 0 ? COLOR_YELLOW : COLOR_DIM);
	size_t from = d->out.len;
	if (text.len > 0)
		put(d, "        %s", text.ptr);
	if (by.len > 0) {
		put(d, ", by ");
		put_value(d, by);
		put(d, why.len > 0 ? ": " : "");
	}
	if (why.len > 0)
		put_value(d, why);
	wrap_line(d, from, 8);
	put(d, text.len > 0 ? "\n" : "");
	put_color(d, COLOR_NONE);
	if (reason.len > 0) {
		from = d->out.len;
		put(d, "        ");
		put_value(d, reason);
		wrap_line(d, from, 8);
		put(d, "\n");
	}
	buf_clear(&text);
}

static void
dest_row(struct display *d, struct span row)
{
	if (!d->tty) {
		put_cells(d, dest_columns, row);
		return;
	}
	for (const struct column *c = dest_columns; !c->is_time; c++) {
		put(d, c == dest_columns ? "" : " ");
		put_cell(d, c, member(row, c->key));
	}
	put(d, "\n");
	put_suspension(d, row);
}

static void
dest_end(struct display *d, struct buf *note, int *status)
{
	if (*status <= 1 && d->rows == 0) {
		*status = 0;
		buf_reset(&d->out);
		buf_str(note, "no mail waits for any destination");
	}
}

const struct presenter present_dest_ls = { dest_begin, dest_row, dest_end };
