/*
 * The terminal: taken with newterm, given back after any end (a signal and a crash too). Without a terminal (a script) the
 * same screen is drawn to nowhere.
 */
#ifndef TUI_TERM_H
#define TUI_TERM_H

#include <stdbool.h>

#include "base/err.h"

struct term_size {
	int	cols, rows;
};

/* headless: no terminal is touched, the screen has the size given. False with the err where the terminal cannot be used. */
bool	term_open(bool headless, struct term_size, struct err *);
void	term_close(void);		/* again and again is fine */

bool	term_color(void);
bool	term_utf8(void);
/* Takes the terminal's size over after a SIGWINCH; headless: the one given. */
void	term_resize(struct term_size);

/* What signals have told, and the descriptor that becomes readable with them. */
enum term_signal { TERM_WINCH = 1, TERM_END = 2 };
unsigned term_signals(void);		/* and forgets them */
int	term_signal_fd(void);
int	term_input_fd(void);		/* -1: headless */
/* The signal that asked for the end, 0: none. */
int	term_end_signal(void);
/* To another program, and back. */
void	term_lend(void);
void	term_take_back(void);
/* To the shell and back (Ctrl-Z). */
void	term_suspend(void);

#endif
