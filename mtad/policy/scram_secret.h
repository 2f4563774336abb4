/*
 * What is kept of a password: SCRAM's salted keys (RFC 5802, 7677), in the form of RFC 5803, one a hash, with blanks between them:
 *
 *	SCRAM-SHA-256$10000:SALT$STOREDKEY:SERVERKEY SCRAM-SHA-1$10000:SALT$STOREDKEY:SERVERKEY
 *
 * From them a password can be checked, never told.
 */
#ifndef POLICY_SCRAM_SECRET_H
#define POLICY_SCRAM_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };

#define SCRAM_KEY_MAX		32
#define SCRAM_SALT_MAX		64
#define SCRAM_ITERATIONS	10000	/* of new ones */
#define SCRAM_ITERATIONS_MIN	4096	/* RFC 7677 */
#define SCRAM_ITERATIONS_MAX	200000	/* the daemon computes as many for each guess */

struct scram_secret {
	enum scram_hash	 hash;
	uint32_t	 iterations;
	size_t		 salt_len, key_len;
	unsigned char	 salt[SCRAM_SALT_MAX], stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

/* The one of this hash in a table's value; false where it has none, or it is damaged. */
bool	scram_secret_parse(struct span value, enum scram_hash, struct scram_secret *);
/* One for each hash, appended. False with the err where the password cannot be used (empty, control characters). */
bool	scram_secrets_make(struct span password, uint32_t iterations, struct buf *out, struct err *);
/* In constant time for the same iterations. */
bool	scram_secret_verify(const struct scram_secret *, struct span password);
/* Of no password: always the same for the same name and key, so that asking twice tells nothing. */
void	scram_secret_fake(struct span name, struct span key, enum scram_hash, uint32_t iterations, struct scram_secret *);

#endif
