#include "master/linting.h"

#include <stdlib.h>

#include "base/log.h"

#define LOGGED_MAX	50

/* What the machine can mend, or mtad itself when it starts, without a change of the files. */
static bool
is_transient(enum lint_code code)
{
	return (lint_rule(code)->needs & NEEDS_HOST) != 0 || code == LINT_T103 || code == LINT_Q132 || code == LINT_Q133 ||
	    code == LINT_F124;
}

bool
linting_refuses(const struct lint_finding *f)
{
	return f->level == LINT_ERROR && !is_transient(f->code);
}

static struct span
base_name(const char *path)
{
	struct span p = span_str(path);
	size_t slash = span_rfind(p, '/');

	return slash < p.len ? span_skip(p, slash + 1) : p;
}

static bool
is_told(const struct conf_problems *told, const struct lint_finding *f)
{
	for (size_t i = 0; i < told->count; i++)
		if (f->line > 0 && told->items[i].line == f->line && told->items[i].file != NULL &&
		    span_eq(base_name(told->items[i].file), base_name(f->file)))
			return true;
	return false;
}

/* The log is open when this is logged: nobody needs to be told that the usual place is missing. */
static bool
is_shown(const struct lint_finding *f)
{
	return f->level >= LINT_WARNING && f->code != LINT_F124;
}

bool
linting_run(const struct options *o, const struct conf_problems *told, struct lint_report *r)
{
	const struct lint_options options = { .dir = o->dir, .overrides = o->overrides, .override_count = o->override_count };
	bool refuses = false;

	(void)lint_run(&options, r);
	for (size_t i = 0; i < r->count; i++) {
		struct lint_finding *f = &r->items[i];
		refuses = refuses || linting_refuses(f);
		if (is_told(told, f) && f->level == LINT_WARNING)
			f->level = LINT_INFO;
	}
	return refuses;
}

static void
log_one(const struct lint_finding *f)
{
	void (*say)(const char *, const char *, ...) = f->level == LINT_ERROR ? log_error : log_warning;
	const char *code = lint_rule(f->code)->code;

	if (f->line > 0)
		say(NULL, "%s:%u: %s [%s]", f->file, f->line, f->message, code);
	else
		say(NULL, "%s: %s [%s]", f->file, f->message, code);
}

void
linting_log(const struct lint_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++)
		if (is_shown(&r->items[i]) && n++ < LOGGED_MAX)
			log_one(&r->items[i]);
	if (n > LOGGED_MAX)
		log_warning(NULL, "%zu more findings: run mtalint", n - LOGGED_MAX);
}

void
linting_text(const struct lint_report *r, bool all, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct lint_finding *f = &r->items[i];
		if (!(all ? is_shown(f) : linting_refuses(f)) || n++ >= LOGGED_MAX)
			continue;
		buf_str(out, f->file);
		if (f->line > 0)
			buf_printf(out, ":%u", f->line);
		buf_printf(out, ": %s: %s [%s]\n", lint_level_name(f->level), f->message, lint_rule(f->code)->code);
	}
}
