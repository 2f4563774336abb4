/*
 * What a transport (a master.cf line of smtp or lmtp) wants, taken once from its view: a generation's, shared by the deliveries and connections that
 * began with it.
 */
#ifndef SEND_SETTINGS_H
#define SEND_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "conf/conf.h"
#include "net/addr.h"
#include "net/resolve.h"
#include "send/login.h"
#include "send/rewriting.h"
#include "smtp/client.h"
#include "smtp/tls_client.h"
#include "table/match_list.h"
#include "table/table.h"

struct settings {
	char		*transport;
	struct conf	*conf;
	unsigned	 refs;
	char		*program;	/* for the log: "smtp" or "lmtp", with a syslog_name of its own before it */
	struct client_options client;	/* nexthop and best_mx are the connection's */
	int64_t		 connect_timeout;	/* 0: as long as the system tries */
	int64_t		 stage_timeout[CLIENT_CLOSED + 1];
	int64_t		 cache_time, reuse_time;
	int64_t		 reuse_count;
	struct resolve_settings resolve;
	size_t		 session_limit;
	struct net_addr	 bind4, bind6;
	bool		 skip_quit;		/* close right after QUIT */
	bool		 xforward;	/* tell the next server whose mail it is */
	bool		 name_original;	/* enable_original_recipient: in ORCPT */
	bool		 probe_data;		/* smtp_address_verify_target: probes go on to DATA */
	bool		 convert;		/* 8-bit content for servers without 8BITMIME */
	struct tls_client tls;
	int64_t		 plain_after;	/* age of a message at which a failed handshake may be followed by clear text (level may) */
	struct rewriting *rewriting;	/* NULL: mail goes out as it is */
	struct tables	 reply_filter, status_filter;
	struct tables	 discard_maps;	/* EHLO keywords by the server's address */
	unsigned	 pix;		/* PIX_... where no table says otherwise */
	struct tables	 pix_maps;	/* by the server's address */
	int64_t		 pix_age;	/* of mail for which it is done */
	int64_t		 pix_delay;
	bool		 bind_enforce;	/* an address that cannot be used keeps mail back */
	bool		 assume_final;	/* LMTP without DSN: delivered, not relayed */
	int64_t		 data_rate;	/* bytes a second within the time limit for content; 0: each write has the whole time */
	struct login_rules *login;	/* NULL: no authentication */
	bool		 broken;	/* tables could not be opened or the like, which was said */
	const char	*fallback;
	const char	*best_mx_transport;	/* "": none */
	struct match_list *debug_peers;	/* debug_peer_list; NULL: it is wrong, which was said */
	int		 debug_level;	/* debug_peer_level */
};

/* The settings of a transport, made when they are asked for first; NULL: no such service, or it is neither smtp nor lmtp. Counted: settings_unref. */
struct settings *settings_get(struct map *, struct conf *, struct span transport);
void	settings_unref(struct settings *);
struct settings *settings_ref(struct settings *);
/* A new generation: forgets all; those in use live on. */
void	settings_forget(struct map *);
struct span settings_key(const void *item);
/* pix.c: "disable_esmtp, delay_dotcrlf" as PIX_..., and the names of those; words that are none are passed over. */
unsigned pix_parse(struct span words);
const char *pix_names(unsigned);

#endif
