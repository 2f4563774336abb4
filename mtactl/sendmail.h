/*
 * The sendmail command: a message from stdin, to a receive role over its Unix socket, or into maildrop/ where none answers.
 */
#ifndef MTACTL_SENDMAIL_H
#define MTACTL_SENDMAIL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "conf/conf.h"

#define SENDMAIL_RCPT_MAX	100000

/* sysexits(3) */
enum { EX_FINE = 0, EX_BAD_USAGE = 64, EX_BAD_DATA = 65, EX_NO_USER = 67, EX_DOWN = 69, EX_BUG = 70, EX_LATER = 75, EX_NO_RIGHT = 77,
	EX_BAD_CONF = 78 };

struct mail {
	const char	*program;	/* for messages */
	struct arena	 arena;		/* recipients, sender */
	struct span	 sender;	/* unquoted; empty: <> */
	bool		 sender_given;
	struct span	*rcpts;		/* unquoted */
	size_t		 rcpt_count;
	size_t		 rcpt_cap;
	const char	*full_name;	/* -F */
	const char	*body;		/* -B: "8BITMIME", "7BIT" or NULL */
	const char	*notify, *ret, *envid;	/* -N -R -V */
	const char	*verp;		/* -XV: two delimiters; "": the usual ones; NULL: none */
	bool		 from_headers;	/* -t */
	bool		 dot_is_text;	/* -i */
	bool		 verbose;
	struct buf	 content;	/* LF line ends */
};

void	mail_clear(struct mail *);
/* All addresses in a text like a To: header's value. False, said on stderr, where there are too many or one is none. */
bool	mail_add_recipients(struct mail *, struct span list);
bool	mail_set_sender(struct mail *, const char *text);

/* Reads stdin to its end (or to "."); EX_FINE or a status, said on stderr. */
int	mail_read(struct mail *, FILE *, size_t max);
/* -t: adds the recipients that the headers name; always: takes Bcc out; -F: adds From: where it is missing. */
bool	mail_finish_header(struct mail *, const char *domain);

/* Over the socket. EX_LATER with nothing said: try the maildrop. */
int	mail_submit(const struct mail *, const char *socket_path);
/* Through mtadrop. */
int	mail_drop(const struct mail *, const char *maildrop, const char *command_directory);
/* sendmail -bs: stdin and stdout are joined to the socket. */
int	mail_relay_smtp(const char *program, const char *socket_path);

#endif
