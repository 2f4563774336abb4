/* simulate: each command with the restrictions that it passed, and the reply. */
#include <stdio.h>
#include <string.h>

#include "ctl/jsonl.h"
#include "mtactl/present.h"

#define FACT_INDENT	8

static void
put_plain(struct display *d, struct span row, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put(d, "%s", i == 0 ? "" : "\t");
		put_member(d, row, keys[i]);
	}
	put(d, "\n");
}

static void
put_command(struct display *d, struct span row)
{
	put_color(d, COLOR_BOLD);
	put_member(d, row, "command");
	put_color(d, COLOR_NONE);
	if (member(row, "client").len > 0) {
		put(d, " ");
		put_member(d, row, "client");
	}
	put(d, "\n");
}

static void
put_set(struct display *d, struct span row)
{
	put(d, " (");
	put_member(d, row, "file");
	put(d, ":");
	put_member(d, row, "set");
	put(d, ")");
}

/* "  smtpd_client_restrictions (/etc/postfix/main.cf:12)", where another list begins. */
static void
put_list_name(struct display *d, struct span row)
{
	char name[sizeof d->first_id];
	struct span list = member(row, "list"), file = member(row, "file");

	snprintf(name, sizeof name, "%.*s", SPAN_ARG(span_head(list, sizeof name - 1)));
	if (strcmp(name, d->first_id) == 0)
		return;
	memcpy(d->first_id, name, sizeof name);
	put(d, "  ");
	put_value(d, list);
	put_color(d, COLOR_DIM);
	if (file.len > 0) {
		put_set(d, row);
	} else if (span_has(list, '_')) {
		put(d, " (default)");
	}
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

/* "; hash:/etc/postfix/access:12" */
static void
put_place(struct display *d, struct span row)
{
	struct span table = member(row, "table");

	if (table.len == 0)
		return;
	put(d, "\n%*s", FACT_INDENT, "");
	put_value(d, table);
	if (member(row, "line").len > 0) {
		put(d, ", line ");
		put_member(d, row, "line");
	}
	put(d, ", key ");
	put_member(d, row, "key");
}

static void
put_verdict(struct display *d, struct span result)
{
	bool permits = span_eqs(result, "\"permit\""), noted = span_eqs(result, "\"noted\"");

	if (span_eqs(result, "\"-\""))
		return;
	put(d, ": ");
	put_color(d, permits ? COLOR_GREEN : noted ? COLOR_YELLOW : COLOR_RED);
	put(d, "%s", permits ? "permits" : noted ? "noted" : "refuses");
	put_color(d, COLOR_NONE);
}

static void
put_rule(struct display *d, struct span row)
{
	static const char *const keys[] = { "command", "list", "restriction", "result", "fact" };
	struct span fact = member(row, "fact");

	if (!d->tty) {
		put_plain(d, row, keys, sizeof keys / sizeof *keys);
		return;
	}
	if (d->first_id[0] == '\0')
		put_command(d, row);
	put_list_name(d, row);
	size_t from = d->out.len;
	put(d, "    ");
	put_member(d, row, "restriction");
	put_verdict(d, member(row, "result"));
	wrap_line(d, from, FACT_INDENT - 2);
	put_color(d, COLOR_DIM);
	if (fact.len > 0) {
		put(d, "\n");
		from = d->out.len;
		put(d, "%*s", FACT_INDENT, "");
		put_value(d, fact);
		wrap_line(d, from, FACT_INDENT);
	}
	put_place(d, row);
	put_color(d, COLOR_NONE);
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
		size_t from = d->out.len;
		put(d, "  %s ", label);
		put_value(d, item);
		wrap_line(d, from, FACT_INDENT);
		put(d, "\n");
	}
}

/* The reply is to be read as the client has it, line for line. */
static void
put_reply_text(struct display *d, struct span row)
{
	struct buf text = BUF_INIT(65536);
	struct span rest, line;

	(void)jsonl_text(member(row, "reply"), &text);
	rest = buf_view(&text);
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		put(d, "  ");
		put_safe(d, span_rtrim(line));
		put(d, "\n");
	}
	buf_clear(&text);
}

static void
put_reply(struct display *d, struct span row)
{
	static const char *const keys[] = { "command", "kind", "decided_by", "reply" };
	bool good = jsonl_true(member(row, "accepted"));

	if (!d->tty) {
		put_member(d, row, keys[0]);
		put(d, "\treply\t");
		put_plain(d, row, keys + 2, 2);
		return;
	}
	if (d->first_id[0] == '\0')
		put_command(d, row);
	d->first_id[0] = '\0';
	put_list(d, row, "effects", "done to the message:");
	if (jsonl_true(member(row, "discard")))
		put(d, "  done to the message: DISCARD\n");
	put_list(d, row, "log", "logged:");
	put_list(d, row, "warnings", "warned of:");
	put_color(d, good ? COLOR_GREEN : COLOR_RED);
	put_reply_text(d, row);
	put_color(d, COLOR_NONE);
	if (member(row, "set").len > 0) {
		put_color(d, COLOR_DIM);
		put(d, "  because of ");
		put_member(d, row, "decided_by");
		put_set(d, row);
		put_color(d, COLOR_NONE);
		put(d, "\n");
	}
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
