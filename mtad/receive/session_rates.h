/*
 * Limits of how much a client, its network, a sender, a user or a recipient domain may do in anvil_rate_time_unit, counted by the state role for all
 * receive processes. Nothing is asked where no limit of the event is set.
 */
#ifndef RECEIVE_SESSION_RATES_H
#define RECEIVE_SESSION_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "net/addr.h"

struct session;

/* As the state role numbers them (state/counters.h); 0 is a connection. */
enum rate_event { RATE_MAIL = 1, RATE_RCPT, RATE_TLS, RATE_AUTH };
enum rate_key { RATE_BY_CLIENT, RATE_BY_NETWORK, RATE_BY_SENDER, RATE_BY_USER, RATE_BY_DOMAIN };

#define RATE_ROWS_MAX	16
#define RATE_CLIENT	(NET_ADDR_TEXT + 8)

/* Of a service. */
struct rate_limits {
	uint32_t	 limit[RATE_ROWS_MAX];	/* by row; 0: none */
	unsigned	 events;		/* bits: those that have a limit */
	unsigned	 client4, client6;	/* smtpd_client_ipv4_prefix_length, smtpd_client_ipv6_prefix_length */
	unsigned	 network4, network6;	/* mtad_network_ipv4_prefix_length, mtad_network_ipv6_prefix_length */
};

/* reply NULL: within the limits, or nobody knows. */
typedef void	rates_fn(struct session *, const char *reply);

/* What a session has under way. */
struct session_rates {
	rates_fn	*then;
	unsigned	 waits;		/* answers to come */
	char		*reply;		/* the first refusal among them */
};

void	rate_limits_read(struct rate_limits *, const struct view *);
/* What stands for the client in the counts: its address, or its network where that is shorter ("192.0.2.0/24"). */
const char *rate_client(const struct rate_limits *, const char *addr, char out[RATE_CLIENT]);
/* Counts, and calls `then` within or later. For RATE_RCPT the recipient under way is asked about too. */
void	session_rates(struct session *, enum rate_event, rates_fn *then);
/* Nothing of this session's is called any more. */
void	session_rates_drop(struct session *);

#endif
