/*
 * Intake: every new message goes through here, whether it comes by SMTP, from a local program, out of maildrop/ or is a
 * notice of ours. An intake is one message on its way: envelope and content are gathered, the header block is completed, and the
 * record goes into this role's log. Once it is durable the queue role hears of it, and only then the one who brought it.
 */
#ifndef RECEIVE_INTAKE_H
#define RECEIVE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/loop.h"
#include "mail/header.h"
#include "policy/content_check.h"
#include "receive/generation.h"
#include "receive/link.h"
#include "spool/envelope.h"

struct receive;

/* Where a message comes from. Spans are copied. */
struct intake_source {
	struct span	 client_name, client_addr, helo, protocol;	/* empty: not from the network */
	struct span	 client_port;
	struct span	 sasl_user;	/* empty: not authenticated */
	struct span	 sasl_method, sasl_sender;
	struct span	 forward;	/* as in the envelope */
	struct span	 tls;		/* lines of Received: about TLS; empty: none */
	int64_t		 uid;		/* of a local user; -1: none, or mtad itself */
	bool		 rewrite_local;	/* missing From:, Date:, Message-ID: are added */
	uint32_t	 flags;		/* enum envelope_flag: LOCAL, INTERNAL ... */
	struct qid	 origin;
	uint64_t	 origin_event;
	bool		 unchecked;	/* no header and body checks */
};

struct intake;

/* reply: "250 2.0.0 Ok: queued as ID" is the caller's to say where it is NULL; else a refusal. The intake is gone after the call. */
typedef void	intake_done_fn(void *arg, struct intake *, const char *reply);

enum intake_state { INTAKE_OPEN, INTAKE_WAITING, INTAKE_WRITING };

/* Header and body checks of one message. */
struct intake_check {
	bool		 on;		/* no action has ended them */
	bool		 tables;	/* there are such; else only strict_... is asked for */
	bool		 changed;	/* content is not as it came */
	bool		 discard;
	struct buf	 header, out;	/* as they become */
	struct mime_walk *walk;		/* NULL: nothing in the body is looked at */
	struct check_result result;
};

struct intake {
	struct receive	*rx;
	struct generation *generation;
	const struct intake_settings *settings;
	enum intake_state state;
	struct envelope	 envelope;	/* spans in the arena */
	int64_t		 uid;
	bool		 rewrite_local;
	struct arena	 arena;
	struct buf	 recipients;	/* packed */
	struct buf	 given;		/* their addresses as they were given, each ended by a NUL */
	struct span	 first_recipient;
	struct span	 tls;		/* lines of Received: about TLS */
	struct buf	 content;	/* from the client; the header goes off its front when the body spills */
	struct buf	 header;	/* as it is kept */
	struct buf	 head;		/* of the record */
	struct buf	 packed;	/* the envelope, for the queue role */
	struct spill	*spill;
	bool		 has_header;	/* of a spilled message: header is complete */
	size_t		 body_at;	/* of one that is not: where the body begins in content */
	size_t		 look_at;	/* whether the header is whole by now is looked at again with so much content */
	uint64_t	 spilled;	/* bytes written to the spill file */
	uint64_t	 size;		/* of the content as it came */
	size_t		 counted;	/* bytes of the role's memory */
	bool		 is_8bit;
	const char	*fault;		/* a reply: the message is refused at its end */
	struct header_facts facts;
	struct intake_check *check;	/* NULL: nothing is looked at */
	const struct byte_rules *bytes;	/* NULL: any byte may come */
	struct span	 redirect;	/* all mail goes there; empty: no */
	struct buf	 copies;	/* who gets one: addresses, each ended by a NUL */
	struct buf	 prepend;	/* headers of the site's, to stand before all others */
	struct facts	*known;		/* of the addresses' mapping, while it goes on */
	struct span	 sender_given;	/* before it */
	intake_done_fn	*done;
	void		*arg;
	int64_t		 until;		/* monotonic: waits for room no longer */
	int64_t		 not_before;	/* in_flow_delay */
	struct intake	*next;		/* in the pool's lists */
};

struct intake_pool {
	struct intake	*spare;
	unsigned	 spares;
	struct intake	*first, **last;	/* waiting for room, oldest first */
	struct loop_timer timer;
	size_t		 memory;	/* content gathered over all */
	uint64_t	 open;		/* intakes that are not spare */
};

void	intake_pool_init(struct intake_pool *);

/* The settings must be of a generation, which is kept. */
struct intake *intake_new(struct receive *, const struct settings *, const struct intake_source *);
/* Before intake_finish: nothing came of it. */
void	intake_drop(struct intake *);
/* The caller is gone: what is under way goes on, and nobody is told. */
void	intake_orphan(struct intake *);

/* Unqualified addresses are completed. */
void	intake_sender(struct intake *, struct span address);
/* The queue ID is made with the first one. */
void	intake_recipient(struct intake *, struct span address, uint8_t notify, struct span orcpt);
/* The same, of one that was another before it came to this message. */
void	intake_recipient_given(struct intake *, struct span address, struct span given, uint8_t notify, struct span orcpt);
void	intake_id(struct intake *);		/* makes it sooner */
void	intake_hold(struct intake *, struct span reason);
/* What tables have done to it, other than to hold it. */
void	intake_redirect(struct intake *, struct span address);
void	intake_copy(struct intake *, struct span address);
void	intake_filter(struct intake *, struct span transport);
void	intake_prepend(struct intake *, struct span header);

char   *intake_room(struct intake *, size_t n);
void	intake_added(struct intake *, size_t n);
/* Memory is short and no spill file is there: bring no more until the pool wakes. */
bool	intake_blocked(const struct intake *);
/* When it woke: true where more may be brought. */
bool	intake_unblock(struct intake *);

/* The content is complete. done comes later, never within. */
void	intake_finish(struct intake *, intake_done_fn *, void *arg);

/* Room or credit may be there again: those that wait go on. */
void	intake_wake(struct receive *);

/* -- between the files of intake ------------------------------------------------------------ */

/* The header block as it is kept, in in->header; *body is where the content's body begins. False with in->fault set. */
bool	intake_header(struct intake *, size_t *body);
/* Headers of the site's, and Received:, behind what in->header holds. */
void	intake_received(struct intake *);
/* Whether there is anything to be done to the addresses; then intake_map. */
bool	intake_maps(const struct intake *);
/* True: it is done (or in->fault set). False: an answer is awaited, then intake_go_on is called. */
bool	intake_map(struct intake *);
void	intake_go_on(struct intake *);
/* in->check, where there are tables; then the header block, then the body in pieces. What it returns is what becomes of it, until the next call. */
void	intake_check_new(struct intake *);
void	intake_check_free(struct intake_check *);
/* For the log; spans in the arena and the envelope. */
void	intake_source_of(struct intake *, struct check_source *);
struct span intake_check_header(struct intake *, struct span block);
void	intake_check_begin(struct intake *, struct span block);	/* as it came */
bool	intake_checks_body(const struct intake *);
struct span intake_check_body(struct intake *, struct span piece, bool last);
/* Content past the limit goes to the spill file as far as it can. */
void	intake_spill(struct intake *, bool last);

#endif
