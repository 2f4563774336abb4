/*
 * map, config, route, lint: how their rows are shown.
 */
#include <stdio.h>
#include <string.h>

#include "mtactl/present.h"

/* -- map ---------------------------------------------------------------------------------------- */

static void
ls_begin(struct display *d)
{
	if (!d->tty)
		return;
	put_color(d, COLOR_BOLD);
	put(d, "TABLE                                     ENTRIES  STATE         USED BY");
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
ls_row(struct display *d, struct span row)
{
	static const char *const keys[] = { "table", "entries", "state", "editable", "users" };

	if (d->tty) {
		put_column(d, member(row, "table"), 40);
		put(d, "  ");
		put_column(d, member(row, "entries"), -7);
		put(d, "  ");
		put_column(d, member(row, "state"), 12);
		put(d, "  ");
		put_member(d, row, "users");
		put(d, "\n");
		struct span problem = member(row, "problem");
		if (problem.len == 0)
			return;
		put_color(d, COLOR_RED);
		put(d, "    ");
		put_value(d, problem);
		put_color(d, COLOR_NONE);
		put(d, "\n");
		return;
	}
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		put(d, "%s", i > 0 ? "\t" : "");
		put_member(d, row, keys[i]);
	}
	put(d, "\n");
}

static void
ls_end(struct display *d, struct buf *note, int *status)
{
	(void)status;
	if (d->rows == 0)
		buf_str(note, "the configuration names no table");
}

/* A value in a pipe is as it is in the table: scripts read it. */
static void
put_exact(struct display *d, struct span raw)
{
	struct buf text = BUF_INIT(0);

	if (d->tty || !jsonl_text(raw, &text))
		put_value(d, raw);
	else
		buf_span(&d->out, buf_view(&text));
	buf_clear(&text);
}

static void
query_row(struct display *d, struct span row)
{
	put_exact(d, member(row, "value"));
	put(d, "\n");
}

static void
get_row(struct display *d, struct span row)
{
	if (d->tty && member(row, "line").len > 0) {
		put_color(d, COLOR_DIM);
		put_column(d, member(row, "line"), -5);
		put_color(d, COLOR_NONE);
		put(d, "  ");
	}
	put_exact(d, member(row, "key"));
	put(d, "\t");
	put_exact(d, member(row, "value"));
	put(d, "\n");
}

/* -- changes ------------------------------------------------------------------------------------- */

static void
put_diff(struct display *d, struct span diff)
{
	struct span line;

	while (span_cut(&diff, '\n', &line)) {
		if (diff.ptr == NULL && line.len == 0)
			break;
		put_color(d, span_starts(line, "---") || span_starts(line, "+++") ? COLOR_BOLD : span_starts(line, "-") ? COLOR_RED :
		    span_starts(line, "+") ? COLOR_GREEN : span_starts(line, "@") ? COLOR_DIM : COLOR_NONE);
		safe_text(&d->out, line, true);
		put_color(d, COLOR_NONE);
		put(d, "\n");
	}
}

static bool changed, planned;	/* of the one command that a process shows at a time */
static char old_value[256];

static void
change_begin(struct display *d)
{
	(void)d;
	changed = planned = false;
	old_value[0] = '\0';
}

static void
change_row(struct display *d, struct span row)
{
	struct buf diff = BUF_INIT(0), old = BUF_INIT(0);

	if (jsonl_text(member(row, "diff"), &diff))
		put_diff(d, buf_view(&diff));
	if (jsonl_text(member(row, "old"), &old) && old.len > 0) {
		struct buf safe = BUF_INIT(0);
		safe_text(&safe, buf_view(&old), false);
		snprintf(old_value, sizeof old_value, "%s", safe.ptr);
		buf_clear(&safe);
	}
	changed = jsonl_true(member(row, "done"));
	planned = !changed;
	buf_clear(&diff);
	buf_clear(&old);
}

static void
change_end(struct display *d, struct buf *note, int *status)
{
	struct span table = SPAN_NONE;

	if (d->request != NULL)
		(void)request_get(d->request, "table", &table);
	(void)status;
	if (!changed && !planned)
		return;
	if (old_value[0] != '\0')
		buf_printf(note, "the value was: %s\n", old_value);
	if (planned)
		buf_str(note, "nothing is written");
	else
		buf_printf(note, "written. Take it back with: mtactl %s%.*s", table.len > 0 ? "map undo " : "config undo", SPAN_ARG(table));
}

static void
look_end(struct display *d, struct buf *note, int *status)
{
	(void)d;
	(void)status;
	if (planned)
		buf_str(note, "map undo would change this");
}

/* -- config --------------------------------------------------------------------------------------- */

static void
setting_row(struct display *d, struct span row)
{
	struct span value = member(row, "value"), only;

	if (d->request != NULL && request_get(d->request, "value", &only)) {
		put_exact(d, value);
		put(d, "\n");
		return;
	}
	put_exact(d, member(row, "name"));
	put(d, value.len > 2 ? " = " : " =");
	if (value.len > 2)
		put_exact(d, value);
	put(d, "\n");
}

#define FIELD	14	/* columns that a line's label takes */

static void
put_field(struct display *d, const char *label, struct span value)
{
	size_t from = d->out.len;

	if (value.len == 0)
		return;
	put_color(d, COLOR_DIM);
	put(d, "%12s  ", label);
	put_color(d, COLOR_NONE);
	if (span_eqs(value, "\"\""))
		put(d, "(empty)");
	else
		put_value(d, value);
	wrap_line(d, from, FIELD);
	put(d, "\n");
}

static void
put_places(struct display *d, struct span places)
{
	struct jsonl_walk w;
	struct span place;
	bool any = false;

	if (!jsonl_walk_array(&w, places))
		return;
	while (jsonl_element(&w, &place)) {
		put(d, "%12s  ", any ? "" : "set in");
		any = true;
		put_member(d, place, "file");
		put(d, ":");
		put_member(d, place, "line");
		if (member(place, "service").len > 0) {
			put(d, " (");
			put_member(d, place, "service");
			put(d, ")");
		}
		put(d, ": ");
		put_member(d, place, "value");
		put(d, "%s\n", jsonl_true(member(place, "counts")) ? "" : "  (a later line counts)");
	}
	if (!any)
		put(d, "%12s  nowhere: the default holds\n", "set in");
}

static void
put_range(struct display *d, struct span row)
{
	const char *unit = span_eqs(member(row, "type"), "\"time\"") ? "s" : "";

	if (member(row, "min").len == 0)
		return;
	put(d, "%12s  ", member(row, "max").len > 0 ? "range" : "at least");
	put_member(d, row, "min");
	put(d, "%s", unit);
	if (member(row, "max").len > 0) {
		put(d, " to ");
		put_member(d, row, "max");
		put(d, "%s", unit);
	}
	put(d, "\n");
}

static void
explain_row(struct display *d, struct span row)
{
	put_color(d, COLOR_BOLD);
	put_member(d, row, "name");
	put_color(d, COLOR_NONE);
	put(d, "\n");
	put_field(d, "", member(row, "summary"));
	put_field(d, "value", member(row, "value"));
	put_field(d, "expanded", member(row, "expanded"));
	put_places(d, member(row, "set"));
	put_field(d, "default", member(row, "default"));
	put_field(d, "type", member(row, "type"));
	put_range(d, row);
	put_field(d, "in mtad", member(row, "meaning"));
}

static void
support_row(struct display *d, struct span row)
{
	if (!d->tty) {
		put_exact(d, member(row, "name"));
		put(d, "\t");
		put_exact(d, member(row, "standing"));
		put(d, "\t");
		put_exact(d, member(row, "summary"));
		put(d, "\n");
		return;
	}
	struct span standing = member(row, "standing");
	put_column(d, member(row, "name"), 44);
	put(d, "  ");
	put_color(d, span_eqs(standing, "\"honoured\"") ? COLOR_GREEN : span_eqs(standing, "\"accepted\"") ? COLOR_NONE :
	    span_eqs(standing, "\"planned\"") ? COLOR_YELLOW : COLOR_RED);
	put_column(d, standing, 11);
	put_color(d, COLOR_NONE);
	put(d, "  ");
	put_value(d, member(row, "summary"));
	put(d, "\n");
}

static void
check_row(struct display *d, struct span row)
{
	struct span file = member(row, "file"), line = member(row, "line"), code = member(row, "code");

	if (file.len > 0) {
		put_value(d, file);
		if (line.len > 0) {
			put(d, ":");
			put_value(d, line);
		}
		put(d, ": ");
	}
	put_member(d, row, "level");
	put(d, ": ");
	put_member(d, row, "message");
	if (code.len > 0) {
		put(d, " [");
		put_value(d, code);
		put(d, "]");
	}
	put(d, "\n");
}

static void
put_side(struct display *d, struct span row, const char *key, const char *sign, enum color color)
{
	struct span value = member(row, key);

	if (value.ptr == NULL)
		return;
	put_color(d, color);
	put(d, "%s", sign);
	put_exact(d, member(row, "name"));
	put(d, value.len > 2 ? " = " : " =");
	if (value.len > 2)
		put_exact(d, value);
	put_color(d, COLOR_NONE);
	put(d, "\n");
}

static void
conf_diff_row(struct display *d, struct span row)
{
	put_side(d, row, "here", "-", COLOR_RED);
	put_side(d, row, "there", "+", COLOR_GREEN);
}

/* -- route ------------------------------------------------------------------------------------------ */

static void
put_reply(struct display *d, struct span row)
{
	size_t from = d->out.len;
	put_color(d, COLOR_RED);
	put(d, "%12s  ", "refused");
	put_member(d, row, "code");
	put(d, " ");
	put_member(d, row, "dsn");
	put(d, " ");
	put_member(d, row, "reply");
	put_color(d, COLOR_NONE);
	wrap_line(d, from, FIELD);
	put(d, "\n");
	put_field(d, "by", member(row, "restriction"));
}

/* Behind the line: where the parameter is set, and which line of a table said it. */
static void
put_step(struct display *d, struct span step, bool first)
{
	struct span set = member(step, "set"), table = member(step, "table"), line = member(step, "line");

	size_t from = d->out.len;
	put(d, "%12s  ", first ? "steps" : "");
	put_member(d, step, "text");
	put_color(d, COLOR_DIM);
	if (set.len > 0)
		put(d, "  [main.cf:%.*s%s", SPAN_ARG(set), table.len > 0 ? "; " : "]");
	else if (table.len > 0)
		put(d, "  [");
	if (table.len > 0) {
		put_value(d, table);
		if (line.len > 0)
			put(d, ", line %.*s", SPAN_ARG(line));
		put(d, "]");
	}
	put_color(d, COLOR_NONE);
	wrap_line(d, from, FIELD);
	put(d, "\n");
}

static void
put_host(struct display *d, struct span host, bool first)
{
	struct span preference = member(host, "preference");

	put(d, "%12s  ", first ? "hosts" : "");
	if (member(host, "path").len > 0) {
		put_member(d, host, "path");
	} else {
		if (!span_eq(member(host, "host"), member(host, "address")))
			put_member(d, host, "host");
		put(d, "[");
		put_member(d, host, "address");
		put(d, "]:");
		put_member(d, host, "port");
	}
	if (preference.len > 0)
		put(d, "  (MX %.*s)", SPAN_ARG(preference));
	put(d, "\n");
}

static void
put_each(struct display *d, struct span list, void (*fn)(struct display *, struct span, bool first))
{
	struct jsonl_walk w;
	struct span item;
	bool first = true;

	if (!jsonl_walk_array(&w, list))
		return;
	for (; jsonl_element(&w, &item); first = false)
		fn(d, item, first);
}

static void
route_row(struct display *d, struct span row)
{
	struct span failed = member(row, "failed");

	put_member(d, row, "address");
	put(d, "\n");
	put_field(d, "recipient", member(row, "rewritten"));
	if (failed.len > 0)
		put_field(d, "no route now", failed);
	put_field(d, "class", member(row, "class"));
	put_field(d, "transport", member(row, "transport"));
	put_field(d, "next hop", member(row, "nexthop"));
	put_each(d, member(row, "hosts"), put_host);
	if (member(row, "hosts_failed").len > 0)
		put_field(d, "no hosts", member(row, "hosts_failed"));
	if (!jsonl_true(member(row, "accepted")))
		put_reply(d, row);
	put_each(d, member(row, "steps"), put_step);
}

/* -- lint -------------------------------------------------------------------------------------------- */

static void
lint_row(struct display *d, struct span row)
{
	put_member(d, row, "file");
	if (member(row, "line").len > 0) {
		put(d, ":");
		put_member(d, row, "line");
	}
	put(d, ": ");
	put_member(d, row, "level");
	put(d, ": ");
	put_member(d, row, "message");
	put(d, " [");
	put_member(d, row, "code");
	put(d, "]\n");
}

const struct presenter present_map_ls = { ls_begin, ls_row, ls_end };
const struct presenter present_map_query = { NULL, query_row, NULL };
const struct presenter present_map_get = { NULL, get_row, NULL };
const struct presenter present_map_dump = { NULL, get_row, NULL };
const struct presenter present_map_check = { NULL, check_row, NULL };
const struct presenter present_map_put = { change_begin, change_row, change_end };
const struct presenter present_map_del = { change_begin, change_row, change_end };
const struct presenter present_map_edit = { change_begin, change_row, change_end };
const struct presenter present_map_diff = { change_begin, change_row, look_end };
const struct presenter present_map_undo = { change_begin, change_row, change_end };
const struct presenter present_config_get = { NULL, setting_row, NULL };
const struct presenter present_config_explain = { NULL, explain_row, NULL };
const struct presenter present_config_set = { change_begin, change_row, change_end };
const struct presenter present_config_unset = { change_begin, change_row, change_end };
const struct presenter present_config_undo = { change_begin, change_row, change_end };
const struct presenter present_config_comment = { change_begin, change_row, change_end };
const struct presenter present_config_check = { NULL, check_row, NULL };
const struct presenter present_config_diff = { NULL, conf_diff_row, NULL };
const struct presenter present_config_support = { NULL, support_row, NULL };
const struct presenter present_route = { NULL, route_row, NULL };
const struct presenter present_lint = { NULL, lint_row, NULL };
