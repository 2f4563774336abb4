/*
 * TLS as the SMTP and LMTP clients use it, without sockets: what the configuration says (struct tls_client, one a transport), what that means for one host
 * (struct tls_plan), and what a finished handshake was worth (struct tls_judgement). Follows TLS_README's client side; RFC 3207, 7672.
 */
#ifndef SMTP_TLS_CLIENT_H
#define SMTP_TLS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "net/dane_lookup.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "smtp/tls_policy.h"

/* -- what the configuration says ---------------------------------------------------------- */

struct tls_client {
	const struct view *view;
	bool		 lmtp;
	bool		 used;		/* false: nothing here can ask for TLS */
	enum tls_level	 level;		/* where no table says another one */
	struct tables	 policies, sites;
	bool		 by_policy, by_site;
	bool		 misconfigured;	/* tables that cannot be opened: no mail */
	bool		 broken;	/* certificates that cannot be had: no TLS, and no mail where it is demanded */
	bool		 wrapper, note_offer, reuse, watch_early_reply;
	bool		 dnssec, force_tlsa, ignores_mx_error;
	enum tls_level	 insecure_mx;
	struct dane_rules rules;
	int		 loglevel;
	int64_t		 timeout;
	int64_t		 session_time;	/* for which a session may be resumed; 0: none is */
	unsigned	 depth;
	bool		 many_labels;
	const char	*digest;
	enum tls_print	 key_print;	/* how fingerprints of keys are made */
	const struct tls_priority *optional, *mandatory;	/* NULL: their protocols or ciphers are wrong */
	struct tls_creds *own;		/* our certificate, and the authorities of smtp_tls_CAfile and CApath */
	struct tls_creds *anchors;	/* of smtp_tls_trust_anchor_file; NULL: none */
	struct tls_warn	 warn;
};

/* The view must outlive it. Files are read by tls_file_read. What is wrong is told to `warn`. Free with tls_client_clear. */
void	tls_client_init(struct tls_client *, const struct view *, bool lmtp, const struct tls_warn *);
/* As if a level were set, for levels that are tried; nothing is said. Tables are not opened. */
void	tls_client_force(struct tls_client *, const struct view *, bool lmtp);
void	tls_client_clear(struct tls_client *);

/* Parameters of certificate and key, by lmtp. ECDSA first: under TLS 1.3 the order in which they are loaded decides. */
struct tls_client_pair {
	enum param	 cert, key;
};
extern const struct tls_client_pair tls_client_pairs[2][2];
bool	tls_client_wants_default(const struct view *, bool lmtp);	/* the system's authorities */
/* Whether what a client that uses TLS reads can be used; what is wrong is told to `warn`. */
bool	tls_client_loads(const struct view *, bool lmtp, const struct tls_warn *);

/* -- one host ------------------------------------------------------------------------------- */

/* How a host was come by. Strings are the caller's. */
struct tls_route {
	const char	*nexthop;	/* as it is written: "example.com", "[mx.test]:587"; the path of a Unix socket */
	const char	*domain;	/* without brackets and port */
	const char	*host;		/* the server's name */
	const char	*final;		/* behind aliases of that */
	bool		 secure;	/* its addresses are signed */
	uint16_t	 port;		/* 0: a Unix socket */
	bool		 mx;		/* an MX record named it */
	bool		 mx_secure;
	const char	*mx_final;	/* the domain behind aliases of `domain`, whose MX it is */
};

struct tls_plan {
	const struct tls_client *client;
	enum tls_level	 level;
	enum tls_level	 asked;		/* before DANE's records or their absence changed it */
	struct tls_policy policy;	/* what a table said */
	char		 dsn[8];	/* INVALID: why */
	char		 why[400];
	const struct tls_priority *priority;	/* NULL: protocols or ciphers are wrong; the handshake fails */
	char		*servername;	/* SNI; NULL: none */
	char		*nexthop, *domain;	/* for names */
	char		*host;
	struct tls_words names;		/* one of them the certificate must have */
	struct tls_words prints;	/* fingerprints */
	struct tls_creds *trust;	/* counted; NULL: nobody is trusted */
	struct dane	 dane;
	char		*base;		/* whose TLSA records they are */
	bool		 reuse;
};

enum tls_plan_state {
	TLS_PLAN_READY,		/* level says; INVALID: dsn and why */
	TLS_PLAN_PENDING,	/* a fact is missing: call again */
	TLS_PLAN_DANE,		/* TLSA records are needed: look them up, then tls_plan_dane */
};
/* A plan that began with this must be cleared, whatever the result. */
enum tls_plan_state tls_plan_begin(struct tls_plan *, const struct tls_client *, struct facts *, const struct tls_route *);
/* Whether the tables would give this plan again: FOUND; ABSENT: another one; PENDING, FAILED. */
enum table_result tls_plan_holds(const struct tls_plan *, struct facts *);
void	tls_plan_dane(struct tls_plan *, const struct tls_route *, const struct dane_answer *);
void	tls_plan_clear(struct tls_plan *);

/* The level alone, for one that is tried by hand (mtactl tls probe): no tables are asked. */
enum tls_plan_state tls_plan_at(struct tls_plan *, const struct tls_client *, enum tls_level, const struct tls_route *);

/* -- what a handshake was worth ---------------------------------------------------------------- */

struct tls_judgement {
	bool		 present;	/* there was a certificate */
	bool		 trusted;
	bool		 matched;	/* what the level asks for */
	bool		 secured;	/* "Verified" in the log */
	unsigned	 faults;	/* enum tls_fault, of the chain; 0 where nobody looked */
	struct dane_result dane;	/* at levels of DANE */
	const char	*name;		/* that fitted, of the plan's; NULL */
	char		 reason[300];	/* why it is not trusted or does not match; "" */
	char		 subject[80];	/* what the log says before: "server certificate verification failed" */
};

void	tls_judge(const struct tls_plan *, struct tls *, struct tls_judgement *);
/* "Verified", "Trusted", "Untrusted", "Anonymous". */
const char *tls_judgement_word(const struct tls_judgement *);
/* What the level says to it: NULL where mail may be sent, else "Server certificate not verified". */
const char *tls_judgement_refusal(const struct tls_plan *, const struct tls_judgement *);
/* Why it does, in an operator's words: "certificate has expired", "it is for another host name". */
const char *tls_judgement_detail(const struct tls_plan *, const struct tls_judgement *);

#endif
