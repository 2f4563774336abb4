/*
 * The Received: header, as Postfix writes it. On the hot path: no printf.
 */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "mail/queue_id.h"

struct received {
	struct span	 hostname;	/* myhostname */
	struct span	 mail_name;
	struct qid	 id;		/* QID_NONE: it has none */
	int64_t		 arrival;	/* wall */
	/* From a client. Bytes that would break the header become "?". */
	struct span	 helo;		/* empty: client_name is said */
	struct span	 client_name;	/* "unknown" where there is none */
	struct span	 client_addr;	/* "192.0.2.1", "2001:db8::1"; empty: not from a client */
	struct span	 protocol;	/* "ESMTP", "ESMTPA" ... */
	struct span	 sasl_user;	/* to be told; empty: nobody's */
	struct span	 tls;		/* "\n\t(using TLSv1.3 ...)": whole lines, fit for a header; empty: none */
	bool		 hidden;	/* all of these but the recipient are left out */
	struct span	 recipient;	/* unquoted; where there is exactly one, else empty */
	/* Submitted on this machine, where client_addr is empty. */
	int64_t		 uid;		/* -1: made by mtad itself */
};

void	received_put(struct buf *, const struct received *);
/* The value of a Message-ID made here, as Postfix makes it: "<20261121234300.QUEUEID@hostname>". */
void	message_id_put(struct buf *, int64_t wall, struct qid, struct span hostname);

#endif
