/*
 * journal: what operators did, an action a line.
 */
#include <stdio.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

struct journal_row {
	struct span	who, command, selector, dest, reason;	/* raw */
	int64_t		number, time, messages, undone, undoes;
	bool		can_undo, under_way, interrupted;
};

static void
read_row(struct span row, struct journal_row *x)
{
	struct jsonl_walk w;
	struct span key, value;

	*x = (struct journal_row){ .messages = -1 };
	if (!jsonl_walk_object(&w, row))
		return;
	while (jsonl_member(&w, &key, &value)) {
		const struct { const char *key; struct span *text; int64_t *number; bool *flag; } members[] = {
			{ "action", NULL, &x->number, NULL }, { "time", NULL, &x->time, NULL },
			{ "who", &x->who, NULL, NULL }, { "command", &x->command, NULL, NULL },
			{ "selector", &x->selector, NULL, NULL }, { "dest", &x->dest, NULL, NULL },
			{ "reason", &x->reason, NULL, NULL }, { "messages", NULL, &x->messages, NULL },
			{ "undone", NULL, &x->undone, NULL }, { "undoes", NULL, &x->undoes, NULL },
			{ "can_undo", NULL, NULL, &x->can_undo }, { "under_way", NULL, NULL, &x->under_way },
			{ "interrupted", NULL, NULL, &x->interrupted },
		};
		for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
			if (!span_eqs(key, members[i].key))
				continue;
			if (members[i].text != NULL)
				*members[i].text = value;
			else if (members[i].number != NULL)
				(void)jsonl_int(value, members[i].number);
			else
				*members[i].flag = span_eqs(value, "true");
		}
	}
}

/* How it stands, in words. */
static void
put_state(struct display *d, const struct journal_row *x)
{
	if (x->under_way)
		put(d, "under way");
	else if (x->undone > 0)
		put(d, "undone by %lld", (long long)x->undone);
	else if (x->can_undo)
		put(d, "can be undone");
	else
		put(d, "-");
	if (x->interrupted)
		put(d, ", was interrupted");
}

static void
put_what(struct display *d, const struct journal_row *x)
{
	if (x->undoes > 0)
		put(d, "action %lld", (long long)x->undoes);
	else
		put_value(d, x->dest.len > 0 ? x->dest : x->selector);
}

static void
plain_row(struct display *d, const struct journal_row *x)
{
	put(d, "%lld\t", (long long)x->number);
	iso_text(&d->out, x->time);
	put(d, "\t");
	put_value(d, x->who);
	put(d, "\t");
	put_value(d, x->command);
	if (x->messages >= 0)
		put(d, "\t%lld\t", (long long)x->messages);
	else
		put(d, "\t-\t");
	put_what(d, x);
	put(d, "\t");
	put_value(d, x->reason);
	put(d, "\t");
	put_state(d, x);
	put(d, "\n");
}

static void
journal_row(struct display *d, struct span row)
{
	struct journal_row x;

	read_row(row, &x);
	if (!d->tty) {
		plain_row(d, &x);
		return;
	}
	put_color(d, COLOR_BOLD);
	put(d, "%5lld", (long long)x.number);
	put_color(d, COLOR_NONE);
	put(d, "  ");
	time_text(&d->out, x.time, d->now);
	put(d, "  ");
	put_value(d, x.who);
	put(d, "  ");
	put_value(d, x.command);
	put(d, "  ");
	put_what(d, &x);
	if (x.messages >= 0)
		put(d, "  %lld message%s", (long long)x.messages, x.messages == 1 ? "" : "s");
	put(d, "  ");
	put_color(d, COLOR_DIM);
	put_state(d, &x);
	put_color(d, COLOR_NONE);
	put(d, "\n");
	if (x.reason.len > 0) {
		put(d, "%7s(", "");
		put_value(d, x.reason);
		put(d, ")\n");
	}
}

static void
journal_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->rows == 0)
		buf_str(note, "no operator did anything that is kept here");
}

const struct presenter present_journal = { NULL, journal_row, journal_end };
