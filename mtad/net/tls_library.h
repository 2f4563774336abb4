/* What TLS is made of: for postconf -T. */
#ifndef NET_TLS_LIBRARY_H
#define NET_TLS_LIBRARY_H

/* "GnuTLS 3.7.9": what this program was built with; what it runs with. */
const char *tls_library_built(void);
const char *tls_library_running(void);	/* the number alone */
/* Public-key algorithms of certificates; NULL behind the last. */
const char *tls_library_key(unsigned n);

#endif
