/*
 * The envelope of a message as it was accepted: the first part of its record,
 * and what the receive role tells the queue role. Fixed for the life of the message; what happens
 * later (statuses, hold, delete) is in the queue role's journal.
 */
#ifndef SPOOL_ENVELOPE_H
#define SPOOL_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "mail/outcome.h"
#include "mail/queue_id.h"

enum envelope_flag {
	ENVELOPE_8BIT		= 1,	/* BODY=8BITMIME, or 8-bit bytes were seen */
	ENVELOPE_SMTPUTF8	= 2,
	ENVELOPE_RET_FULL	= 4,
	ENVELOPE_RET_HDRS	= 8,
	ENVELOPE_HOLD		= 16,	/* starts on hold; hold_reason */
	ENVELOPE_LOCAL		= 32,	/* submitted on this machine (sendmail, pickup) */
	ENVELOPE_INTERNAL	= 64,	/* made here: bounce, notice */
	ENVELOPE_VERIFY		= 128,	/* an address probe */
	ENVELOPE_REWRITE	= 256,	/* from a client of local_header_rewrite_clients */
	/* Bits 16 to 31: the delimiters of VERP (mail/verp.h). */
};

struct envelope {
	struct qid	 id;
	int64_t		 arrival;	/* wall, microseconds */
	uint32_t	 flags;		/* enum envelope_flag */
	uint64_t	 size;		/* of the content as Postfix counts it: bytes with LF line ends, headers included */
	struct span	 sender;	/* unquoted; empty: <> */
	struct span	 envid;		/* xtext-decoded */
	struct span	 hold_reason;
	struct span	 service;	/* name of the master.cf line it came by */
	struct span	 filter;	/* FILTER / content_filter: "transport:nexthop"; empty: none */
	/* For the log and postcat: client_name[client_addr], HELO, ESMTP, SASL user, Message-ID, Subject (each may be empty). */
	struct span	 client_name, client_addr, helo, protocol, sasl_user;
	struct span	 client_port, sasl_method, sasl_sender;	/* the last one as MAIL's AUTH= had it, in xtext */
	struct span	 forward;	/* what XFORWARD said of the client (envelope_client_pack); empty: nothing */
	struct span	 message_id;
	struct span	 subject;	/* raw, at most 200 bytes */
	uint64_t	 spill;		/* the spill file that holds the body; 0: inline */
	/* Made from another message: that one, and the event of it that asked for this one. */
	struct qid	 origin;
	uint64_t	 origin_event;
	uint32_t	 recipient_count;
	struct span	 recipients;	/* packed (mail/outcome.h), numbers 0, 1, 2 ... */
};

/* Whose mail it is; what is not known is empty. */
struct envelope_client {
	struct span	 name, addr, port, helo;
	struct span	 protocol;	/* "SMTP", "ESMTP" */
	struct span	 ident;		/* the queue ID elsewhere */
	bool		 local;		/* written here, or by clients that count as such */
};
void	envelope_client_pack(struct buf *, const struct envelope_client *);
/* As XFORWARD said, else who was connected (no ident). Spans point into the envelope. */
void	envelope_client(const struct envelope *, struct envelope_client *);

void	envelope_pack(struct buf *, const struct envelope *);
/* Spans point into the bytes. False with the err where anything is wrong, a recipient count that does not match included. */
bool	envelope_unpack(struct span, struct envelope *, struct err *);

#endif
