/*
 * The server's side of one SASL exchange (smtpd_sasl_type = gsasl), without sockets: PLAIN, LOGIN, EXTERNAL by hand, SCRAM by libgsasl.
 * Users and their keys are facts, from mtad_sasl_password_maps.
 */
#ifndef POLICY_SASL_EXCHANGE_H
#define POLICY_SASL_EXCHANGE_H

#include "base/buf.h"
#include "base/facts.h"
#include "base/span.h"
#include "policy/sasl.h"

/* What is known of the connection. Spans outlive the exchange. */
struct sasl_channel {
	bool		 tls;
	struct span	 exporter, unique;	/* channel bindings, bytes; empty: there is none of that kind */
	struct span	 certificate;		/* whom a verified client certificate names; empty: none */
};

struct sasl_exchange;

/* The reply's text goes behind what `out` holds: a challenge in base64 with MORE, why with FAILED and TEMP (may be empty). */
enum sasl_status { SASL_MORE, SASL_DONE, SASL_FAILED, SASL_TEMP, SASL_PENDING };

/* Whether mtad's own mechanism can be had on this connection, beside sasl_may. */
bool	sasl_mechanism_fits(const struct sasl_mechanism *, const struct sasl_channel *);
/* NULL where there is no such mechanism, or it may not be used here. */
struct sasl_exchange *sasl_exchange_new(const struct sasl *, struct span mechanism, const struct sasl_channel *);
void	sasl_exchange_free(struct sasl_exchange *);	/* NULL is fine */
/* The client's response in base64, as it is; ptr NULL: it sent none with AUTH. Pending: again with the same one when the facts are there. */
enum sasl_status sasl_exchange_step(struct sasl_exchange *, struct span response, struct facts *, struct buf *out);
/* Who it says it is, as far as that is known; NULL: it is not. */
const char *sasl_exchange_user(const struct sasl_exchange *);

#endif
