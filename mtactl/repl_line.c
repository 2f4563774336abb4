#include "mtactl/repl_line.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "ctl/selector.h"

#define WATCH_EVERY	2
#define WATCH_MAX	86400

struct lexer {
	struct span	 left;
	struct repl_line *line;
	size_t		 used;		/* of line->bytes */
	struct err	*err;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
skip_blanks(struct lexer *x)
{
	while (x->left.len > 0 && is_blank(*x->left.ptr))
		x->left = span_skip(x->left, 1);
}

static bool
fail(struct lexer *x, const char *text)
{
	err_set(x->err, ERR_PERM, "%s", text);
	return false;
}

static void
keep(struct lexer *x, char c)
{
	x->line->bytes[x->used++] = c;
}

bool
repl_redirects(const struct span *words, size_t n)
{
	enum selector_field field;

	if (n == 0 || !selector_field_find(words[n - 1], &field))
		return true;
	if (n > 1 && span_starts(words[n - 2], "--"))
		return true;
	enum selector_type type = selector_field_row(field)->type;
	return type == SELECTOR_TEXT || type == SELECTOR_DOMAIN;
}

/* "reason ~ 421|450": there "|" belongs to the expression. */
static bool
is_match(struct span word)
{
	return span_eqs(word, "~") || span_eqs(word, "!~");
}

/* Behind the opening quote. In "..." a backslash stands before itself and the quote only, as in sh. */
static bool
take_quoted(struct lexer *x, char quote)
{
	while (x->left.len > 0) {
		char c = *x->left.ptr;
		x->left = span_skip(x->left, 1);
		if (c == quote)
			return true;
		bool escape = quote == '"' && c == '\\' && x->left.len > 0
		    && (*x->left.ptr == '"' || *x->left.ptr == '\\');
		if (escape) {
			c = *x->left.ptr;
			x->left = span_skip(x->left, 1);
		}
		keep(x, c);
	}
	return fail(x, "a quote is not closed");
}

static bool
take_word(struct lexer *x, bool expression, struct span *word)
{
	size_t start = x->used;

	while (x->left.len > 0 && !is_blank(*x->left.ptr)) {
		char c = *x->left.ptr;
		if (c == '|' && !expression)
			break;
		expression = expression || c == '~';
		x->left = span_skip(x->left, 1);
		if (c == '"' || c == '\'') {
			if (!take_quoted(x, c))
				return false;
			continue;
		}
		if (c == '\\' && x->left.len > 0) {
			c = *x->left.ptr;
			x->left = span_skip(x->left, 1);
		}
		keep(x, c);
	}
	*word = span_of(x->line->bytes + start, x->used - start);
	keep(x, '\0');
	return true;
}

static bool
take_shell(struct lexer *x)
{
	struct span command = span_trim(span_skip(x->left, 1));

	if (command.len == 0)
		return fail(x, "a command of the shell is missing behind |");
	x->line->target = TARGET_SHELL;
	x->line->to = span_of(x->line->bytes + x->used, command.len);
	for (size_t i = 0; i < command.len; i++)
		keep(x, command.ptr[i]);
	keep(x, '\0');
	return true;
}

static bool
take_file(struct lexer *x)
{
	bool append = span_starts(x->left, ">>");

	x->left = span_skip(x->left, append ? 2 : 1);
	skip_blanks(x);
	x->line->target = append ? TARGET_APPEND : TARGET_FILE;
	if (!take_word(x, false, &x->line->to))
		return false;
	if (x->line->to.len == 0)
		return fail(x, "a file's name is missing behind >");
	skip_blanks(x);
	return x->left.len == 0 || fail(x, "there is more behind the file's name (quote a selector that has > in it)");
}

static bool
take_words(struct lexer *x)
{
	struct repl_line *line = x->line;

	for (;;) {
		skip_blanks(x);
		if (x->left.len == 0)
			return true;
		if (*x->left.ptr == '|')
			return take_shell(x);
		if (*x->left.ptr == '>' && !span_starts(x->left, ">=") && repl_redirects(line->words, line->count))
			return take_file(x);
		if (line->count == REPL_WORDS)
			return fail(x, "the line has more than 4096 words");
		bool expression = line->count > 0 && is_match(line->words[line->count - 1]);
		if (!take_word(x, expression, &line->words[line->count]))
			return false;
		line->count++;
	}
}

static bool
take_watch(struct lexer *x)
{
	struct repl_line *line = x->line;
	uint32_t every = WATCH_EVERY;
	size_t used = 1;

	if (line->count == 0 || !span_eqs(line->words[0], "watch"))
		return true;
	if (line->count > 1 && num_u32(line->words[1], &every))
		used = 2;
	if (every == 0 || every > WATCH_MAX)
		return fail(x, "watch takes 1 to 86400 seconds");
	if (line->count == used)
		return fail(x, "watch needs a command: watch [SECONDS] COMMAND");
	if (line->target != TARGET_SCREEN)
		return fail(x, "watch shows its command on the screen; it takes no | and no >");
	line->watch = every;
	line->count -= used;
	memmove(line->words, line->words + used, line->count * sizeof *line->words);
	return true;
}

bool
repl_line_parse(struct repl_line *line, struct span text, struct err *err)
{
	struct lexer x = { .left = span_trim(text), .line = line, .err = err };

	*line = (struct repl_line){ .count = 0 };
	if (x.left.len == 0 || *x.left.ptr == '#')
		return true;
	if (memchr(x.left.ptr, '\0', x.left.len) != NULL)
		return fail(&x, "the line holds a zero byte");
	/* Each word, and what the output goes to, ends with NUL; words are divided by one byte or more, but "a|b" is not. */
	line->bytes = mem_new(x.left.len + 8);
	line->words = mem_array(REPL_WORDS, sizeof *line->words);
	if (!take_words(&x) || !take_watch(&x))
		return false;
	return line->count > 0 || line->target == TARGET_SCREEN || fail(&x, "a command is missing");
}

void
repl_line_clear(struct repl_line *line)
{
	free(line->bytes);
	free(line->words);
	*line = (struct repl_line){ .count = 0 };
}

bool
repl_history_keeps(struct span line)
{
	static const char *const secrets[] = { "password", "passwd", "passphrase", "secret", "credential", "token" };

	if (line.len == 0 || is_blank(*line.ptr))
		return false;
	for (size_t at = 0; at < line.len; at++)
		for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
			if (span_casestarts(span_skip(line, at), secrets[i]))
				return false;
	return true;
}
