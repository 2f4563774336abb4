/*
 * help: the list of commands, or one command's page; all of it from commands.def and selector.def.
 */
#include "ctl/selector.h"
#include "mtactl/local.h"
#include "mtactl/present.h"
#include "mtactl/session.h"

static void
put_commands(struct display *d)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = command_row((enum command)i);
		put_color(d, COLOR_BOLD);
		put(d, "  %-12s", row->name);
		put_color(d, COLOR_NONE);
		put(d, " %s\n", row->summary);
	}
}

void
help_short(struct display *d)
{
	put(d, "mtactl [-c DIR] [-o NAME=VALUE] [--json|--table] [--color=auto|always|never] [--readonly] COMMAND ...\n\n");
	put_commands(d);
	put(d, "\nCommands may be shortened (\"mtactl q l\"). A SELECTOR picks messages: a queue ID, user@domain, @domain,\n"
	    "a state, * or an expression, as 'rcpt.domain = example.com and age > 2h and reason ~ \"421\"'.\n"
	    "\"mtactl help COMMAND\" explains one, \"mtactl help queue ls\" lists the fields of expressions.\n");
}

static bool
takes_selector(const struct command_row *row)
{
	struct grammar g = { .left = span_str(row->grammar) };

	while (grammar_next(&g))
		if (g.place == PLACE_SELECTOR || g.place == PLACE_FIELD)
			return true;
	return false;
}

static void
put_fields(struct display *d, enum selector_kind kind)
{
	static const char *const types[] = { "text", "domain", "number", "size", "time" };

	put(d, "\nfields of expressions:\n");
	for (unsigned i = 0; i < SELECTOR_FIELDS; i++) {
		const struct selector_field_row *row = selector_field_row((enum selector_field)i);
		if (!selector_field_in((enum selector_field)i, kind))
			continue;
		put(d, "  %-14s %-7s %s\n", row->name, types[row->type], row->summary);
	}
	put(d, "\nText takes = != ~ !~ in (a, b); numbers, sizes (10k, 5M) and times (90s, 2h, 5d) = != < <= > >= in.\n"
	    "and, or, not and parentheses combine them. An expression is read for one recipient at a time.\n");
}

static void
put_page(struct display *d, const struct command_row *row)
{
	put_color(d, COLOR_BOLD);
	put(d, "mtactl %s", row->name);
	put_color(d, COLOR_NONE);
	put(d, "%s%s\n  %s\n", *row->grammar != '\0' ? " " : "", row->grammar, row->summary);
	put(d, "  right: %s%s\n", rights_name((enum ctl_rights)row->right),
	    row->where & OR_FILES ? "; reads the spool's files when mtad is down"
	    : row->where & LOCAL ? "" : "; needs mtad running");
	put(d, "  example: %s\n", row->example);
	if (row == command_row(CMD_simulate))
		simulate_words_help(d);
	if (takes_selector(row))
		put_fields(d, request_selects((enum command)(row - command_row((enum command)0))));
}

/* The words after "help" are looked up as a command line would be, without its arguments. */
static bool
put_matching(struct display *d, struct span words)
{
	bool any = false;

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = command_row((enum command)i);
		if (!span_starts(span_str(row->name), words.ptr))
			continue;
		if (any)
			put(d, "\n");
		put_page(d, row);
		any = true;
		if (span_eqs(words, row->name))
			break;
	}
	return any;
}

int
help_run(struct session *s, const struct request *req)
{
	struct span words;

	if (!request_get(req, "command", &words)) {
		help_short(&s->display);
		return 0;
	}
	if (put_matching(&s->display, words))
		return 0;
	session_say(s, "there is no command \"%.*s\"; \"mtactl help\" lists them", SPAN_ARG(span_head(words, 40)));
	return 64;
}
