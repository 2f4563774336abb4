/*
 * The dialogue with a client under test, as postscreen(8)'s own server has it: it takes no mail, refuses every recipient, and looks for clients that send
 * several commands at once, lines without CR, or commands that are not SMTP. Free of sockets: bytes in, replies and log lines out.
 */
#ifndef SMTP_SCREEN_TALK_H
#define SMTP_SCREEN_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum screen_talk_test { TALK_PIPELINING, TALK_NON_SMTP, TALK_BARE_NEWLINE, TALK_TESTS };
enum screen_talk_action { TALK_IGNORE, TALK_ENFORCE, TALK_DROP };

/* Shared by the sessions of a service; strings must outlive them. */
struct screen_talk_config {
	const char	*hostname;		/* myhostname */
	const char	*banner;		/* what follows "220 " */
	const char	*forbidden_commands;	/* postscreen_forbidden_commands */
	bool		 helo_required, disable_vrfy, smtputf8, soft_bounce;
	bool		 tell_vrfy;		/* EHLO does, whatever VRFY comes to, as postscreen has it: by disable_vrfy_command */
	uint64_t	 size_limit;		/* message_size_limit */
	uint32_t	 line_limit;
	uint32_t	 command_limit;		/* postscreen_command_count_limit */
	enum screen_talk_action actions[TALK_TESTS];
};

struct screen_talk_ops {
	void	(*log)(void *arg, const char *text);
	/* The client failed the test. */
	void	(*failed)(void *arg, enum screen_talk_test, enum screen_talk_action);
	/* It came as far as RCPT without failing these (bits). */
	void	(*passed)(void *arg, unsigned tests);
	/* postscreen_command_filter: what stands for the line; false: it does. NULL: there is none. */
	bool	(*filter)(void *arg, struct span line, struct buf *out);
	/* A refusal as it is sent (smtp/server.h); NULL: as it is. NULL op: always so. */
	const char *(*footer)(void *arg, const char *reply);
};

enum screen_talk_state { TALK_GOES_ON, TALK_TLS, TALK_OVER };

struct screen_talk {
	const struct screen_talk_config *config;
	const struct screen_talk_ops *ops;
	void		*arg;
	const char	*who;			/* "[192.0.2.1]:4711" */
	struct buf	*out;
	bool		 no_greeting;		/* it spoke first: the reply to that is what it is told */
	unsigned	 discard;		/* enum smtp_ehlo: not offered */
	bool		 tls, tls_broken, tls_required, tls_active;
	unsigned	 todo;			/* tests to be made, bits */
	unsigned	 skip;			/* failed, or passed at RCPT */
	unsigned	 failed_bits;
	char		 refusal[300];		/* of each recipient */
	struct buf	 line;
	bool		 cr;			/* its last byte is CR */
	const char	*where;			/* the last command */
	unsigned	 commands;
	bool		 esmtp, has_helo, has_sender;
	char		*helo, *sender;
	enum screen_talk_state state;
};

#define TALK_REFUSAL	"450 4.3.2 Service currently unavailable"

/* Set the members above `line`, then begin: puts the greeting. */
void	screen_talk_begin(struct screen_talk *);
void	screen_talk_clear(struct screen_talk *);
/* All that came at once. OVER: `out` is the last. TLS: its reply is the last, what came behind is thrown away; screen_talk_secured once hands are shaken. */
void	screen_talk_run(struct screen_talk *, struct span in);
void	screen_talk_secured(struct screen_talk *);
/* Time is up: what is said then. */
void	screen_talk_late(struct screen_talk *);

/* As Postfix's escape(): control and 8-bit bytes as "\r", "\012"; of at most 100 bytes. */
void	screen_talk_escape(struct span, struct buf *out);

#endif
