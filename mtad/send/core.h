/*
 * What the files of the send role share: deliveries (leases), connections, and the state that they hang on.
 *
 * A delivery asks for an idle connection to its next hop; without one it resolves the next hop and opens connections to its
 * addresses in turn (delivery.c). A connection drives the SMTP client over a socket (conn.c) and tells its delivery what became of the
 * transaction; then it is idle, and the next lease for that next hop takes it.
 */
#ifndef SEND_CORE_H
#define SEND_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ask.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "base/map.h"
#include "mail/mime7.h"
#include "mail/outcome.h"
#include "mail/queue_id.h"
#include "net/resolve.h"
#include "send/rewriting.h"
#include "send/settings.h"
#include "send/tls_sessions.h"
#include "smtp/client.h"
#include "spool/message.h"

struct conn;
struct delivery;

struct send {
	struct conf	*conf;
	struct dns	*dns;
	struct ipc	*queue;
	struct asks	 lookups;	/* tables that block */
	struct map	 settings, pools, segments, deliveries;
	struct map	 refusals;	/* of logins */
	struct tls_sessions tls_sessions;
	struct conn	*conns;		/* the newest first */
	size_t		 conn_count, conn_max;
	struct delivery	*backlog, *backlog_last;	/* waiting for conn_count to fall */
	struct delivery	*spare;		/* finished ones, kept for their memory */
	size_t		 spare_count;
	size_t		 running;	/* deliveries that have no result yet */
	struct loop_timer sweep;
	bool		 sweeping;
	struct loop_task unblock;	/* starts deliveries of the backlog */
	bool		 stopping;
	bool		 left;		/* and the queue role knows */
	bool		 retiring;	/* ends when it is done; nothing is interrupted */
	struct loop_timer deadline;	/* of the stop */
	uint64_t	 unix_request;
	struct transcripts transcripts;
	uint64_t	 sent, deferred, bounced, connects, reuses;
};

/* -- deliveries ------------------------------------------------------------------------- */

/* Content as the client pulls it: what is not in memory, or is converted or rewritten on its way. */
struct content {
	struct mime7	*convert;
	struct rewriter	*rewriter;
	struct buf	 converted;	/* between the two */
	struct buf	 worked;	/* ready */
	size_t		 given;		/* of that */
	bool		 ended;
	struct span	 parts[2];	/* that go through it */
	unsigned	 part;
	int		 spill;		/* -1: none, or all read */
	uint64_t	 at, end;	/* in it */
	const char	*program, *id;	/* for the log */
};

/* The delivery's message as its mail's content. */
void	content_begin(struct delivery *, bool to_7bit);
void	content_end(struct content *);

struct delivery {
	struct send	*send;
	uint64_t	 lease;
	struct qid	 id;
	char		 id_text[QID_TEXT];
	struct loc	 loc;
	int64_t		 arrival, active;	/* wall */
	int64_t		 handoff, connected;	/* wall */
	uint32_t	 attempt;
	bool		 probe;		/* of an address: there is no message */
	int		 spill;
	struct buf	 data;		/* holds the spans below */
	struct span	 transport, nexthop, sender, recipients;

	struct settings	*settings;
	uint8_t		 stage;		/* enum lease_stage */
	bool		 stage_told;
	int64_t		 stage_since;	/* monotonic */

	struct client_rcpt *rcpts;	/* that have no outcome yet */
	uint32_t	*numbers;
	size_t		 count, cap;
	struct client_mail mail;
	struct client_origin origin;
	struct message	 message;
	bool		 message_read;
	struct facts	*facts;		/* what tables that block say; NULL: nothing was asked */
	void		(*again)(struct delivery *);	/* waits for them */
	struct buf	 onward;	/* envelope addresses as they go out, where others */
	bool		 onward_known;
	struct span	 destination;	/* the part of the next hop that is tried now */
	struct buf	 login;		/* for the server that is tried now, as the table has it */
	bool		 has_login;
	struct content	 content;

	struct span	 rest;		/* destinations not tried */
	struct resolve	*resolve;
	struct target	*targets;	/* with their hosts' names, in one block */
	size_t		 target_count, target_at;
	struct planning	*planning;	/* plan.c: how TLS is wanted there */
	char		*domain, *mx_final;	/* of it: struct tls_route */
	bool		 mx, mx_secure;
	bool		 plain;		/* the next connection does without TLS: the one before failed with it */
	size_t		 sessions;
	bool		 fallback_taken;
	struct net_addr	 tried;		/* by an idle connection, before the targets were known */
	struct trouble	 trouble;	/* the last one */
	uint8_t		 trouble_scope;
	bool		 fresh;		/* an idle connection was stale: no other one */
	struct conn	*conn;

	struct buf	 outcomes;
	struct buf	 forwards;	/* packed, as in the result */
	uint8_t		 scope;
	bool		 some_sent;
	bool		 finished;	/* a result was made; kept until acknowledged */
	struct delivery	*next;		/* backlog, spare */
};

struct span delivery_key(const void *item);
/* Begins the transaction of a probe. */
void	delivery_probe(struct delivery *, struct conn *);
struct delivery *delivery_new(struct send *, const struct ipc_deliver *, int fd);
void	delivery_free(struct delivery *);	/* forgotten: acknowledged */
void	delivery_begin(struct delivery *);
void	delivery_begin_again(struct delivery *);	/* with settings taken anew */
void	delivery_stage(struct delivery *, uint8_t stage);
void	delivery_tell_result(const struct delivery *);
void	delivery_tell_held(const struct delivery *);
/* Ends now; the recipients that are left share the finding. */
void	delivery_fail(struct delivery *, uint8_t scope, const char *dsn, const char *text);

/* From the connection. */
void	delivery_connect_failed(struct delivery *, const char *where, const char *why);
void	delivery_session_ready(struct delivery *, struct conn *);
void	delivery_session_failed(struct delivery *, struct conn *, const struct client_verdict *);
void	delivery_transaction_done(struct delivery *, struct conn *);

/* facts.c: the facts of d->facts, begun. */
struct facts *delivery_facts(struct delivery *);
/* Asks for those that are wanted; true where `again` will be called when they have come. False: all are known, or failed. */
bool	delivery_ask(struct delivery *, void (*again)(struct delivery *));
void	delivery_forget_facts(struct delivery *);
/* onward.c: true where the addresses are as they go out (smtp_generic_maps). False: it waits, and delivery_begin is called again, or it failed. */
bool	delivery_map_addresses(struct delivery *);
/*
 * onward.c: true where d->login is what the table says for this host. False: it waits, and again is called, or the delivery has failed.
 */
bool	delivery_find_login(struct delivery *, const char *host, void (*again)(struct delivery *));
/* onward.c: whose mail it is, for XFORWARD. */
const struct client_origin *delivery_origin(struct delivery *);
/* Reads the record; false: it failed, and the delivery has ended. */
bool	delivery_read_message(struct delivery *);

/* plan.c: the TLS policy of the target that is next, and then delivery_connect; may be done within the call. Path of a Unix socket, or the target. */
void	delivery_plan(struct delivery *, const struct target *, const char *path);
void	delivery_plan_drop(struct delivery *);
/* With a plan that becomes the connection's; NULL: no TLS. */
void	delivery_connect(struct delivery *, struct tls_plan *);
/* True where the target is to be tried again without TLS. */
bool	delivery_try_plain(struct delivery *, const struct conn *, const struct client_verdict *);
/* The plan forbids it. */
void	delivery_plan_failed(struct delivery *, const struct tls_plan *);

/* pass_on.c: true where all recipients went to best_mx_transport, with their outcomes. */
bool	delivery_pass_on(struct delivery *);

/* targets.c: copies them with their names; without the address that was tried already. */
void	delivery_take_targets(struct delivery *, const struct targets *);

/* outcome.c too: delivery_tell_result, delivery_tell_held. One recipient's end, logged and packed; `conn` may be NULL. */
void	delivery_outcome(struct delivery *, size_t rcpt, const struct client_verdict *, const struct conn *);

/* -- connections -------------------------------------------------------------------------- */

enum conn_state { CONN_ASKED, CONN_CONNECTING, CONN_OPEN, CONN_IDLE, CONN_QUITTING };

/* Connections by transport and next hop. */
struct pool {
	char		*key;
	size_t		 key_len;
	struct conn	*idle;
	size_t		 conns;
};

struct conn {
	struct send	*send;
	struct settings	*settings;
	struct pool	*pool;
	struct delivery	*delivery;
	struct smtp_client *client;
	struct client_options options;
	struct loop_io	 io;
	enum conn_state	 state;
	size_t		 out_at;	/* of the client's output, written */
	int64_t		 deadline;	/* monotonic; 0: none */
	int64_t		 opened;
	int64_t		 active;	/* monotonic: when something was done last */
	struct transcript transcript;
	uint64_t	 bytes;		/* sent */
	unsigned	 uses;		/* transactions before this one */
	struct tls_plan	*plan;		/* NULL: no TLS is wanted */
	struct tls	*tls;
	bool		 wrapped;	/* TLS before the greeting */
	bool		 handshaking;
	bool		 tls_failed;
	bool		 tls_kept;	/* its session, to be resumed */
	char		 tls_why[128];	/* what was wrong with the handshake or the certificate, for an operator */
	bool		 plain;		/* in clear text where TLS was tried */
	struct loop_task unread;	/* what stands in TLS's own buffer */
	uint64_t	 request;	/* CONN_ASKED */
	bool		 pix_told, pausing;
	struct loop_timer pause;	/* before the end of the content */
	bool		 alone;		/* there was no other address to try */
	struct net_addr	 addr;
	char		*host;
	char		*peer;		/* "host[addr]" */
	char		*relay;		/* "host[addr]:port" */
	char		*nexthop;
	struct login	*login;		/* NULL: none */
	char		*destination;	/* the part of the next hop that it was made to */
	struct conn	*prev, *next;
	struct conn	*idle_next;
};

/* pool.c: the delivery's, made where there is none; a connection of it is gone; an idle one is in use. */
struct span pool_key(const void *item);
struct pool *pool_of(struct delivery *);
struct pool *pool_find(const struct delivery *);	/* or NULL */
void	pool_leave(struct send *, struct pool *);
void	pool_take(struct conn *);

/* conn_watch.c: looks whether somebody wants to see it (again, where the lists changed). */
void	conn_look(struct conn *);
void	conn_note(struct conn *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `rows_ask`: the connections, a slice. */
void	conns_rows(struct send *, struct ipc *, const struct ipc_rows_ask *);

/* reuse.c: an idle connection for the delivery. LATER: tables are asked first, and delivery_begin_again is called when they have answered. */
enum reuse { REUSE_NONE, REUSE_TAKEN, REUSE_LATER };
enum reuse conn_take_idle(struct delivery *, struct conn **out);
bool	conn_idle_for(struct delivery *);
/* Begins to connect; failures are told to the delivery, later. NULL with errno where it failed at once. */
struct conn *conn_open(struct delivery *, const struct target *, struct tls_plan *);
/* By way of the master. */
struct conn *conn_open_unix(struct delivery *, struct span path, struct tls_plan *);
/* After each step of the dialogue; nothing of the connection may be touched after it, it may be gone. */
void	conn_handle(struct conn *, enum client_event);
void	conn_set_deadline(struct conn *, int64_t within);
void	conn_read(struct conn *);

/* pix.c: which workarounds; the log's line of them; CLIENT_PAUSE; the connection closes. */
void	conn_pix_take(struct conn *, struct span address);
void	conn_pix_tell(struct conn *);
void	conn_pix_pause(struct conn *);
void	conn_pix_end(struct conn *);

/* conn_tls.c: bytes, inside TLS where there is one; as recv(2) and send(2). */
ssize_t	conn_recv(struct conn *, void *, size_t);
ssize_t	conn_send(struct conn *, const void *, size_t);
void	conn_tls_begin(struct conn *);
void	conn_tls_step(struct conn *);
void	conn_tls_timeout(struct conn *);
void	conn_tls_end(struct conn *);
void	conn_tls_keep(struct conn *);	/* its session, where it is to be resumed */
void	conn_unix_answer(struct send *, uint64_t request, int fd, struct span error);
void	conn_deliver(struct conn *, struct client_mail *);
/* The delivery is done with it: idle, or closed. */
void	conn_release(struct conn *);
void	conn_close(struct conn *);
void	conn_close_idle(struct send *);
bool	conn_close_one_idle(struct send *);	/* false where there is none */
void	conn_sweep(struct conn *, int64_t now);
bool	conn_full(const struct send *);

/* -- segments (send.c) ----------------------------------------------------------------------- */

struct segment {
	uint32_t	 number;
	uint64_t	 nonce;
	int		 fd;
};
const struct segment *send_segment(const struct send *, uint32_t number);
void	send_start_sweep(struct send *);
void	send_maybe_stop(struct send *);

#endif
