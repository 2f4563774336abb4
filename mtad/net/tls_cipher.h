/*
 * The cipher suites of TLS up to 1.2 that GnuTLS has for certificates, as a set of bits, and OpenSSL's language for choosing from them (ciphers(1)).
 */
#ifndef NET_TLS_CIPHER_H
#define NET_TLS_CIPHER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

enum { KX_ECDHE_ECDSA, KX_ECDHE_RSA, KX_DHE_RSA, KX_RSA, KX_COUNT };
enum { ENC_AES256_GCM, ENC_CHACHA20, ENC_AES256_CCM, ENC_AES128_GCM, ENC_AES128_CCM, ENC_AES256, ENC_AES128, ENC_NULL, ENC_COUNT };
enum { MAC_AEAD, MAC_SHA384, MAC_SHA256, MAC_SHA1, MAC_MD5, MAC_COUNT };

struct tls_suite {
	unsigned	 kx, enc, mac;
};

/* Suite n is bit n of a set. NULL past the last one. */
const struct tls_suite *tls_suite(unsigned n);
void	tls_suite_name(const struct tls_suite *, struct buf *out);	/* OpenSSL's */

/*
 * Reads a list of OpenSSL's ("aNULL:-aNULL:HIGH:@STRENGTH", "!RC4") on from *set; *killed has what "!" took away for good. Words that mean nothing to
 * it, not even as something that is not there, are put into `unknown`, between commas.
 */
void	tls_suites_read(struct span list, uint64_t *set, uint64_t *killed, struct buf *unknown);
/* Those that an element without its sign means: "kRSA", "DHE+AES". False: a word is unknown. */
bool	tls_suites_named(struct span element, uint64_t *set);

#endif
