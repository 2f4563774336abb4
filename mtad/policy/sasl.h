/*
 * What smtpd_sasl_* says for a service: whether clients may authenticate, through whom, and which mechanisms they are offered.
 */
#ifndef POLICY_SASL_H
#define POLICY_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"
#include "table/table.h"

enum sasl_type { SASL_DOVECOT, SASL_GSASL };

/* What a mechanism is or does, in the words of smtpd_sasl_security_options. */
enum sasl_property {
	SASL_PLAINTEXT = 1, SASL_ACTIVE = 2, SASL_DICTIONARY = 4, SASL_ANONYMOUS = 8,
	SASL_FORWARD_SECRECY = 16, SASL_MUTUAL_AUTH = 32,
	SASL_PRIVATE = 64,	/* never offered */
};

struct sasl;

/* True with *out NULL where smtpd_sasl_auth_enable is off. False with the err: "NAME: what is wrong". */
bool	sasl_new(const struct view *, struct sasl **out, struct err *);
void	sasl_free(struct sasl *);		/* NULL is fine */

enum sasl_type sasl_type(const struct sasl *);
const char *sasl_path(const struct sasl *);	/* dovecot: as configured */
const char *sasl_service(const struct sasl *);	/* smtpd_sasl_service */
struct span sasl_local_domain(const struct sasl *);
const struct tables *sasl_passwords(const struct sasl *);	/* gsasl: mtad_sasl_password_maps */

/* Whether a mechanism may be used, by smtpd_sasl_mechanism_filter and the security options. */
bool	sasl_may(const struct sasl *, struct span mechanism, unsigned properties, bool tls);
/* smtpd_sasl_exceptions_networks: EHLO tells these clients nothing of AUTH. */
bool	sasl_hidden_from(const struct sasl *, struct span client_name, struct span client_addr);

/* The mechanisms that mtad itself has (gsasl), in the order they are offered: NULL behind the last. */
struct sasl_mechanism {
	const char	*name;
	unsigned	 properties;
	bool		 binding;	/* -PLUS: needs TLS */
	bool		 certificate;	/* EXTERNAL: needs a client's certificate */
};
const struct sasl_mechanism *sasl_mechanism(size_t index);

#endif
