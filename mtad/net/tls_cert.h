/*
 * Certificates: chains that are verified, names, fingerprints. No socket, no session; everything is given as DER and nothing is kept.
 */
#ifndef NET_TLS_CERT_H
#define NET_TLS_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

struct tls_creds;

/* Why a chain is not trusted; several may be set. 0: it is. */
enum tls_fault {
	TLS_FAULT_NO_CERTIFICATE = 1,
	TLS_FAULT_UNKNOWN_ISSUER = 2,
	TLS_FAULT_SELF_SIGNED = 4,
	TLS_FAULT_EXPIRED = 8,
	TLS_FAULT_NOT_YET = 16,
	TLS_FAULT_REVOKED = 32,
	TLS_FAULT_PURPOSE = 64,		/* its key may not be used so (key usage, extended key usage) */
	TLS_FAULT_INSECURE = 128,	/* algorithm or key size */
	TLS_FAULT_TOO_DEEP = 256,
	TLS_FAULT_OTHER = 512,
};
enum tls_purpose { TLS_FOR_SERVER, TLS_FOR_CLIENT };
/* A chain (DER, the end's first) against the authorities of `trust`; no name is looked at. depth: most certificates above the end's own. */
unsigned tls_verify_chain(const struct span *chain, size_t count, const struct tls_creds *trust, unsigned depth, enum tls_purpose);
/* The same with one certificate of the caller's (DER) as the only anchor: DANE's usage 2. Also one that is no root, or not in the chain. */
unsigned tls_verify_anchor(const struct span *chain, size_t count, struct span anchor, unsigned depth, enum tls_purpose);

/* What Postfix's log says of a chain that is not trusted. */
struct tls_complaint {
	unsigned	 faults;
	const char	*side;		/* whose chain it is: "server", "client" */
	struct span	 end, top;	/* its first and last certificate (DER) */
	unsigned	 depth;		/* the most there may be */
};
/* "self-signed certificate", "untrusted issuer /CN=..." */
void	tls_fault_text(const struct tls_complaint *, struct buf *out);
/* What stands before " for PLACE: TEXT": "server certificate verification failed". */
void	tls_fault_subject(const struct tls_complaint *, const char *text, struct buf *out);
/* "/C=US/O=Example/CN=Example CA" */
void	tls_issuer_line(struct span der, struct buf *out);

/* Of one certificate (DER). False where it is none. */
struct tls_cert_names {
	char		*subject_cn, *issuer_cn;	/* "" where there is none; of the issuer its O where it has no CN; control bytes are "?"; heap */
};
bool	tls_cert_names(struct span der, struct tls_cert_names *);
void	tls_cert_names_clear(struct tls_cert_names *);
/* DNS names of the subjectAltName, or where there are none the CN. Calls until false is returned. */
bool	tls_cert_dns(struct span der, size_t i, struct buf *out);
/*
 * Whether it is for this host (ASCII). multiple_labels: tls_wildcard_matches_multiple_labels. With the leading dot of ".example.com", for a name below it, as Postfix has it.
 */
bool	tls_cert_matches(struct span der, const char *name, bool multiple_labels);
bool	tls_cert_times(struct span der, int64_t *from, int64_t *until);

/* "12:AB:...", in capitals, of the certificate or of its public key. The digest as in smtpd_tls_fingerprint_digest (sha256, sha1, md5 ...). False: unknown digest. */
enum tls_print { TLS_PRINT_CERTIFICATE, TLS_PRINT_KEY, TLS_PRINT_BARE_KEY /* tls_legacy_public_key_fingerprints */ };
bool	tls_fingerprint(struct span der, const char *digest, enum tls_print of, struct buf *out);
bool	tls_digest_known(const char *digest);
/* The SubjectPublicKeyInfo (DER), as TLSA's selector 1 has it. */
bool	tls_public_key(struct span der, struct buf *out);

#endif
