#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "net/resolve.h"

static void
forms(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "example.test", "mx example.test 25" },
		{ "example.test:2525", "mx example.test 2525" },
		{ "[example.test]", "host example.test 25" },
		{ "[example.test]:submission", "host example.test 587" },
		{ "[192.0.2.1]:2525", "host 192.0.2.1 2525" },
		{ "[IPv6:2001:db8::1]", "host 2001:db8::1 25" },
		{ "[2001:db8::1]:26", "host 2001:db8::1 26" },
		{ "2001:db8::1", "mx 2001:db8::1 25" },
		{ "inet:host:24", "mx host 24" },
		{ "inet:[host]", "host host 25" },
		{ "host:submission", "mx host 587 submission" }, { "[host]:submission", "host host 587" }, { "host:587", "mx host 587" },
		{ "host:odd", "mx host 1025" }, { "host:strange", "mx host 1025 strange" }, { "host:lmtp", "mx host 1024" },
		{ "unix:private/lmtp", "unix private/lmtp" },
		{ "unix:/run/lmtp", "unix /run/lmtp" },
		{ "unix:", NULL }, { "", NULL }, { "[]", NULL }, { "[host", NULL }, { "[host]x", NULL }, { "host:", NULL },
		{ "host:0", NULL }, { "host:none", NULL }, { "host:65536", NULL }, { ":25", NULL },
	};
	struct resolve_settings settings = { .port = 25, .use_mx = true, .service = "smtp", .srv_services = "submission, strange",
		.ports = "odd=strange=1025, lmtp=1024, bad=, =7, none" };
	struct nexthop n;
	char got[100];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool ok = nexthop_parse(span_str(rows[i].in), &settings, &n);
		print_message("%s\n", rows[i].in);
		assert_int_equal(ok, rows[i].out != NULL);
		if (!ok)
			continue;
		(void)snprintf(got, sizeof got, n.is_unix ? "unix %.*s" : n.service.len > 0 ? "mx %.*s %u %.*s" : n.mx ? "mx %.*s %u" : "host %.*s %u",
		    SPAN_ARG(n.host), n.port, SPAN_ARG(n.service));
		assert_string_equal(got, rows[i].out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
