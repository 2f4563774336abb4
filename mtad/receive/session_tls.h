/*
 * TLS of a session: the handshake, after STARTTLS or from the first byte on, and what it says of the client.
 */
#ifndef RECEIVE_SESSION_TLS_H
#define RECEIVE_SESSION_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/tls.h"
#include "policy/policy.h"

struct session;

/* What a session with TLS has beyond others. */
struct session_tls {
	struct tls	*tls;
	bool		 shaking;
	void		(*then)(struct session *);	/* after the handshake */
	bool		 has_certificate, trusted;
	struct tls_cert_names names;
	struct buf	 fingerprint, key_fingerprint;
	struct buf	 received;			/* for Received: */
};

/* Begins the handshake; `then` is called when it is done, later or within. Where it fails the session ends. */
void	session_tls_begin(struct session *, void (*then)(struct session *));
/* The socket is ready, or time is up. */
void	session_tls_step(struct session *);
void	session_tls_late(struct session *);
void	session_tls_clear(struct session *);
/* Wrapper mode: before the client is greeted. */
void	session_tls_wrap(struct session *, void (*then)(struct session *));
/* After STARTTLS was granted and its reply is out. */
void	session_tls_start(struct session *);
/* The op: grants STARTTLS or says why not. */
void	session_on_starttls(void *session);

/* As recv(2) and send(2), with TLS where there is TLS. */
ssize_t	session_recv(struct session *, void *, size_t);
ssize_t	session_send(struct session *, const void *, size_t);
/* Bytes are there that the socket will not tell of. */
bool	session_tls_pending(const struct session *);

void	session_tls_facts(const struct session *, struct policy_tls *);

#endif
