/*
 * DANE for SMTP, without I/O: TLSA records as they came, which of them are of use, and whether a server's chain fits them. RFC 6698, 7671, 7672.
 * Usages 0 and 1 (PKIX-TA, PKIX-EE) are of no use for SMTP. Usage 3 (DANE-EE) is the server's own certificate or key, whatever its names and dates; usage 2
 * (DANE-TA) is an authority of its chain, and then dates, purposes and names count.
 */
#ifndef NET_DANE_H
#define NET_DANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

#define DANE_RECORDS	100	/* of one name; more are left out */
#define DANE_RECORD_MAX	((size_t)16 << 10)
#define DANE_CHAIN	20	/* certificates of a chain that are looked at */

enum { TLSA_PKIX_TA, TLSA_PKIX_EE, TLSA_DANE_TA, TLSA_DANE_EE };

/* What hinders a record from being used. */
enum tlsa_fault {
	TLSA_USABLE,
	TLSA_USAGE,		/* 0, 1, or none that there is */
	TLSA_SELECTOR,
	TLSA_MATCHING,		/* a matching type that there is not, or that tls_dane_digests leaves out */
	TLSA_DATA,		/* a digest of the wrong length, or no certificate or key */
	TLSA_WEAKER,		/* a stronger digest of the same usage and selector is there: RFC 7671 section 9 */
	TLSA_MALFORMED,
};

struct tlsa {
	uint8_t		 usage, selector, matching;
	enum tlsa_fault	 fault;
	struct span	 data;
};

struct dane {
	struct tlsa	*list;		/* in the order in which they came; their data follow in the same block */
	size_t		 count;
	size_t		 usable;
	bool		 has_ta, has_ee;	/* among the usable ones */
};

/* How the answers of the resolver are taken. digests: tls_dane_digests, the strongest first; agility: tls_dane_digest_agility is not off. */
struct dane_rules {
	const char	*digests;
	bool		 agility;
	bool		 ta_digest;	/* tls_dane_trust_anchor_digest_enable */
};

/* Copies the records (wire form). Free with dane_clear. */
void	dane_take(struct dane *, const struct span *records, size_t count, const struct dane_rules *);
void	dane_copy(struct dane *, const struct dane *);
void	dane_clear(struct dane *);

/* "3 1 1 0A5F...", its data cut to `most` bytes with "..." (0: whole). */
void	dane_text(const struct tlsa *, size_t most, struct buf *);
const char *tlsa_fault_text(enum tlsa_fault);

enum dane_verdict {
	DANE_MATCH_EE,		/* its own certificate: nothing else counts */
	DANE_MATCH_TA,		/* it hangs on an authority that a record names; names are still to be looked at */
	DANE_NO_MATCH,		/* no record is of this chain */
	DANE_NOT_TRUSTED,	/* a record names an authority of the chain, but the chain does not hold: faults */
};
struct dane_result {
	enum dane_verdict verdict;
	const struct tlsa *record;	/* that decided; NULL */
	size_t		 depth;		/* of the certificate in the chain that it is of (its count: of none, it came with the record) */
	unsigned	 faults;	/* enum tls_fault, where NOT_TRUSTED */
};
/* chain: DER, the server's own first. Usable records only are looked at. */
void	dane_check(const struct dane *, const struct span *chain, size_t count, struct dane_result *);

#endif
