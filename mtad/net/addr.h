/*
 * Internet socket addresses: numeric text to and fro. Names are for net/dns.h.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/span.h"

#define NET_ADDR_TEXT	INET6_ADDRSTRLEN

struct net_addr {
	union {
		struct sockaddr		sa;
		struct sockaddr_in	in;
		struct sockaddr_in6	in6;
	};
	socklen_t	 len;		/* 0: no address */
};

/* "192.0.2.1", "2001:db8::1", the latter also as "IPv6:2001:db8::1"; without brackets. Output untouched where it is none. */
bool	net_addr_parse(struct span, uint16_t port, struct net_addr *);
/* From the bytes of an A (4) or AAAA (16) record. */
bool	net_addr_bytes(const void *, size_t len, uint16_t port, struct net_addr *);
/* From what accept or getpeername gave; an IPv4 address mapped into IPv6 becomes IPv4. */
bool	net_addr_from(const struct sockaddr *, struct net_addr *);
/* The address without port and brackets. */
const char *net_addr_text(const struct net_addr *, char out[NET_ADDR_TEXT]);
uint16_t net_addr_port(const struct net_addr *);
void	net_addr_set_port(struct net_addr *, uint16_t);
bool	net_addr_same_host(const struct net_addr *, const struct net_addr *);

/* A port number, or one of the services that mail uses (smtp, lmtp, submission, smtps, submissions): no files are read. */
bool	net_port(struct span, uint16_t *);
/* First by a list like known_tcp_ports ("lmtp=24, smtps=submissions=465"); NULL: there is none. */
bool	net_port_named(struct span, const char *known, uint16_t *);

#endif
