/*
 * What the files of the SMTP client share; nobody else includes it.
 */
#ifndef SMTP_CLIENT_STATE_H
#define SMTP_CLIENT_STATE_H

#include "base/arena.h"
#include "smtp/client.h"

#define CLIENT_LINE_MAX		1000	/* of a reply line: RFC 5321 has 512, servers do not all */
#define CLIENT_REPLY_MAX	8192	/* of a whole reply; the rest of it is read and forgotten */
#define CLIENT_CHUNK		((size_t)64 << 10)

/* A reply as far as it was read. Lines are joined with a space. */
struct client_reply {
	struct buf	 line;		/* an incomplete line */
	struct buf	 text;
	struct buf	 filtered;	/* a line in place of another */
	bool		 skipping;	/* the rest of a line that is too long */
	unsigned	 lines;
	unsigned	 code;
};

struct smtp_client {
	const struct client_options *options;
	char		*peer;
	enum client_stage stage;
	uint32_t	 caps;
	uint64_t	 size_limit;	/* of the server; 0: it named none */
	unsigned	 mechanisms;	/* of AUTH, that were offered and are known */
	unsigned	 xforward;	/* attributes that the server takes */
	unsigned	 forwards;	/* replies to XFORWARD that are awaited */
	unsigned	 forward_part;	/* the next of its commands */
	struct sasl_client *sasl;	/* AUTH goes on */
	bool		 login_refused;	/* 535: the password is wrong */
	enum client_secure secure;
	bool		 helo;		/* fallen back to HELO */
	bool		 pix;		/* options->pix counts */
	bool		 dirty;		/* RSET before the next transaction */
	bool		 closing;	/* the server is about to close, or is out of step */
	bool		 answered;
	struct client_reply reply;
	struct buf	 out;
	struct arena	 texts;
	struct client_verdict failure;
	client_said_fn	*said;		/* hears every line; NULL */
	void		*said_arg;

	/* The transaction. */
	struct client_mail *mail;
	bool		 pipelined;	/* all commands up to DATA are out */
	bool		 discard;	/* DATA went through with nobody to deliver to */
	size_t		 at;		/* the recipient whose reply is next */
	size_t		 accepted;
	unsigned	 part;		/* of the content */
	size_t		 part_at;
	bool		 line_start;
	bool		 dot_due;	/* the content is out but for its end, before which there is a pause */
	bool		 broken;	/* a line was too long */
	size_t		 column;
	uint64_t	 content_bytes;	/* as sent, without the dot */
};

enum reply_state { REPLY_MORE, REPLY_WHOLE, REPLY_BAD };
/* Takes one line off the input. REPLY_WHOLE: c->reply has code and text, until the next call. */
enum reply_state client_reply_read(struct smtp_client *, struct span *input, struct span *line);
void	client_reply_reset(struct smtp_client *);
/* The DSN status that a reply carries, or the one that its code stands for. */
struct span client_reply_dsn(struct span text, unsigned code);

/* The command that stands in the output from here on is whole: it may be shown. */
void	client_show_out(struct smtp_client *, size_t from);
void	client_send_line(struct smtp_client *, const char *command);	/* with its CRLF */
void	client_send_hello(struct smtp_client *);
void	client_send_mail(struct smtp_client *);
void	client_send_rcpt(struct smtp_client *, const struct client_rcpt *);
/* Adds content; true at its end (the dot is out, or dot_due), false with *failed where reading broke. */
bool	client_send_content(struct smtp_client *, bool *failed);

/* client.c */
enum client_event client_fail(struct smtp_client *, struct client_verdict);
struct client_verdict client_own_verdict(const char *dsn, char *text);
struct client_verdict client_reply_verdict(struct smtp_client *);

/* client_forward.c: what stands behind XFORWARD in the reply to EHLO; one of the two commands, false where there is nothing to say. */
void	client_forward_offered(struct smtp_client *, struct span words);
bool	client_send_forward(struct smtp_client *, unsigned part);

/* client_mail.c: replies of a transaction; a verdict for all that have none; the transaction's end. */
enum client_event client_on_rset(struct smtp_client *);
enum client_event client_on_xforward(struct smtp_client *);
enum client_event client_on_mail(struct smtp_client *);
enum client_event client_on_rcpt(struct smtp_client *);
enum client_event client_on_data(struct smtp_client *);
enum client_event client_on_dot(struct smtp_client *);
void	client_judge_rest(struct smtp_client *, struct client_verdict);
enum client_event client_done(struct smtp_client *, bool dirty);

/* client_tls.c: STARTTLS, or what follows it; its reply. */
enum client_event client_after_hello(struct smtp_client *);
enum client_event client_on_starttls(struct smtp_client *);

/* client_auth.c: what stands behind AUTH in the reply to EHLO; what follows hello; the reply to AUTH. */
void	client_auth_offered(struct smtp_client *, struct span words);
enum client_event client_authenticate(struct smtp_client *);
enum client_event client_on_auth(struct smtp_client *);

#endif
