/*
 * One run of the controller: its settings, the configuration, and the way of a command: words, request, rows from
 * the daemon (or from files), presentation. The REPL goes the same way, line by line.
 */
#ifndef MTACTL_SESSION_H
#define MTACTL_SESSION_H

#include <stdbool.h>

#include "base/span.h"
#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "mtactl/display.h"

#define OVERRIDES_MAX	64

struct presenter;
struct session {
	const char	*name;		/* in messages: "mtactl", "mailq" */
	const char	*conf_dir;
	struct conf_override overrides[OVERRIDES_MAX];
	size_t		 override_count;
	bool		 readonly;
	const struct presenter *present;	/* instead of the command's own; NULL: that */
	bool		 quiet;		/* show nothing but errors */
	void		(*take)(void *arg, struct span row);	/* instead of showing rows; NULL: show them */
	void		*take_arg;
	bool		 hush;		/* say nothing of a wrong configuration: the daemon will */
	struct conf	*conf;		/* session_configure */
	char		*queue_directory;	/* ours; session_locate */
	struct ctl_client *client;
	struct display	 display;
};

/* False, and said on stderr, where it is wrong (exit 78). Once is enough. */
bool	session_configure(struct session *);
/*
 * Where the daemon is. With a configuration that is wrong (said on stderr) it is found all the same: who has to look at the queue
 * of a running mtad need not mend main.cf first.
 */
void	session_locate(struct session *);
/* "$queue_directory/NAME"; after session_locate. */
void	session_path(const struct session *, const char *name, struct buf *);
/* Runs one command; returns the exit status. */
int	session_run(struct session *, const struct span *words, size_t n);
void	session_clear(struct session *);

/* "NAME: text" on stderr, after what was shown. */
void	session_say(struct session *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Connects to the daemon. 0, 69 (it is down, nothing was said), or another exit status, said. */
int	session_reach(struct session *);
/*
 * Asks the daemon, or where it is down and the command can do that, the files: each row goes to `take`, what is wrong is said. The exit
 * status.
 */
int	session_ask(struct session *, const struct span *words, size_t n, void (*take)(void *arg, struct span row), void *arg);

/* help.c */
int	help_run(struct session *, const struct request *);
void	help_short(struct display *);

/* One row, on its way to the presenter. */
void	session_row(struct session *, struct span row);

/* files.c: the queue as its files say, with the daemon down; by session_row. */
int	files_run(struct session *, const struct request *);

/* export.c */
int	export_run(struct session *, const struct request *);

/* spool.c */
int	spool_run(struct session *, const struct request *);

/* main.c's other names */
int	sendmail_main(const char *name, int argc, char **argv);
int	postfix_main(const char *name, int argc, char **argv);

#endif
