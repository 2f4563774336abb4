/*
 * The client's name, as Postfix's smtpd finds it: what its address is called, where that name leads back to the address; else "unknown". The hosts file
 * goes before the DNS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/dns.h"
#include "receive/session.h"
#include "receive/state.h"

#define ADDRESSES_MAX	32

struct session_naming {
	struct session	*session;
	struct net_addr	 addr;
	struct dns_query *query;
	void		(*then)(struct session *);
	bool		 later;		/* not within session_find_name */
};

static void
set_names(struct session *s, const char *name, const char *reverse, enum policy_name_status status, enum policy_name_status reverse_status)
{
	char *found = name == NULL ? NULL : mem_str(name), *back = reverse == NULL ? NULL : mem_str(reverse);

	free(s->found_name);
	free(s->reverse_name);
	s->found_name = found;
	s->reverse_name = back;
	s->name = found == NULL ? "unknown" : found;
	s->name_status = status;
	s->reverse_status = reverse_status;
}

static void
finish(struct session_naming *n)
{
	struct session *s = n->session;
	void (*then)(struct session *) = n->then;
	bool later = n->later;

	s->naming = NULL;
	free(n);
	if (!later) {
		then(s);
		return;
	}
	/* It may end within. */
	s->busy = true;
	then(s);
	s->busy = false;
	session_continue(s);
}

/* The address is called so, and the name does not lead back. */
static void
forged(struct session_naming *n, enum policy_name_status status, const char *why)
{
	struct session *s = n->session;
	char *reverse = s->reverse_name;

	log_warning(session_program(s), "hostname %s does not resolve to address %s%s", reverse, s->addr, why);
	s->reverse_name = NULL;
	set_names(s, NULL, reverse, status, POLICY_NAME_OK);
	free(reverse);
	finish(n);
}

static void
verified(struct session_naming *n)
{
	struct session *s = n->session;
	char *reverse = s->reverse_name;

	s->reverse_name = NULL;
	set_names(s, reverse, reverse, POLICY_NAME_OK, POLICY_NAME_OK);
	free(reverse);
	finish(n);
}

static void
on_forward(void *arg, const struct dns_answer *a)
{
	struct session_naming *n = arg;

	n->query = NULL;
	if (a->status == DNS_TEMPORARY) {
		forged(n, POLICY_NAME_TEMP, ": Temporary failure in name resolution");
		return;
	}
	if (a->status != DNS_FOUND) {
		forged(n, POLICY_NAME_FORGED, a->status == DNS_NODATA ? ": No address associated with hostname" : ": Name or service not known");
		return;
	}
	for (size_t i = 0; i < a->count; i++)
		if (net_addr_same_host(&a->items[i].addr, &n->addr)) {
			verified(n);
			return;
		}
	forged(n, POLICY_NAME_FORGED, "");
}

/* The hosts file's word on a name is the last one. */
static bool
in_hosts(struct session_naming *n, const char *name, bool *same)
{
	struct net_addr found[ADDRESSES_MAX];
	size_t count = dns_hosts(n->session->rx->dns, name, found, ADDRESSES_MAX);

	*same = false;
	for (size_t i = 0; i < count; i++)
		*same = *same || net_addr_same_host(&found[i], &n->addr);
	return count > 0;
}

static void
look_forward(struct session_naming *n, const char *name)
{
	struct session *s = n->session;
	struct net_addr numeric;
	struct dns_query *q;
	bool same;

	free(s->reverse_name);
	s->reverse_name = mem_str(name);
	if (net_addr_parse(span_str(name), 0, &numeric)) {
		log_warning(session_program(s), "numeric hostname: %s", name);
		set_names(s, NULL, NULL, POLICY_NAME_FORGED, POLICY_NAME_FORGED);
		finish(n);
	} else if (in_hosts(n, name, &same)) {
		if (same)
			verified(n);
		else
			forged(n, POLICY_NAME_FORGED, "");
	} else {
		q = dns_lookup(s->rx->dns, name, n->addr.sa.sa_family == AF_INET6 ? DNS_AAAA : DNS_A, on_forward, n);
		if (q != NULL)
			n->query = q;
	}
}

static void
on_reverse(void *arg, const struct dns_answer *a)
{
	struct session_naming *n = arg;
	enum policy_name_status status = a->status == DNS_TEMPORARY ? POLICY_NAME_TEMP : POLICY_NAME_NONE;

	n->query = NULL;
	if (a->status == DNS_FOUND && a->items[0].name[0] != '\0') {
		look_forward(n, a->items[0].name);
		return;
	}
	set_names(n->session, NULL, NULL, status, status);
	finish(n);
}

/* "1.2.0.192.in-addr.arpa" */
static void
reverse_query(const struct net_addr *a, char out[DNS_NAME])
{
	const unsigned char *b = a->sa.sa_family == AF_INET6 ? a->in6.sin6_addr.s6_addr : (const unsigned char *)&a->in.sin_addr;
	size_t at = 0;

	if (a->sa.sa_family != AF_INET6) {
		(void)snprintf(out, DNS_NAME, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		at += (size_t)snprintf(out + at, DNS_NAME - at, "%x.%x.", b[i] & 15u, b[i] >> 4);
	(void)snprintf(out + at, DNS_NAME - at, "ip6.arpa");
}

static bool
is_loopback(const struct session *s)
{
	return strcmp(s->addr, "127.0.0.1") == 0 || strcmp(s->addr, "::1") == 0;
}

void
session_find_name(struct session *s, void (*then)(struct session *))
{
	struct session_naming *n;
	struct net_addr addr;
	char name[DNS_NAME];

	set_names(s, NULL, NULL, POLICY_NAME_NONE, POLICY_NAME_NONE);
	if (!s->settings->name_lookup || !net_addr_parse(span_str(s->addr), 0, &addr) || s->rx->dns == NULL) {
		then(s);
		return;
	}
	/* This machine's own is known without. */
	if (is_loopback(s)) {
		set_names(s, "localhost", "localhost", POLICY_NAME_OK, POLICY_NAME_OK);
		then(s);
		return;
	}
	MEM_NEW(n);
	*n = (struct session_naming){ .session = s, .addr = addr, .then = then };
	s->naming = n;
	if (dns_hosts_name(s->rx->dns, &addr, name)) {
		look_forward(n, name);
	} else {
		reverse_query(&addr, name);
		struct dns_query *q = dns_lookup(s->rx->dns, name, DNS_PTR, on_reverse, n);
		/* NULL: answered, and perhaps the next question is under way. */
		if (q != NULL)
			n->query = q;
	}
	if (s->naming != NULL)
		s->naming->later = true;
}

void
session_names_clear(struct session *s)
{
	if (s->naming != NULL)
		dns_cancel(s->naming->query);
	free(s->naming);
	s->naming = NULL;
	free(s->found_name);
	free(s->reverse_name);
	s->found_name = s->reverse_name = NULL;
}
