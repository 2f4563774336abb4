/*
 * The answer section of a DNS message, read in place. RFC 1035 section 4. Every byte is hostile: names are
 * bounded in length and pointers only ever lead backwards.
 */
#ifndef NET_DNS_PACKET_H
#define NET_DNS_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

#define DNS_NAME	256		/* of a name as text, with its NUL */

enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };

struct dns_packet {
	struct span	 data;
	size_t		 at;
	unsigned	 answers;	/* that are left */
	unsigned	 rcode;
	bool		 fault;		/* the message is malformed from here on */
};

struct dns_record {
	unsigned	 type, class;
	uint32_t	 ttl;
	size_t		 owner;		/* of its name, in the packet */
	size_t		 at;		/* of the data */
	struct span	 data;
};

/* False where it is not even a response with a question section. */
bool	dns_packet_open(struct dns_packet *, struct span);
/* The next answer; false at the end and at a fault. */
bool	dns_packet_next(struct dns_packet *, struct dns_record *);

/* How long (seconds) all of the answer holds, or, where there is none, the SOA record says so of that. False: nothing says. */
bool	dns_packet_ttl(struct span packet, uint32_t *ttl);

/*
 * A name at *at, moved behind it: text in lower case without the last dot ("" is the root). False where it is malformed, or has bytes
 * that cannot stand in a host name (other than letters, digits, "-", "_", "/", "*").
 */
bool	dns_packet_name(const struct dns_packet *, size_t *at, char out[DNS_NAME]);
bool	dns_record_mx(const struct dns_packet *, const struct dns_record *, uint16_t *preference,
	    char out[DNS_NAME]);
/* RFC 2782: priority, weight, port, and the host, "" where the service is not there. */
struct dns_srv {
	uint16_t	 priority, weight, port;
};
bool	dns_record_srv(const struct dns_packet *, const struct dns_record *, struct dns_srv *, char out[DNS_NAME]);
/* The strings of a TXT, joined, as much as fits; what is not printable becomes "?". */
bool	dns_record_txt(const struct dns_record *, char out[DNS_NAME]);
/* Of a PTR, NS or CNAME. */
bool	dns_record_name(const struct dns_packet *, const struct dns_record *, char out[DNS_NAME]);

#endif
