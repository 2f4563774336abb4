/*
 * The TLSA records of a host's port, looked up as RFC 7672 section 2.2.2 says: where the host's name is an alias and its addresses are signed,
 * first at the end of the alias and then at the name itself; where the addresses are not signed, at the name itself only if that is an alias in a
 * signed zone. Answers without a signature are none.
 */
#ifndef NET_DANE_LOOKUP_H
#define NET_DANE_LOOKUP_H

#include "net/dane.h"
#include "net/dns.h"

struct dane_host {
	const char	*name;		/* as the MX record has it */
	const char	*final;		/* whose addresses were found, behind all aliases */
	bool		 secure;	/* those addresses were validated */
	uint16_t	 port;
	const struct dns_filter *filter;	/* of answers, or NULL; must outlive the lookup */
	bool		 force;		/* smtp_tls_force_insecure_host_tlsa_lookup */
};

enum dane_found {
	DANE_RECORDS_FOUND,
	DANE_RECORDS_NONE,	/* DANE does not apply */
	DANE_RECORDS_ERROR,	/* no answer: it must not be taken for none */
};

struct dane_answer {
	enum dane_found	 found;
	const char	*base;		/* the name whose records they are: SNI, and a name that the certificate may have */
	const struct span *records;	/* as they came */
	size_t		 count;
	const char	*text;		/* why there are none */
};

/* The answer lives during the call, which may come within dane_lookup_start. */
typedef void	dane_lookup_fn(void *arg, const struct dane_answer *);

struct dane_lookup;
/* NULL where fn was called already. */
struct dane_lookup *dane_lookup_start(struct dns *, const struct dane_host *, dane_lookup_fn *, void *arg);
/* fn will not be called any more. NULL is fine. */
void	dane_lookup_cancel(struct dane_lookup *);

#endif
