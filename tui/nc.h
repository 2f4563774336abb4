/*
 * curses, in wide characters and as functions: its macros would take names like move and clear from everybody, and its colours are named as
 * those of mtactl/display.h.
 */
#ifndef TUI_NC_H
#define TUI_NC_H

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>

#undef COLOR_RED
#undef COLOR_GREEN
#undef COLOR_YELLOW
enum nc_color { NC_RED = 1, NC_GREEN = 2, NC_YELLOW = 3 };

#endif
