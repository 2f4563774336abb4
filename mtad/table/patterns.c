#include "table/patterns.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "conf/lines.h"

#define NESTING_MAX	50
#define BLANKS		" \t\r\n\f\v"

struct rule {
	void		*pattern;
	char		*text;		/* what it stands for; NULL: an "if" */
	unsigned	 line;
	unsigned	 groups;	/* how many the text names; 0: it is used as it is */
	bool		 negated;
	size_t		 skip;		/* of an "if": the rule behind its endif */
};

struct patterns {
	const struct pattern_engine *engine;
	struct rule	*rules;
	size_t		 count;
	/* while reading */
	struct span	 path;
	unsigned	 line;
	size_t		 open[NESTING_MAX];
	size_t		 depth;
};

void
patterns_close(void *state)
{
	struct patterns *p = state;

	for (size_t i = 0; i < p->count; i++) {
		p->engine->free(p->rules[i].pattern);
		free(p->rules[i].text);
	}
	free(p->rules);
	free(p);
}

/* -- $1 ${1} $(1) $$ in a text --------------------------------------------------------------------- */

struct piece {
	struct span	 text;		/* plain */
	struct span	 name;		/* or a group */
};

/* The next piece off *rest; false at the end or, with the reason, at something wrong. */
static bool
next_piece(struct span *rest, struct piece *piece, const char **why)
{
	size_t n = 0;

	*piece = (struct piece){ .text = SPAN_NONE };
	*why = NULL;
	if (rest->len == 0)
		return false;
	if (rest->ptr[0] != '$' || (rest->len > 1 && rest->ptr[1] == '$')) {
		size_t from = rest->ptr[0] == '$' ? 2 : 0;	/* "$$" gives one */
		n = from + span_find(span_skip(*rest, from), '$');
		piece->text = from == 2 ? span_of(rest->ptr + 1, n - 1) : span_head(*rest, n);
		*rest = span_skip(*rest, n);
		return true;
	}
	*rest = span_skip(*rest, 1);
	if (span_starts(*rest, "{") || span_starts(*rest, "(")) {
		n = span_find(*rest, rest->ptr[0] == '{' ? '}' : ')');
		if (n == rest->len)
			*why = "truncated macro reference";
		piece->name = n == rest->len ? SPAN_NONE : span_of(rest->ptr + 1, n - 1);
		*rest = span_skip(*rest, n + 1);
	} else {
		while (n < rest->len && ((rest->ptr[n] >= '0' && rest->ptr[n] <= '9') || (rest->ptr[n] >= 'a' && rest->ptr[n] <= 'z') ||
		    (rest->ptr[n] >= 'A' && rest->ptr[n] <= 'Z') || rest->ptr[n] == '_'))
			n++;
		piece->name = span_head(*rest, n);
		*rest = span_skip(*rest, n);
	}
	if (piece->name.len == 0 && *why == NULL)
		*why = "empty macro name";
	return *why == NULL;
}

/* *highest: of the groups that the text names; 0 with *plain set where "$$" is all that is special. */
static bool
check_text(const struct patterns *p, struct span text, unsigned *highest)
{
	struct piece piece;
	const char *why;
	uint32_t n;

	*highest = 0;
	while (next_piece(&text, &piece, &why)) {
		if (piece.name.len == 0)
			continue;
		if (!num_u32(piece.name, &n)) {
			table_warn(p->path, p->line, "non-numeric replacement index \"%.*s\"", SPAN_ARG(span_head(piece.name, 60)));
			why = "bad replacement syntax";
			break;
		}
		if (n < 1 || n >= PATTERN_GROUPS) {
			table_warn(p->path, p->line, "out of range replacement index \"%u\": skipping this rule", n);
			return false;
		}
		*highest = n > *highest ? n : *highest;
	}
	if (why != NULL)
		table_warn(p->path, p->line, "%s: skipping this rule", why);
	return why == NULL;
}

static void
expand(const char *text, struct span subject, const struct pattern_span *groups, unsigned count, struct buf *out)
{
	struct span rest = span_str(text);
	struct piece piece;
	const char *why;
	uint32_t n;

	while (next_piece(&rest, &piece, &why)) {
		buf_span(out, piece.text);
		if (piece.name.len > 0 && num_u32(piece.name, &n) && n < count && groups[n].start >= 0)
			buf_put(out, subject.ptr + groups[n].start, (size_t)(groups[n].end - groups[n].start));
	}
}

/* -- reading ---------------------------------------------------------------------------------------- */

static bool
is_word(struct span line, const char *word)
{
	size_t n = strlen(word);

	if (!span_casestarts(line, word))
		return false;
	char c = line.len > n ? line.ptr[n] : ' ';
	return !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

struct parsed {
	bool		 negated;
	struct span	 pattern, flags, text;
};

/* "!!/pattern/flags text" taken apart. */
static bool
split_rule(const struct patterns *p, struct span line, struct parsed *r)
{
	*r = (struct parsed){ .negated = false };
	for (; span_starts(line, "!"); line = span_ltrim(span_skip(line, 1)))
		r->negated = !r->negated;
	if (line.len == 0) {
		table_warn(p->path, p->line, "no regular expression: skipping this rule");
		return false;
	}
	char end = line.ptr[0];
	size_t n = 1;
	while (n < line.len && line.ptr[n] != end)
		n += line.ptr[n] == '\\' ? 2 : 1;
	if (n >= line.len) {
		table_warn(p->path, p->line, "no closing regexp delimiter \"%c\": skipping this rule", end);
		return false;
	}
	r->pattern = span_of(line.ptr + 1, n - 1);
	line = span_skip(line, n + 1);
	for (n = 0; n < line.len && !span_has(SPAN(BLANKS), line.ptr[n]); n++)
		;
	r->flags = span_head(line, n);
	r->text = span_trim(span_skip(line, n));
	return true;
}

static struct rule *
add_rule(struct patterns *p, const struct parsed *r, unsigned want)
{
	char why[160] = "";
	unsigned groups = 0;
	char *pattern = span_dup(r->pattern), *flags = span_dup(r->flags);
	void *compiled = p->engine->compile(pattern, flags, want, &groups, why, sizeof why);

	free(pattern);
	free(flags);
	if (compiled == NULL) {
		table_warn(p->path, p->line, "%s: skipping this rule", why);
		return NULL;
	}
	if (want > groups) {
		table_warn(p->path, p->line, "out of range replacement index \"%u\": skipping this rule", want);
		p->engine->free(compiled);
		return NULL;
	}
	p->rules = mem_grow(p->rules, p->count + 1, sizeof *p->rules);
	struct rule *rule = &p->rules[p->count++];
	*rule = (struct rule){ .pattern = compiled, .negated = r->negated, .line = p->line };
	return rule;
}

static void
add_value(struct patterns *p, const struct parsed *r)
{
	unsigned highest;

	if (r->text.len == 0)
		table_note(p->path, p->line, "no replacement text: using empty string");
	if (!check_text(p, r->text, &highest))
		return;
	if (r->negated && highest > 0) {
		table_warn(p->path, p->line, "$number found in negative match replacement text: skipping this rule");
		return;
	}
	struct rule *rule = add_rule(p, r, highest);
	if (rule == NULL)
		return;
	rule->groups = highest;
	if (highest > 0) {
		rule->text = span_dup(r->text);
		return;
	}
	struct buf plain = BUF_INIT(0);		/* "$$" becomes "$" once and for all */
	char *text = span_dup(r->text);
	expand(text, SPAN_NONE, NULL, 0, &plain);
	buf_str(&plain, "");
	rule->text = buf_take(&plain);
	free(text);
}

static void
begin_if(struct patterns *p, struct span line)
{
	struct parsed r;

	line = span_ltrim(line);
	if (line.len == 0) {
		table_warn(p->path, p->line, "no regular expression: skipping this rule");
		return;
	}
	if (!split_rule(p, line, &r))
		return;
	if (r.text.len > 0)
		table_note(p->path, p->line, "ignoring extra text after IF statement: \"%.*s\"", SPAN_ARG(span_head(r.text, 100)));
	if (p->depth == NESTING_MAX) {
		table_warn(p->path, p->line, "IFs within IFs, more than %d: skipping this rule", NESTING_MAX);
		return;
	}
	if (add_rule(p, &r, 0) != NULL)
		p->open[p->depth++] = p->count - 1;
}

static void
end_if(struct patterns *p, struct span rest)
{
	if (span_trim(rest).len > 0)
		table_note(p->path, p->line, "ignoring extra text after ENDIF");
	if (p->depth == 0)
		table_warn(p->path, p->line, "ignoring ENDIF without matching IF");
	else
		p->rules[p->open[--p->depth]].skip = p->count;
}

static void
add_line(struct patterns *p, struct span line)
{
	struct parsed r;

	if (p->depth > 0 && span_has(SPAN(BLANKS), line.ptr[0]))
		table_note(p->path, p->line, "do not prepend whitespace to statements between IF and ENDIF");
	line = span_trim(line);
	if (is_word(line, "endif"))
		end_if(p, span_skip(line, 5));
	else if (is_word(line, "if"))
		begin_if(p, span_skip(line, 2));
	else if (line.len > 0 && ((line.ptr[0] >= '0' && line.ptr[0] <= '9') || (line.ptr[0] >= 'a' && line.ptr[0] <= 'z') ||
	    (line.ptr[0] >= 'A' && line.ptr[0] <= 'Z') || (unsigned char)line.ptr[0] >= 0x80))
		table_warn(p->path, p->line, "ignoring unrecognized request");
	else if (split_rule(p, line, &r))
		add_value(p, &r);
}

bool
patterns_open(const struct pattern_engine *engine, const struct conf *conf, struct span name, void **state, struct err *err)
{
	struct conf_lines lines = { .next = 1, .text = BUF_INIT(1 << 20) };
	struct patterns *p;
	struct buf space;
	struct span line;

	if (!table_text(conf, engine->name, name, &space, &lines.rest, err))
		return false;
	MEM_NEW(p);
	p->engine = engine;
	p->path = name;
	while (conf_lines_next(&lines, &line, &p->line))
		if (table_line_ok(name, p->line, &lines, line))
			add_line(p, line);
	while (p->depth > 0) {
		table_warn(name, p->line, "IF has no matching ENDIF");
		p->rules[p->open[--p->depth]].skip = p->count;
	}
	p->path = SPAN_NONE;
	buf_clear(&lines.text);
	buf_clear(&space);
	*state = p;
	return true;
}

/* -- asking ----------------------------------------------------------------------------------------- */

enum table_result
patterns_get(const void *state, struct span self, struct facts *facts, struct span key, struct buf *value, struct err *err)
{
	const struct patterns *p = state;
	struct pattern_span groups[PATTERN_GROUPS];

	(void)self;
	(void)facts;
	(void)err;
	for (size_t i = 0; i < p->count; i++) {
		const struct rule *r = &p->rules[i];
		unsigned count = r->groups == 0 ? 0 : r->groups + 1;
		bool match = p->engine->match(r->pattern, key, groups, count) != r->negated;
		if (r->text == NULL) {
			if (!match)
				i = r->skip - 1;
			continue;
		}
		if (!match)
			continue;
		table_matched(r->line);
		if (count == 0)
			buf_str(value, r->text);
		else
			expand(r->text, key, groups, count, value);
		return TABLE_FOUND;
	}
	return TABLE_ABSENT;
}
