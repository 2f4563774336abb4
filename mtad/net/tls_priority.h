/*
 * Protocols and ciphers as Postfix's parameters name them (smtpd_tls_protocols, smtpd_tls_ciphers, tls_high_cipherlist ...) to what GnuTLS is told.
 * Cipher lists are OpenSSL's language: they are read over a table of the cipher suites that GnuTLS has, so that what cannot be said to it is known, and told of.
 */
#ifndef NET_TLS_PRIORITY_H
#define NET_TLS_PRIORITY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

/* Texts may be NULL: as if empty. */
struct tls_choice {
	const struct view *view;	/* for tls_*_cipherlist, curves, tls_preempt_cipherlist, tls_ssl_options */
	const char	*protocols;	/* "!SSLv2, >=TLSv1.2"; empty: any */
	const char	*grade;		/* export, low, medium, high, null */
	const char	*exclude;	/* ..._exclude_ciphers */
	const char	*exclude_too;	/* ..._mandatory_exclude_ciphers */
	const char	*cipherlist;	/* smtpd_tls_cipherlist, the old form, in place of the grade's; empty: none */
	const char	*eecdh_grade;	/* none, strong, ultra, auto; NULL: auto */
	bool		 server;
};

/* Hears what does not map; the text has no parameter's name where it cannot know it. NULL: nobody. */
typedef void tls_priority_note(void *arg, const char *text);

/* The priority string. False with the err where nothing is left, or a word means nothing. */
bool	tls_priority_text(const struct tls_choice *, struct buf *out, tls_priority_note *, void *arg, struct err *);

/* Ready for sessions; made once for each different string in the process, and never freed. NULL with the err. */
struct tls_priority;
const struct tls_priority *tls_priority_get(const struct tls_choice *, struct err *);

#endif
