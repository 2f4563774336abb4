/*
 * One generation of the configuration as this role uses it: a router, and for each smtpd line of master.cf what its
 * sessions need, looked up once. A session keeps its own generation to its end.
 */
#ifndef RECEIVE_GENERATION_H
#define RECEIVE_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/notice_text.h"
#include "conf/users.h"
#include "mail/mime_walk.h"
#include "net/tls_server.h"
#include "policy/content_check.h"
#include "policy/policy.h"
#include "policy/sasl.h"
#include "policy/screen.h"
#include "receive/intake_bytes.h"
#include "receive/session_rates.h"
#include "route/mapping.h"
#include "route/route.h"
#include "smtp/server.h"
#include "base/seats.h"
#include "table/match_list.h"
#include "table/table.h"

/* What intake needs: cleanup's parameters, and those of the program by which the message comes. */
struct intake_settings {
	struct span	 hostname;		/* myhostname */
	struct span	 mail_name;
	struct span	 origin;		/* myorigin */
	struct span	 service;		/* of the envelope: the master.cf line */
	struct span	 drop_headers;		/* message_drop_headers */
	struct span	 undisclosed;		/* undisclosed_recipients_header */
	bool		 add_missing;		/* always_add_missing_headers */
	unsigned	 hopcount_limit;
	size_t		 header_limit;		/* header_size_limit */
	int64_t		 in_flow_delay;
	size_t		 duplicate_limit;	/* duplicate_filter_limit */
	bool		 keep_original;		/* enable_original_recipient */
	bool		 sasl_header;		/* smtpd_sasl_authenticated_header */
	bool		 hide_client;		/* smtpd_hide_client_session */
	bool		 rewrite_remote;	/* remote_header_rewrite_domain */
	const struct router *router;
	struct span	 content_filter;	/* of the service; empty: none */
	struct content_checks *checks;	/* NULL: no header or body checks */
	struct walk_options walk;
	struct byte_rules bytes;
	bool		 refuse_deep;		/* past mime_nesting_limit, where headers are looked at */
	struct mapper	*mapper;		/* NULL: nothing is done to envelopes, nor by tables to headers */
};

struct settings {
	struct generation *generation;
	const struct view *view;
	struct policy	*policy;		/* NULL: local submission, nothing is asked */
	struct screen	*screen;		/* NULL: clients have a session at once */
	struct sasl	*sasl;			/* NULL: smtpd_sasl_auth_enable is off */
	struct smtp_server_config smtp;
	struct tls_server *tls;			/* NULL: local submission, notices */
	struct intake_settings intake;
	enum smtp_bare_lf bare_lf;
	unsigned	 discard;		/* smtpd_discard_ehlo_keywords */
	char		*filter;		/* before the queue: as dial() takes it; NULL: none */
	char		*filter_name;		/* in the log */
	const char	*filter_ehlo;		/* smtpd_proxy_ehlo */
	int64_t		 filter_timeout;
	bool		 filter_adjust;		/* speed_adjust */
	struct tables	 command_filter, reject_filter, discard_maps;	/* session_filter.h */
	int64_t		 timeout;
	uint64_t	 data_rate;		/* smtpd_min_data_rate; 0: smtpd_timeout is for each read */
	int64_t		 error_sleep;
	uint32_t	 connection_count_limit;
	uint32_t	 connection_rate_limit;
	struct rate_limits rates;
	bool		 port_logging;
	bool		 proxy;			/* smtpd_upstream_proxy_protocol = haproxy */
	int64_t		 proxy_timeout;
	bool		 name_lookup;		/* smtpd_peername_lookup */
	bool		 has_footer;		/* smtpd_reject_footer, or its maps, or smtpd_reject_filter_maps */
	const char	*name;			/* of the service, for the log */
	char		*program;		/* in log lines: "smtpd", or "NAME/smtpd" with a syslog_name of its own */
	struct seats_row *seats;		/* NULL: nobody counts */
	uint32_t	 limit;			/* sessions over all processes; 0: none */
	bool		 parks;			/* mtad_park_idle_sessions */
	size_t		 sessions;		/* that this process has of it */
	int64_t		 warned;		/* monotonic: when it was last said to be full */
	struct match_list *debug_peers;
	struct match_list *xclient_hosts, *xforward_hosts, *verp_hosts;	/* NULL: nobody */
	int		 debug_level;		/* debug_peer_level */
	unsigned	 notify;		/* notify_classes: enum trouble (receive/session_notice.h) */
	unsigned	 history_lines;		/* smtpd_history_flush_threshold */
	const char	*notice_recipient;	/* error_notice_recipient */
};

struct generation {
	unsigned	 refs;
	struct conf	*conf;
	struct seats	*seats;			/* the process', or NULL */
	struct generation *stressed;		/* the same with stress = yes; NULL: nobody wanted it */
	bool		 cannot_stress;		/* it could not be made, which was said */
	struct router	*router;
	struct settings	*services;		/* by conf_service index; view NULL where it is no smtpd */
	size_t		 service_count;
	bool		 has_ticket_key;
	unsigned char	 ticket_key[TLS_TICKET_KEY];	/* of all receive roles */
	struct match_list *flush_domains;	/* fast_flush_domains */
	struct user_list submitters;		/* authorized_submit_users */
	struct settings	 submission;		/* local submission, pickup */
	struct settings	 bounce;		/* notices */
	bool		 check_bounce, check_notify;	/* internal_mail_filter_classes */
	size_t		 spill_size;		/* mtad_spill_size */
	size_t		 memory_limit;		/* mtad_memory_limit */
	uint64_t	 bounce_size_limit;
	struct span	 double_bounce_sender;	/* complete */
	struct buf	 double_bounce;
	struct notice_texts texts;		/* of notices */
	bool		 threaded;		/* enable_threaded_bounces */
};

/* scratch: for struct smtp_server_config. NULL with the err. */
struct generation *generation_new(struct span frozen, const struct user_names *, struct seats *, struct buf *scratch, struct err *);
/* The settings of the same service with stress = yes, made when they are asked for first; those given where they cannot be made. */
struct settings *generation_stress(struct settings *, struct buf *scratch);
struct generation *generation_ref(struct generation *);
void	generation_unref(struct generation *);	/* NULL is fine */

#endif
