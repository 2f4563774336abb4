/* The engine: reads, runs each group of rules once, takes away what comments disable, sorts. */
#include "lint/private.h"

#include <stdlib.h>

#include "base/mem.h"
#include "conf/private.h"

#define FINDINGS_MAX	10000	/* a file made to be bad does not fill the memory */

static void
add(struct lint *l, enum lint_code code, enum lint_level level, struct place p, const char *fmt, va_list ap)
{
	struct lint_report *r = l->report;
	struct buf text = BUF_INIT(4096);

	if (r->count >= FINDINGS_MAX)
		return;
	buf_vprintf(&text, fmt, ap);
	r->items = mem_grow(r->items, r->count + 1, sizeof *r->items);
	struct lint_finding *f = &r->items[r->count++];
	*f = (struct lint_finding){ .code = code, .level = level, .help = lint_rule(code)->help };
	f->message = text.over ? mem_str(lint_rule(code)->summary) : buf_take(&text);
	f->file = mem_str(p.src != NULL ? p.src->path : p.path);
	if (p.src != NULL && p.src->line_count > 0) {
		f->line = source_line_of(p.src, p.from);
		f->column = p.from - p.src->starts[f->line - 1] + 1;
		f->width = p.to > p.from ? p.to - p.from : 1;
		f->source = span_dup(source_line(p.src, f->line));
	}
	buf_clear(&text);
}

void
lint_find(struct lint *l, enum lint_code code, struct place p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, code, lint_rule(code)->level, p, fmt, ap);
	va_end(ap);
}

void
lint_find_as(struct lint *l, enum lint_code code, enum lint_level level, struct place p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, code, level, p, fmt, ap);
	va_end(ap);
}

/* Whether the comment is "# lint: disable=CODE,CODE reason" with this code. */
static bool
disables(struct span line, const char *code)
{
	struct span codes, one;

	line = span_ltrim(line);
	if (!span_starts(line, "#"))
		return false;
	line = span_ltrim(span_skip(line, 1));
	if (!span_starts(line, "lint:"))
		return false;
	line = span_ltrim(span_skip(line, 5));
	if (!span_starts(line, "disable=") || !span_word((line = span_skip(line, 8), &line), LINT_BLANKS, &codes))
		return false;
	while (span_word(&codes, ",", &one))
		if (span_caseeqs(one, code))
			return true;
	return false;
}

/* Comments at the top of the file, up to the first empty line or setting; those right above a setting are that setting's. */
static bool
disabled_by_head(const struct source *s, const char *code)
{
	bool found = false;

	for (unsigned i = 1; i <= s->line_count; i++) {
		struct span line = span_trim(source_line(s, i));
		if (line.len == 0)
			return found;
		if (line.ptr[0] != '#')
			return false;
		found = found || disables(line, code);
	}
	return found;
}

/* Comments directly above the line, or above the logical line that it is part of. */
static bool
disabled_above(const struct source *s, unsigned line, const char *code)
{
	for (unsigned i = line - 1; i > 0; i--) {
		struct span above = span_trim(source_line(s, i));
		if (above.len == 0 || above.ptr[0] != '#')
			return false;
		if (disables(above, code))
			return true;
	}
	return false;
}

static bool
is_disabled(const struct lint *l, const struct lint_finding *f)
{
	const char *code = lint_rule(f->code)->code;
	const struct source *s = span_eqs(span_str(f->file), l->master_cf.path) ? &l->master_cf : &l->main_cf;

	if (disabled_by_head(s, code))
		return true;
	if (f->line == 0 || !span_eqs(span_str(f->file), s->path))
		return false;
	if (disabled_above(s, f->line, code))
		return true;
	for (size_t i = 0; i < s->count; i++)
		if (s->logicals[i].line <= f->line && f->line <= s->logicals[i].last)
			return disabled_above(s, s->logicals[i].line, code);
	return false;
}

static void
finding_clear(struct lint_finding *f)
{
	free(f->file);
	free(f->source);
	free(f->message);
}

void
lint_report_clear(struct lint_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		finding_clear(&r->items[i]);
	free(r->items);
	*r = (struct lint_report){ .items = NULL };
}

static int
by_place(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order == 0 && x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (order == 0 && x->column != y->column)
		return x->column < y->column ? -1 : 1;
	if (order == 0 && x->code != y->code)
		return x->code < y->code ? -1 : 1;
	return order != 0 ? order : strcmp(x->message, y->message);
}

static bool
same(const struct lint_finding *x, const struct lint_finding *y)
{
	return by_place(x, y) == 0;
}

/* Sorted, without those that are disabled or said twice; then counted. */
static void
finish(struct lint *l)
{
	struct lint_report *r = l->report;
	size_t kept = 0;

	if (r->count > 0)
		qsort(r->items, r->count, sizeof *r->items, by_place);
	for (size_t i = 0; i < r->count; i++) {
		struct lint_finding *f = &r->items[i];
		bool repeated = kept > 0 && same(&r->items[kept - 1], f);
		bool disabled = !repeated && is_disabled(l, f);
		r->disabled += disabled;
		if (repeated || disabled)
			finding_clear(f);
		else
			r->items[kept++] = *f;
	}
	r->count = kept;
	for (size_t i = 0; i < kept; i++)
		r->of_level[r->items[i].level]++;
}

static void
run_groups(struct lint *l)
{
	for (int i = 0; i < LINT_CODES; i++) {
		const struct lint_rule *rule = lint_rule((enum lint_code)i);
		bool done = false;
		for (int k = 0; k < i && !done; k++)
			done = lint_rule((enum lint_code)k)->check == rule->check;
		if (!done)
			rule->check(l);
	}
}

static char *
join(const char *dir, const char *name)
{
	struct buf path = BUF_INIT(8192);

	buf_printf(&path, "%s/%s", dir, name);
	return path.over ? mem_str(name) : buf_take(&path);
}

bool
lint_run(const struct lint_options *options, struct lint_report *report)
{
	struct lint l = { .options = options, .report = report, .arena = ARENA_INIT(0) };
	char *main_cf = join(options->dir, "main.cf"), *master_cf = join(options->dir, "master.cf");

	*report = (struct lint_report){ .items = NULL };
	l.host = options->host != NULL ? options->host : lint_host_real();
	source_read(&l, &l.main_cf, main_cf);
	source_read(&l, &l.master_cf, master_cf);
	if (options->main_cf.ptr != NULL) {
		source_use(&l, &l.main_cf, options->main_cf);
		l.main_cf.there = l.main_cf.readable = true;
	}
	report->unreadable = !l.main_cf.readable && !l.master_cf.readable;
	/* As mtad does where there is none. */
	if (!l.master_cf.there)
		source_use(&l, &l.master_cf, span_str(master_cf_builtin));
	model_read(&l);
	model_conf(&l);
	if (l.conf != NULL)
		run_groups(&l);
	finish(&l);
	model_clear(&l);
	source_clear(&l.main_cf);
	source_clear(&l.master_cf);
	for (size_t i = 0; i < l.file_count; i++) {
		source_clear(l.files[i]);
		free(l.files[i]);
	}
	free(l.files);
	arena_clear(&l.arena);
	free(main_cf);
	free(master_cf);
	return !report->unreadable;
}
