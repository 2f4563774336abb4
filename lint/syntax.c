/* The form of main.cf: lines, comments, repeated settings, and bytes that are not what they look like. */
#include "lint/private.h"

static bool
is_param(struct span name)
{
	enum param p;
	return param_find(name, &p);
}

/* Parameters whose values hold name=value words of their own. */
static bool
holds_assignments(struct span name)
{
	static const char *const exempt[] = { "import_environment", "export_environment", "debugger_command" };
	for (size_t i = 0; i < sizeof exempt / sizeof *exempt; i++)
		if (span_eqs(name, exempt[i]))
			return true;
	return span_ends(name, "_command") || span_ends(name, "_template") || span_ends(name, "_template_file");
}

/* "name =" at the start of the text, with a name that is a parameter's. */
static bool
starts_with_setting(struct span text, struct span *name)
{
	size_t n = 0;

	while (n < text.len && (text.ptr[n] == '_' || (text.ptr[n] >= 'a' && text.ptr[n] <= 'z') ||
	    (text.ptr[n] >= '0' && text.ptr[n] <= '9')))
		n++;
	*name = span_head(text, n);
	struct span rest = span_ltrim(span_skip(text, n));
	return n > 0 && span_starts(rest, "=") && !span_starts(rest, "==") && is_param(*name);
}

static const struct lint_setting *
setting_at(const struct lint *l, const struct logical *g)
{
	for (size_t i = 0; i < l->setting_count; i++)
		if (l->settings[i].logical == g)
			return &l->settings[i];
	return NULL;
}

static void
check_line(struct lint *l, const struct logical *g, bool first)
{
	size_t eq = span_find(g->text, '=');
	struct span token = span_rtrim(span_head(g->text, eq)), rest = token, word;

	if (first && span_has(SPAN(LINT_BLANKS), g->text.ptr[0]))
		lint_find(l, LINT_P103, at_line(g->src, g->line),
		    "line %u is indented but nothing comes before it: Postfix ignores it, mtad does not start", g->line);
	else if (eq < g->text.len && token.len == 0)
		lint_find(l, LINT_P102, at_span(g, span_head(g->text, 1)), "a value without a parameter's name");
	else if (setting_at(l, g) == NULL && span_word(&rest, LINT_BLANKS, &word))
		lint_find(l, LINT_P101, at_span(g, word), "no \"=\" behind \"%.*s\"; no program starts with this line",
		    SPAN_ARG(span_head(word, 60)));
}

/* A setting within a value: first on an indented line (P104), or further on in a line (P120). */
static void
check_swallowed(struct lint *l, const struct lint_setting *s)
{
	const struct logical *g = s->logical;
	struct span text = s->value, name;
	size_t depth = 0;

	if (holds_assignments(s->name))
		return;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		bool start = i == 0 || span_has(SPAN(LINT_BLANKS), text.ptr[i - 1]);
		if (!start || depth > 0 || !starts_with_setting(span_skip(text, i), &name))
			continue;
		struct place p = at_span(g, name);
		unsigned line = source_line_of(g->src, p.from);
		struct span before = span_head(source_line(g->src, line), p.from - g->src->starts[line - 1]);
		if (line != g->line && span_trim(before).len == 0)
			lint_find(l, LINT_P104, p, "line %u is indented, so %.*s is part of the value of %.*s (line %u)", line,
			    SPAN_ARG(name), SPAN_ARG(s->name), g->line);
		else
			lint_find(l, LINT_P120, p, "two settings in one line: %.*s is part of the value of %.*s",
			    SPAN_ARG(name), SPAN_ARG(s->name));
	}
}

static void
check_comment_in(struct lint *l, const struct lint_setting *s)
{
	struct span v = s->value;
	size_t depth = 0;
	char quote = 0;

	for (size_t i = 0; i < v.len; i++) {
		char c = v.ptr[i];
		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if ((c == '"' || c == '\'') && holds_assignments(s->name))
			quote = c;
		else if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (c == '#' && depth == 0 && (i == 0 || span_has(SPAN(LINT_BLANKS), v.ptr[i - 1]))) {
			lint_find(l, LINT_P106, at_span(s->logical, span_skip(v, i)),
			    "\"%.*s\" is part of the value of %.*s: a comment has its own line",
			    SPAN_ARG(span_head(span_skip(v, i), 40)), SPAN_ARG(s->name));
			return;
		}
	}
}

static bool
is_repeated(const struct lint *l, const struct lint_setting *s, bool *same, unsigned *last)
{
	const struct lint_setting *end = map_get(&l->last, s->name);

	*last = end->logical->line;
	*same = span_eq(end->value, s->value);
	return end != s;
}

static void
check_repeated(struct lint *l, const struct lint_setting *s)
{
	bool same;
	unsigned last;

	if (!is_repeated(l, s, &same, &last))
		return;
	if (same)
		lint_find(l, LINT_P108, at_span(s->logical, s->name), "%.*s is set again, to the same, in line %u",
		    SPAN_ARG(s->name), last);
	else
		lint_find(l, LINT_P107, at_span(s->logical, s->name), "%.*s is set again in line %u; only the last line counts",
		    SPAN_ARG(s->name), last);
}

static void
check_quotes(struct lint *l, const struct lint_setting *s)
{
	char c = s->value.len < 2 ? '\0' : s->value.ptr[0];

	if ((c != '"' && c != '\'') || s->value.ptr[s->value.len - 1] != c || holds_assignments(s->name) ||
	    span_ends(s->name, "_banner"))
		return;
	lint_find(l, LINT_P115, at_span(s->logical, s->value), "the quotes around the value of %.*s are part of it",
	    SPAN_ARG(s->name));
}

static bool
is_list(struct span name)
{
	static const char *const ends[] = { "_maps", "_restrictions", "_domains", "_networks", "_hosts", "_clients",
	    "_classes", "_milters", "_exceptions", "_interfaces", "_exclusions", "_users" };
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (span_ends(name, ends[i]))
			return true;
	return span_eqs(name, "mynetworks") || span_eqs(name, "mydestination");
}

static void
check_semicolons(struct lint *l, const struct lint_setting *s)
{
	struct span v = s->value;
	size_t depth = 0;

	if (!is_list(s->name))
		return;
	for (size_t i = 0; i < v.len; i++) {
		if (v.ptr[i] == '{')
			depth++;
		else if (v.ptr[i] == '}' && depth > 0)
			depth--;
		else if (v.ptr[i] == ';' && depth == 0 && (i + 1 == v.len || span_has(SPAN(LINT_BLANKS), v.ptr[i + 1])))
			lint_find(l, LINT_P116, at_span(s->logical, span_of(v.ptr + i, 1)),
			    "\";\" does not separate the items of %.*s; it is part of one", SPAN_ARG(s->name));
	}
}

/* A commented-out setting whose indented lines are still there. */
static void
check_tails(struct lint *l, const struct source *s)
{
	struct span name;

	for (unsigned i = 1; i < s->line_count; i++) {
		struct span line = span_ltrim(source_line(s, i)), next = source_line(s, i + 1), text = span_trim(next);
		if (!span_starts(line, "#"))
			continue;
		while (span_starts(line, "#"))
			line = span_skip(line, 1);
		if (!starts_with_setting(span_ltrim(line), &name) || text.len == 0 || text.ptr[0] == '#' ||
		    !span_has(SPAN(LINT_BLANKS), next.ptr[0]))
			continue;
		struct span swallowed, owner = SPAN_NONE;
		if (starts_with_setting(text, &swallowed))
			continue;	/* P104's */
		for (size_t k = 0; k < l->setting_count; k++)
			if (l->settings[k].logical->line < i)
				owner = l->settings[k].name;
		if (owner.len > 0)
			lint_find(l, LINT_P105, at_line(s, i + 1),
			    "this looks like the rest of the commented-out %.*s, but it is part of the value of %.*s",
			    SPAN_ARG(name), SPAN_ARG(owner));
	}
}

/* Characters that look like others, or like nothing. */
static const struct { const char *bytes, *name; } look_alikes[] = {
	{ "\xef\xbb\xbf", "U+FEFF (byte order mark)" }, { "\xc2\xa0", "U+00A0 (no-break space)" },
	{ "\xe2\x80\x8b", "U+200B (zero width space)" }, { "\xe2\x80\x8c", "U+200C (zero width non-joiner)" },
	{ "\xe2\x80\x8d", "U+200D (zero width joiner)" }, { "\xe2\x80\x8e", "U+200E (left-to-right mark)" },
	{ "\xe2\x80\x8f", "U+200F (right-to-left mark)" }, { "\xe2\x80\x93", "U+2013 (dash)" },
	{ "\xe2\x80\x98", "U+2018 (quote)" }, { "\xe2\x80\x99", "U+2019 (quote)" },
	{ "\xe2\x80\x9c", "U+201C (quote)" }, { "\xe2\x80\x9d", "U+201D (quote)" },
};

static void
check_characters(struct lint *l, const struct source *s, unsigned line)
{
	struct span text = source_line(s, line);

	if (span_starts(span_ltrim(text), "#"))
		return;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.ptr[i] < 0x80)
			continue;
		for (size_t k = 0; k < sizeof look_alikes / sizeof *look_alikes; k++)
			if (span_starts(span_skip(text, i), look_alikes[k].bytes))
				lint_find(l, LINT_P117, at_column(s, line, i, strlen(look_alikes[k].bytes)),
				    "%s makes this another name or value than the one that you see", look_alikes[k].name);
	}
}

static void
check_physical(struct lint *l, const struct source *s)
{
	bool dos = false;

	for (unsigned i = 1; i <= s->line_count; i++) {
		struct span line = source_line(s, i), text = span_trim(line);
		check_characters(l, s, i);
		if (span_ends(line, "\r") && !dos) {
			dos = true;
			lint_find(l, LINT_P118, at_column(s, i, line.len - 1, 1), "lines end as in DOS (CR LF)");
		}
		if (span_ends(text, "\\") && text.ptr[0] != '#')
			lint_find(l, LINT_P119, at_column(s, i, (size_t)(text.ptr - line.ptr) + text.len - 1, 1),
			    "\"\\\" continues no line; it is part of the value");
	}
}

/* mtad has built-in files for missing ones, so one that is not there is no error while the other is. */
static void
check_there(struct lint *l, const struct source *s, const struct source *other)
{
	struct place p = at_file(s);

	if (!s->there && other->there)
		lint_find_as(l, LINT_P124, LINT_INFO, p, "there is no such file: mtad takes its built-in one, Postfix does not start");
	else if (!s->there)
		lint_find(l, LINT_P124, p, "there is no such file");
	else if (!s->readable)
		lint_find(l, LINT_P124, p, "it is no plain file, too large, or not readable");
	else if (s->bytes.len == 0)
		lint_find_as(l, LINT_P124, LINT_WARNING, p, "the file is empty");
}

void
lint_syntax(struct lint *l)
{
	check_there(l, &l->main_cf, &l->master_cf);
	check_there(l, &l->master_cf, &l->main_cf);
	for (size_t i = 0; i < l->main_cf.count; i++)
		check_line(l, &l->main_cf.logicals[i], i == 0);
	for (size_t i = 0; i < l->setting_count; i++) {
		const struct lint_setting *s = &l->settings[i];
		check_swallowed(l, s);
		check_comment_in(l, s);
		check_repeated(l, s);
		check_quotes(l, s);
		check_semicolons(l, s);
	}
	check_tails(l, &l->main_cf);
	check_physical(l, &l->main_cf);
	if (l->master_cf.readable)
		check_physical(l, &l->master_cf);
}
