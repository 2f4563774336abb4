/*
 * AUTH in a session: what is offered, and the exchange with Dovecot or with mtad's own mechanisms.
 */
#ifndef RECEIVE_SESSION_AUTH_H
#define RECEIVE_SESSION_AUTH_H

#include "receive/session.h"

struct receive;

/* Connects to the servers that the configuration names, so that their mechanisms are known when the first client asks. */
void	sessions_auth_prepare(struct receive *);
/* A new session; again when TLS has begun: what was proved before is forgotten. */
void	session_auth_begin(struct session *);
/* Tells the dialogue what EHLO may offer. False: not known yet; HELO's answer is given when it is. */
bool	session_auth_offer(struct session *);
/* MAIL's AUTH=; empty: none. */
void	session_auth_sender(struct session *, struct span);
/* Ends an exchange under way, quietly. */
void	session_auth_drop(struct session *);
/* The client gave up. */
void	session_auth_aborted(struct session *);

/* Events of the dialogue. */
void	session_auth_first(void *session, struct span mechanism, struct span response);
void	session_auth_more(void *session, struct span response);

#endif
