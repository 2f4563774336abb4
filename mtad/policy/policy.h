/*
 * Who may do what: smtpd_*_restrictions, evaluated in Postfix's order as functions of the session and of facts.
 * policy_new finds what is wrong with the lists; names that Postfix knows and this version does not are errors there, never silently skipped.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "conf/conf.h"
#include "route/route.h"

/*
 * Asked once at each command. With smtpd_delay_reject (the default) CLIENT, HELO and SENDER say OK at once, and RECIPIENT (and ETRN) goes through their lists
 * first. RECIPIENT includes the relay restrictions and unlisted recipients.
 */
enum policy_stage {
	POLICY_CLIENT = 1, POLICY_HELO, POLICY_SENDER, POLICY_RECIPIENT, POLICY_DATA, POLICY_END_OF_DATA, POLICY_ETRN,
	POLICY_VRFY,	/* client, helo, sender lists, and whether the recipient is listed */
};

/* Whether a name of the client's was found and agrees: Postfix's 2xx, 4xx and 5xx of a name. */
enum policy_name_status { POLICY_NAME_OK, POLICY_NAME_TEMP, POLICY_NAME_FORGED, POLICY_NAME_NONE };

/* What TLS says of the session; empty and 0 without TLS. */
struct policy_tls {
	struct span	 protocol, cipher;	/* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; an empty protocol: no TLS */
	unsigned	 keysize;
	struct span	 ccert_subject, ccert_issuer;	/* common names */
	struct span	 ccert_fingerprint, ccert_pubkey_fingerprint;	/* "AA:BB:...", smtpd_tls_fingerprint_digest; empty: no certificate */
	bool		 trusted;	/* the client's certificate was verified */
};

/* What is known so far. Spans stay the caller's; addresses are unquoted. */
struct policy_session {
	struct span	 client_name;	/* "unknown" where it has none */
	struct span	 reverse_client_name;	/* as the address's PTR says, whether or not it leads back; "unknown" where it has none */
	enum policy_name_status client_name_status, reverse_client_name_status;
	struct span	 client_addr;	/* "192.0.2.1", "2001:db8::1" */
	struct span	 server_addr;	/* our end */
	struct span	 client_port, server_port;	/* "40312"; empty: not known */
	struct span	 helo;		/* empty: none given */
	struct span	 protocol;	/* "SMTP", "ESMTP" */
	struct span	 sender;
	struct span	 recipient;	/* RECIPIENT, VRFY; at the others the only one, or empty */
	struct span	 etrn;		/* the ETRN domain */
	struct span	 sasl_method, sasl_user;	/* empty: not authenticated */
	struct span	 sasl_sender;	/* MAIL FROM AUTH= */
	struct policy_tls tls;
	struct span	 queue_id;	/* empty: none yet */
	struct span	 instance;	/* one for all questions of one transaction to policy servers */
	unsigned long long size;	/* SIZE= of MAIL; at END_OF_DATA the message's */
	unsigned	 recipients;	/* accepted so far */
	bool		 trusted;	/* local submission: nothing is refused but unlisted recipients at RECIPIENT are not checked either */
	bool		 has_sender, has_recipient;	/* MAIL, RCPT came (an empty sender is a sender) */
	bool		 pipelined;	/* bytes followed the command that should not: reject_unauth_pipelining */
	bool		 esmtp;
};

enum policy_action { POLICY_OK, POLICY_REFUSE, POLICY_DISCARD };

/* What is to be done to the message beside. FILTER, REDIRECT, HOLD: the last one counts; PREPEND and BCC all, in their order. */
enum policy_effect { POLICY_PREPEND = 1, POLICY_REDIRECT, POLICY_BCC, POLICY_FILTER, POLICY_HOLD };

/* Start with { .text = BUF_INIT(0) } or reuse. Strings live until the next use. */
struct policy_verdict {
	enum policy_action action;
	int		 code;		/* 554; REFUSE */
	const char	*dsn;		/* "5.7.1" */
	const char	*reply;		/* "<x@y.example>: Relay access denied", without code and dsn */
	const char	*restriction;	/* the one that decided; "" where none did */
	bool		 warned;	/* warn_if_reject */
	bool		 discard;	/* a table said so; DISCARD unless refused */
	struct route	*route;		/* RECIPIENT: where it would go; borrowed from the policy, until the next check. May be NULL */
	struct buf	 log;		/* lines for the log, to go behind "NOQUEUE: ": "reject_warning: RCPT from ...", "hold: ..." */
	struct buf	 warnings;	/* lines of warnings */
	struct buf	 effects;	/* policy_effect_next */
	struct buf	 text;
};
void	policy_verdict_clear(struct policy_verdict *);
/* Takes the next one off *left (at first all of effects). */
bool	policy_effect_next(struct span *left, enum policy_effect *, struct span *text);

enum policy_status { POLICY_DONE, POLICY_PENDING };

struct policy;
struct policy_server;

/* For a master.cf smtpd line's view. The router is borrowed and must be of the same conf. NULL with the err: "NAME: what is wrong", where NAME is a parameter. */
struct policy *policy_new(const struct view *, const struct router *, struct err *);
void	policy_free(struct policy *);

enum policy_status policy_check(struct policy *, enum policy_stage, const struct policy_session *, struct facts *,
    struct policy_verdict *, struct buf *trace);

/*
 * The trace: a line a restriction, "LIST<tab>RESTRICTION<tab>RESULT<tab>FACT"; RESULT is "-", "permit", "noted" (a warning, an effect, something put off), or
 * "CODE DSN TEXT". What is decided outside of the lists has another parameter, or words, in LIST's place. Lines without tabs are route_resolve's, once an address.
 *
 * "reject: RCPT from name[addr]: 554 5.7.1 <x@y>: Relay access denied; from=<a@b> to=<x@y> proto=ESMTP helo=<h>", to go behind "NOQUEUE: ".
 */
void	policy_log_reject(const struct policy_session *, enum policy_stage, const struct policy_verdict *, struct buf *out);

/* The server that a fact of source "policy:N" is asked of; NULL where there is none of the number. */
const struct policy_server *policy_server(const struct policy *, struct span source);

/*
 * smtpd_reject_footer and its maps: the reply (without line end) as it is sent, lines joined by "\r\n"; false: as it is. Only replies that begin with 4 or 5.
 */
bool	policy_footer(struct policy *, const struct policy_session *, const char *reply, struct buf *out);

/* The same by other parameters (the screener's): the view is for $names, maps and text are its own. no_facts may be NULL. */
struct policy_footer {
	const struct view *view;
	const struct tables *maps;
	const char	*text;
	struct facts	*no_facts;
};
bool	policy_footer_by(const struct policy_footer *, const struct policy_session *, const char *reply, struct buf *out);

/* Lists that sessions ask beside the restrictions. FAILED counts as no. */
bool	policy_in_mynetworks(struct policy *, const struct policy_session *);
bool	policy_rate_exempt(struct policy *, const struct policy_session *);	/* smtpd_client_event_limit_exceptions */
bool	policy_newline_exempt(struct policy *, const struct policy_session *);	/* smtpd_forbid_bare_newline_exclusions */
/* local_header_rewrite_clients: whether headers of its mail are completed. */
bool	policy_rewrite_local(struct policy *, const struct policy_session *);

/* All that router_new and policy_new find wrong, as problems: for mtad -t, start and reload. */
void	policy_check_conf(struct conf *, struct conf_problems *);

#endif
