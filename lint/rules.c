/* The rules as a table, and what is told of each. */
#include <ctype.h>

#include "lint/private.h"

static const struct lint_rule rules[] = {
#define RULE(code, level, needs, summary, why, help, bad, good, check) \
	{ #code, LINT_##level, needs, summary, why, help, bad, good, check },
#include "lint/rules.def"
#undef RULE
};

const struct lint_rule *
lint_rule(enum lint_code code)
{
	if ((unsigned)code >= LINT_CODES)
		panic("no lint rule has the number %d", (int)code);
	return &rules[code];
}

bool
lint_rule_find(struct span code, enum lint_code *out)
{
	for (unsigned i = 0; i < LINT_CODES; i++)
		if (span_caseeqs(code, rules[i].code)) {
			*out = (enum lint_code)i;
			return true;
		}
	return false;
}

const char *
lint_level_name(enum lint_level level)
{
	static const char *const names[] = { "style", "info", "warning", "error" };
	return (unsigned)level < LINT_LEVELS ? names[level] : "?";
}

/* What a reader has to see of an example: not the answers of a made-up machine. */
static void
put_example(const char *text, const char *indent, struct buf *out)
{
	struct span rest = span_str(text), line;
	bool shown = true;

	while (span_cut(&rest, '\n', &line)) {
		if (span_starts(line, "--- "))
			shown = !span_eqs(line, "--- host");
		if (shown && line.len > 0)
			buf_printf(out, "%s%.*s\n", indent, SPAN_ARG(line));
	}
}

static void
put_needs(unsigned needs, struct buf *out)
{
	if (needs == NEEDS_CONF) {
		buf_str(out, "the configuration alone");
		return;
	}
	buf_str(out, "the configuration");
	if ((needs & NEEDS_MAP) != 0)
		buf_str(out, ", the text of tables");
	if ((needs & NEEDS_FS) != 0)
		buf_str(out, ", the file system");
	if ((needs & NEEDS_HOST) != 0)
		buf_str(out, ", this machine");
}

void
lint_explain(enum lint_code code, struct buf *out)
{
	const struct lint_rule *r = lint_rule(code);

	buf_printf(out, "%s (%s): %s\n\n%s\n\nTo mend it: %s\nLooks at: ", r->code, lint_level_name(r->level),
	    r->summary, r->why, r->help);
	put_needs(r->needs, out);
	buf_str(out, "\n\nFor example:\n");
	put_example(r->bad, "    ", out);
	buf_str(out, "\nmended:\n");
	put_example(r->good, "    ", out);
}

void
lint_list(struct buf *out)
{
	for (unsigned i = 0; i < LINT_CODES; i++)
		buf_printf(out, "%s  %-7s  %s\n", rules[i].code, lint_level_name(rules[i].level), rules[i].summary);
}

void
lint_manual(struct buf *out)
{
	buf_str(out, "# Rules of mtalint\n\n"
	    "Made by `mtalint --manual` from `lint/rules.def`. The codes are permanent. `mtalint --explain CODE` shows an\n"
	    "entry, `# lint: disable=CODE reason` in a comment above a line (or at the head of a file, before its first\n"
	    "empty line) keeps a rule quiet. In the examples, lines up to `--- master.cf` stand in main.cf.\n");
	for (unsigned i = 0; i < LINT_CODES; i++) {
		const struct lint_rule *r = &rules[i];
		buf_printf(out, "\n## %s: %s\n\n*%c%s.* %s To mend it: %s Looks at: ", r->code, r->summary,
		    toupper((unsigned char)lint_level_name(r->level)[0]), lint_level_name(r->level) + 1, r->why,
		    r->help);
		put_needs(r->needs, out);
		buf_str(out, ".\n\n```\n");
		put_example(r->bad, "", out);
		buf_str(out, "```\n\nmended:\n\n```\n");
		put_example(r->good, "", out);
		buf_str(out, "```\n");
	}
}
