/*
 * What the files of the server share: a session's state and the replies.
 */
#ifndef SMTP_SERVER_STATE_H
#define SMTP_SERVER_STATE_H

#include "smtp/content.h"
#include "smtp/server.h"

enum server_phase { PHASE_COMMAND, PHASE_TLS, PHASE_AUTH, PHASE_DATA, PHASE_BDAT, PHASE_CLOSED };
/* What an answer is for. */
enum server_ask { ASK_NOTHING, ASK_CONNECT, ASK_HELO, ASK_MAIL, ASK_RCPT, ASK_DATA, ASK_BDAT, ASK_END, ASK_VRFY, ASK_ETRN, ASK_AUTH, ASK_STARTTLS,
	ASK_XCLIENT };
/* RFC 3030: chunks of a message have begun, or what is left of it is thrown away. */
enum server_bdat { BDAT_NONE, BDAT_GOOD, BDAT_FAILED };

struct smtp_server {
	const struct smtp_server_config *config;
	const struct smtp_server_ops *ops;
	void		*arg;
	struct buf	*out;
	struct smtp_server_options options;
	enum server_phase phase;
	enum server_ask	 ask;
	enum server_bdat bdat;
	enum smtp_verb	 verb;		/* the command under way, or the last one */
	const char	*where;		/* the same, for the log */
	char		*client;	/* "name[addr]"; NULL: not said */
	bool		 tls_noted;	/* SMTP_NOTE_TLS_AT_ONCE */
	const char	*distrusted;	/* what is wrong with its certificate; NULL: nothing, or it need have none */
	char		*denied;	/* connect was refused with this */
	char		*asked;		/* VRFY's address or ETRN's domain, while it waits */
	char		*mechanisms;	/* that EHLO tells; NULL: none */
	bool		 auth_enabled, authenticated;
	bool		 xclient, xforward, verp;	/* whether it may */
	bool		 helo, esmtp;
	bool		 secure;	/* TLS is on */
	bool		 in_mail, smtputf8;
	bool		 last_chunk;
	bool		 skip_line;	/* the rest of a line that is too long */
	size_t		 skipped;	/* bytes of it since it last counted as an error */
	bool		 delay;
	bool		 too_big;
	bool		 pipelined;	/* too early; logged once */
	bool		 shown;		/* ops->said hears every line */
	uint32_t	 rcpts, overshoot;
	uint32_t	 answers;	/* LMTP: still to come for `end` */
	uint32_t	 errors, junk;
	uint64_t	 requests;
	uint64_t	 chunk_left, chunk_size;
	char		*chunk_reply;	/* what the chunk gets that is thrown away; NULL: an earlier one had it */
	struct smtp_content content;
	struct { uint32_t all, good; } counts[SMTP_VERB_COUNT];
};

extern const char server_no_dsn[];	/* a reply */

/* A reply's text without line end. */
void	server_reply(struct smtp_server *, const char *text);
void	server_replyf(struct smtp_server *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An error: counted against the client. */
void	server_error(struct smtp_server *, const char *text);
void	server_errorf(struct smtp_server *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void	server_good(struct smtp_server *);	/* the command is counted as done */
void	server_note(struct smtp_server *, enum smtp_note, struct span text);
void	server_close(struct smtp_server *);
/* Ends the transaction; the owner hears of it where there was one. */
void	server_reset(struct smtp_server *);
/* The same after `end`, where the owner knows. */
void	server_reset_quietly(struct smtp_server *);
bool	server_no_args(struct smtp_server *, const struct smtp_command *);

/* The commands. */
void	server_helo(struct smtp_server *, const struct smtp_command *);
void	server_mail(struct smtp_server *, const struct smtp_command *);
void	server_rcpt(struct smtp_server *, const struct smtp_command *);
void	server_data(struct smtp_server *, const struct smtp_command *);
void	server_bdat(struct smtp_server *, const struct smtp_command *, struct span line);
void	server_starttls(struct smtp_server *, const struct smtp_command *);
void	server_starttls_answered(struct smtp_server *, const char *reply);
/* True where this must wait for TLS; the refusal is said. */
bool	server_needs_tls(struct smtp_server *, enum smtp_verb);
void	server_vrfy(struct smtp_server *, const struct smtp_command *);
void	server_auth(struct smtp_server *, const struct smtp_command *);
void	server_auth_line(struct smtp_server *, struct span line);
void	server_auth_answer(struct smtp_server *, const char *reply);
void	server_auth_stop(struct smtp_server *, const char *reply, enum smtp_note why);
void	server_x(struct smtp_server *, const struct smtp_command *);	/* XCLIENT, XFORWARD */
void	server_x_answer(struct smtp_server *, const char *reply);
void	server_offer(struct smtp_server *);		/* the reply to EHLO */

/* Content. Each returns how much of the input it used. */
size_t	server_data_input(struct smtp_server *, struct span in);
size_t	server_bdat_input(struct smtp_server *, struct span in);
void	server_data_begin(struct smtp_server *);
void	server_bdat_begin(struct smtp_server *);
void	server_bdat_refuse(struct smtp_server *, const char *reply);
/* The message has come; asks the owner or refuses. */
void	server_content_end(struct smtp_server *, bool bdat);

/* The path of MAIL, RCPT or VRFY, unquoted into the scratch buffer. */
unsigned server_path_flags(const struct smtp_server *, bool utf8_said);

#endif
