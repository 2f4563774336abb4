/*
 * What a parameter is: its meaning, default and value here, and where it is set, as `mtactl config explain` shows it.
 */
#include "mtactl/explain.h"
#include "mtactl/present.h"
#include "tui/config_view.h"
#include "tui/pane.h"

void
config_lookup(struct console *con, struct span given)
{
	struct conf_problems problems = { .count = 0 };
	struct conf *conf = conf_load(con->conf_dir, con->overrides, con->override_count, &problems);
	struct display d = { .tty = true, .colored = true, .now = console_now() };
	struct buf row = BUF_INIT(0), name = BUF_INIT(1024);
	struct err err = { .kind = ERR_NONE };

	buf_span(&name, span_head(given, 200));
	conf_problems_clear(&problems);
	if (conf == NULL)	/* what a parameter is can be told all the same */
		conf = conf_parse(con->conf_dir, SPAN_NONE, SPAN_NONE, &problems);
	if (conf == NULL) {
		console_say(con, STYLE_BAD, "there is no configuration to look into");
	} else if (!config_explain_row(&row, con->conf_dir, conf, buf_view(&name), &err)) {
		console_say(con, STYLE_WARN, "%s", err.text);
	} else {
		presenter_of(CMD_config_explain)->row(&d, buf_view(&row));
		pane_push(con, buf_view(&name), &d.out);
		console_echo(con, "config explain %.*s", SPAN_ARG(buf_view(&name)));
	}
	d.out = BUF_INIT(0);
	display_clear(&d);
	buf_clear(&row);
	buf_clear(&name);
	conf_unref(conf);
	conf_problems_clear(&problems);
}
