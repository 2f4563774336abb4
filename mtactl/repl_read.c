#include "mtactl/repl_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <readline/readline.h>

#include "base/mem.h"
#include "ctl/selector.h"

/* readline's callbacks take no argument. */
static struct repl *repl;
static struct candidates *shown;	/* what the matches are of, for their hints */
static size_t next_match;

static struct candidates *
candidates_at(int start, int end)
{
	struct candidates *c = mem_new(sizeof *c);
	struct span line = span_str(rl_line_buffer);
	struct span word = span_head(span_skip(line, (size_t)start), (size_t)(end - start));

	repl_complete(c, span_head(line, (size_t)start), word, repl_live_values, repl);
	return c;
}

static void
forget_shown(void)
{
	if (shown != NULL)
		candidates_clear(shown);
	free(shown);
	shown = NULL;
}

static char *
match(const char *text, int state)
{
	(void)text;
	if (state == 0)
		next_match = 0;
	return shown != NULL && next_match < shown->count ? mem_str(shown->item[next_match++].text) : NULL;
}

static char **
complete(const char *text, int start, int end)
{
	rl_attempted_completion_over = 1;
	rl_completion_append_character = ' ';
	rl_sort_completion_matches = 0;
	forget_shown();
	shown = candidates_at(start, end);
	if (shown->files) {
		rl_attempted_completion_over = 0;
		return NULL;
	}
	return rl_completion_matches(text, match);
}

/* -- showing -------------------------------------------------------------- */

static int
screen_columns(void)
{
	struct winsize size = { .ws_col = 0 };

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20 ? 80 : size.ws_col;
}

/* Cut to what is left of a line; not inside of a character. */
static size_t
hint_length(const char *hint, int room)
{
	size_t n = 0;

	for (int columns = 0; hint[n] != '\0' && columns < room; columns++)
		for (n++; ((unsigned char)hint[n] & 0xc0) == 0x80; )
			n++;
	return n;
}

static void
put_candidates(const struct candidates *c)
{
	int width = 0, columns = screen_columns();

	for (size_t i = 0; i < c->count; i++) {
		int n = (int)strlen(c->item[i].text);
		width = n > width ? n : width;
	}
	width = width > columns / 2 ? columns / 2 : width;
	for (size_t i = 0; i < c->count; i++) {
		const char *hint = c->item[i].hint != NULL ? c->item[i].hint : "";
		int taken = 4 + ((int)strlen(c->item[i].text) > width ? (int)strlen(c->item[i].text) : width);
		printf("  %-*s%s%.*s\n", width, c->item[i].text, *hint != '\0' ? "  " : "",
		    (int)hint_length(hint, columns - taken - 1), hint);
	}
	fflush(stdout);
}

static void
show_matches(char **matches, int count, int longest)
{
	putchar('\n');
	if (shown != NULL && shown->count > 0)
		put_candidates(shown);
	else
		rl_display_match_list(matches, count, longest);
	rl_forced_update_display();
}

static int
word_start(void)
{
	int at = rl_point;

	while (at > 0 && strchr(repl_word_breaks, rl_line_buffer[at - 1]) == NULL)
		at--;
	return at;
}

/* In quotes, and right behind an operator, it is a character of a regular expression or an address. */
static bool
is_plain_here(void)
{
	char quote = '\0', last = ' ';

	for (int i = 0; i < rl_point; i++) {
		char c = rl_line_buffer[i];
		if (c == '"' || c == '\'')
			quote = quote == '\0' ? c : quote == c ? '\0' : quote;
		if (c == '|' && quote == '\0')
			return true;
	}
	int at = word_start();
	while (at > 0 && rl_line_buffer[at - 1] == ' ')
		at--;
	if (at > 0)
		last = rl_line_buffer[at - 1];
	return quote != '\0' || (last == '~' && word_start() < rl_point);
}

static int
question_mark(int count, int key)
{
	if (is_plain_here())
		return rl_insert(count, key);
	struct candidates *c = candidates_at(word_start(), rl_point);
	putchar('\n');
	if (c->command >= 0) {
		const struct command_row *row = command_row((enum command)c->command);
		printf("%s %s: %s\n", row->name, row->grammar, row->summary);
	}
	if (c->count == 0)
		puts(c->files ? "  (a file, or a command of the shell)" : "  (nothing that is known here; Enter runs the line)");
	put_candidates(c);
	candidates_clear(c);
	free(c);
	rl_on_new_line();
	rl_redisplay();
	return 0;
}

void
repl_read_init(struct repl *r)
{
	repl = r;
	rl_readline_name = "mtactl";
	rl_catch_signals = 0;
	rl_catch_sigwinch = 0;
	rl_change_environment = 0;
	rl_attempted_completion_function = complete;
	rl_completion_display_matches_hook = show_matches;
	rl_completer_word_break_characters = repl_word_breaks;
	rl_completer_quote_characters = NULL;
	rl_initialize();
	rl_bind_key('?', question_mark);
}
