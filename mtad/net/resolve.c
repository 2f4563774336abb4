#include "net/resolve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/srv.h"

#define HOSTS_MAX	20	/* mail exchangers of one domain that are looked up */
#define TARGETS_MAX	100

struct host {
	struct resolve	*of;
	char		*name;
	char		*final[2];	/* behind aliases, for A and AAAA */
	uint16_t	 preference, order, port;
	struct dns_query *query[2];	/* A, AAAA */
};

struct resolve {
	struct dns	*dns;
	const struct resolve_settings *settings;
	resolve_fn	*fn;
	void		*arg;
	char		*name;
	char		*srv;		/* "_service._tcp.name"; NULL: there is no question about it */
	bool		 from_srv;
	bool		 use_mx;
	uint16_t	 port;
	bool		 from_mx, mx_secure;
	char		*mx_final;
	bool		 starting;	/* within resolve_start */
	bool		 finished;
	unsigned	 pending;	/* lookups */
	struct dns_query *mx;
	struct host	 hosts[HOSTS_MAX];
	size_t		 host_count;
	struct target	 list[TARGETS_MAX];
	size_t		 count;
	bool		 temporary;	/* a lookup had no answer: no verdict about the name */
	struct trouble	 trouble;
};

static void
set_trouble(struct resolve *r, const char *dsn, const char *text)
{
	(void)snprintf(r->trouble.dsn, sizeof r->trouble.dsn, "%s", dsn);
	(void)snprintf(r->trouble.text, sizeof r->trouble.text, "%s", text);
}

static void
resolve_free(struct resolve *r)
{
	for (size_t i = 0; i < r->host_count; i++) {
		free(r->hosts[i].name);
		free(r->hosts[i].final[0]);
		free(r->hosts[i].final[1]);
	}
	free(r->mx_final);
	free(r->srv);
	free(r->name);
	free(r);
}

void
resolve_cancel(struct resolve *r)
{
	if (r == NULL)
		return;
	dns_cancel(r->mx);
	for (size_t i = 0; i < r->host_count; i++) {
		dns_cancel(r->hosts[i].query[0]);
		dns_cancel(r->hosts[i].query[1]);
	}
	resolve_free(r);
}

static void
finish(struct resolve *r, bool loop)
{
	struct targets t = { .list = r->list, .count = r->count, .mx = r->from_mx, .mx_secure = r->mx_secure,
		.mx_final = r->mx_final, .trouble = r->trouble, .loop = loop };

	r->finished = true;
	r->fn(r->arg, &t);
	if (!r->starting)
		resolve_free(r);
}

static void
finish_trouble(struct resolve *r, const char *dsn, const char *text)
{
	r->count = 0;
	set_trouble(r, dsn, text);
	finish(r, false);
}

/* -- order ------------------------------------------------------------------------------ */

static int
family_rank(const struct target *t, enum resolve_prefer prefer)
{
	if (prefer == PREFER_ANY)
		return 0;
	return (t->addr.sa.sa_family == AF_INET6) != (prefer == PREFER_IPV6);
}

/* By preference, then by the order within it, then by the family that is preferred. */
static bool
comes_before(const struct target *a, const struct target *b, enum resolve_prefer prefer)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	if (a->order != b->order)
		return a->order < b->order;
	return family_rank(a, prefer) < family_rank(b, prefer);
}

/* Stable, so a shuffle before it stays within equals. */
static void
sort(struct target *list, size_t n, enum resolve_prefer prefer)
{
	for (size_t i = 1; i < n; i++) {
		struct target t = list[i];
		size_t at = i;
		while (at > 0 && comes_before(&t, &list[at - 1], prefer)) {
			list[at] = list[at - 1];
			at--;
		}
		list[at] = t;
	}
}

static void
shuffle(struct target *list, size_t n)
{
	for (; n > 1; n--) {
		size_t other = (size_t)(clock_random() % n);
		struct target swap = list[n - 1];
		list[n - 1] = list[other];
		list[other] = swap;
	}
}

/* Where only some addresses will be tried, neither family shuts out the other (smtp_balance_inet_protocols). */
static size_t
cut_balanced(struct target *list, size_t n, size_t limit)
{
	size_t of[2] = { 0, 0 }, room[2], kept = 0;

	if (limit == 0 || n <= limit)
		return n;
	for (size_t i = 0; i < n; i++)
		of[list[i].addr.sa.sa_family == AF_INET6]++;
	room[1] = limit / 2 < of[1] ? limit / 2 : of[1];
	room[0] = limit - room[1] < of[0] ? limit - room[1] : of[0];
	room[1] = limit - room[0] < of[1] ? limit - room[0] : of[1];
	for (size_t i = 0; i < n; i++) {
		size_t *left = &room[list[i].addr.sa.sa_family == AF_INET6];
		if (*left == 0)
			continue;
		--*left;
		list[kept++] = list[i];
	}
	return kept;
}

static bool
is_own(const struct resolve_settings *s, const struct target *t)
{
	uint16_t port = net_addr_port(&t->addr);
	bool own = false;

	for (size_t i = 0; i < s->own_count && !own; i++)
		own = net_addr_same_host(&s->own[i], &t->addr);
	if (own && port == LOOP_PORT)
		return true;
	for (size_t i = 0; i < s->listener_count; i++) {
		const struct resolve_listener *l = &s->listeners[i];
		if (l->port == port && (l->addr.len > 0 ? net_addr_same_host(&l->addr, &t->addr) : own))
			return true;
	}
	return false;
}

/* Ourselves, and all that are no better: mail must only move to better ones. */
static bool
cut_own(struct resolve *r)
{
	bool found = false;
	unsigned own = 0;
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		if (is_own(r->settings, &r->list[i]) && (!found || r->list[i].preference < own)) {
			found = true;
			own = r->list[i].preference;
		}
	}
	for (size_t i = 0; found && i < r->count; i++)
		if (r->list[i].preference < own)
			r->list[kept++] = r->list[i];
	if (found)
		r->count = kept;
	return found && r->count == 0;
}

static void
no_address(struct resolve *r)
{
	if (r->from_mx)
		log_warning(r->settings->program, "no %s host for %s has a valid address record", r->from_srv ? "SRV" : "MX", r->name);
	if (!r->temporary && r->from_mx && r->settings->defer_no_address)
		(void)snprintf(r->trouble.dsn, sizeof r->trouble.dsn, "4.4.4");
	finish(r, false);
}

static void
all_answered(struct resolve *r)
{
	const struct resolve_settings *s = r->settings;
	char text[400];

	if (r->count == 0) {
		no_address(r);
		return;
	}
	if (cut_own(r)) {
		(void)snprintf(text, sizeof text, "mail for %s loops back to myself", r->name);
		set_trouble(r, "5.4.6", text);
		finish(r, true);
		return;
	}
	if (s->randomize)
		shuffle(r->list, r->count);
	sort(r->list, r->count, s->prefer);
	for (size_t i = 0; i < r->count; i++)
		r->list[i].best_mx = r->list[i].preference == r->list[0].preference;
	if (s->balance && s->prefer == PREFER_ANY)
		r->count = cut_balanced(r->list, r->count, s->address_limit);
	else if (s->address_limit > 0 && r->count > s->address_limit)
		r->count = s->address_limit;
	finish(r, false);
}

/* -- hosts --------------------------------------------------------------------------------- */

static void
add_target(struct resolve *r, const struct host *h, const char *final, bool secure, const struct net_addr *addr)
{
	if (r->count == TARGETS_MAX)
		return;
	struct target *t = &r->list[r->count++];
	*t = (struct target){ .addr = *addr, .host = r->settings->cname_is_name ? final : h->name, .final = final, .secure = secure,
		.preference = h->preference, .order = h->order };
	net_addr_set_port(&t->addr, h->port);
}

/* What stands in the way of having addresses: a lookup without answer weighs more than a name that is not there. */
static void
note_trouble(struct resolve *r, const struct dns_answer *a)
{
	bool temporary = a->status == DNS_TEMPORARY || a->status == DNS_POLICY;

	if (r->temporary && !temporary)
		return;
	r->temporary = r->temporary || temporary;
	set_trouble(r, a->status == DNS_POLICY ? "4.7.0" : temporary ? "4.4.3" : "5.4.4", a->text);
}

static void
on_address(struct host *h, int family, const struct dns_answer *a)
{
	struct resolve *r = h->of;

	h->query[family] = NULL;
	if (a->status == DNS_FOUND) {
		h->final[family] = mem_str(a->name);
		for (size_t i = 0; i < a->count; i++)
			add_target(r, h, h->final[family], a->secure, &a->items[i].addr);
	} else {
		note_trouble(r, a);
	}
	if (--r->pending == 0)
		all_answered(r);
}

/* Which of the two queries it was is not told by a failure; so each has its own function. */
static void
on_a(void *arg, const struct dns_answer *a)
{
	on_address(arg, 0, a);
}

static void
on_aaaa(void *arg, const struct dns_answer *a)
{
	on_address(arg, 1, a);
}

static bool
wanted(const struct resolve_settings *s, const struct net_addr *a)
{
	return a->sa.sa_family == AF_INET6 ? s->ipv6 : s->ipv4;
}

/* Numeric, or in the hosts file: no question to ask. */
static bool
known_host(struct resolve *r, const struct host *h)
{
	struct net_addr found[8];
	size_t n = 0;

	if (net_addr_parse(span_str(h->name), 0, &found[0])) {
		add_target(r, h, h->name, false, &found[0]);
		return true;
	}
	if (r->settings->use_hosts || span_caseeqs(span_str(h->name), "localhost"))
		n = dns_hosts(r->dns, h->name, found, 8);
	bool any = false;
	for (size_t i = 0; i < n; i++) {
		if (wanted(r->settings, &found[i])) {
			add_target(r, h, h->name, false, &found[i]);
			any = true;
		}
	}
	return any;
}

/* The caller holds one `pending`, so that answers within the calls do not finish it. */
static void
look_up_host(struct resolve *r, struct host *h)
{
	if (known_host(r, h))
		return;
	r->pending += (unsigned)r->settings->ipv4 + (unsigned)r->settings->ipv6;
	if (r->settings->ipv4)
		h->query[0] = dns_lookup_filtered(r->dns, h->name, DNS_A, &r->settings->filter, on_a, h);
	if (r->settings->ipv6)
		h->query[1] = dns_lookup_filtered(r->dns, h->name, DNS_AAAA, &r->settings->filter, on_aaaa, h);
}

static struct host *
add_host(struct resolve *r, const char *name, uint16_t preference)
{
	if (r->host_count == HOSTS_MAX)
		return NULL;
	struct host *h = &r->hosts[r->host_count++];
	*h = (struct host){ .of = r, .name = mem_str(name), .preference = preference, .port = r->port };
	return h;
}

static void
look_up_hosts(struct resolve *r)
{
	r->pending = 1;
	for (size_t i = 0; i < r->host_count; i++)
		look_up_host(r, &r->hosts[i]);
	if (--r->pending == 0)
		all_answered(r);
}

/* -- mail exchangers --------------------------------------------------------------------------- */

static void
look_up_name(struct resolve *r)
{
	(void)add_host(r, r->name, 0);
	look_up_hosts(r);
}

/* True where an answer about the domain itself ends it; r may be gone then. */
static bool
is_final(struct resolve *r, const struct dns_answer *a, bool ignore_error)
{
	if (a->status == DNS_POLICY)
		finish_trouble(r, "4.7.0", a->text);
	else if (a->status == DNS_TEMPORARY && !ignore_error)
		finish_trouble(r, "4.4.3", a->text);
	else if (a->status == DNS_INVALID && !ignore_error)
		finish_trouble(r, "5.4.4", a->text);
	else
		return false;
	return true;
}

/* The one record says that there is nothing. */
static bool
is_null(const struct dns_answer *a)
{
	return a->status == DNS_FOUND && a->count == 1 && a->items[0].name[0] == '\0';
}

static void
on_mx(void *arg, const struct dns_answer *a)
{
	struct resolve *r = arg;
	char text[400];

	r->mx = NULL;
	if (is_null(a)) {
		(void)snprintf(text, sizeof text, "Domain %s does not accept mail (nullMX)", r->name);
		finish_trouble(r, "5.1.10", text);
		return;
	}
	if (is_final(r, a, r->settings->ignore_mx_error))
		return;
	for (size_t i = 0; i < a->count; i++)
		if (a->items[i].name[0] != '\0')
			(void)add_host(r, a->items[i].name, a->items[i].preference);
	r->from_mx = r->host_count > 0;
	r->mx_secure = a->secure;
	if (r->from_mx) {
		r->mx_final = mem_str(a->name);
		look_up_hosts(r);
	} else {
		look_up_name(r);
	}
}

static void
look_up_domain(struct resolve *r)
{
	if (!r->use_mx) {
		look_up_name(r);
		return;
	}
	struct dns_query *q = dns_lookup_filtered(r->dns, r->name, DNS_MX, &r->settings->filter, on_mx, r);
	if (q != NULL)
		r->mx = q;
}

/* -- services (RFC 2782) ------------------------------------------------------------------------ */

static void
take_srv(struct resolve *r, const struct dns_answer *a)
{
	size_t order[HOSTS_MAX], n = a->count < HOSTS_MAX ? a->count : HOSTS_MAX;

	srv_order(a->items, n, order, clock_random);
	for (size_t i = 0; i < n; i++) {
		const struct dns_item *item = &a->items[order[i]];
		struct host *h = item->name[0] == '\0' || item->port == 0 ? NULL : add_host(r, item->name, item->preference);
		if (h == NULL)
			continue;
		h->order = (uint16_t)i;
		h->port = item->port;
	}
	r->from_mx = r->from_srv = true;
	r->mx_secure = a->secure;
	r->mx_final = mem_str(a->name);
	set_trouble(r, "5.4.4", "no SRV record names a host");
	look_up_hosts(r);
}

static void
on_srv(void *arg, const struct dns_answer *a)
{
	struct resolve *r = arg;
	bool error = a->status == DNS_TEMPORARY || a->status == DNS_INVALID;
	char text[400];

	r->mx = NULL;
	if (is_null(a)) {
		(void)snprintf(text, sizeof text, "Service %s is not available (null SRV)", r->srv);
		finish_trouble(r, "5.1.0", text);
	} else if (a->status == DNS_FOUND) {
		take_srv(r, a);
	} else if (is_final(r, a, r->settings->srv_ignore_error)) {
		return;
	} else if (error || r->settings->srv_fallback) {
		look_up_domain(r);
	} else {
		finish_trouble(r, "5.4.4", a->text);
	}
}

/* One question, to which everything else is the answer. */
static void
begin(struct resolve *r, const struct nexthop *n)
{
	struct net_addr numeric;
	struct buf srv = BUF_INIT(1024);

	r->use_mx = n->mx;
	if (net_addr_parse(n->host, 0, &numeric) || (!n->mx && n->service.len == 0)) {
		look_up_name(r);
	} else if (n->service.len == 0) {
		look_up_domain(r);
	} else {
		buf_printf(&srv, "_%.*s._tcp.%s", SPAN_ARG(n->service), r->name);
		r->srv = buf_take(&srv);
		struct dns_query *q = dns_lookup_filtered(r->dns, r->srv, DNS_SRV, &r->settings->filter, on_srv, r);
		if (q != NULL)
			r->mx = q;
	}
}

struct resolve *
resolve_start(struct dns *dns, const struct resolve_settings *settings, const struct nexthop *n, resolve_fn *fn, void *arg)
{
	struct resolve *r;

	MEM_NEW(r);
	r->dns = dns;
	r->settings = settings;
	r->fn = fn;
	r->arg = arg;
	r->name = span_dup(n->host);
	r->port = n->port;
	r->starting = true;
	set_trouble(r, "5.4.4", "no address family is enabled by inet_protocols");
	begin(r, n);
	r->starting = false;
	if (!r->finished)
		return r;
	resolve_free(r);
	return NULL;
}
