/*
 * What the files of TLS share.
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "net/tls.h"

struct tls_pair {
	char		*certs, *key;		/* PEM */
	gnutls_pk_algorithm_t algorithm;
};

struct tls_creds {
	unsigned	 refs;
	gnutls_certificate_credentials_t own;
	gnutls_x509_trust_list_t trust;		/* belongs to `own` once it is ready */
	struct tls_pair	*pairs;			/* until it is ready */
	size_t		 pair_count;
	size_t		 authorities;
	bool		 has_certificate, ready;
	int64_t		 from, until;
};

struct tls_priority {
	gnutls_priority_t priority;
	char		*text;
};

struct tls {
	gnutls_session_t session;
	int		 fd;
	bool		 server;
	bool		 done;			/* the handshake */
	bool		 eof, truncated, said_bye;
	short		 wants;
	size_t		 held;			/* bytes that were taken and are not written yet */
	bool		 corked;
	int		 failed;		/* of tls_recv, told at the next call; 0: nothing */
	struct tls_creds *creds, *named;	/* named: by by_name */
	struct tls_creds *(*by_name)(void *arg, const char *name);
	void		*arg;
	struct buf	 raw;			/* came, and the library has not looked at it yet */
	struct tls_facts facts;
	bool		 has_facts;
	char		*server_name;
	char		 cipher[64];
	char		 error[160];
	char		 first[32];		/* how what came first begins, printable; of a server */
	bool		 is_tls;		/* it could be the beginning of a handshake */
};

/* The span as the library has bytes. */
gnutls_datum_t tls_datum(struct span);
bool	tls_import(struct span der, gnutls_x509_crt_t *);

#endif
