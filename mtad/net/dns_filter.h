/*
 * What a table leaves of DNS answers (smtp_dns_reply_filter and its like): each record is looked up as a line of text, "example.com. 3600 IN MX 10 mx.example.com.",
 * and is as if it were not there where the table says IGNORE.
 */
#ifndef NET_DNS_FILTER_H
#define NET_DNS_FILTER_H

#include "net/dns.h"
#include "table/table.h"

/* No table: every record stays. Tables that block are none for this. */
struct dns_filter {
	struct tables	 tables;
	const char	*title;		/* the parameter */
	const char	*program;	/* for warnings */
};

enum dns_kept { DNS_KEPT, DNS_DROPPED, DNS_FILTER_BAD };
/* owner: whose record it is. BAD: what the table says is nothing to be done, or it failed; that was warned of. */
enum dns_kept dns_filter(const struct dns_filter *, enum dns_type, const char *owner, const struct dns_item *);

/* The line, for a record of a type that dns_lookup knows. */
void	dns_filter_line(struct buf *out, enum dns_type, const char *owner, const struct dns_item *);

#endif
