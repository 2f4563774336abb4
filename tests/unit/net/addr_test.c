#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/addr.h"

static void
parse(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "192.0.2.1", "192.0.2.1" }, { "2001:db8::1", "2001:db8::1" },
		{ "IPv6:2001:DB8:0::1", "2001:db8::1" }, { "ipv6:192.0.2.1", NULL }, { "192.0.2", NULL },
		{ "192.0.2.256", NULL }, { "", NULL }, { "[::1]", NULL }, { "::1%lo", NULL }, { "host", NULL },
	};
	struct net_addr a;
	char text[NET_ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool ok = net_addr_parse(span_str(rows[i].in), 25, &a);
		assert_int_equal(ok, rows[i].out != NULL);
		if (ok) {
			assert_string_equal(net_addr_text(&a, text), rows[i].out);
			assert_int_equal(net_addr_port(&a), 25);
			net_addr_set_port(&a, 2525);
			assert_int_equal(net_addr_port(&a), 2525);
		}
	}
}

static void
ports(void **state)
{
	uint16_t port = 7;

	(void)state;
	assert_true(net_port(SPAN("smtp"), &port) && port == 25);
	assert_true(net_port(SPAN("2525"), &port) && port == 2525);
	assert_false(net_port(SPAN("0"), &port));
	assert_false(net_port(SPAN("65536"), &port));
	assert_false(net_port(SPAN("nothing"), &port));
	assert_int_equal(port, 2525);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(parse), cmocka_unit_test(ports) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
