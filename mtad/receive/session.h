/*
 * One client: a socket, a timer, and the server's side of the dialogue (smtp/server.h). A session that waits
 * for its client holds no buffers.
 */
#ifndef RECEIVE_SESSION_H
#define RECEIVE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "net/addr.h"
#include "net/dns_fact.h"
#include "policy/policy.h"
#include "receive/generation.h"
#include "receive/intake.h"
#include "receive/session_tls.h"
#include "smtp/server.h"

struct before_queue;
struct receive;
struct session_auth;
struct session_forward;

#define CLIENT_TEXT	(NET_ADDR_TEXT + DNS_NAME + 32)	/* "name[addr]:port" */

enum session_timer { TIMER_CLIENT, TIMER_DELAY, TIMER_FLUSH, TIMER_TLS };
enum session_decision { DECIDE_NOTHING, DECIDE_CONNECT, DECIDE_HELO, DECIDE_MAIL, DECIDE_RCPT, DECIDE_DATA, DECIDE_END,
	DECIDE_VRFY, DECIDE_ETRN };

/* A recipient while its verdict is awaited. */
struct session_rcpt {
	uint8_t		 notify;
	bool		 has_orcpt;
	char		*address, *orcpt;
	char		*line;		/* the command, where a filter is to hear it */
};

struct session {
	struct receive	*rx;
	struct session	*prev, *next;
	struct generation *generation;
	struct settings	*settings;
	struct smtp_server *server;
	struct session_tls *tls;	/* NULL: in clear */
	void		(*tls_then)(struct session *);	/* wrapper mode */
	struct loop_io	 io;
	struct loop_timer timer;
	int		 fd;
	enum session_timer timer_for;
	int64_t		 deadline;	/* monotonic, of TIMER_CLIENT: the timer itself may come sooner */
	struct buf	 in, out;
	size_t		 out_at;
	struct transcript transcript;
	unsigned	 recorded;	/* lines of the transcript for the postmaster */
	unsigned	 trouble;	/* that was had (receive/session_notice.h) */
	const char	*lost;		/* why it was cut short; NULL: it was not */
	uint64_t	 bytes;		/* read */
	uint64_t	 rated, requests;	/* smtpd_per_request_deadline: bytes and commands that the deadline has been put off for */
	int64_t		 active;	/* monotonic: when something was done last */
	/* The client. */
	int64_t		 uid;		/* local submission; -1: from the network */
	uint16_t	 port;
	char		 addr[NET_ADDR_TEXT];
	char		 server_addr[NET_ADDR_TEXT];
	const char	*name;		/* "unknown", or found_name */
	char		*found_name, *reverse_name;	/* NULL: none */
	enum policy_name_status name_status, reverse_status;
	struct session_naming *naming;	/* while it is looked for */
	char		*helo;
	bool		 esmtp, utf8;
	/* AUTH (session_auth.h). */
	struct session_auth *auth;	/* an exchange under way */
	char		*sasl_method, *sasl_user;	/* NULL: not authenticated */
	char		*sasl_sender;	/* MAIL's AUTH= */
	bool		 xforward;	/* whether it may say whose message comes */
	struct session_forward *forward;	/* what it said by XFORWARD of the next message; NULL: nothing */
	bool		 auth_waits;	/* EHLO's reply waits for the list of mechanisms */
	struct session_rates rates;
	bool		 counted;	/* the state role counts it */
	bool		 rewrite_local;
	bool		 paused;
	bool		 pipelined;
	bool		 seated;	/* it has a seat of its service (session_park.c) */
	size_t		 out_seen;	/* of out: replies by which the client has made progress */
	int64_t		 progress;	/* monotonic: when it did last */
	bool		 busy;		/* in session_continue: whoever ends it meanwhile leaves the freeing to it */
	bool		 dead;
	/* The transaction. */
	struct intake	*intake;	/* from MAIL on */
	struct before_queue *before_queue;	/* the filter that gets it in place of the queue; NULL: none */
	char		*sender;	/* as given, for the log and the policy */
	bool		 discard;
	/* The decision that waits for facts. */
	enum session_decision decision;
	struct facts	*facts;
	struct dns_facts *dns;		/* what is asked of the DNS */
	struct policy_ask *policy;	/* what is asked of a policy server */
	bool		 fetching;
	struct loop_timer *sleep;	/* a restriction's */
	uint64_t	 sleep_id;
	struct session_rcpt rcpt;
	char		*etrn;		/* ETRN's domain */
	struct smtp_end	 end;
	uint64_t	 size;		/* SIZE= of MAIL */
	char		 instance[64];	/* for policy servers: of this transaction */
	char		 qid_text[QID_TEXT], port_text[8], server_port[8];	/* what policy_session points at */
};

/* server NULL: our end of the socket. */
void	session_accept(struct receive *, struct settings *, int fd, const struct net_addr *client, const struct net_addr *server);
/* session_proxy.c: the same once a proxy has said who the client is. */
void	session_proxied(struct receive *, struct settings *, int fd, const struct net_addr *);
void	sessions_proxied_stop(struct receive *);
/* The Unix socket for local submission: the peer's uid is who submits. */
void	session_local(struct receive *, struct settings *, int fd);

/* What is said to a user whom authorized_submit_users does not list. */
void	user_refused(const struct receive *, uid_t, struct buf *);

/* Memory or a spill file is there again. */
void	sessions_unpause(struct receive *);
/* Stopping: those without a transaction at once, the others when it ends; with `now` all. */
void	sessions_stop(struct receive *, bool now);

/* -- between the files of sessions --------------------------------------------------------- */

extern const struct smtp_server_ops session_ops;

/* After something happened outside of input: an answer, a timer. */
void	session_continue(struct session *);
void	session_bye(struct session *, const char *reply);
void	session_end(struct session *);
/* After session_bye's like: what can be written now is, and it is gone. Not within itself. */
void	session_close_now(struct session *);
void	session_say_stopping(struct session *);
/* "lost connection after DATA (12 bytes) from ..." */
void	session_lost(struct session *, const char *what);
void	session_source(struct session *, struct intake_source *);
/* Begins or goes on with the policy's decision for what the server asked. */
void	session_decide(struct session *, enum session_decision);
void	session_decision_drop(struct session *);
/* "ID: client=...", at the first recipient. */
void	session_log_client(struct session *);
/* XCLIENT: the client is somebody else. */
void	session_renamed(struct session *);
void	session_uncount(struct session *);
/* A refusal with what smtpd_reject_footer adds; NULL: nothing. */
const char *session_footer(struct session *, const char *reply);
/* What was decided: acts on it and answers. reply NULL: good. */
void	session_decided(struct session *, const char *reply);
/* smtpd_client_event_limit_exceptions */
bool	session_rate_exempt(struct session *);
/* session_name.c: `then` is called, later or within. */
void	session_find_name(struct session *, void (*then)(struct session *));
void	session_names_clear(struct session *);
/* The name, counting of connections, then the banner. */
void	session_connect(struct session *);
/* session_park.c: where seats are wanted, a session whose client keeps it waiting is without one until the client goes on. */
void	sessions_park_begin(struct receive *);	/* there is a session */
void	sessions_park_stop(struct receive *);
bool	sessions_park(struct receive *, int64_t now);	/* true: some gave theirs back */
/* This process has all the sessions that it can have: those end that have kept it waiting longest. True: some did. */
bool	sessions_crowd_out(struct receive *, int64_t now);
void	session_progress(struct session *);	/* the client has said something whole */
/* session_watch.c: looks whether somebody wants to see it (again, where the lists changed). */
void	session_look(struct session *);
void	session_said(void *session, enum transcript_from, struct span line);
void	session_note(struct session *, const char *text);
/* The restrictions of a decision that did something, of policy_check's trace. */
void	session_steps(struct session *, struct span trace);
/* `rows_ask`: the sessions, a slice. */
void	sessions_rows(struct receive *, struct ipc *, const struct ipc_rows_ask *);
/* "unknown[192.0.2.1]" */
const char *session_client(const struct session *, char out[CLIENT_TEXT]);
const char *session_program(const struct session *);	/* for the log */

#endif
