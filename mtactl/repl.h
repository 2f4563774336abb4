/*
 * The interactive controller (REPL) and scripts of commands. Each command runs in a child process by session_run, as a one-shot does: what it
 * may have to give up (root's rights, before files are read) or lose (its connection, by Ctrl-C) is not the REPL's.
 */
#ifndef MTACTL_REPL_H
#define MTACTL_REPL_H

#include <signal.h>

#include "mtactl/repl_complete.h"
#include "mtactl/session.h"

struct repl {
	struct session	*session;
	const char	*path;		/* the control socket's */
	bool		 interactive;
	bool		 no_input;	/* stdin holds the commands: theirs is /dev/null */
	bool		 interrupted;	/* the last command was ended by Ctrl-C */
	bool		 leave;		/* quit */
	sigset_t	 open;		/* the signals to wait with */
};

/* repl.c: until the user leaves. The exit status. */
int	repl_run(struct session *);

/* repl_script.c: commands from the options -e and -F, or from stdin: up to the first that fails. */
int	repl_run_text(struct session *, const char *command);
int	repl_run_file(struct session *, const char *path);	/* "-": stdin */

/* repl_exec.c: one line; its status. Says what is wrong. */
int	repl_exec(struct repl *, struct span line);

/* repl_watch.c */
struct repl_line;
int	repl_watch(struct repl *, const struct repl_line *);
/* repl_exec.c: a child that runs the words, its output going to these (-1: as it is). */
pid_t	repl_spawn(struct repl *, const struct span *words, size_t n, int out, int errors);
/* Waits; the exit status, 128 + the number of a signal. */
int	repl_wait(pid_t);

/* names.c: whether it is one of Postfix's names, and the program of that name. */
bool	is_other_name(const char *);
int	other_name_main(const char *name, int argc, char **argv);

/* repl_live.c: what the daemon knows, for completion; within 300 ms, or nothing. `arg` is the repl. */
void	repl_live_values(void *arg, const char *field, struct candidates *);
/* repl_local.c: what files know ("table", "key:TABLE"); false where it is none of these. */
bool	repl_local_values(struct repl *, struct span field, struct candidates *);

/* repl_signals.c: whether these came since the last call; they come only while `open` is the mask. */
void	repl_signals_init(struct repl *);
void	repl_signals_restore(void);	/* in a child */
bool	repl_take_interrupt(void);
bool	repl_take_resize(void);
bool	repl_terminated(void);

#endif
