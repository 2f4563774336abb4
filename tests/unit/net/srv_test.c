#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/dns_filter.h"
#include "net/srv.h"

static uint64_t next_random;

static uint64_t
take_random(void)
{
	return next_random;
}

/* Items as "priority/weight", in the order of their letters. */
static void
orders(void **state)
{
	static const struct { const char *items; uint64_t random; const char *order; } rows[] = {
		{ "10/0", 0, "a" },
		{ "20/0 10/0 15/0", 0, "bca" },
		/* By weight: 0..10 is a, 11..40 b, 41..100 c; then the next among those that are left. */
		{ "1/10 1/30 1/60", 0, "abc" }, { "1/10 1/30 1/60", 10, "abc" }, { "1/10 1/30 1/60", 11, "bca" },
		{ "1/10 1/30 1/60", 40, "bca" }, { "1/10 1/30 1/60", 41, "cab" }, { "1/10 1/30 1/60", 100, "cba" },
		/* All of weight 0: any of them. */
		{ "1/0 1/0 1/0", 0, "abc" }, { "1/0 1/0 1/0", 1, "bca" }, { "1/0 1/0 1/0", 2, "cab" },
		/* Weight 0 beside others: seldom the first. */
		{ "1/0 1/5", 0, "ab" }, { "1/5 1/0", 0, "ba" }, { "1/5 1/0", 1, "ab" },
		{ "5/1 1/1 5/9 1/9", 1, "bdac" }, { "5/1 1/1 5/9 1/9", 2, "dbca" },
		{ "", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct dns_item items[8];
		size_t order[8], n = 0;
		char got[9] = "";
		unsigned priority, weight;
		int used;

		memset(items, 0, sizeof items);
		for (const char *at = rows[i].items; sscanf(at, "%u/%u%n", &priority, &weight, &used) == 2; at += used) {
			items[n].preference = (uint16_t)priority;
			items[n++].weight = (uint16_t)weight;
		}
		next_random = rows[i].random;
		srv_order(items, n, order, take_random);
		for (size_t k = 0; k < n; k++)
			got[k] = (char)('a' + order[k]);
		print_message("%s by %u\n", rows[i].items, (unsigned)rows[i].random);
		assert_string_equal(got, rows[i].order);
	}
}

static void
lines(void **state)
{
	struct dns_item item = { .ttl = 3600, .preference = 10, .weight = 5, .port = 587, .name = "mx.example.com", .data = { "\x03\x01\x01\xab\x0f", 5 } };
	static const struct { enum dns_type type; const char *line; } rows[] = {
		{ DNS_A, "example.com. 3600 IN A 192.0.2.1" },
		{ DNS_MX, "example.com. 3600 IN MX 10 mx.example.com." },
		{ DNS_SRV, "example.com. 3600 IN SRV 10 5 587 mx.example.com." },
		{ DNS_PTR, "example.com. 3600 IN PTR mx.example.com." },
		{ DNS_TLSA, "example.com. 3600 IN TLSA 3 1 1 AB0F" },
	};

	(void)state;
	assert_true(net_addr_parse(SPAN("192.0.2.1"), 0, &item.addr));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf line = BUF_INIT(0);
		dns_filter_line(&line, rows[i].type, "example.com", &item);
		assert_string_equal(line.ptr, rows[i].line);
		buf_clear(&line);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(orders), cmocka_unit_test(lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
