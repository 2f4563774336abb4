/*
 * Drawing: a line of the screen is filled cell by cell. Whatever is written is made safe first (mtactl/display.h): the terminal sees printable
 * characters only, cut at the cell's width. Where the locale is not UTF-8, everything else than ASCII becomes "?".
 */
#ifndef TUI_PAINT_H
#define TUI_PAINT_H

#include <stdbool.h>

#include "base/span.h"

enum style {
	STYLE_PLAIN, STYLE_DIM, STYLE_BOLD, STYLE_GOOD, STYLE_WARN, STYLE_BAD,
	STYLE_BAR,	/* title and headings */
	STYLE_ALARM,	/* in the title: something is wrong */
	STYLE_KEY,	/* the bar of function keys */
	STYLE_COUNT
};

void	paint_init(bool color, bool utf8);

/* A line that is being drawn. */
struct line {
	int		 y, x, end;	/* the next column, and the one behind the last */
	enum style	 base;		/* of what is written as STYLE_PLAIN, and of the blanks */
	bool		 cursor;	/* the whole line is marked */
};

/* Starts a line: blank over its whole width. */
void	line_begin(struct line *, int y, enum style base, bool cursor);
/* One column and a blank behind it. width > 0: to the left; < 0: to the right; 0: all that is left. */
void	line_cell(struct line *, int width, enum style, struct span text);
/* As long as the text is; no blank behind it. */
void	line_text(struct line *, enum style, struct span text);
void	line_printf(struct line *, enum style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* At the right end; what stands there is written over. */
void	line_right(struct line *, enum style, struct span text);
/* Text with the colour codes of mtactl's presenters in it, safe already; *style goes on from line to line. */
void	line_ansi(struct line *, enum style *, struct span text);
int	paint_columns(void);		/* of the screen */
/* The cursor's place, or none (x < 0). */
void	paint_cursor(int y, int x);

/*
 * The first character of safe text: its length in bytes and its columns on this terminal. Tabs count as one. Colour codes have no columns.
 */
size_t	paint_char(struct span, int *columns);
/* The style that a colour code at the start of the text stands for. */
enum style paint_code(struct span);
/* Columns of safe text. */
int	paint_width(struct span);

#endif
