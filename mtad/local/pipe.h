/*
 * pipe(8): the words of a master.cf line, and what its macros mean for a message.
 */
#ifndef LOCAL_PIPE_H
#define LOCAL_PIPE_H

#include "local/command.h"

struct pipe_spec {
	unsigned	 flags;		/* enum command_flag */
	bool		 lower_domain, lower_user, quote;	/* h u q */
	bool		 final;		/* X */
	char		 user[128];	/* "name" or "name:group" */
	uint64_t	 size;		/* 0: no limit */
	bool		 no_null_sender;	/* null_sender= */
	const char	*null_sender;
	const char	*directory, *chroot;
	char		 eol[64];
	size_t		 eol_len;
	char *const	*argv;		/* the program and its words; the first without "argv=" */
	const char	*program;
};

/* The words of the line. False with what is wrong. */
bool	pipe_parse(char *const *words, struct pipe_spec *, struct err *);

/* Whether one run of the program may deliver to several recipients. */
bool	pipe_takes_all(const struct view *);

/* What $name stands for; NULL: there is no such macro. */
typedef const char *pipe_macro_fn(void *arg, struct span name, struct span recipient);
/* What a word with macros becomes, put behind what out holds. False: an unknown name (in *bad), or a $ that is no macro's. */
bool	pipe_expand(struct span word, pipe_macro_fn *, void *arg, struct span recipient, struct buf *out, struct span *bad);
/* Whether a word has a macro that differs between recipients. */
bool	pipe_has_recipient(struct span word);

#endif
