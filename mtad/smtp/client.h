/*
 * The client's side of an SMTP or LMTP session, free of sockets: bytes of the server
 * in, bytes for the server and events out. RFC 5321, 2033 (LMTP), 2920 (PIPELINING), 1870
 * (SIZE), 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN). Texts of failures are Postfix's.
 *
 * The driver connects, feeds smtp_client_input, writes what stands in smtp_client_output, and acts on
 * the event that each call returns. It also keeps the time: the stage says what is waited for.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "smtp/ehlo.h"
#include "smtp/transcript.h"

/* Beside the keywords of smtp/ehlo.h, in what the server offered. */
#define CAP_ESMTP	(1u << 30)	/* it took EHLO */
#define CAP_MYSELF	(1u << 29)	/* it answered with our own host name */

/* What the client waits for. */
enum client_stage {
	CLIENT_GREETING,
	CLIENT_HELLO,
	CLIENT_STARTTLS,
	CLIENT_TLS,		/* the driver's handshake: smtp_client_secured or smtp_client_refuse goes on */
	CLIENT_AUTH,
	CLIENT_READY,		/* nothing: a transaction may begin */
	CLIENT_RSET,
	CLIENT_XFORWARD,
	CLIENT_MAIL,
	CLIENT_RCPT,
	CLIENT_DATA,
	CLIENT_BODY,		/* content is being sent: keep calling smtp_client_pump */
	CLIENT_DOT,
	CLIENT_QUIT,
	CLIENT_CLOSED,		/* of no use any more */
};

/* How safe the connection is. */
enum client_secure { CLIENT_CLEAR, CLIENT_ENCRYPTED, CLIENT_VERIFIED };

/* A login that is meant for the server: used where it offers AUTH. */
struct client_login {
	struct span	 user, password;
	struct span	 host;		/* the server's name, for OAUTHBEARER */
	unsigned	 port;
	unsigned	 mechanisms;	/* that may be used; smtp/sasl_client.h */
	bool		 filtered;	/* as the site says */
	unsigned	 forbidden[CLIENT_VERIFIED + 1];	/* what a mechanism must not be like, by how safe the connection is */
	bool		 soft;		/* a refusal is a temporary failure */
	bool		 tell;		/* AUTH=<> with MAIL */
	struct span	 refused, refused_dsn;	/* it was refused a while ago: not again; empty: it was not */
};

/* Whether STARTTLS is sent. */
enum client_tls { CLIENT_TLS_NEVER, CLIENT_TLS_IF_OFFERED, CLIENT_TLS_ALWAYS };

/* What is done about firewalls whose greeting is all asterisks (Cisco's PIX). */
#define PIX_DISABLE_ESMTP	1u	/* HELO, not EHLO */
#define PIX_DELAY_DOTCRLF	2u	/* a pause before the end of the content: CLIENT_PAUSE */

/* Borrowed by the client for its life. */
struct client_options {
	bool		 lmtp;
	bool		 always_ehlo;	/* even where the greeting does not say ESMTP */
	bool		 never_ehlo;
	bool		 skip_5xx_greeting;	/* a 5xx greeting is a temporary failure */
	unsigned	 pix;		/* PIX_... for such a server */
	bool		 loop_check;	/* the peer answers with our own name: a loop */
	bool		 best_mx;	/* and for good, as there is no better mail exchanger */
	const struct client_login *login;	/* NULL: none */
	enum client_tls	 tls;
	bool		 no_early_reply;	/* bytes behind the reply to EHLO inside TLS end the session (smtp_tls_block_early_mail_reply) */
	/* Each line of a reply before it is read: true where `to` is to be read in its place. NULL: as it is. */
	bool		(*filter_reply)(void *arg, struct span line, struct buf *to);
	void		*filter_arg;
	bool		 quote;		/* quote local parts that need it */
	uint32_t	 discard;	/* EHLO keywords to ignore */
	uint32_t	 line_limit;	/* longer lines are broken; 0: no limit */
	const char	*helo_name;
	const char	*myhostname;
	const char	*nexthop;	/* for "mail for NEXTHOP loops back to myself" */
};

enum client_result {
	CLIENT_PENDING,		/* no verdict */
	CLIENT_SENT,
	CLIENT_SOFT,		/* try again, here or elsewhere */
	CLIENT_HARD,
};

/* Spans live until the next smtp_client_deliver or the end of the client. */
struct client_verdict {
	enum client_result result;
	uint16_t	 code;		/* the server's reply; 0: it is our own finding */
	struct span	 dsn;
	struct span	 text;		/* for the log */
	struct span	 reply;		/* what the server said; empty: it is our own finding */
	bool		 of_message;	/* not this recipient but sender or content was refused */
};

struct client_rcpt {
	struct span	 address;	/* unquoted */
	struct span	 wire;		/* in its place for the server; ptr NULL: the same */
	struct span	 orcpt;		/* "type;address" */
	struct span	 original;	/* the caller's: as it was given first */
	uint8_t		 notify;	/* mail/outcome.h */
	struct client_verdict verdict;
};

/*
 * Content with LF line ends: first the parts, then what `more` gives. more fills at most n bytes and returns how many: 0 at the end,
 * -1 where reading failed.
 */
struct client_content {
	struct span	 parts[2];
	long		(*more)(void *arg, char *, size_t n);
	void		*arg;
};

/* Whose mail it is, for XFORWARD; what is not known is empty. */
struct client_origin {
	struct span	 name, addr, port, protocol, helo;
	struct span	 ident;		/* the queue ID, there or here */
	bool		 local;		/* written on that machine, or by one of its own */
};

/* A transaction. The caller's; must live until it is done or the client is freed. */
struct client_mail {
	struct span	 sender;
	struct span	 envid;
	uint64_t	 size;
	bool		 converted;	/* and that is not its size */
	bool		 eightbit;	/* the content as it is sent has 8-bit bytes */
	bool		 utf8;		/* needs SMTPUTF8 */
	bool		 ret_full, ret_hdrs;
	bool		 probe;		/* whether recipients are accepted, no more: it ends before DATA */
	bool		 probe_data;	/* or behind that */
	bool		 name_original;	/* a recipient without ORCPT is named as it was given first */
	const struct client_origin *origin;	/* NULL: nobody is told */
	struct client_rcpt *rcpts;
	size_t		 rcpt_count;
	struct client_content content;
};

enum client_event {
	CLIENT_MORE,		/* write the output, wait for input */
	CLIENT_HANDSHAKE,	/* STARTTLS was answered: TLS is to begin on the socket; what stands in the input is gone */
	CLIENT_GREETED,		/* hello is done: deliver */
	CLIENT_PAUSE,		/* all but the end of the content is written: wait, then smtp_client_end_content */
	CLIENT_DONE,		/* every recipient has a verdict */
	CLIENT_FAILED,		/* the session is over; see smtp_client_failure. Recipients without a verdict share it */
	CLIENT_ENDED,		/* QUIT was answered, or there is nothing more to wait for */
};

struct smtp_client;

/* Lines without their ends, as they come and go; of content its size. NULL ends it. */
typedef void	client_said_fn(void *arg, enum transcript_from, struct span line);
void	smtp_client_show(struct smtp_client *, client_said_fn *, void *arg);

/* peer: "host[addr]" as in "host mx.example[192.0.2.1] said", copied. */
struct smtp_client *smtp_client_new(const struct client_options *, const char *peer);
void	smtp_client_free(struct smtp_client *);

enum client_event smtp_client_input(struct smtp_client *, struct span);
/* The handshake is done, and the driver content with it: EHLO is sent again; before the greeting (TLS without STARTTLS) nothing is. */
enum client_event smtp_client_secured(struct smtp_client *, enum client_secure);
/* The session is over for a reason of the driver's ("4.7.5", "Server certificate not trusted"); CLIENT_FAILED. */
enum client_event smtp_client_refuse(struct smtp_client *, const char *dsn, const char *text);
/* Begins a transaction; in stage CLIENT_READY only. May be done within the call. */
enum client_event smtp_client_deliver(struct smtp_client *, struct client_mail *);
/* In stage CLIENT_BODY: adds content to the output, as long as little is waiting there. */
enum client_event smtp_client_pump(struct smtp_client *);
enum client_event smtp_client_end_content(struct smtp_client *);	/* after CLIENT_PAUSE, unless something else came meanwhile */
/* Whether its greeting was such that options.pix counts. */
bool	smtp_client_is_pix(const struct smtp_client *);
void	smtp_client_quit(struct smtp_client *);

enum client_loss { LOST_CONNECTION, LOST_TIME, LOST_DATA };
/* The connection broke, the time for this stage is over, or content could not be read. */
enum client_event smtp_client_lost(struct smtp_client *, enum client_loss);

/* The driver drops what it has written (buf_reset when that is all). */
struct buf *smtp_client_output(struct smtp_client *);
enum client_stage smtp_client_stage(const struct smtp_client *);
enum client_secure smtp_client_security(const struct smtp_client *);
uint32_t smtp_client_caps(const struct smtp_client *);
/* In stage CLIENT_READY: whether it can take one more transaction. */
bool	smtp_client_usable(const struct smtp_client *);
const struct client_verdict *smtp_client_failure(const struct smtp_client *);
/* Whether the server has answered anything since the transaction began. */
/* The session failed since the login was refused (535). */
bool	smtp_client_login_refused(const struct smtp_client *);
bool	smtp_client_answered(const struct smtp_client *);
/* Whether lines of its content were too long, and were broken. */
bool	smtp_client_broke_lines(const struct smtp_client *);

#endif
