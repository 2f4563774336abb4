#include "net/dns_setup.h"

#include <errno.h>
#include <unistd.h>

#include "base/num.h"

const char *const dns_root_anchors =
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

#define ZONE_MAX	((size_t)64 << 20)
#define RESOLV_MAX	((size_t)64 << 10)

bool
dns_setup_read(int fd, size_t max, struct buf *out, struct err *err)
{
	off_t at = 0;

	for (;;) {
		char *room = buf_room(out, 64 << 10);
		if (room == NULL || out->len > max) {
			err_set(err, ERR_PERM, "file is larger than %zu bytes", max);
			return false;
		}
		ssize_t n = pread(fd, room, 64 << 10, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_sys(err, "read");
			return false;
		}
		if (n == 0)
			return true;
		buf_added(out, (size_t)n);
		at += n;
	}
}

static bool
has_soa(struct span text)
{
	struct span line, word;

	while (span_cut(&text, '\n', &line)) {
		line = span_head(line, span_find(line, ';'));
		for (int i = 0; i < 5 && span_word(&line, " \t\r", &word); i++)
			if (span_caseeqs(word, "SOA"))
				return true;
	}
	return false;
}

bool
dns_setup_zone(int fd, struct buf *out, struct err *err)
{
	struct buf text = BUF_INIT(ZONE_MAX + (128 << 10));
	bool ok = dns_setup_read(fd, ZONE_MAX, &text, err);

	if (ok) {
		buf_str(out, "$ORIGIN .\n$TTL 60\n");
		if (!has_soa(buf_view(&text)))
			buf_str(out, ". SOA localhost. root.localhost. 1 3600 600 86400 60\n. NS localhost.\n");
		buf_span(out, buf_view(&text));
		buf_char(out, '\n');
	}
	buf_clear(&text);
	return ok;
}

/* "ADDR", "ADDR@PORT". */
static bool
put_server(struct buf *out, struct span word)
{
	struct net_addr addr;
	char text[NET_ADDR_TEXT];
	size_t at = span_find(word, '@');
	uint32_t port = 53;

	if (at < word.len && (!num_u32(span_skip(word, at + 1), &port) || port == 0 || port > 65535))
		return false;
	if (!net_addr_parse(span_head(word, at), 0, &addr))
		return false;
	buf_printf(out, "\tforward-addr: %s@%u\n", net_addr_text(&addr, text), port);
	return true;
}

static bool
put_servers(struct buf *out, struct span list, struct err *err)
{
	struct span word;

	buf_str(out, "forward-zone:\n\tname: \".\"\n");
	while (span_word(&list, " \t\r\n,", &word)) {
		if (!put_server(out, word)) {
			err_set(err, ERR_PERM, "mtad_dns_servers: \"%.*s\" is no address (ADDR or ADDR@PORT)",
			    SPAN_ARG(word));
			return false;
		}
	}
	return true;
}

/* The nameserver lines; where there are none, the root servers are asked. */
static void
put_resolv_conf(struct buf *out, int fd)
{
	struct buf text = BUF_INIT(RESOLV_MAX + (128 << 10));
	struct span rest, line, word;
	bool any = false;

	if (dns_setup_read(fd, RESOLV_MAX, &text, NULL)) {
		rest = buf_view(&text);
		while (span_cut(&rest, '\n', &line)) {
			if (!span_word(&line, " \t\r", &word) || !span_eqs(word, "nameserver") ||
			    !span_word(&line, " \t\r", &word))
				continue;
			size_t before = out->len;
			if (!any)
				buf_str(out, "forward-zone:\n\tname: \".\"\n");
			if (put_server(out, word))
				any = true;
			else if (!any)
				buf_cut(out, before);
		}
	}
	buf_clear(&text);
}

/*
 * A forwarder that is slow about one name must not count as down for all others: its round-trip time has no low ceiling, and
 * is forgotten soon; the time-out of a lookup is our own.
 */
bool
dns_setup_config(const struct dns_config *config, int zone_fd, struct buf *out, struct err *err)
{
	buf_str(out, "server:\n"
	    "\tdo-not-query-localhost: no\n"
	    "\tlocal-zone: \"test.\" nodefault\n"
	    "\tunblock-lan-zones: yes\n"
	    "\tinsecure-lan-zones: yes\n"
	    "\tmsg-cache-size: 4m\n"
	    "\trrset-cache-size: 8m\n"
	    "\toutgoing-range: 256\n"
	    "\tnum-queries-per-thread: 1024\n"
	    "\tinfra-host-ttl: 30\n"
	    "\tinfra-keep-probing: yes\n"
	    "\tuse-syslog: no\n"
	    "\tchroot: \"\"\n");
	/* Of loopback addresses libunbound knows the names itself; a site that says where to ask means all of it. */
	if (zone_fd >= 0 || config->servers[0] != '\0')
		buf_str(out, "\tlocal-zone: \"127.in-addr.arpa.\" nodefault\n\tlocal-zone: \"localhost.\" nodefault\n");
	buf_printf(out, "\tmodule-config: \"%siterator\"\n", config->anchor >= 0 ? "validator " : "");
	if (config->anchor >= 0)
		buf_printf(out, "\ttrust-anchor-file: \"/proc/self/fd/%d\"\n", config->anchor);
	if (zone_fd >= 0) {
		buf_printf(out, "auth-zone:\n\tname: \".\"\n\tzonefile: \"/proc/self/fd/%d\"\n"
		    "\tfor-downstream: no\n\tfor-upstream: yes\n\tfallback-enabled: no\n", zone_fd);
		return true;
	}
	struct span servers = span_trim(span_str(config->servers));
	if (servers.len > 0)
		return put_servers(out, servers, err);
	if (config->resolv_conf >= 0)
		put_resolv_conf(out, config->resolv_conf);
	return true;
}
