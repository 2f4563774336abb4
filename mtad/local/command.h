/*
 * Running a program that gets the message: pipe(8)'s, and those of aliases and users. It runs with the rights of its actor, never as root, in a process
 * group of its own that is killed when its time is over; it has a clean environment and no descriptor but the message, and of what it says only the beginning is kept.
 */
#ifndef LOCAL_COMMAND_H
#define LOCAL_COMMAND_H

#include <stdint.h>

#include "local/actor.h"
#include "local/job.h"

enum command_flag {
	COMMAND_FROM		= 1,	/* "From sender date" first */
	COMMAND_RETURN_PATH	= 2,
	COMMAND_ORIGINAL_TO	= 4,
	COMMAND_DELIVERED_TO	= 8,
	COMMAND_BLANK		= 16,	/* an empty line at the end */
	COMMAND_DOT		= 32,	/* "." before lines that begin with one */
	COMMAND_QUOTE_FROM	= 64,	/* ">" before "From " */
};

struct command {
	char		**argv;		/* NULL-terminated */
	const char	*text;		/* the command, for messages */
	struct buf	 env;		/* "NAME=value\0" each */
	const char	*directory, *chroot;	/* NULL: none */
	int64_t		 time_limit;	/* microseconds */
	unsigned	 flags;
	struct span	 eol;		/* of the message's lines */
	bool		 quiet;		/* what it says is of no interest where it succeeds */
	bool		 final;		/* delivered, where it succeeds; else relayed */
	char		 done[500];	/* "delivered via x service" */
	/* Called in the actor's process, where the message is known: fills in argv and env. False with the report set. May be NULL. */
	bool		(*prepare)(void *arg, const struct job *, const struct message *, struct command *, struct report *);
	void		*arg;
};

void	command_free(struct command *);		/* argv and env */
void	command_env(struct command *, const char *name, struct span value);
/* What export_environment says, and PATH. */
void	command_env_base(struct command *, const struct job *);
/* "program word word" by white space, through the shell where it has characters that are special there. */
void	command_words(struct command *, const char *text, const char *shell);
/* With the actor's rights; also says what the outcome is. */
void	command_deliver(const struct job *, const struct actor *, struct command *, struct report *);

/* -- between its files -- */

/* The outcome by the wait status and the first bytes of what the program said. */
void	command_outcome(const struct command *, int status, struct span output, struct report *);
/* The message as the flags want it. False: the program takes no more (not an error by itself). */
bool	command_content(const struct job *, const struct command *, const struct message *, int (*put)(void *, struct span), void *arg);

#endif
