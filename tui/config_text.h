/*
 * main.cf and master.cf as rows for the screen: each file's name, its lines, and below a line what the linter finds in it, wrapped to the
 * screen's width. Findings in other files (tables) come last.
 */
#ifndef TUI_CONFIG_TEXT_H
#define TUI_CONFIG_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "lint/lint.h"

enum config_row_kind { ROW_FILE, ROW_LINE, ROW_FINDING };
#define CONFIG_FILES	2	/* main.cf, master.cf */

struct config_row {
	enum config_row_kind kind;
	size_t		 file;		/* CONFIG_FILES: another one */
	unsigned	 line;		/* from 1; 0: the file's name, and findings about the file as a whole */
	size_t		 finding;	/* ROW_FINDING: its place in the report */
	size_t		 from, len;	/* ROW_FINDING: what is seen here of its text */
};

struct config_file {
	char		*path;
	struct buf	 text;
	struct span	*lines;		/* of text, without line ends */
	size_t		 count;
	struct stat	 stat;		/* when it was read; all zero: it was not there */
	struct err	 err;		/* why it cannot be read */
};

struct config_text {
	struct config_file files[CONFIG_FILES];
	struct lint_report report;
	bool		 linted;	/* the report is about these lines */
	struct buf	*texts;		/* of the findings: "P101 error: message", safe */
	struct config_row *rows;
	size_t		 count, cap;
};

void	config_text_init(struct config_text *, const char *dir);
void	config_text_clear(struct config_text *);
/* Whether a file is another one than was read; one look at each. */
bool	config_text_stale(const struct config_text *);
/* Reads the files. The report is emptied: it was about other lines. */
void	config_text_read(struct config_text *);
void	config_text_lint(struct config_text *, const struct conf_override *, size_t n);
/* Makes the rows, with findings cut into pieces of at most this many columns. */
void	config_text_lay(struct config_text *, int width);

/* A row's line; empty where it has none. */
struct span config_text_line(const struct config_text *, const struct config_row *);
/* The worst finding of a row's line; false: there is none. */
bool	config_text_worst(const struct config_text *, const struct config_row *, enum lint_level *);
/* The first finding of that line. */
const struct lint_finding *config_text_finding(const struct config_text *, const struct config_row *);
/* The row that shows what `was` showed with the text `line`, as near as can be, after the files have changed. */
size_t	config_text_place(const struct config_text *, const struct config_row *was, struct span line);
/* The next row (or the one before) with a finding's first piece, round the end; false: there is none. */
bool	config_text_next(const struct config_text *, size_t from, bool backwards, size_t *to);
/* The name of the parameter that a line of main.cf belongs to, or of the service; empty where it is a comment. *start: the line where it begins. */
struct span config_text_name(const struct config_text *, const struct config_row *, unsigned *start);

#endif
