/* lint: as the program mtalint. */
#include <stdlib.h>

#include "lint/lint.h"
#include "mtactl/local.h"

static int
explain(struct session *s, struct span code)
{
	enum lint_code c;

	if (!lint_rule_find(code, &c)) {
		session_say(s, "there is no rule %.*s; mtalint --list shows them all", SPAN_ARG(span_head(code, 40)));
		return 64;
	}
	lint_explain(c, &s->display.out);
	return 0;
}

int
lint_command_run(struct session *s, const struct request *req)
{
	struct lint_options options = { .dir = s->conf_dir, .overrides = s->overrides, .override_count = s->override_count };
	enum lint_format format = s->display.json ? LINT_JSON : s->display.tty ? LINT_TTY : LINT_GCC;
	struct lint_report report;
	struct span text;
	char *dir = NULL;

	if (request_get(req, "explain", &text))
		return explain(s, text);
	if (request_get(req, "format", &text) && !lint_format_find(text, &format)) {
		session_say(s, "--format is tty, gcc, json or quiet");
		return 64;
	}
	if (request_get(req, "dir", &text))
		options.dir = dir = span_dup(text);
	bool readable = lint_run(&options, &report);
	lint_print(&report, format, s->display.colored && format == LINT_TTY, &s->display.out);
	if (!readable)
		session_say(s, "%s has no main.cf or master.cf that can be read", options.dir);
	int status = !readable ? 2 : report.of_level[LINT_ERROR] + report.of_level[LINT_WARNING] > 0 ? 1 : 0;
	lint_report_clear(&report);
	free(dir);
	return status;
}
