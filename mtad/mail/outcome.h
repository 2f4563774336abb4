/*
 * Recipients of a delivery and what became of them, packed for messages between roles and for the queue's journal.
 */
#ifndef MAIL_OUTCOME_H
#define MAIL_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/pack.h"
#include "base/span.h"

/* RFC 3461 NOTIFY; NOTIFY_DEFAULT is "no NOTIFY given" (failure, and delay as the site says). */
enum notify { NOTIFY_DEFAULT = 0, NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

struct recipient {
	uint32_t	number;		/* its place in the message's envelope, from 0; never changes */
	uint8_t		notify;
	struct span	address;	/* unquoted form: local@domain */
	struct span	orcpt;		/* "rfc822;addr", still xtext-decoded; empty: none */
	struct span	original;	/* unquoted, as it was given, where another address was made of it; empty: the same */
};

void	recipient_pack(struct buf *, const struct recipient *);
bool	recipient_next(struct unpack *, struct recipient *);	/* false at the end or at a fault */

enum outcome_status {
	OUTCOME_SENT,		/* delivered to the final mailbox, or handed to a server that promised DSN */
	OUTCOME_RELAYED,	/* handed on to a server without DSN */
	OUTCOME_EXPANDED,	/* turned into other messages (aliases, forward) */
	OUTCOME_DEFERRED,	/* try again */
	OUTCOME_BOUNCED,	/* never again */
};

/* Whose fault a failure is: what the scheduler backs off. */
enum outcome_scope { SCOPE_RECIPIENT, SCOPE_MESSAGE, SCOPE_DESTINATION };

struct outcome {
	uint32_t	number;		/* recipient */
	uint8_t		status;		/* enum outcome_status */
	uint16_t	reply;		/* SMTP reply code, 0: none */
	struct span	dsn;		/* "4.4.1" */
	struct span	text;		/* as after status= in the log, without the parentheses; one line */
	struct span	mta;		/* "host.name": who said it (Remote-MTA), empty: we did */
	struct span	relay;		/* as in the log: "host[addr]:port", "local", "none" */
	struct span	diagnostic;	/* Diagnostic-Code: "smtp; 550 5.1.1 ...", or "x-unix; ..."; empty: from text; OUTCOME_TLS: not for notices */
};

/* How a diagnostic begins that says what was wrong with a handshake or a certificate: for operators, as senders are told the text alone. */
#define OUTCOME_TLS	"x-tls; "
/* What stands behind that; empty where there is none. */
struct span outcome_tls(const struct outcome *);

void	outcome_pack(struct buf *, const struct outcome *);
bool	outcome_next(struct unpack *, struct outcome *);

enum lease_stage { LEASE_QUEUED, LEASE_DNS, LEASE_CONNECT, LEASE_GREETING, LEASE_ENVELOPE, LEASE_DATA, LEASE_END, LEASE_FILE };
const char *lease_stage_text(uint8_t stage);	/* "waiting for DNS" ... for people */

#endif
