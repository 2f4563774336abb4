/*
 * Notices about a message: what came back, waits or was delivered. A notice is a multipart/report (RFC 6522) of three parts: a text for people, the
 * fields of RFC 3464, and the original or its headers. Headers are named as Postfix names them.
 */
#ifndef MAIL_NOTICE_H
#define MAIL_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "mail/notice_template.h"
#include "mail/outcome.h"
#include "mail/queue_id.h"

enum notice_kind {
	NOTICE_BOUNCE,		/* undelivered, to the sender */
	NOTICE_DELAY,		/* still being tried, to the sender */
	NOTICE_SUCCESS,		/* delivered, relayed or expanded, to the sender */
	NOTICE_DOUBLE_BOUNCE,	/* undelivered, and the sender cannot be told: to the postmaster */
	NOTICE_POSTMASTER,	/* copy of a bounce, headers only, to the postmaster */
	NOTICE_FORWARD,		/* no notice: the message itself, to others (mail/forward.h) */
};

struct notice_recipient {
	struct span	 address;	/* unquoted */
	struct span	 orcpt;		/* "rfc822;addr", or empty */
	struct span	 original;	/* as it was given, where that was another; else empty */
	struct outcome	 outcome;
};

struct notice {
	enum notice_kind kind;
	struct span	 hostname;	/* myhostname: Reporting-MTA */
	struct span	 origin;	/* myorigin: behind MAILER-DAEMON@ */
	struct span	 mail_name;	/* "mtad" */
	struct qid	 new_id;	/* of this notice: its Message-ID */
	uint64_t	 token;		/* a random number, for the boundary (clock_random) */
	int64_t		 now;
	struct span	 to;		/* unquoted */
	/* The original. */
	struct qid	 id;
	int64_t		 arrival;
	int64_t		 expires;	/* wall; 0: unknown */
	struct span	 sender;	/* unquoted */
	struct span	 envid;		/* decoded; empty: none */
	bool		 full;		/* the caller puts the original's body between `before` and `after` (RET, bounce_size_limit) */
	bool		 is_8bit;	/* the original has bytes over 127 */
	bool		 is_utf8;	/* the original needs SMTPUTF8: RFC 6533 types */
	struct span	 header;	/* with its empty line or without */
	const struct notice_recipient *recipients;
	size_t		 recipient_count;
	/* The words (mail/notice_template.h), of notice_template's kind; text is that one's, expanded. */
	const struct notice_template *words;
	struct span	 text;
	bool		 threaded;	/* References: and In-Reply-To: of the original's Message-ID */
};

/* By which template the notice is worded; delays: it is about mail that waits (a copy to the postmaster may be). */
enum template_kind notice_template(enum notice_kind, bool delays);
/* Whether the recipients of a notice wait: of a copy to the postmaster, too. */
bool	notice_delays(const struct notice *);

/*
 * The notice is `header` (ends with the empty line), then `before`, then, where notice->full, the original's body, then `after`. LF line ends.
 * Received: is intake's to add. The original's body should end in LF; `after` begins with one anyway.
 */
void	notice_build(const struct notice *, struct buf *header, struct buf *before, struct buf *after);

/*
 * Whether this outcome asks for that kind of notice to the sender, by NOTIFY and RFC 3461. `delays`: delay_warning_time is set.
 * OUTCOME_SENT with an `mta` was handed to a server that promised to send the success notice itself: none is wanted then.
 */
bool	notice_wanted(enum notice_kind, uint8_t notify, const struct outcome *, bool delays);

/* As the log names it, before ": NEW-QUEUE-ID": "sender non-delivery notification". Any byte is taken for a kind. */
const char *notice_log_text(uint8_t kind);

#endif
