#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "net/dns.h"

static const char zone[] =
    "example.test. MX 20 mx2.example.test.\n"
    "example.test. MX 10 mx1.example.test.\n"
    "mx1.example.test. A 127.0.0.2\n"
    "mx1.example.test. AAAA ::1\n"
    "mx2.example.test. A 127.0.0.3\n"
    "alias.test. CNAME example.test.\n"
    "*.wild.test. MX 5 mx1.example.test.\n"
    "null.test. MX 0 .\n"
    "_submission._tcp.example.test. SRV 5 7 587 mx1.example.test.\n"
    "text.test. TXT \"nothing else\"\n"
    "8.8.8.8.in-addr.arpa. PTR here.test.\n";

static int
file_of(const char *text)
{
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

struct got {
	bool		 called;
	enum dns_status	 status;
	char		 text[512];
};

static void
on_answer(void *arg, const struct dns_answer *a)
{
	struct got *g = arg;
	char addr[NET_ADDR_TEXT];
	size_t used = 0;

	g->called = true;
	g->status = a->status;
	g->text[0] = '\0';
	if (a->text != NULL)
		(void)snprintf(g->text, sizeof g->text, "%s", a->text);
	for (size_t i = 0; i < a->count; i++)
		used += (size_t)snprintf(g->text + used, sizeof g->text - used, "%s%u %s", i == 0 ? "" : ", ",
		    a->items[i].preference, a->items[i].addr.len > 0 ?
		    net_addr_text(&a->items[i].addr, addr) : a->items[i].name);
	loop_stop(0);
}

static void
look(struct dns *dns, const char *name, enum dns_type type, struct got *g)
{
	g->called = false;
	struct dns_query *q = dns_lookup(dns, name, type, on_answer, g);
	while (q != NULL && !g->called)	/* a stop from within dns_lookup ends the next run at once */
		loop_run();
	assert_true(g->called);
}

#define FAILED(name, type, why) \
	"Host or domain name not found. Name service error for name=" name " type=" type ": " why

static void
local_zone(void **state)
{
	static const struct { const char *name; enum dns_type type; enum dns_status status; const char *text; } rows[] = {
		{ "example.test", DNS_MX, DNS_FOUND, "10 mx1.example.test, 20 mx2.example.test" },
		{ "EXAMPLE.test", DNS_MX, DNS_FOUND, "10 mx1.example.test, 20 mx2.example.test" },
		{ "alias.test", DNS_MX, DNS_FOUND, "10 mx1.example.test, 20 mx2.example.test" },
		{ "any.wild.test", DNS_MX, DNS_FOUND, "5 mx1.example.test" },
		{ "null.test", DNS_MX, DNS_FOUND, "0 " },
		{ "mx1.example.test", DNS_A, DNS_FOUND, "0 127.0.0.2" },
		{ "mx1.example.test", DNS_AAAA, DNS_FOUND, "0 ::1" },
		{ "8.8.8.8.in-addr.arpa", DNS_PTR, DNS_FOUND, "0 here.test" },
		{ "_submission._tcp.example.test", DNS_SRV, DNS_FOUND, "5 mx1.example.test" },
		{ "mx2.example.test", DNS_AAAA, DNS_NODATA,
		    FAILED("mx2.example.test", "AAAA", "Host found but no data record of requested type") },
		{ "text.test", DNS_MX, DNS_NODATA,
		    FAILED("text.test", "MX", "Host found but no data record of requested type") },
		{ "nothing.test", DNS_MX, DNS_NXDOMAIN, FAILED("nothing.test", "MX", "Host not found") },
		{ "nothing.example", DNS_A, DNS_NXDOMAIN, FAILED("nothing.example", "A", "Host not found") },
		{ "bad..name", DNS_A, DNS_INVALID,
		    "Name service error for bad..name: invalid host or domain name" },
		{ "", DNS_A, DNS_INVALID, "Name service error for : invalid host or domain name" },
		{ "has space.test", DNS_A, DNS_INVALID,
		    "Name service error for has space.test: invalid host or domain name" },
	};
	struct err err = { 0 };
	int zone_fd = file_of(zone), hosts_fd = file_of("# hosts\n10.1.2.3 box box.lan # a box\nbad line\n");
	struct dns_config config = { .servers = "", .resolv_conf = -1, .zone = zone_fd, .hosts = hosts_fd,
		.anchor = -1, .timeout = 5 * SECOND };
	struct net_addr found[4];
	char text[NET_ADDR_TEXT];
	struct got g;

	(void)state;
	struct dns *dns = dns_new(&config, &err);
	if (dns == NULL)
		fail_msg("%s", err.text);
	close(zone_fd);
	close(hosts_fd);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int again = 0; again < 2; again++) {
			look(dns, rows[i].name, rows[i].type, &g);
			assert_string_equal(g.text, rows[i].text);
			assert_int_equal(g.status, rows[i].status);
		}
	}
	assert_int_equal(dns_hosts(dns, "BOX.lan", found, 4), 1);
	assert_string_equal(net_addr_text(&found[0], text), "10.1.2.3");
	assert_int_equal(dns_hosts(dns, "localhost", found, 4), 2);
	assert_int_equal(dns_hosts(dns, "bad", found, 4), 0);
	dns_free(dns);
}

static void
silent_server(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof in;
	char servers[64];
	struct err err = { 0 };
	struct got g = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	(void)snprintf(servers, sizeof servers, "127.0.0.1@%u", ntohs(in.sin_port));
	struct dns *dns = dns_new(&(struct dns_config){ .servers = servers, .resolv_conf = -1, .zone = -1,
	    .hosts = -1, .anchor = -1, .timeout = SECOND / 5 }, &err);
	if (dns == NULL)
		fail_msg("%s", err.text);
	int64_t start = clock_mono();
	look(dns, "example.test", DNS_MX, &g);
	assert_true(clock_mono() - start < 2 * SECOND);
	assert_int_equal(g.status, DNS_TEMPORARY);
	assert_string_equal(g.text, FAILED("example.test", "MX", "Host not found, try again"));

	g.called = false;
	dns_cancel(dns_lookup(dns, "other.test", DNS_MX, on_answer, &g));
	dns_free(dns);
	assert_false(g.called);
	close(fd);
}

static void
bad_settings(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_null(dns_new(&(struct dns_config){ .servers = "nowhere", .resolv_conf = -1, .zone = -1,
	    .hosts = -1, .anchor = -1 }, &err));
	assert_string_equal(err.text, "mtad_dns_servers: \"nowhere\" is no address (ADDR or ADDR@PORT)");
	assert_null(dns_new(&(struct dns_config){ .servers = "127.0.0.1@0", .resolv_conf = -1, .zone = -1,
	    .hosts = -1, .anchor = -1 }, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_zone), cmocka_unit_test(silent_server), cmocka_unit_test(bad_settings),
	};
	loop_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
