/* simulate: each command with the restrictions that it passed, and the reply. */
#include "ctl/jsonl.h"
#include "mtactl/present.h"

static struct span
member(struct span row, const char *key)
{
	struct span value;

	return jsonl_find(row, key, &value) ? value : SPAN_NONE;
}

/* "  smtpd_client_restrictions  reject_rbl_client bl.example  -  A 2.0.0.127.bl.example: none" */
static void
put_rule(struct display *d, struct span row)
{
	struct span result = member(row, "result"), fact = member(row, "fact");
	bool refused = result.len > 1 && (result.ptr[1] == '4' || result.ptr[1] == '5'), permits = span_eqs(result, "\"permit\"");

	if (!d->tty) {
		const char *const keys[] = { "command", "list", "restriction", "result", "fact" };
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
			put(d, "%s", i == 0 ? "" : "\t");
			put_value(d, member(row, keys[i]));
		}
		put(d, "\n");
		return;
	}
	put(d, "   ");
	put_color(d, COLOR_DIM);
	put_column(d, member(row, "list"), 30);
	put_color(d, COLOR_NONE);
	put(d, " ");
	put_value(d, member(row, "restriction"));
	if (refused || permits) {
		put(d, "  ");
		put_color(d, refused ? COLOR_RED : COLOR_GREEN);
		put_value(d, result);
		put_color(d, COLOR_NONE);
	}
	if (fact.len > 0) {
		put_color(d, COLOR_DIM);
		put(d, "  (");
		put_value(d, fact);
		put(d, ")");
		put_color(d, COLOR_NONE);
	}
	put(d, "\n");
}

static void
put_list(struct display *d, struct span row, const char *key, const char *label)
{
	struct jsonl_walk w;
	struct span item;

	if (!jsonl_walk_array(&w, member(row, key)))
		return;
	while (jsonl_element(&w, &item)) {
		put(d, "   %-30s ", label);
		put_value(d, item);
		put(d, "\n");
	}
}

static void
put_reply(struct display *d, struct span row)
{
	bool good = jsonl_true(member(row, "accepted"));

	if (!d->tty) {
		put_value(d, member(row, "command"));
		put(d, "\treply\t");
		put_value(d, member(row, "decided_by"));
		put(d, "\t");
		put_value(d, member(row, "reply"));
		put(d, "\n");
		return;
	}
	put_list(d, row, "effects", "done to the message");
	if (jsonl_true(member(row, "discard")))
		put(d, "   %-30s DISCARD\n", "done to the message");
	put_list(d, row, "log", "logged");
	put_list(d, row, "warnings", "warned of");
	put_color(d, COLOR_BOLD);
	put_value(d, member(row, "command"));
	put_color(d, COLOR_NONE);
	if (member(row, "client").len > 0) {
		put(d, " ");
		put_value(d, member(row, "client"));
	}
	put(d, ": ");
	put_color(d, good ? COLOR_GREEN : COLOR_RED);
	put_value(d, member(row, "reply"));
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
simulate_row(struct display *d, struct span row)
{
	if (member(row, "list").len > 0)
		put_rule(d, row);
	else
		put_reply(d, row);
}

const struct presenter present_simulate = { NULL, simulate_row, NULL };
