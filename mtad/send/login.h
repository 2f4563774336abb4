/*
 * Logins for servers (smtp_sasl_auth_enable, lmtp_...): who mtad is to a server, from smtp_sasl_password_maps by sender, host or next hop; and which
 * were refused a while ago (smtp_sasl_auth_cache_name), in the memory of this process.
 */
#ifndef SEND_LOGIN_H
#define SEND_LOGIN_H

#include "base/map.h"
#include "smtp/client.h"
#include "table/table.h"

/* A transport's. */
struct login_rules {
	struct tables	 passwords;
	const char	*name;		/* of that parameter */
	bool		 by_sender;
	const char	*delimiters;	/* recipient_delimiter */
	struct span	 delimiter;	/* between name and password */
	unsigned	 mechanisms;
	bool		 filtered;	/* smtp_sasl_mechanism_filter is set */
	unsigned	 forbidden[CLIENT_VERIFIED + 1];
	bool		 soft, tell;
	bool		 remember;	/* refusals */
	int64_t		 remember_time;
};

/* *out is NULL where authentication is off. False with the err: "NAME: what is wrong". */
bool	login_rules_new(struct conf *, const struct view *, bool lmtp, struct login_rules **out, struct err *);
void	login_rules_free(struct login_rules *);		/* NULL is fine */

/* FOUND: the table's value stands in place of what *value holds. */
enum table_result login_find(const struct login_rules *, struct facts *, struct span sender, struct span host, struct span destination,
    struct buf *value, struct err *);

/* A connection's. */
struct login {
	struct client_login client;
	const struct login_rules *rules;
	char		*text, *host, *refused, *refused_dsn;
};

/* From a table's value. The rules must outlive it. */
struct login *login_new(const struct login_rules *, const struct map *refusals, struct span value, const char *host, unsigned port);
void	login_free(struct login *);			/* NULL is fine */
/* The server refused it with 535 and this reply. */
void	login_refused(const struct login *, struct map *refusals, struct span dsn, struct span reply);
struct span refusal_key(const void *item);		/* of the map */

#endif
