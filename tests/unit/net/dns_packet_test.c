#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "net/dns_packet.h"

#define HEAD(answers)	"\x00\x01\x81\x80\x00\x01\x00" answers "\x00\x00\x00\x00"
#define QUESTION	"\x01" "a\x04" "test\x00\x00\x0f\x00\x01"	/* at 12; "test" at 14 */
#define MX_HEAD(len)	"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00" len

#define P(bytes)		{ bytes, sizeof(bytes) - 1 }

struct row {
	const char	*name;
	struct span	 packet;
	bool		 opens;
	const char	*mx;		/* "10 mx.test"; NULL: none */
	bool		 fault;
};

static const struct row rows[] = {
	{ "one mx", P(HEAD("\x01") QUESTION MX_HEAD("\x07") "\x00\x0a\x02mx\xc0\x0e"), true, "10 mx.test", false },
	{ "null mx", P(HEAD("\x01") QUESTION MX_HEAD("\x03") "\x00\x00\x00"), true, "0 ", false },
	{ "pointer to itself", P(HEAD("\x01") QUESTION MX_HEAD("\x04") "\x00\x0a\xc0\x26"), true, NULL, false },
	{ "pointer ahead", P(HEAD("\x01") QUESTION MX_HEAD("\x04") "\x00\x0a\xc0\xff"), true, NULL, false },
	{ "bytes behind the name", P(HEAD("\x01") QUESTION MX_HEAD("\x08") "\x00\x0a\x02mx\xc0\x0e!"), true, NULL, false },
	{ "control byte in a label", P(HEAD("\x01") QUESTION MX_HEAD("\x07") "\x00\x0a\x02m\n\xc0\x0e"), true, NULL, false },
	{ "dot in a label", P(HEAD("\x01") QUESTION MX_HEAD("\x07") "\x00\x0a\x02m.\xc0\x0e"), true, NULL, false },
	{ "data cut short", P(HEAD("\x01") QUESTION MX_HEAD("\x07") "\x00\x0a\x02mx"), true, NULL, true },
	{ "record cut short", P(HEAD("\x01") QUESTION "\xc0\x0c\x00\x0f"), true, NULL, true },
	{ "more answers promised", P(HEAD("\x02") QUESTION MX_HEAD("\x07") "\x00\x0a\x02mx\xc0\x0e"), true, "10 mx.test", true },
	{ "no answers", P(HEAD("\x00") QUESTION), true, NULL, false },
	{ "question cut short", P(HEAD("\x01") "\x01" "a\x04te"), false, NULL, false },
	{ "a query", P("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"), false, NULL, false },
	{ "empty", P(""), false, NULL, false },
};

static void
packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];
		struct dns_packet p;
		struct dns_record r;
		char name[DNS_NAME], got[DNS_NAME + 8] = "";
		uint16_t preference;

		print_message("%s\n", row->name);
		assert_int_equal(dns_packet_open(&p, row->packet), row->opens);
		if (!row->opens)
			continue;
		while (dns_packet_next(&p, &r))
			if (r.type == DNS_MX && dns_record_mx(&p, &r, &preference, name))
				(void)snprintf(got, sizeof got, "%u %s", preference, name);
		assert_int_equal(p.fault, row->fault);
		assert_string_equal(got, row->mx == NULL ? "" : row->mx);
	}
}

/* Labels up to the limit of a name, and one over it. */
static void
long_names(void **state)
{
	unsigned char bytes[400] = { 0 };
	char out[DNS_NAME];

	(void)state;
	for (size_t labels = 1; labels <= 5; labels++) {
		size_t at = 12;
		memset(bytes, 0, sizeof bytes);
		for (size_t i = 0; i < labels; i++) {
			bytes[at++] = 63;
			memset(bytes + at, 'x', 63);
			at += 63;
		}
		bytes[at++] = 0;
		struct dns_packet p = { .data = { (const char *)bytes, at } };
		size_t from = 12;
		bool ok = dns_packet_name(&p, &from, out);
		assert_int_equal(ok, labels < 4);
		if (ok)
			assert_int_equal(strlen(out), labels * 64 - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(packets), cmocka_unit_test(long_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
