/*
 * The client's side of SASL (RFC 4422), free of sockets: challenges in, responses out, as bytes; base64 is the session's. PLAIN, LOGIN, XOAUTH2 and
 * OAUTHBEARER (RFC 7628) by hand, CRAM-MD5 and SCRAM (RFC 5802, 7677) by libgsasl.
 */
#ifndef SMTP_SASL_CLIENT_H
#define SMTP_SASL_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/* In order of preference. */
enum sasl_client_mechanism {
	MECH_SCRAM_SHA_256	= 1,
	MECH_SCRAM_SHA_1	= 2,
	MECH_CRAM_MD5		= 4,
	MECH_OAUTHBEARER	= 8,	/* the password is a token: only where a site asks for it by name */
	MECH_XOAUTH2		= 16,
	MECH_PLAIN		= 32,
	MECH_LOGIN		= 64,
};
#define MECH_TOKENS		(MECH_OAUTHBEARER | MECH_XOAUTH2)

/* What a site does not allow (smtp_sasl_security_options). */
enum sasl_client_forbid {
	MECH_NO_PLAINTEXT	= 1,	/* who listens learns the password (or token) */
	MECH_NO_ACTIVE		= 2,	/* who stands between can use what it hears */
	MECH_NO_DICTIONARY	= 4,	/* who listens can guess */
	MECH_NO_ANONYMOUS	= 8,	/* there is none here */
	MECH_FORWARD_SECRECY	= 16,
	MECH_MUTUAL_AUTH	= 32,
};

/* The bit of a mechanism's name, in any case; 0: not known here. */
unsigned sasl_client_mechanism(struct span name);
const char *sasl_client_name(unsigned bit);
/* The bits of words; false with the word that is none. */
bool	sasl_client_forbids(struct span list, unsigned *bits, struct span *bad);
/* The best of those that are offered and nothing forbids; 0: none. */
unsigned sasl_client_choose(unsigned offered, unsigned forbidden);

/* Loads what the library needs, before rights are dropped. False: only what is made by hand is there. */
bool	sasl_client_setup(void);

struct sasl_client;

struct sasl_who {
	struct span	 user, password;	/* or the token */
	struct span	 host;			/* the server's name, and its port */
	unsigned	 port;
};

/* NULL where it cannot be had. Nothing of `who` is kept. */
struct sasl_client *sasl_client_new(unsigned mechanism, const struct sasl_who *);
void	sasl_client_free(struct sasl_client *);	/* NULL is fine */
/* Whether something goes with AUTH itself. */
bool	sasl_client_first(const struct sasl_client *);
/* A challenge (empty before anything was said), and what is to be answered, put behind what `out` holds. False: it makes no sense. */
bool	sasl_client_step(struct sasl_client *, struct span challenge, struct buf *out);
/* The server says that all is well: whether the mechanism agrees (SCRAM: it has shown that it knows the password too). */
bool	sasl_client_satisfied(const struct sasl_client *);

#endif
