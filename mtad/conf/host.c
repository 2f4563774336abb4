/* Defaults that depend on the host. Computed once, where the configuration is loaded, and frozen with it. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/seats.h"
#include "conf/private.h"

#define LOCAL_DOMAIN	"localdomain"	/* where nothing better is known, as in Postfix */
#define NETWORKS_MAX	200
#define MOST_WORKERS	8	/* where the configuration gives no number */

/* The last is no parameter: no blank can stand in a name in main.cf. */
const char *const host_names[HOST_COUNT] = { "myhostname", "mydomain", "mynetworks", "own addresses" };

static bool
is_set(const struct conf *c, enum host_value which)
{
	return map_get(&c->settings, span_str(host_names[which])) != NULL;
}

static void
set(struct conf *c, enum host_value which, struct span value)
{
	setting_free(c->host[which]);
	c->host[which] = setting_new(span_str(host_names[which]), value, 0);
}

/* A value as it stands now; empty where it cannot be had, which is reported when all values are evaluated. */
static void
value_now(const struct conf *c, const char *name, struct buf *out)
{
	buf_reset(out);
	const char *raw = view_raw(&c->main, span_str(name), NULL);
	if (raw == NULL || !view_expand(&c->main, span_str(raw), out, NULL))
		buf_reset(out);
	buf_str(out, "");
}

static void
compute_name(struct conf *c, struct buf *b)
{
	char host[256] = "localhost";

	if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
		memcpy(host, "localhost", sizeof "localhost");
	struct buf name = BUF_INIT(1024);
	buf_str(&name, host);
	if (!span_has(buf_view(&name), '.')) {
		value_now(c, "mydomain", b);
		buf_char(&name, '.');
		buf_str(&name, b->len == 0 ? LOCAL_DOMAIN : b->ptr);
	}
	set(c, HOST_NAME, buf_view(&name));
	buf_clear(&name);
}

static void
compute_domain(struct conf *c, struct buf *b)
{
	value_now(c, "myhostname", b);
	struct span domain = span_skip(buf_view(b), span_find(buf_view(b), '.') + 1);
	set(c, HOST_DOMAIN, domain.len == 0 ? SPAN(LOCAL_DOMAIN) : domain);
}

static unsigned
mask_bits(const void *mask, size_t len)
{
	const unsigned char *m = mask;
	unsigned bits = 0;

	while (bits < len * 8 && (m[bits / 8] & (0x80 >> bits % 8)) != 0)
		bits++;
	return bits;
}

/* An address with all bits behind the network's cleared. */
static void
clear_host(unsigned char *addr, size_t len, unsigned bits)
{
	for (unsigned i = bits; i < len * 8; i++)
		addr[i / 8] &= (unsigned char)~(0x80 >> i % 8);
}

static unsigned
class_bits(const unsigned char *v4)
{
	return v4[0] < 128 ? 8 : v4[0] < 192 ? 16 : 24;
}

static void
put_network(struct buf *out, const struct ifaddrs *i, struct span style, bool v4, bool v6)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char addr[16];
	bool host = span_eqs(style, "host");

	if (i->ifa_addr->sa_family == AF_INET && v4) {
		const struct sockaddr_in *a = (const void *)i->ifa_addr;
		const struct sockaddr_in *m = (const void *)i->ifa_netmask;
		memcpy(addr, &a->sin_addr, 4);
		if (addr[0] == 127)
			return;
		unsigned bits = host || m == NULL ? 32 : span_eqs(style, "class") ? class_bits(addr) :
		    mask_bits(&m->sin_addr, 4);
		clear_host(addr, 4, bits);
		buf_printf(out, " %s/%u", inet_ntop(AF_INET, addr, text, sizeof text), bits);
	} else if (i->ifa_addr->sa_family == AF_INET6 && v6) {
		const struct sockaddr_in6 *a = (const void *)i->ifa_addr;
		const struct sockaddr_in6 *m = (const void *)i->ifa_netmask;
		memcpy(addr, &a->sin6_addr, 16);
		if (IN6_IS_ADDR_LOOPBACK(&a->sin6_addr))
			return;
		unsigned bits = host || m == NULL ? 128 : mask_bits(&m->sin6_addr, 16);
		clear_host(addr, 16, bits);
		buf_printf(out, " [%s]/%u", inet_ntop(AF_INET6, addr, text, sizeof text), bits);
	}
}

struct protocols {
	bool		 v4, v6;
};

static struct protocols
protocols_now(const struct conf *c, struct buf *b)
{
	value_now(c, "inet_protocols", b);
	struct span text = buf_view(b);
	bool all = span_caseeqs(text, "all") || span_has(text, ',') || span_has(text, ' ');
	return (struct protocols){ all || span_caseeqs(text, "ipv4"), all || span_caseeqs(text, "ipv6") };
}

/* Loopback, and the networks of the interfaces in use as mynetworks_style says. */
static void
compute_networks(struct conf *c, const struct ifaddrs *list, struct protocols use, struct buf *b)
{
	struct buf out = BUF_INIT(65536);
	int n = 0;

	if (use.v4)
		buf_str(&out, "127.0.0.0/8");
	if (use.v6)
		buf_str(&out, " [::1]/128");
	value_now(c, "inet_interfaces", b);
	if (!span_caseeqs(buf_view(b), "all"))
		list = NULL;
	value_now(c, "mynetworks_style", b);
	for (const struct ifaddrs *i = list; i != NULL && n < NETWORKS_MAX; i = i->ifa_next, n++)
		if (i->ifa_addr != NULL && (i->ifa_flags & IFF_UP) != 0)
			put_network(&out, i, buf_view(b), use.v4, use.v6);
	set(c, HOST_NETWORKS, span_trim(buf_view(&out)));
	buf_clear(&out);
}

static void
put_address(struct buf *out, const struct sockaddr *sa, struct protocols use)
{
	char text[INET6_ADDRSTRLEN];

	if (sa->sa_family == AF_INET && use.v4)
		buf_printf(out, "%s ", inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, text,
		    sizeof text));
	if (sa->sa_family == AF_INET6 && use.v6)
		buf_printf(out, "%s ", inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr,
		    text, sizeof text));
}

/* Names among inet_interfaces are not looked up: an address that is listed, loopback-only, or all. */
static void
compute_addresses(struct conf *c, const struct ifaddrs *list, struct protocols use, struct buf *b)
{
	struct buf out = BUF_INIT(65536);
	struct span rest, word;
	int n = 0;

	value_now(c, "inet_interfaces", b);
	rest = buf_view(b);
	while (span_word(&rest, CONF_LIST_SEPS, &word)) {
		bool all = span_caseeqs(word, "all");
		if (!all && !span_caseeqs(word, "loopback-only") && !span_caseeqs(word, "localhost")) {
			if (word.ptr[0] == '[')
				word = span_of(word.ptr + 1, word.len - 1 - span_ends(word, "]"));
			buf_printf(&out, "%.*s ", SPAN_ARG(word));
			continue;
		}
		for (const struct ifaddrs *i = list; i != NULL && n < NETWORKS_MAX; i = i->ifa_next, n++)
			if (i->ifa_addr != NULL && (all || (i->ifa_flags & IFF_LOOPBACK) != 0))
				put_address(&out, i->ifa_addr, use);
	}
	set(c, HOST_ADDRESSES, span_trim(buf_view(&out)));
	buf_clear(&out);
}

void
host_compute(struct conf *c)
{
	struct buf b = BUF_INIT(CONF_VALUE_MAX);
	struct ifaddrs *list = NULL;

	if (!is_set(c, HOST_NAME))
		compute_name(c, &b);
	if (!is_set(c, HOST_DOMAIN))
		compute_domain(c, &b);
	if (getifaddrs(&list) != 0)
		list = NULL;
	struct protocols use = protocols_now(c, &b);
	if (!is_set(c, HOST_NETWORKS))
		compute_networks(c, list, use, &b);
	compute_addresses(c, list, use, &b);
	freeifaddrs(list);
	buf_clear(&b);
}

uint32_t
conf_workers(const struct conf *conf, enum param p)
{
	int64_t n = conf_int(conf_main(conf), p);
	cpu_set_t cpus;

	if (n <= 0) {
		n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
		if (n > MOST_WORKERS)
			n = MOST_WORKERS;
	}
	return n < 1 ? 1 : n > SEATS_COLUMNS ? SEATS_COLUMNS : (uint32_t)n;
}
