/*
 * One SMTP session up to EHLO inside TLS, by the daemon's own client, in the foreground: for mtactl tls probe.
 */
#ifndef MTACTL_TLS_SESSION_H
#define MTACTL_TLS_SESSION_H

#include "net/resolve.h"
#include "net/tls.h"
#include "smtp/client.h"

struct tls_session_options {
	const char	*helo;
	bool		 lmtp, wrapper;
	struct tls_creds *creds;
	const struct tls_priority *priority;
	const char	*servername;	/* NULL: none */
	int64_t		 timeout;	/* of each step */
};

enum tls_reached { REACHED_NOTHING, REACHED_SERVER, REACHED_OFFER, REACHED_TLS };

struct tls_session {
	int		 fd;
	struct client_options options;
	struct smtp_client *client;
	struct tls	*tls;
	enum tls_reached reached;
	bool		 handshake_failed;
	char		 error[500];	/* why it went no further; "" */
	int64_t		 timeout;
};

/* Clear it, whatever came of it. */
void	tls_session_run(struct tls_session *, const struct target *, const struct tls_session_options *);
void	tls_session_clear(struct tls_session *);

#endif
