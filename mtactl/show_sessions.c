/*
 * session ls: a line a session. debug peer: the list, and what was done to it.
 */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static int64_t
number(struct span row, const char *key)
{
	int64_t n = 0;

	(void)jsonl_int(member(row, key), &n);
	return n;
}

static void
put_age(struct display *d, int64_t seconds)
{
	struct buf text = BUF_INIT(40);

	age_text(&text, seconds);
	put(d, " %4s", text.ptr);
	buf_clear(&text);
}

static void
put_size(struct display *d, int64_t bytes)
{
	struct buf text = BUF_INIT(40);

	size_text(&text, bytes);
	put(d, " %5s", text.ptr);
	buf_clear(&text);
}

/* -- session ls ------------------------------------------------------------- */

static void
sessions_begin(struct display *d)
{
	if (!d->tty)
		return;
	put_color(d, COLOR_BOLD);
	put(d, "%-10s %-28s %-14s %4s %4s %5s MESSAGE\n", "SESSION", "PEER", "STATE", "AGE", "IDLE", "BYTES");
	put_color(d, COLOR_NONE);
}

/* "4SVLCh0000z3m from <a@b> to 3" as far as it is known. */
static void
put_message(struct display *d, struct span row)
{
	struct span id = member(row, "queue_id"), sender = member(row, "sender");
	int64_t recipients = number(row, "recipients");

	if (id.len > 0) {
		put(d, " ");
		put_value(d, id);
	}
	if (sender.len > 0) {
		put(d, " from <");
		put_value(d, sender);
		put(d, ">");
	}
	if (recipients > 0)
		put(d, " to %lld", (long long)recipients);
}

static void
session_line(struct display *d, struct span row)
{
	int64_t idle = number(row, "idle"), debug = number(row, "debug");

	put_column(d, member(row, "session"), 10);
	put(d, " ");
	put_column(d, member(row, "peer"), 28);
	put(d, " ");
	put_color(d, idle >= 60 ? COLOR_YELLOW : COLOR_NONE);
	put_column(d, member(row, "state"), 14);
	put_age(d, d->now - number(row, "since"));
	put_age(d, idle);
	put_color(d, COLOR_NONE);
	put_size(d, number(row, "bytes"));
	put_message(d, row);
	if (debug > 0)
		put(d, " (debug %lld)", (long long)debug);
	put(d, "\n");
}

static void
sessions_row(struct display *d, struct span row)
{
	static const char *const keys[] = { "session", "direction", "service", "peer", "port", "state", "since", "idle", "bytes",
		"queue_id", "sender", "recipients" };

	if (member(row, "error").len > 0) {
		put_value(d, member(row, "role"));
		put(d, " ");
		put_value(d, member(row, "slot"));
		put(d, ": ");
		put_value(d, member(row, "error"));
		put(d, "\n");
		return;
	}
	d->messages++;
	if (d->tty) {
		session_line(d, row);
		return;
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		if (i > 0)
			put(d, "\t");
		put_value(d, member(row, keys[i]));
	}
	put(d, "\n");
}

static void
sessions_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->tty)
		buf_printf(note, "-- %llu session%s", (unsigned long long)d->messages, d->messages == 1 ? "" : "s");
}

const struct presenter present_session_ls = { sessions_begin, sessions_row, sessions_end };

/* -- debug peer ------------------------------------------------------------- */

static void
peer_row(struct display *d, struct span row)
{
	struct span until = member(row, "until");
	struct buf text = BUF_INIT(60);
	int64_t when;

	put_column(d, member(row, "peer"), d->tty ? 28 : 0);
	put(d, d->tty ? " level " : "\t");
	put_value(d, member(row, "level"));
	put(d, d->tty ? ", from " : "\t");
	put_value(d, member(row, "source"));
	if (member(row, "who").len > 0) {
		put(d, d->tty ? " " : "\t");
		put_value(d, member(row, "who"));
	}
	if (jsonl_int(until, &when)) {
		if (d->tty)
			when_text(&text, when, d->now);
		else
			iso_text(&text, when);
		put(d, d->tty ? ", ends %s" : "\t%s", text.ptr);
	}
	put(d, "\n");
	buf_clear(&text);
}

static void
peers_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->tty && d->rows == 0)
		buf_str(note, "no session is logged in detail; \"mtactl debug peer add HOST\" begins");
}

const struct presenter present_debug_peer_ls = { NULL, peer_row, peers_end };
const struct presenter present_debug_peer_add = { NULL, peer_row, NULL };

static void
removed_row(struct display *d, struct span row)
{
	put_value(d, member(row, "peer"));
	put(d, d->tty ? ": no longer logged\n" : "\tremoved\n");
}

const struct presenter present_debug_peer_del = { NULL, removed_row, NULL };
