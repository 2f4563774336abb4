/*
 * Commands behind ":" that are about files, and have a view of their own here.
 */
#include <stdlib.h>

#include "lint/lint.h"
#include "mtactl/display.h"
#include "tui/config_view.h"
#include "tui/pane.h"
#include "tui/table_view.h"

/* A table by its spec, its file, or a parameter that names it. */
static bool
is_meant(const struct named_table *t, struct span given)
{
	struct span users = span_str(t->users), one;

	if (span_eqs(given, t->spec) || span_eqs(given, t->name))
		return true;
	while (span_cut(&users, ',', &one))
		if (span_eq(span_trim(one), given))
			return true;
	return false;
}

static void
show_table(struct console *con, struct span given)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);
	struct named_table *tables = NULL;
	size_t n = conf == NULL ? 0 : tables_named(conf, &tables), i = 0;

	while (i < n && !is_meant(&tables[i], given))
		i++;
	if (i == n)
		console_say(con, STYLE_WARN, "the configuration names no table %.*s", SPAN_ARG(span_head(given, 200)));
	else if (tables[i].grammar == NULL)
		console_say(con, STYLE_WARN, "%.200s has no text to look at", tables[i].spec);
	else
		console_push(con, table_new(con, &tables[i]));
	tables_named_free(tables, n);
	conf_unref(conf);
	conf_problems_clear(&problems);
}

static void
explain(struct console *con, struct span given)
{
	struct buf text = BUF_INIT(0), safe = BUF_INIT(0);
	enum lint_code code;

	if (lint_rule_find(given, &code)) {
		lint_explain(code, &text);
		safe_text(&safe, buf_view(&text), true);
		pane_push(con, given, &safe);
	} else {
		console_say(con, STYLE_WARN, "there is no rule %.*s", SPAN_ARG(span_head(given, 40)));
	}
	buf_clear(&text);
}

bool
files_command(struct console *con, const struct request *req)
{
	struct span table = SPAN_NONE, key = SPAN_NONE, name = SPAN_NONE;

	request_get(req, "table", &table);
	switch (req->command) {
	case CMD_map_ls:
		console_show(con, MAIN_MAPS);
		return true;
	case CMD_map_query:
		request_get(req, "key", &key);
		char *spec = span_dup(table);
		table_query(con, spec, key);
		free(spec);
		return true;
	case CMD_map_get:
	case CMD_map_put:
	case CMD_map_del:
	case CMD_map_edit:
	case CMD_map_diff:
	case CMD_map_undo:
		show_table(con, table);
		return true;
	case CMD_config_explain:
		if (request_get(req, "name", &name))
			config_lookup(con, name);
		return true;
	case CMD_lint:
		if (request_get(req, "explain", &name)) {
			explain(con, name);
			return true;
		}
		console_show(con, MAIN_CONFIG);
		return true;
	case CMD_config_get:
	case CMD_config_set:
	case CMD_config_unset:
	case CMD_config_undo:
	case CMD_config_comment:
	case CMD_config_check:
		console_show(con, MAIN_CONFIG);
		return true;
	default:
		return false;
	}
}
