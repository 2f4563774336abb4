/*
 * The server's side of an SMTP, ESMTP or LMTP session, free of sockets: bytes go in with smtp_server_run, replies are put into
 * a buffer, and the owner hears of what the client wants through smtp_server_ops. RFC 5321, 1870, 2034, 2920, 3030, 3461, 4954, 6152, 6531, 2033;
 * replies as Postfix words them.
 *
 * What needs a decision (connect, helo, mail, rcpt, data, end, vrfy, auth) is answered with smtp_server_answer, within the callback or
 * later; until then nothing more is read, so pipelined commands wait in the owner's buffer.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "mail/dsn.h"
#include "smtp/command.h"
#include "smtp/transcript.h"
#include "smtp/xclient.h"

/* smtpd_forbid_bare_newline. NO and NORMALIZE are the same here: nothing but CRLF.CRLF ever ends a message. */
enum smtp_bare_lf { SMTP_BARE_LF_NO, SMTP_BARE_LF_NORMALIZE, SMTP_BARE_LF_REJECT, SMTP_BARE_LF_NOTE };

/* Shared by the sessions of a service; strings must outlive them. Zero means no limit, but for the error limits. */
struct smtp_server_config {
	const char	*hostname;		/* myhostname */
	const char	*banner;		/* what follows "220 " */
	const char	*noop_commands;		/* smtpd_noop_commands */
	const char	*forbidden_commands;	/* smtpd_forbidden_commands */
	const char	*verp_delimiters;	/* default_verp_delimiters */
	const char	*verp_filter;		/* verp_delimiter_filter */
	bool		 lmtp;
	bool		 helo_required;
	bool		 disable_vrfy;
	bool		 smtputf8;		/* smtputf8_enable */
	bool		 strict_smtputf8;
	bool		 strict_envelopes;	/* strict_rfc821_envelopes */
	bool		 forbid_pipelining;	/* smtpd_forbid_unauth_pipelining */
	bool		 soft_bounce;		/* each reply that begins with 5 begins with 4 */
	uint64_t	 message_size_limit;
	uint32_t	 recipient_limit;
	uint32_t	 recipient_overshoot;
	uint32_t	 line_length_limit;
	uint32_t	 soft_error_limit;
	uint32_t	 hard_error_limit;
	uint32_t	 junk_limit;
	bool		 broken_auth_clients;	/* broken_sasl_auth_clients: "AUTH=" beside "AUTH " */
	uint32_t	 auth_response_limit;	/* smtpd_sasl_response_limit */
	unsigned	 bare_lf_code;		/* smtpd_forbid_bare_newline_reject_code */
	struct buf	*scratch;		/* any sessions of one thread share it */
};

/* What is a session's own. */
struct smtp_server_options {
	unsigned	 discard;		/* enum smtp_ehlo: not offered, not taken */
	enum smtp_bare_lf bare_lf;
	bool		 no_limits;		/* errors and junk commands are not counted (local submission) */
	bool		 tls;			/* STARTTLS is taken, and offered */
	bool		 tls_required;		/* nothing else is done before */
	bool		 tls_active;		/* from the first byte on (wrapper mode) */
	size_t		 replies_max;		/* with so many bytes of replies unwritten nothing more is taken; 0: no limit */
};

enum smtp_body { SMTP_BODY_NONE, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };

/* Spans of these live until the callback returns. */
struct smtp_mail {
	struct span	 line;			/* the command as it was said */
	struct span	 sender;		/* unquoted; empty: <> */
	uint64_t	 size;			/* SIZE=; 0: not said */
	enum smtp_body	 body;
	bool		 smtputf8;
	enum dsn_ret	 ret;
	struct span	 envid;			/* decoded */
	struct span	 auth;			/* AUTH=, as given; empty: none, or "<>" */
	struct span	 verp;			/* XVERP: two delimiters; empty: not asked for */
};
struct smtp_rcpt {
	struct span	 line;			/* the command as it was said */
	struct span	 address;		/* unquoted */
	uint8_t		 notify;
	struct span	 orcpt;			/* "type;address", decoded; empty: none */
};
struct smtp_end {
	uint64_t	 bytes;			/* of content as handed out */
	uint64_t	 wire;			/* the same with CRLF */
	bool		 bdat;
};

/* Things for the log. `text` is the client's words, to be made printable. */
enum smtp_note {
	SMTP_NOTE_NON_SMTP,		/* text: the line */
	SMTP_NOTE_BAD_PATH,		/* text: the path; with the verb MAIL or RCPT */
	SMTP_NOTE_LONG_LINE,		/* text: its beginning */
	SMTP_NOTE_BAD_BDAT,		/* text: the line */
	SMTP_NOTE_PIPELINING,		/* text: what came too early */
	SMTP_NOTE_BARE_LF,
	SMTP_NOTE_TOO_MANY_ERRORS,
	SMTP_NOTE_TOO_BIG,		/* the message passed message_size_limit */
	SMTP_NOTE_REJECT,		/* text: "REPLY; from=<SENDER>", by which the server itself refused a MAIL (size) */
	SMTP_NOTE_AUTH_ABORTED,		/* the client gave up: the exchange is over */
	SMTP_NOTE_AUTH_LONG,		/* its answer to a challenge is too long: the exchange is over */
	SMTP_NOTE_TLS_AT_ONCE,		/* a TLS handshake, where SMTP begins in clear */
};

struct smtp_server_ops {
	void	(*connect)(void *arg);
	void	(*helo)(void *arg, enum smtp_verb, struct span name);
	void	(*mail)(void *arg, const struct smtp_mail *);
	void	(*rcpt)(void *arg, const struct smtp_rcpt *);
	void	(*data)(void *arg, bool bdat);
	/* Where content goes: n bytes that may be filled; how many were. Between data's answer and end. */
	char   *(*room)(void *arg, size_t n);
	void	(*added)(void *arg, size_t n);
	void	(*end)(void *arg, const struct smtp_end *);
	void	(*vrfy)(void *arg, struct span address);
	/* Answered by smtp_server_answer: NULL goes on with TLS (SMTP_WAITS_TLS), a reply refuses. NULL where options.tls is never set. */
	void	(*starttls)(void *arg);
	void	(*etrn)(void *arg, struct span domain);	/* NULL as answer: nobody's mail waits here for that */
	void	(*xclient)(void *arg, const struct smtp_xattrs *);	/* answered as connect */
	void	(*xforward)(void *arg, const struct smtp_xattrs *);	/* of a message to come; NULL: nothing is said of it any more */
	/*
	 * AUTH: the mechanism as written, the initial response (ptr NULL: none; "=" is an empty one); then what answers each challenge, all in base64, unchecked.
	 * Answered with smtp_server_challenge or smtp_server_answer (NULL: authenticated).
	 */
	void	(*auth)(void *arg, struct span mechanism, struct span response);
	void	(*auth_more)(void *arg, struct span response);
	/* The transaction is over without `end` (RSET, HELO, QUIT, an error): forget it. Also after an end that the server refused. */
	void	(*reset)(void *arg);
	void	(*note)(void *arg, enum smtp_note, enum smtp_verb, struct span text);
	/* The command that is obeyed in place of this one, borrowed until the next; NULL op: as it came. Not asked in an AUTH exchange. */
	struct span (*command)(void *arg, struct span line);
	/* A refusal as it is sent, with more lines behind it, of which each ends in CRLF but the last; NULL: as it is. NULL op: always so. */
	const char *(*footer)(void *arg, const char *reply);
	/* While smtp_server_show is on: lines without their ends, credentials and all; of content its size. NULL: never. */
	void	(*said)(void *arg, enum transcript_from, struct span line);
};

enum smtp_server_wait {
	SMTP_WAITS_INPUT,
	SMTP_WAITS_VERDICT,
	SMTP_WAITS_DELAY,		/* tarpit: hold replies back for smtpd_error_sleep_time, then smtp_server_resume */
	SMTP_WAITS_TLS,			/* STARTTLS was granted: write the reply, throw away what came behind the command, shake hands, smtp_server_secured */
	SMTP_WAITS_CLOSE,		/* the session is over: write what is there and close */
};

struct smtp_server;

/* config and out must outlive it. */
struct smtp_server *smtp_server_new(const struct smtp_server_config *, const struct smtp_server_options *,
    const struct smtp_server_ops *, void *arg, struct buf *out);
void	smtp_server_free(struct smtp_server *);
/* "name[addr]", for the words to a client that was refused and goes on. */
void	smtp_server_client(struct smtp_server *, const char *);
/* Before the banner: as the option. */
void	smtp_server_bare_lf(struct smtp_server *, enum smtp_bare_lf);
/* Before EHLO is answered: as the option. */
void	smtp_server_discard(struct smtp_server *, unsigned discard);

/* Asks for the banner. */
void	smtp_server_start(struct smtp_server *);
/* Takes what it can of the input and returns how much; the rest is to come again, with more behind it, or once replies were written. */
size_t	smtp_server_run(struct smtp_server *, struct span in);
enum smtp_server_wait smtp_server_waits(const struct smtp_server *);
void	smtp_server_resume(struct smtp_server *);

/*
 * The answer to the event that waits: NULL for the usual good reply, else a reply without its line end. One that begins with 4 or 5
 * refuses; 421 and 521 end the session. `end` needs a text. LMTP: `end` is answered once for each accepted recipient. Then run again.
 */
void	smtp_server_answer(struct smtp_server *, const char *reply);

/* Base64, or nothing. */
void	smtp_server_challenge(struct smtp_server *, struct span text);
/* Whether AUTH is taken, and which mechanisms EHLO tells (none: not told, taken all the same). Copied. */
void	smtp_server_offer_auth(struct smtp_server *, bool enabled, struct span mechanisms);
/* Whether XCLIENT and XFORWARD are taken, and told by EHLO. */
void	smtp_server_offer_x(struct smtp_server *, bool xclient, bool xforward);
/* XVERP may be asked for, and is offered. */
void	smtp_server_offer_verp(struct smtp_server *, bool may);
bool	smtp_server_authenticated(const struct smtp_server *);
/* TLS protects what comes from now on: everything said before it is forgotten (RFC 3207, 4.2). */
void	smtp_server_secured(struct smtp_server *);
bool	smtp_server_is_secure(const struct smtp_server *);

/* Its certificate will not do ("No client certificate presented"): the next command is answered with that, and the session ends. */
void	smtp_server_distrust(struct smtp_server *, const char *why);
/* The owner ends it: puts the reply ("421 ..."), then waits for close. */
void	smtp_server_bye(struct smtp_server *, const char *reply);
/* As if RSET: for a generation that changes, or a transaction that the owner lost. Nothing is replied. */
void	smtp_server_forget(struct smtp_server *);

void	smtp_server_show(struct smtp_server *, bool on);

bool	smtp_server_idle(const struct smtp_server *);		/* no transaction, nothing waits */
bool	smtp_server_in_data(const struct smtp_server *);
uint64_t smtp_server_requests(const struct smtp_server *);	/* lines that came as a whole, content apart */
uint32_t smtp_server_recipients(const struct smtp_server *);	/* accepted */
/* "RCPT", "END-OF-MESSAGE", "DATA (123 bytes)": for "lost connection after". */
void	smtp_server_where(const struct smtp_server *, struct buf *);
/* The same without the count, for a list: "CONNECT", "RCPT", "DATA". */
const char *smtp_server_stage(const struct smtp_server *);
/* "ehlo=1 mail=1/2 commands=2/3": for "disconnect from". */
void	smtp_server_counts(const struct smtp_server *, struct buf *);

#endif
