/*
 * The control role's parts among themselves. A client has a line buffer, an output buffer and its asks; an ask is one request under way.
 * Asks know their client and are found by the number that the other roles answer to.
 */
#ifndef CONTROL_PRIVATE_H
#define CONTROL_PRIVATE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/ipc.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "control/users.h"
#include "ctl/commands.h"
#include "spool/message.h"

#define CLIENTS_MAX	64
#define LINE_MAX_BYTES	((size_t)64 << 10)	/* of a request */
#define ASKS_MAX	16			/* requests under way, a client */
#define OUT_HIGH	((size_t)1 << 20)	/* waiting for the client: its cursor pauses */
#define OUT_LOW		((size_t)256 << 10)	/* and goes on */
#define ROLES_MAX	256			/* processes that status asks */
#define QUEUE_PATIENCE	(10 * SECOND)		/* for a queue role that is starting */

#define STREAMS_MAX	8			/* a client; its other requests must get a turn */
#define STREAM_HIGH	OUT_LOW			/* waiting for the client: its lines are dropped and counted */
#define TRACES_MAX	64			/* bits of a mask in `watch` */
#define LOG_KEPT	500			/* warnings and errors */

struct content;
struct stream;
struct mail_known;

struct ask {
	struct ask	*next;
	struct client	*client;
	uint64_t	 number;	/* between roles */
	int64_t		 id;		/* the client's */
	enum command	 command;
	bool		 paused;	/* the queue role waits for ask_more */
	bool		 want_header, want_body;
	bool		 is_held;	/* there is no queue role to ask yet */
	struct buf	 held;		/* its arguments */
	struct content	*content;	/* cat, once it is known where */
	/* status, session ls: who has yet to answer */
	struct { enum role role; uint32_t slot; unsigned slices; uint64_t next; } waiting[ROLES_MAX];
	unsigned	 waiting_count;
	bool		 failed;	/* session ls: a role did not answer */
	struct stream	*stream;	/* trace, log --follow */
	struct loop_timer timer;	/* status; and for how long it is held */
};

struct client {
	struct client	*next;
	struct control	*control;
	struct loop_io	 io;
	int		 fd;
	uid_t		 uid;
	uint8_t		 rights;
	bool		 eof;		/* no more requests come; ends when all are answered */
	bool		 dead;		/* freed by the task, when nothing is on the stack */
	unsigned	 asks;
	struct buf	 in;
	struct buf	 out;
	size_t		 sent;		/* of out */
	struct loop_task work;		/* takes up lines, writes, frees */
};

/* A line of the log, as it was told or kept. */
struct log_entry {
	int64_t		 time;		/* wall */
	uint8_t		 level;		/* enum log_level */
	enum role	 role;
	uint32_t	 slot;
	struct span	 program, text;
};

struct kept_line {
	struct log_entry entry;
	char		*bytes;			/* that its spans are in */
};

/* A host whose dialogue an operator wants logged. */
struct peer_rule {
	char		*pattern;
	char		*who;
	uint8_t		 level;
	int64_t		 until;		/* wall; 0: for good */
};

struct reader_segment {
	struct reader_segment *next;
	uint32_t	 number;
	uint64_t	 nonce;
	int		 fd;
};

struct control {
	struct conf	*conf;
	struct users	 users;
	struct loop_io	 listener;
	int		 listen_fd;
	struct client	*clients;
	unsigned	 client_count;
	struct ask	*asks;
	uint64_t	 last_number;
	struct ipc	*queue;			/* NULL while there is none */
	struct ipc	*peers[ROLES_MAX];	/* all channels but the master's */
	unsigned	 peer_count;
	struct reader_segment *segments;
	int64_t		 started;		/* wall */
	uint64_t	 requests;
	/* Live sight. */
	struct loop_task tell;			/* `watch` to every role */
	uint32_t	 serial;		/* of the last one */
	struct kept_line kept[LOG_KEPT];
	uint64_t	 kept_count;		/* ever; the next goes to this place, modulo */
	struct kept_line *held;			/* for those that follow, in the order of their times */
	size_t		 held_count;
	struct loop_timer held_timer;
	struct mail_known *mail;		/* while somebody selects lines */
	unsigned	 selecting;
	struct peer_rule *rules;
	size_t		 rule_count;
	struct loop_timer rule_timer;
};

/* client.c */
void	client_accept(struct control *);
void	client_free_all(struct control *);
void	client_wake(struct client *);			/* something was put into out, or an ask ended */
size_t	client_waiting(const struct client *);		/* bytes not taken yet */

/* request.c */
void	request_line(struct client *, struct span line);
void	reply_row(struct ask *, struct span json);
/* Ends the ask. error may be NULL. */
void	reply_done(struct ask *, int status, const char *error);
/* A request that has no ask, or none any more. */
void	reply_plain(struct client *, int64_t id, int status, const char *error);
struct ask *ask_find(struct control *, uint64_t number);
void	ask_free(struct ask *);
/* All asks of the queue role end: it is gone. */
void	asks_queue_gone(struct control *);
/* A new one is there: it gets what was held for it. */
void	asks_queue_here(struct control *);
/* The client took what was there: paused asks go on. */
void	asks_resume(struct client *);

/* content.c */
void	content_begin(struct ask *, const struct ipc_answer_content *, int spill_fd);
void	content_fill(struct ask *);
void	content_free(struct content *);
void	segments_open(struct control *, const struct ipc_segment_open *, int fd);
void	segments_close(struct control *, uint32_t number);
void	segments_clear(struct control *);

/* streams.c: requests that go on until they are cancelled */
void	trace_begin(struct ask *, const struct request *);
void	log_begin(struct ask *, const struct request *);
void	stream_free(struct ask *);
/* The client took what was there: it hears how much it missed. */
void	stream_resume(struct ask *);
void	streams_end(struct client *);			/* it sends no more: all of its streams are over */
void	streams_greet(struct control *, struct ipc *);	/* a new channel */
void	stream_trace(struct control *, const struct ipc_trace_line *);
void	stream_cancel(struct client *, int64_t of, int64_t id);

/* log.c */
void	logs_begin(struct control *);			/* this process' own lines */
void	logs_clear(struct control *);
void	logs_take(struct control *, const struct log_entry *);
void	logs_told(struct control *, struct ipc *, const struct ipc_log_line *);
void	log_row(const struct log_entry *, struct buf *);
/* streams.c: those that follow hear of it; whether there are any. */
bool	streams_follow(const struct control *);
void	stream_log(struct control *, const struct log_entry *);
void	streams_lost(struct control *, bool trace, uint32_t lines);

/* log_select.c: lines against a selector, with what is known of the message that they are about */
struct selector;
struct mail_known *mail_known_new(void);
void	mail_known_free(struct mail_known *);
void	mail_known_learn(struct mail_known *, const struct log_entry *);
/* known may be NULL. */
bool	log_matches(const struct selector *, struct mail_known *, const struct log_entry *);
struct span log_queue_id(struct span text);		/* empty: the line is about no message */

/* peers.c */
void	peers_command(struct ask *, const struct request *);
void	peers_greet(struct control *, struct ipc *);
void	peers_clear(struct control *);

/* sessions.c */
void	sessions_begin(struct ask *, const struct request *);
void	sessions_answer(struct control *, struct ipc *, const struct ipc_rows *);
void	sessions_gone(struct control *, enum role, uint32_t slot);
void	sessions_resume(struct ask *);

/* status.c */
void	status_begin(struct ask *);
void	status_answer(struct control *, struct ipc *, const struct ipc_stats *);
void	status_gone(struct control *, enum role, uint32_t slot);

#endif
