/*
 * The console: a stack of views over one connection, the line at the bottom (status, or a prompt, or a question), and the loop.
 * A view is a table of functions (struct view_ops) in a file of its own.
 */
#ifndef TUI_CONSOLE_H
#define TUI_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "conf/conf.h"
#include "tui/link.h"
#include "tui/list.h"
#include "tui/paint.h"
#include "tui/prompt.h"
#include "tui/text.h"

/* Keys: a character is itself, a function key is FN(KEY_xxx) of curses. */
#define FN(code)	(0x110000 + (code))
#define CTRL(c)		((c) & 0x1f)
#define KEY_ESCAPE	27
#define KEY_RETURN	13

struct view;
struct plan;

struct key {
	int		 code;		/* 0 ends a table */
	const char	*help;		/* NULL: another key for the line before */
	void		(*fn)(struct view *);
};
/* "F5", "PgUp", "d"; into `out` of 16 bytes, which it returns. */
const char *key_label(int code, char out[16]);
/* The key named "Enter", "F5", "Down"; 0: there is none. */
int	key_named(struct span name);

/* Those that Tab goes through, in this order. */
enum main_view { MAIN_OVERVIEW, MAIN_QUEUE, MAIN_DEST, MAIN_DOCTOR, MAIN_SESSIONS, MAIN_LOG, MAIN_JOURNAL, MAIN_MAPS, MAIN_CONFIG, CONSOLE_MAINS };

/* In the bar at the bottom: a key and a word for what it does. */
struct hint {
	const char	*key, *does;		/* key NULL ends a table */
};

struct view_ops {
	const char	*name;
	size_t		 size;		/* of the view, which begins with a struct view */
	const struct key *keys;		/* may be NULL */
	const struct hint *hints;	/* its most useful keys; NULL: those of a queue */
	void		(*start)(struct view *);
	void		(*clear)(struct view *);
	void		(*fetch)(struct view *);	/* asks by view_ask for what it shows; NULL: nothing */
	/* For what is not the daemon's: before each round while it is seen, connected or not. When it wants to be called again (monotonic). */
	int64_t		(*tick)(struct view *, int64_t now);
	void		(*draw)(struct view *, int y, int height);
	void		(*move)(struct view *, enum list_move);
	void		(*enter)(struct view *);	/* NULL: nothing */
	void		(*search)(struct view *, struct span, bool backwards);	/* NULL: nothing to search */
	void		(*label)(struct view *, struct buf *);	/* for the title's right end, behind the name; NULL: nothing */
};

struct view {
	const struct view_ops *ops;
	struct console	*con;
	struct view	*below;
	unsigned	 pending;	/* questions under way */
	int64_t		 asked, due;	/* monotonic */
	uint64_t	 link_count;	/* of the connection that was asked */
	bool		 known;		/* was answered once */
	char		 error[256];	/* of the last answer; empty: none */
	char		*wanted;	/* text searched for */
};

/* What `status` says of the queue. */
struct stats {
	bool	 known;
	int64_t	 incoming, active, deferred, hold, corrupt, trash, recipients, bytes, free, full;
	int64_t	 submitted, sent, deferrals, bounced, expired, removed, deliveries;
};
#define RATE_SAMPLES	6
struct rate_sample {
	int64_t		 at;		/* monotonic; 0: none */
	struct stats	 stats;
};

/* What was done last here and can be taken back. */
#define ACTIONS_LAST	8
struct last_action {
	enum command	 command;
	int64_t		 numbers[ACTIONS_LAST];	/* of the daemon's journal */
	size_t		 count;			/* 0: nothing */
	int64_t		 messages;
};

struct console {
	struct link	*link;
	const char	*instance, *conf_dir;
	const struct conf_override *overrides;	/* of the command line */
	size_t		 override_count;
	bool		 readonly, quit, redraw;
	struct view	*mains[CONSOLE_MAINS];
	enum main_view	 main;
	struct view	*top;		/* the one that is seen: a main, or pushed over it */
	struct prompt	 prompt;
	struct plan	*plan;		/* a question that waits for its y or n; or NULL */
	struct map	 tags;		/* queue IDs */
	char		 status[512];
	enum style	 status_style;
	struct stats	 stats;
	struct rate_sample samples[RATE_SAMPLES];
	size_t		 sample_at;
	int64_t		 stats_due;
	bool		 stats_pending;
	struct last_action last;
	char		*suspending;	/* destination that a reason is being typed for */
	char		*mending;	/* selector of what is to be requeued after a reload */
};

void	console_init(struct console *, struct link *);
void	console_clear(struct console *);
void	console_key(struct console *, int key);
void	console_draw(struct console *);
/* What is due at this time; returns when it wants to be called again (monotonic). */
int64_t	console_tick(struct console *, int64_t now);
/* The status line. Text from outside is made safe where it is drawn. */
void	console_say(struct console *, enum style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "mtactl queue ls ..." in the status line: the command that does the same. */
void	console_echo(struct console *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	console_push(struct console *, struct view *);
void	console_back(struct console *);
void	console_show(struct console *, enum main_view);	/* what was pushed over it is gone */
bool	console_may(struct console *, uint8_t right);	/* says so where not */
int64_t	console_now(void);				/* seconds since 1970 */

struct view *view_new(const struct view_ops *, struct console *);
/* Asks for the view; a failure is kept in view->error. row and then may be NULL. */
void	view_ask(struct view *, enum command, const struct link_arg *, void (*row)(void *, struct span),
	    void (*done)(void *, int, struct span));
/* What `done` of view_ask does by itself where none is given; one that is given calls it. */
void	view_done(void *view, int status, struct span error);
/* Ask again at once. */
void	view_refresh(struct view *);
/* Searching in a list: the next row whose text has the wanted. */
void	list_search(struct view *, struct list *, struct span, bool backwards);
/* Why there are no rows, in the middle of nothing. */
void	view_draw_empty(struct view *, int y, int height, const char *text);

/* tags */
bool	tag_has(const struct console *, const char *id);
void	tag_set(struct console *, const char *id, bool on);
void	tag_none(struct console *);
size_t	tag_count(const struct console *);

/* The views. */
struct view *overview_new(struct console *);
struct view *queue_new(struct console *, const char *selector);	/* NULL: everything */
struct view *message_new(struct console *, const char *id);
struct view *dest_new(struct console *);
struct view *session_new(struct console *);
struct view *log_new(struct console *, const char *selector, bool follows);	/* NULL: every line */
struct view *journal_new(struct console *);
/* The messages of a selector as one trouble: why, and what helps. dest: "example.com" or "smtp:example.com"; NULL: they are of several. */
struct view *trouble_new(struct console *, const char *selector, const char *title, const char *dest);
/* The trouble with a destination, from its row of dest ls. */
void	dest_trouble(struct console *, struct span row);
/* The live dialogue with a peer; empty: with all. */
void	trace_show(struct console *, struct span peer);
struct view *maps_new(struct console *);
struct view *config_new(struct console *);
/* Commands about files that have a view here (files_command.c). False: this one has none. */
bool	files_command(struct console *, const struct request *);
struct view *help_new(struct console *, const struct view *about);
/* Any command, shown as the controller shows it; the request is taken over. */
struct view *command_new(struct console *, struct request *, bool repeat);
/* Words as a shell would split them. */
void	command_line(struct console *, struct span line);
void	command_why(struct console *, const char *id);
void	command_story(struct console *, const char *id);

bool	queue_is(const struct view *);
void	queue_filter(struct view *, const char *selector);	/* a queue view's; NULL: everything */
/* The main queue view with this filter. */
void	console_queue(struct console *, const char *selector);

/* The global keys, for help and the console. */
extern const struct key console_keys[];
/* A plan for an action: what it would do, a question, then the doing (plan.c). */
void	act_on(struct console *, enum command, const char *id);		/* one message */
void	act_on_tagged(struct console *, enum command);
void	act_on_selector(struct console *, enum command, const char *selector);
void	act_undo(struct console *);
void	act_undo_one(struct console *, int64_t number, const char *command, int64_t messages);
/* NULL: says that there is no one destination. */
void	act_suspend(struct console *, const char *dest);	/* asks for the reason first */
void	act_resume(struct console *, const char *dest);
void	plan_key(struct console *, int key);
void	plan_draw(struct console *, int rows);
void	plan_free(struct console *);

#endif
