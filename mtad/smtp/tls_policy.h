/*
 * How TLS is wanted towards a destination: the levels, and an entry of smtp_tls_policy_maps or smtp_tls_per_site. Pure: a text in, a policy out.
 * What comes later (MTA-STS) is one more source of such a policy.
 */
#ifndef SMTP_TLS_POLICY_H
#define SMTP_TLS_POLICY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/facts.h"
#include "base/span.h"
#include "table/table.h"

/* In the order of what they demand. */
enum tls_level {
	TLS_LEVEL_INVALID = -2,		/* nothing is to be delivered so */
	TLS_LEVEL_NOT_FOUND,
	TLS_LEVEL_NONE,
	TLS_LEVEL_MAY,
	TLS_LEVEL_ENCRYPT,
	TLS_LEVEL_FINGERPRINT,
	TLS_LEVEL_HALF_DANE,		/* TLSA records of a host that an unsigned MX record named; no name of its own in the configuration */
	TLS_LEVEL_DANE,
	TLS_LEVEL_DANE_ONLY,
	TLS_LEVEL_VERIFY,
	TLS_LEVEL_SECURE,
};

const char *tls_level_name(enum tls_level);
/* Case does not matter; INVALID where there is none of that name. */
enum tls_level tls_level_find(struct span);

static inline bool tls_level_encrypts(enum tls_level l) { return l > TLS_LEVEL_MAY; }
/* The certificate has to be the right one. */
static inline bool tls_level_matches(enum tls_level l) { return l > TLS_LEVEL_ENCRYPT; }
static inline bool tls_level_is_pkix(enum tls_level l) { return l >= TLS_LEVEL_VERIFY; }

#define TLS_POLICY_WORDS	64u	/* names or files of one entry */

struct tls_words {
	char		**list;
	size_t		 count;
};
/* Adds what stands between separators. False where there are too many. */
bool	tls_words_add(struct tls_words *, struct span, const char *separators);
void	tls_words_clear(struct tls_words *);

/* What an entry says; NULL and empty: it says nothing about that. */
struct tls_policy {
	enum tls_level	 level;
	char		*protocols, *ciphers, *exclude, *servername;
	struct tls_words match;		/* names; at the level fingerprint: fingerprints */
	struct tls_words tafiles;
	int		 connection_reuse;	/* -1: not said */
};
#define TLS_POLICY_INIT	((struct tls_policy){ .level = TLS_LEVEL_NOT_FOUND, .connection_reuse = -1 })
void	tls_policy_clear(struct tls_policy *);
bool	tls_policy_same(const struct tls_policy *, const struct tls_policy *);

/* Hears what is wrong, in Postfix's words; NULL: nobody. */
struct tls_warn {
	void		(*fn)(void *arg, const char *text);
	void		*arg;
};
void	tls_warn(const struct tls_warn *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * "secure match=example.com:.example.com ciphers=high". where: what is warned about begins so. False where it is wrong: its level is INVALID then. `policy` is as
 * TLS_POLICY_INIT before.
 */
bool	tls_policy_parse(struct tls_policy *, struct span text, const char *where, const struct tls_warn *);

/*
 * smtp_tls_policy_maps for a next hop: as it is written, and where it is a bare domain, its parents ".example.com". FOUND, ABSENT (level NOT_FOUND), FAILED (level
 * INVALID), PENDING.
 */
enum table_result tls_policy_find(struct tls_policy *, const struct tables *, const char *title, struct facts *,
    const char *nexthop, const struct tls_warn *);

/* smtp_tls_per_site: by next hop and by host; *level begins as NOT_FOUND. The same results. */
enum table_result tls_site_find(enum tls_level *, const struct tables *, const char *title, struct facts *, const char *name,
    const char *class, const struct tls_warn *);

#endif
