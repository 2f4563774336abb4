/*
 * A line of the REPL or of a script, taken apart: words as sh has them (quotes, backslash), `watch [N]` before them, and where the output goes
 * (`| shell command`, `> file`, `>> file`). "age > 2h" is a test, no file: behind a field that has an order, ">" compares.
 */
#ifndef MTACTL_REPL_LINE_H
#define MTACTL_REPL_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

enum repl_target { TARGET_SCREEN, TARGET_SHELL, TARGET_FILE, TARGET_APPEND };

#define REPL_WORDS	4096

struct repl_line {
	char		*bytes;		/* what the words point to */
	struct span	*words;
	size_t		 count;		/* 0: an empty line, or a comment */
	enum repl_target target;
	struct span	 to;		/* the shell's command, or the file's name; terminated */
	unsigned	 watch;		/* seconds between runs; 0: once */
};

/* False with the err where it is no line. Clear in either case. */
bool	repl_line_parse(struct repl_line *, struct span text, struct err *);
void	repl_line_clear(struct repl_line *);

/*
 * ">" behind these words sends the output to a file. False: it compares, as the last of them names a field that has an order
 * (and is no option's value).
 */
bool	repl_redirects(const struct span *words, size_t n);

/* Whether a line may be written to the history: not with a blank in front, nor when it names a secret. */
bool	repl_history_keeps(struct span line);

#endif
