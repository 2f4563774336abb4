#include "net/dns.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unbound.h>
#include <unbound-event.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "net/dns_filter.h"
#include "net/dns_hosts.h"
#include "net/dns_setup.h"
#include "net/idn.h"

#define ITEMS_MAX	100	/* records of one answer, as Postfix limits them */
#define HOSTS_FILE_MAX	((size_t)8 << 20)
#define CLASS_IN	1
#define SEC_BOGUS	1	/* libunbound hands the answer out all the same */

struct dns {
	struct ub_ctx	*ctx;
	struct hosts	*hosts;
	int64_t		 timeout;
	bool		 idna2003;
};

struct dns_query {
	struct dns	*dns;
	dns_fn		*fn;
	void		*arg;
	const struct dns_filter *filter;	/* NULL: none */
	char		*name;
	enum dns_type	 type;
	int		 id;
	bool		 in_call;	/* dns_lookup has not returned yet */
	bool		 answered;
	struct loop_timer timer;
};

const char *
dns_type_name(enum dns_type type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_NS:
		return "NS";
	case DNS_CNAME:
		return "CNAME";
	case DNS_PTR:
		return "PTR";
	case DNS_MX:
		return "MX";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	case DNS_SRV:
		return "SRV";
	case DNS_TLSA:
		return "TLSA";
	}
	return "?";
}

/* -- making it ------------------------------------------------------------------------ */

static int
memory_file(const char *name, struct span text, struct err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && (text.len == 0 || write(fd, text.ptr, text.len) == (ssize_t)text.len) &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	err_sys(err, "%s", name);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* libunbound reads files by name only, and only at its first work: both here, before the rights are dropped. */
static bool
configure(struct dns *dns, const struct dns_config *config, struct err *err)
{
	struct buf text = BUF_INIT(0), zone = BUF_INIT(0);
	char path[40];
	int conf_fd = -1, zone_fd = -1, rc = 0;
	bool ok = false;

	if (config->zone >= 0) {
		if (!dns_setup_zone(config->zone, &zone, err) ||
		    (zone_fd = memory_file("dns-zone", buf_view(&zone), err)) < 0) {
			err_prefix(err, "mtad_dns_zone");
			goto out;
		}
	}
	if (!dns_setup_config(config, zone_fd, &text, err) ||
	    (conf_fd = memory_file("dns-config", buf_view(&text), err)) < 0)
		goto out;
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", conf_fd);
	if ((rc = ub_ctx_config(dns->ctx, path)) == 0)
		rc = ub_ctx_zone_add(dns->ctx, "finalised.invalid.", "static");
	ok = rc == 0;
	if (!ok)
		err_set(err, ERR_SYS, "DNS resolver: %s", ub_strerror(rc));
out:
	buf_clear(&text);
	buf_clear(&zone);
	if (conf_fd >= 0)
		close(conf_fd);
	if (zone_fd >= 0)
		close(zone_fd);
	return ok;
}

static void
read_hosts(struct dns *dns, int fd)
{
	struct buf text = BUF_INIT(HOSTS_FILE_MAX + (128 << 10));

	if (fd >= 0 && !dns_setup_read(fd, HOSTS_FILE_MAX, &text, NULL))
		buf_reset(&text);
	dns->hosts = hosts_new(buf_view(&text));
	buf_clear(&text);
}

struct dns *
dns_new(const struct dns_config *config, struct err *err)
{
	struct dns *dns;

	MEM_NEW(dns);
	dns->timeout = config->timeout;
	dns->idna2003 = config->idna2003;
	dns->ctx = ub_ctx_create_event(loop_base());
	if (dns->ctx == NULL) {
		err_set(err, ERR_SYS, "DNS resolver: cannot be made");
		free(dns);
		return NULL;
	}
	ub_ctx_debugout(dns->ctx, NULL);
	if (!configure(dns, config, err)) {
		dns_free(dns);
		return NULL;
	}
	read_hosts(dns, config->hosts);
	return dns;
}

void
dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	ub_ctx_delete(dns->ctx);
	hosts_free(dns->hosts);
	free(dns);
}

size_t
dns_hosts(const struct dns *dns, const char *name, struct net_addr *out, size_t max)
{
	size_t n = hosts_find(dns->hosts, span_str(name), out, max);

	if (n == 0 && max >= 1 && span_caseeqs(span_str(name), "localhost")) {
		net_addr_parse(SPAN("127.0.0.1"), 0, &out[n++]);
		if (max >= 2)
			net_addr_parse(SPAN("::1"), 0, &out[n++]);
	}
	return n;
}

bool
dns_hosts_name(const struct dns *dns, const struct net_addr *addr, char name[DNS_NAME])
{
	const char *found = hosts_name(dns->hosts, addr);

	return found != NULL && snprintf(name, DNS_NAME, "%s", found) < DNS_NAME;
}

/* The packet whose answer is being told. */
static struct span told;

bool
dns_told_ttl(uint32_t *ttl)
{
	return told.ptr != NULL && dns_packet_ttl(told, ttl);
}

/* -- answers -------------------------------------------------------------------------- */

static void
finish(struct dns_query *q, const struct dns_answer *answer)
{
	loop_timer_stop(&q->timer);
	q->answered = true;
	q->fn(q->arg, answer);
	if (!q->in_call) {
		free(q->name);
		free(q);
	}
}

static void
finish_text(struct dns_query *q, enum dns_status status, bool secure)
{
	static const char *const why[] = {
		[DNS_NXDOMAIN] = "Host not found",
		[DNS_NODATA] = "Host found but no data record of requested type",
		[DNS_TEMPORARY] = "Host not found, try again",
	};
	char text[512];

	if (status == DNS_POLICY)
		(void)snprintf(text, sizeof text, "Error looking up name=%s type=%s: DNS reply filter drops all results", q->name,
		    dns_type_name(q->type));
	else if (status == DNS_INVALID)
		(void)snprintf(text, sizeof text, "Name service error for %s: invalid host or domain name",
		    q->name);
	else
		(void)snprintf(text, sizeof text,
		    "Host or domain name not found. Name service error for name=%s type=%s: %s",
		    q->name, dns_type_name(q->type), why[status]);
	finish(q, &(struct dns_answer){ .status = status, .secure = secure, .text = text });
}

static bool
take_srv(const struct dns_packet *p, const struct dns_record *r, struct dns_item *item)
{
	struct dns_srv s;

	if (!dns_record_srv(p, r, &s, item->name))
		return false;
	item->preference = s.priority;
	item->weight = s.weight;
	item->port = s.port;
	return true;
}

static bool
take_record(const struct dns_packet *p, const struct dns_record *r, struct dns_item *item)
{
	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		return r->data.len == (r->type == DNS_A ? 4u : 16u) &&
		    net_addr_bytes(r->data.ptr, r->data.len, 0, &item->addr);
	case DNS_MX:
		return dns_record_mx(p, r, &item->preference, item->name);
	case DNS_SRV:
		return take_srv(p, r, item);
	case DNS_PTR:
	case DNS_NS:
	case DNS_CNAME:
		return dns_record_name(p, r, item->name);
	case DNS_TLSA:
		item->data = r->data;
		return r->data.len >= 3;
	case DNS_TXT:
		return dns_record_txt(r, item->name);
	default:
		return false;
	}
}

static int
by_preference(const void *a, const void *b)
{
	const struct dns_item *x = a, *y = b;

	return (x->preference > y->preference) - (x->preference < y->preference);
}

static void
shuffle(struct dns_item *items, size_t n)
{
	for (; n > 1; n--) {
		size_t other = (size_t)(clock_random() % n);
		struct dns_item swap = items[n - 1];
		items[n - 1] = items[other];
		items[other] = swap;
	}
}

/* What the filter has against it. */
static enum dns_kept
filtered(const struct dns_query *q, const struct dns_packet *p, const struct dns_record *r, const struct dns_item *item)
{
	char owner[DNS_NAME];
	size_t at = r->owner;

	if (q->filter == NULL || q->filter->tables.count == 0)
		return DNS_KEPT;
	if (!dns_packet_name(p, &at, owner))
		owner[0] = '\0';
	return dns_filter(q->filter, q->type, owner, item);
}

struct taken {
	struct dns_item	*list;
	size_t		 count;
	bool		 any;		/* records of the type, good or bad */
	bool		 dropped, bad_filter;
	char		 owner[DNS_NAME];	/* of the first */
};

static void
take_records(const struct dns_query *q, struct dns_packet *p, struct taken *t)
{
	struct dns_record r;
	size_t at;

	while (t->count < ITEMS_MAX && dns_packet_next(p, &r)) {
		struct dns_item *item = &t->list[t->count];
		if (r.type != (unsigned)q->type || r.class != CLASS_IN)
			continue;
		at = r.owner;
		if (!t->any && !dns_packet_name(p, &at, t->owner))
			t->owner[0] = '\0';
		t->any = true;
		memset(item, 0, sizeof *item);
		item->ttl = r.ttl;
		if (!take_record(p, &r, item))
			continue;
		enum dns_kept kept = filtered(q, p, &r, item);
		t->count += kept == DNS_KEPT;
		t->dropped = t->dropped || kept == DNS_DROPPED;
		t->bad_filter = t->bad_filter || kept == DNS_FILTER_BAD;
	}
}

static void
take_answer(struct dns_query *q, struct dns_packet *p, bool secure)
{
	static struct dns_item items[ITEMS_MAX];	/* 30 KB; given out during one callback only */
	static bool busy;
	struct taken t = { .list = busy ? mem_array(ITEMS_MAX, sizeof *t.list) : items };
	bool was_busy = busy;

	busy = true;
	take_records(q, p, &t);
	if (t.bad_filter) {
		finish_text(q, DNS_TEMPORARY, secure);
	} else if (t.count > 0) {
		/* Shuffled first: a stable sort is not needed then, equal ones are in random order anyhow. */
		if (q->type == DNS_MX) {
			shuffle(t.list, t.count);
			qsort(t.list, t.count, sizeof *t.list, by_preference);
		}
		finish(q, &(struct dns_answer){ .status = DNS_FOUND, .secure = secure, .name = t.owner, .items = t.list,
		    .count = t.count });
	} else {
		finish_text(q, t.dropped ? DNS_POLICY : t.any || p->fault ? DNS_TEMPORARY : DNS_NODATA, secure);
	}
	busy = was_busy;
	if (t.list != items)
		free(t.list);
}

static void
on_answer(void *arg, int rc, void *packet, int len, int sec, char *why, int rate_limited)
{
	struct dns_query *q = arg;
	struct span before = told;
	struct dns_packet p;

	(void)why;
	(void)rate_limited;
	told = rc == 0 && len > 0 ? span_of(packet, (size_t)len) : SPAN_NONE;
	if (rc != 0 || sec == SEC_BOGUS || len < 0 ||
	    !dns_packet_open(&p, span_of(packet, (size_t)len)))
		finish_text(q, DNS_TEMPORARY, false);
	else if (p.rcode == 3)
		finish_text(q, DNS_NXDOMAIN, sec == 2);
	else if (p.rcode != 0)
		finish_text(q, DNS_TEMPORARY, false);
	else
		take_answer(q, &p, sec == 2);
	told = before;
}

static void
on_timeout(void *arg)
{
	struct dns_query *q = arg;

	ub_cancel(q->dns->ctx, q->id);
	finish_text(q, DNS_TEMPORARY, false);
}

static bool
name_ok(const char *name)
{
	size_t label = 0, len = strlen(name);

	if (len == 0 || len >= DNS_NAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (c >= 0x80 || !(isalnum(c) || c == '-' || c == '_' || c == '/') || ++label > 63) {
			return false;
		}
	}
	return true;
}

struct dns_query *
dns_lookup(struct dns *dns, const char *name, enum dns_type type, dns_fn *fn, void *arg)
{
	return dns_lookup_filtered(dns, name, type, NULL, fn, arg);
}

struct dns_query *
dns_lookup_filtered(struct dns *dns, const char *name, enum dns_type type, const struct dns_filter *filter, dns_fn *fn, void *arg)
{
	struct dns_query *q;

	MEM_NEW(q);
	*q = (struct dns_query){ .dns = dns, .fn = fn, .arg = arg, .name = idn_ascii(span_str(name), dns->idna2003), .type = type, .filter = filter,
		.in_call = true };
	loop_timer_init(&q->timer, on_timeout, q);
	if (!name_ok(q->name))
		finish_text(q, DNS_INVALID, false);
	else if (ub_resolve_event(dns->ctx, q->name, (int)type, CLASS_IN, q, on_answer, &q->id) != 0 &&
	    !q->answered)
		finish_text(q, DNS_TEMPORARY, false);
	q->in_call = false;
	if (!q->answered) {
		loop_timer_set(&q->timer, dns->timeout);
		return q;
	}
	free(q->name);
	free(q);
	return NULL;
}

void
dns_cancel(struct dns_query *q)
{
	if (q == NULL)
		return;
	loop_timer_stop(&q->timer);
	ub_cancel(q->dns->ctx, q->id);
	free(q->name);
	free(q);
}
