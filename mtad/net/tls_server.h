/*
 * What an smtpd line of master.cf says of TLS: its level, certificates, priorities, certificates by name. Made of a view, in the master (to find what is wrong) and in
 * the receive role (to serve).
 */
#ifndef NET_TLS_SERVER_H
#define NET_TLS_SERVER_H

#include "base/map.h"
#include "conf/conf.h"
#include "net/tls.h"
#include "table/table.h"

enum tls_level { TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT };

struct tls_server {
	enum tls_level	 level;
	bool		 wrapper;
	bool		 usable;	/* else STARTTLS is answered with a temporary error */
	struct tls_creds *creds;
	const struct tls_priority *priority;
	enum tls_ask	 ask;
	unsigned	 depth;
	bool		 server_too;
	const char	*digest;	/* smtpd_tls_fingerprint_digest */
	enum tls_print	 key_print;	/* how fingerprints of keys are made */
	int		 loglevel;
	bool		 received;	/* smtpd_tls_received_header */
	bool		 auth_only;	/* AUTH inside TLS only: said so, or TLS is demanded */
	int64_t		 timeout;
	unsigned	 ticket_lifetime;	/* seconds; 0: no tickets */
	const struct conf *conf;
	struct tables	 sni;
	struct map	 named;		/* of struct named_creds: those of tls_server_sni_maps that were asked for */
};

/* What is wrong: an error, or what has no effect. `text` begins with the parameter's name. */
typedef void tls_server_note(void *arg, bool error, const char *text);

struct tls_server *tls_server_new(const struct view *, tls_server_note *, void *arg);
void	tls_server_free(struct tls_server *);	/* NULL is fine */
/* For tls_options.by_name: arg is the struct tls_server. */
struct tls_creds *tls_server_by_name(void *server, const char *name);

/* Of all smtpd lines, as problems: for mtad -t, start and reload. Files are read by tls_file_read. */
void	tls_check_conf(const struct conf *, struct conf_problems *);
/* Whether any of them has TLS at all. */
bool	tls_server_any(const struct conf *);
enum tls_level tls_server_level(const struct view *, bool *wrapper);

#endif
