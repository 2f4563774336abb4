/*
 * The client's side of Dovecot's authentication protocol (version 1), without sockets: lines of fields with tabs between them. After a handshake
 * that lists mechanisms, any number of requests run at once, each by its number; what the SMTP client says and hears passes through as it is, in base64.
 */
#ifndef NET_DOVECOT_AUTH_H
#define NET_DOVECOT_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define DOVECOT_MECHANISMS	32
#define DOVECOT_MECHANISM_NAME	32

enum dovecot_property {
	DOVECOT_PLAINTEXT = 1, DOVECOT_ACTIVE = 2, DOVECOT_DICTIONARY = 4, DOVECOT_ANONYMOUS = 8,
	DOVECOT_FORWARD_SECRECY = 16, DOVECOT_MUTUAL_AUTH = 32, DOVECOT_PRIVATE = 64,
};
struct dovecot_mechanism {
	char		 name[DOVECOT_MECHANISM_NAME];
	unsigned	 properties;
};

enum dovecot_answer { DOVECOT_CONT, DOVECOT_OK, DOVECOT_FAIL };
/* Spans live until the callback returns. */
struct dovecot_reply {
	uint32_t	 id;
	enum dovecot_answer answer;
	struct span	 data;		/* CONT: the challenge */
	struct span	 user;		/* OK, FAIL: who it is; ptr NULL: it did not say */
	struct span	 reason;	/* FAIL; empty: none */
	bool		 temporary;	/* FAIL: nothing is wrong with the password */
};

struct dovecot_request {
	uint32_t	 id;		/* the caller's, not 0, not used before on this connection */
	struct span	 mechanism;
	struct span	 service;	/* "smtp" */
	struct span	 local_addr, remote_addr;
	struct span	 response;	/* base64; ptr NULL: none */
	bool		 secured;	/* TLS */
};

struct dovecot_auth {
	bool		 version, done;		/* of the handshake */
	struct dovecot_mechanism mechanisms[DOVECOT_MECHANISMS];
	size_t		 mechanism_count;
	struct buf	 line;			/* of which more is to come */
	struct buf	 text;
};

typedef void	dovecot_reply_fn(void *arg, const struct dovecot_reply *);

/* A new connection. pid: no other connection to the server may have it. */
void	dovecot_auth_begin(struct dovecot_auth *, uint32_t pid, struct buf *out);
void	dovecot_auth_clear(struct dovecot_auth *);
/* Takes all of the input. False with the err where the server says what the protocol has not: close the connection. fn may not clear it. */
bool	dovecot_auth_input(struct dovecot_auth *, struct span in, dovecot_reply_fn *, void *arg, struct err *);

/* The mechanism of that name, in any case; NULL: the server has none such. */
const struct dovecot_mechanism *dovecot_auth_mechanism(const struct dovecot_auth *, struct span name);

/* Lines for the server. False where a field has bytes that would break the line; nothing is put then. */
bool	dovecot_auth_request(struct buf *out, const struct dovecot_request *);
bool	dovecot_auth_continue(struct buf *out, uint32_t id, struct span response);
void	dovecot_auth_cancel(struct buf *out, uint32_t id);

#endif
