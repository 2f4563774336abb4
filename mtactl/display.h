/*
 * Presentation: rows in, text out, into a buffer that is written when it is full and at the end. Whatever comes from outside is made safe for a
 * terminal here: control bytes, C1 and bidirectional controls are shown as \x1b or \u202e.
 */
#ifndef MTACTL_DISPLAY_H
#define MTACTL_DISPLAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "ctl/commands.h"

enum color { COLOR_NONE, COLOR_DIM, COLOR_BOLD, COLOR_RED, COLOR_GREEN, COLOR_YELLOW };

struct tally {
	char		 name[24];
	uint64_t	 count;
};
#define TALLIES	8

/* The last rows of an action or a plan. */
struct display_action {
	int64_t		 number, plan;
	int64_t		 skipped, undoes, expires;
	bool		 can_undo;
	char		 section[8];	/* of a plan's groups */
};

struct display {
	struct buf	 out;
	struct buf	 scratch;
	bool		 tty, colored, json;
	bool		 failed;	/* stdout takes no more */
	int64_t		 now;		/* seconds */
	int64_t		 trash_time;	/* seconds that deleted mail stays; 0: not known */
	const struct request *request;
	uint64_t	 rows;		/* of the command that is being shown */
	uint64_t	 messages, bytes;
	struct tally	 tallies[TALLIES];
	unsigned	 bad;		/* violations */
	bool		 short_ids;	/* mailq: columns as Postfix has them without enable_long_queue_ids */
	char		 first_id[32];
	struct display_action action;
};

void	display_flush(struct display *);	/* to stdout */
void	display_clear(struct display *);

void	put(struct display *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	put_color(struct display *, enum color);	/* COLOR_NONE ends it */
/* Text from outside. */
void	put_safe(struct display *, struct span);
/* A raw JSON value: a string's text, anything else as it is; empty: "-". */
void	put_value(struct display *, struct span raw);
/* As put_value, cut or filled up to this many columns (ASCII; else bytes); negative: to the right. */
void	put_column(struct display *, struct span raw, int width);
/*
 * The line that begins at out.len == from and has no end yet: broken between words where the terminal's line ends, later lines begin `indent` columns in. What is
 * no terminal has lines of any length.
 */
void	wrap_line(struct display *, size_t from, size_t indent);
void	safe_text(struct buf *, struct span, bool keep_lines);
/* "NAME: KIND", the text made safe, and a new line, on stderr. NAME may be NULL. */
void	tell_safe(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	vtell_safe(const char *name, const char *kind, const char *fmt, va_list) __attribute__((format(printf, 3, 0)));

/* A member of a row, raw; empty where it has none. */
struct span member(struct span row, const char *key);
void	put_member(struct display *, struct span row, const char *key);

/* "12s", "5m", "3h", "2d", at most 4 columns for anything under 27 years. */
void	age_text(struct buf *, int64_t seconds);
/* "812", "4.2K", "17M". */
void	size_text(struct buf *, int64_t bytes);
/* Local, "Nov 22 03:14:15"; with the year where it is not this one. */
void	time_text(struct buf *, int64_t seconds, int64_t now);
/* "in 5m", "now", "3m ago". */
void	when_text(struct buf *, int64_t seconds, int64_t now);
/* UTC, "2026-11-22T03:14:15Z". */
void	iso_text(struct buf *, int64_t seconds);

void	tally_add(struct display *, struct span name);

#endif
