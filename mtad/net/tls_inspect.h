/*
 * What can be said of a server's certificates before anybody meets them: as they stand in a file.
 */
#ifndef NET_TLS_INSPECT_H
#define NET_TLS_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct tls_inspection {
	unsigned	 count;		/* certificates */
	int64_t		 from, until;	/* of the server's own, which comes first */
	bool		 self_signed;
	bool		 authority_first;	/* the first is an authority's */
	unsigned	 out_of_order;	/* the number, from 2, of one that did not sign the one before it; 0: none */
	unsigned	 weak;		/* the number, from 1, of one with a weak key or signature; 0: none */
	char		 weakness[80];
	struct buf	 der;		/* the server's own; clear it */
};

/* The certificates among these PEM blocks, up to the next private key behind one. False where there is none. */
bool	tls_inspect(struct span pem, struct tls_inspection *);
/* Whether one of these authorities (PEM) signed the certificate (DER). */
bool	tls_signed_by(struct span der, struct span authorities);

#endif
