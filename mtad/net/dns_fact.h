/*
 * DNS as facts: the source is "dns" (or "host", which looks into the hosts file first), the key "TYPE name". What is known is a line a record: "192.0.2.1",
 * "10 mx.example" (a name of "" is the root), "ptr.example", a text. FACT_ABSENT: no such name or record. FACT_FAILED: no answer.
 */
#ifndef NET_DNS_FACT_H
#define NET_DNS_FACT_H

#include "base/buf.h"
#include "base/facts.h"
#include "net/dns.h"

bool	dns_fact_key(struct span key, enum dns_type *, char name[DNS_NAME]);
enum fact_state dns_fact_value(const struct dns_answer *, enum dns_type, struct buf *);
/* Of "host": whether the hosts file knows the name; the addresses of that family, perhaps none. */
bool	dns_fact_hosts(const struct dns *, const char *name, enum dns_type, struct buf *);
/* "10 mx.example" apart. */
bool	dns_fact_mx(struct span line, unsigned *preference, struct span *name);
/* Whether the value of an MX fact says that the domain takes no mail. RFC 7505. */
bool	dns_fact_null_mx(struct span value);

/*
 * Fetches facts of both sources. done may be called within dns_facts_fetch (never for facts that it did not take). `arg` is the asker's.
 */
struct dns_facts;
typedef void	dns_facts_fn(void *arg, uint64_t id, enum fact_state, struct span value);
/* True: done will be called, or was. False: another source's. */
bool	dns_facts_fetch(struct dns *, struct dns_facts **list, const struct fact_want *, dns_facts_fn *, void *arg);
/* Whatever is under way in the list: done is not called any more. */
void	dns_facts_drop(struct dns_facts **list);

#endif
