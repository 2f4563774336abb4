#include "mtactl/repl_complete.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/num.h"
#include "conf/params.h"
#include "ctl/selector.h"
#include "lint/lint.h"
#include "mtactl/display.h"
#include "mtactl/repl_line.h"

#define TOKENS	128

const char repl_word_breaks[] = " \t\n\"'(),<>=!~|";

static const char operators[] = "<>=!~";
static const char *const states[] = { "incoming", "active", "deferred", "hold", "corrupt", "trash" };
static const char *const severities[] = { "info", "warning", "error", "fatal", "panic" };

struct place {
	struct candidates *c;
	struct span	 token[TOKENS];
	size_t		 count;
	size_t		 args;		/* where the arguments start */
	candidates_fn	*values;
	void		*arg;
};

/* -- candidates ----------------------------------------------------------- */

static bool
is_simple(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isalnum((unsigned char)text.ptr[i]) && strchr("-._@+/:<>=!~[]", text.ptr[i]) == NULL)
			return false;
	return text.len > 0;
}

static bool
is_there(const struct candidates *c, struct span text)
{
	for (size_t i = 0; i < c->count; i++)
		if (span_eqs(text, c->item[i].text))
			return true;
	return false;
}

void
candidate_add(struct candidates *c, struct span text, struct span hint)
{
	struct buf safe = BUF_INIT(0);

	bool begins = span_eq(span_head(text, c->prefix.len), c->prefix);
	if (c->count == CANDIDATES || !is_simple(text) || !begins || is_there(c, text))
		return;
	safe_text(&safe, hint, false);
	c->item[c->count++] = (struct candidate){ span_dup(text), safe.len > 0 ? buf_take(&safe) : NULL };
	buf_clear(&safe);
}

void
candidates_clear(struct candidates *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->item[i].text);
		free(c->item[i].hint);
	}
	c->count = 0;
}

static void
add(struct place *p, const char *text, const char *hint)
{
	candidate_add(p->c, span_str(text), span_str(hint));
}

/* -- tokens --------------------------------------------------------------- */

static size_t
token_length(struct span s)
{
	size_t n = 0;

	if (strchr(operators, *s.ptr) != NULL) {
		while (n < s.len && strchr(operators, s.ptr[n]) != NULL)
			n++;
		return n;
	}
	while (n < s.len && strchr(repl_word_breaks, s.ptr[n]) == NULL)
		n++;
	return n > 0 ? n : 1;
}

/*
 * Quotes only divide: what stands in them is a selector all the same. False where a shell's command or a file's name goes on.
 */
static bool
tokenize(struct place *p, struct span left)
{
	char quote = '\0';

	while (left.len > 0 && p->count < TOKENS) {
		char c = *left.ptr;
		size_t n = 1;
		if (c == '"' || c == '\'') {
			quote = quote == '\0' ? c : quote == c ? '\0' : quote;
		} else if (c == '|' && quote == '\0') {
			return false;
		} else if (c == '>' && quote == '\0' && !span_starts(left, ">=")
		    && repl_redirects(p->token, p->count)) {
			return false;
		} else if (c != '\0' && !isspace((unsigned char)c) && c != '|') {
			n = token_length(left);
			p->token[p->count++] = span_head(left, n);
		}
		left = span_skip(left, n);
	}
	return true;
}

static struct span
token_back(const struct place *p, size_t n)
{
	return p->count >= p->args + n ? p->token[p->count - n] : SPAN_NONE;
}

/* -- values of selectors -------------------------------------------------- */

static void
add_values(struct place *p, enum selector_field field)
{
	const char *name = selector_field_row(field)->name;
	enum selector_type type = selector_field_row(field)->type;

	if (field == SEL_STATE) {
		for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
			add(p, states[i], "");
	} else if (field == SEL_SEVERITY) {
		for (size_t i = 0; i < sizeof severities / sizeof severities[0]; i++)
			add(p, severities[i], "");
	} else if (type == SELECTOR_TEXT || type == SELECTOR_DOMAIN) {
		p->values(p->arg, name, p->c);
	}
}

static enum selector_kind
kind(const struct place *p)
{
	return p->c->command < 0 ? SELECTOR_QUEUE : request_selects((enum command)p->c->command);
}

static void
add_fields(struct place *p)
{
	for (unsigned i = 0; i < SELECTOR_FIELDS; i++)
		if (selector_field_in((enum selector_field)i, kind(p)))
			add(p, selector_field_row((enum selector_field)i)->name, selector_field_row((enum selector_field)i)->summary);
}

static void
add_operators(struct place *p, enum selector_field field)
{
	static const char *const of_text[] = { "=", "!=", "~", "!~", "in", NULL };
	static const char *const of_numbers[] = { "<", ">", "<=", ">=", "=", "!=", "in", NULL };
	enum selector_type type = selector_field_row(field)->type;
	const char *const *op = type == SELECTOR_TEXT || type == SELECTOR_DOMAIN ? of_text : of_numbers;

	for (; *op != NULL; op++)
		add(p, *op, "");
}

/* "@exa" and "user@exa" are short forms, too. */
static void
add_addresses(struct place *p)
{
	struct span word = p->c->prefix;
	size_t at = span_find(word, '@');
	struct candidates domains = { .prefix = span_skip(word, 1), .command = -1 };

	if (at == word.len)
		return;
	if (at > 0) {
		p->values(p->arg, "rcpt", p->c);
		p->values(p->arg, "sender", p->c);
		return;
	}
	p->values(p->arg, "rcpt.domain", &domains);
	for (size_t i = 0; i < domains.count; i++) {
		struct buf text = BUF_INIT(0);
		buf_printf(&text, "@%s", domains.item[i].text);
		candidate_add(p->c, buf_view(&text), span_str(domains.item[i].hint));
		buf_clear(&text);
	}
	candidates_clear(&domains);
}

static void
add_test(struct place *p)
{
	add_fields(p);
	add_addresses(p);
	for (size_t i = 0; kind(p) == SELECTOR_QUEUE && i < sizeof states / sizeof states[0]; i++)
		add(p, states[i], "messages in this state");
	p->values(p->arg, "id", p->c);
}

static bool
is_operator(struct span token)
{
	return token.len > 0 && strchr(operators, *token.ptr) != NULL;
}

/* Behind "in (a, b,": the field before "in". */
static bool
find_in(const struct place *p, enum selector_field *field)
{
	struct span last = token_back(p, 1);

	if (!span_eqs(last, ",") && !span_eqs(last, "("))
		return false;
	for (size_t n = 2; n < p->count - p->args; n++)
		if (span_eqs(token_back(p, n), "in"))
			return selector_field_find_in(kind(p), token_back(p, n + 1), field);
		else if (span_eqs(token_back(p, n), ")"))
			return false;
	return false;
}

static void
add_selector(struct place *p)
{
	struct span last = token_back(p, 1);
	enum selector_field field;

	if (is_operator(last) && selector_field_find_in(kind(p), token_back(p, 2), &field)) {
		add_values(p, field);
	} else if (find_in(p, &field)) {
		add_values(p, field);
	} else if (selector_field_find_in(kind(p), last, &field) && !is_operator(token_back(p, 2))) {
		add_operators(p, field);
	} else if (last.len == 0 || span_eqs(last, "and") || span_eqs(last, "or") || span_eqs(last, "not") || span_eqs(last, "(")) {
		add_test(p);
	} else {
		add(p, "and", "");
		add(p, "or", "");
		if (p->c->prefix.len > 0)
			add_test(p);
	}
}

/* -- commands and their arguments ----------------------------------------- */

static struct span
name_word(unsigned command, size_t n)
{
	struct span rest = span_str(command_row((enum command)command)->name), word = SPAN_NONE;

	for (size_t i = 0; i <= n; i++)
		if (!span_word(&rest, " ", &word))
			return SPAN_NONE;
	return word;
}

/* Those of `among` whose n-th word the token begins, or is. */
static command_set
narrow(command_set among, size_t n, struct span token)
{
	command_set begins = 0, equal = 0;

	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		struct span own = name_word(i, n);
		if (!(among >> i & 1) || token.len > own.len || memcmp(token.ptr, own.ptr, token.len) != 0)
			continue;
		begins |= (command_set)1 << i;
		if (token.len == own.len)
			equal |= (command_set)1 << i;
	}
	return equal != 0 ? equal : begins;
}

/* The commands that the line may still mean, with p->args behind the words used. */
static command_set
find_commands(struct place *p)
{
	command_set left = COMMAND_SET_ALL;
	size_t at = 0;

	while (p->args < p->count) {
		command_set next = narrow(left, at, p->token[p->args]);
		if (next == 0)
			break;
		left = next;
		at++;
		p->args++;
	}
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		struct span next = name_word(i, at);
		if ((left >> i & 1) == 0 || next.len == 0)
			continue;
		/* Words follow that are none of this command's. */
		if (p->args < p->count) {
			left &= ~((command_set)1 << i);
			continue;
		}
		bool whole = name_word(i, at + 1).len == 0;
		candidate_add(p->c, next, span_str(whole ? command_row((enum command)i)->summary : "..."));
		left &= ~((command_set)1 << i);
	}
	return left;
}

static void
add_params(struct place *p)
{
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		add(p, param_row((enum param)i)->name, param_row((enum param)i)->summary);
}

/* Of the table that the word before it names. */
static void
add_keys(struct place *p)
{
	struct buf field = BUF_INIT(1024);

	buf_printf(&field, "key:%.*s", SPAN_ARG(token_back(p, 1)));
	if (!field.over)
		p->values(p->arg, field.ptr, p->c);
	buf_clear(&field);
}

static void
add_codes(struct place *p)
{
	for (int i = 0; i < LINT_CODES; i++)
		add(p, lint_rule((enum lint_code)i)->code, lint_rule((enum lint_code)i)->summary);
}

static void
add_formats(struct place *p)
{
	static const char *const formats[] = { "tty", "gcc", "json", "quiet" };

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		add(p, formats[i], "");
}

static void
add_of_place(struct place *p, enum placeholder place)
{
	switch (place) {
	case PLACE_SELECTOR:
		add_selector(p);
		break;
	case PLACE_ID:
		p->values(p->arg, "id", p->c);
		break;
	case PLACE_FIELD:
		add_fields(p);
		break;
	case PLACE_FILE:
		p->c->files = true;
		break;
	case PLACE_COMMAND:
		find_commands(p);
		break;
	case PLACE_DEST:
		p->values(p->arg, "dest", p->c);
		break;
	case PLACE_TABLE:
		p->values(p->arg, "table", p->c);
		break;
	case PLACE_KEY:
		add_keys(p);
		break;
	case PLACE_PARAM:
		add_params(p);
		break;
	case PLACE_CODE:
		add_codes(p);
		break;
	case PLACE_FORMAT:
		add_formats(p);
		break;
	case PLACE_VALUE:
	case PLACE_ADDRESS:
	case PLACE_COUNT:
	case PLACE_TIME:
	case PLACE_COLUMN:
	case PLACE_TEXT:
	case PLACE_NONE:
		break;
	}
}

static bool
is_option(struct span token, const struct grammar *g)
{
	return g->option.len > 0 && span_starts(token, "--") && span_eq(span_skip(token, 2), g->option);
}

static bool
is_given(const struct place *p, const struct grammar *g)
{
	for (size_t i = p->args; i < p->count; i++)
		if (is_option(p->token[i], g))
			return true;
	return false;
}

/* An option's value is due: "--sort AGE", "--sort=AGE". */
static bool
add_option_value(struct place *p, const char *grammar)
{
	struct grammar g = { .left = span_str(grammar) };
	struct span last = token_back(p, 1);

	if (span_eqs(last, "="))
		last = token_back(p, 2);
	while (grammar_next(&g)) {
		if (!is_option(last, &g) || g.word.len == 0)
			continue;
		add_of_place(p, g.place);
		return true;
	}
	return false;
}

/* Options and their values are no part of a selector. */
static void
drop_options(struct place *p, const char *grammar)
{
	size_t kept = p->args;

	for (size_t i = p->args; i < p->count; i++) {
		struct grammar g = { .left = span_str(grammar) };
		bool option = false;
		while (grammar_next(&g) && !option) {
			option = is_option(p->token[i], &g);
			if (option && g.word.len > 0)
				i += i + 1 < p->count && span_eqs(p->token[i + 1], "=") ? 2 : 1;
		}
		if (!option)
			p->token[kept++] = p->token[i];
	}
	p->count = kept;
}

static void
add_options(struct place *p, const char *grammar)
{
	struct grammar g = { .left = span_str(grammar) };

	while (grammar_next(&g)) {
		struct buf text = BUF_INIT(0);
		if (g.option.len == 0 || is_given(p, &g))
			continue;
		buf_printf(&text, "--%.*s", SPAN_ARG(g.option));
		candidate_add(p->c, buf_view(&text), g.word);
		buf_clear(&text);
	}
	add(p, "--json", "rows as JSON Lines");
}

static void
add_arguments(struct place *p, const char *grammar)
{
	struct grammar g = { .left = span_str(grammar) };

	if (add_option_value(p, grammar))
		return;
	bool option = span_starts(p->c->prefix, "-"), value = is_operator(token_back(p, 1));
	if (option)
		add_options(p, grammar);
	drop_options(p, grammar);
	size_t given = p->count - p->args, index = 0;
	while (!option && grammar_next(&g)) {
		bool all = g.place == PLACE_SELECTOR || g.place == PLACE_COMMAND || (g.many && given > index);
		if (g.option.len > 0)
			continue;
		if (all || given == index)
			add_of_place(p, g.place);
		index++;
	}
	if (!option && !value && p->c->prefix.len == 0)
		add_options(p, grammar);
}

static void
add_own_words(struct place *p)
{
	add(p, "watch", "[SECONDS] COMMAND: again and again until Ctrl-C");
	add(p, "quit", "leave");
	add(p, "exit", "leave");
}

void
repl_complete(struct candidates *c, struct span left, struct span word, candidates_fn *values, void *arg)
{
	struct place p = { .c = c, .values = values, .arg = arg };
	uint32_t seconds;

	*c = (struct candidates){ .prefix = word, .command = -1 };
	if (!tokenize(&p, left)) {
		c->files = true;
		return;
	}
	if (p.count > 0 && span_eqs(p.token[0], "watch"))
		p.args = p.count > 1 && num_u32(p.token[1], &seconds) ? 2 : 1;
	else if (p.count == 0)
		add_own_words(&p);
	command_set commands = find_commands(&p);
	if (p.args == 0 || p.args > p.count || !command_set_single(commands))
		return;
	c->command = (int)command_set_first(commands);
	add_arguments(&p, command_row((enum command)c->command)->grammar);
}
