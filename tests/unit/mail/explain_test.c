#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/explain.h"

static const struct {
	const char	*text, *dsn;
	uint16_t	 reply;
	const char	*code;
} cases[] = {
	{ "connect to mx.a.test[192.0.2.1]:25: Connection refused", "4.4.1", 0, "refused-connection" },
	{ "connect to mx.a.test[192.0.2.1]:25: Connection timed out", "4.4.1", 0, "connect-timeout" },
	{ "conversation with mx.a.test[192.0.2.1] timed out while sending MAIL FROM", "4.4.2", 0, "peer-timeout" },
	{ "lost connection with mx.a.test[192.0.2.1] while sending RCPT TO", "4.4.2", 0, "lost-connection" },
	{ "Host or domain name not found. Name service error for name=a.test type=MX: Host not found, try again", "4.4.3", 0, "dns-trouble" },
	{ "Host or domain name not found. Name service error for name=a.test type=A: Host not found", "5.4.4", 0, "no-such-domain" },
	{ "Domain a.test does not accept mail (nullMX)", "5.1.10", 0, "null-mx" },
	{ "host mx.a.test[192.0.2.1] said: 450 4.2.0 Greylisted, come back (in reply to RCPT TO command)", "4.2.0", 450, "greylisted" },
	{ "host mx.a.test[192.0.2.1] said: 452 4.2.2 mailbox is full", "4.2.2", 452, "mailbox-full" },
	{ "maildir delivery failed: mailbox for user x: over quota", "4.2.2", 0, "mailbox-full" },
	{ "host mx.a.test[192.0.2.1] said: 550 5.7.1 listed by a blocklist", "5.7.1", 550, "policy" },
	{ "host mx.a.test[192.0.2.1] said: 554 5.7.1 <b@a.test>: Relay access denied", "5.7.1", 554, "relay-denied" },
	{ "host mx.a.test[192.0.2.1] said: 550 5.1.1 User unknown", "5.1.1", 550, "no-such-user" },
	{ "mail for a.test loops back to myself", "5.4.6", 0, "loop" },
	{ "host mx.a.test[192.0.2.1] said: 421 4.7.0 Too many connections", "4.7.0", 421, "rate-limited" },
	{ "host mx.a.test[192.0.2.1] said: 451 4.3.0 no", "4.3.0", 451, "refused-for-now" },
	{ "host mx.a.test[192.0.2.1] said: 554 5.5.0 no", "5.5.0", 554, "refused" },
	{ "TLS is required, but was not offered by host mx.a.test[192.0.2.1]", "4.7.4", 0, "no-tls" },
	{ "TLS is required, but host mx.a.test[192.0.2.1] refused to start TLS: 454 4.7.0 no", "4.7.0", 454, "tls-refused" },
	{ "TLS is required, but our TLS engine is unavailable", "4.7.5", 0, "tls-broken-here" },
	{ "Server certificate not verified", "4.7.5", 0, "tls-certificate" },
	{ "Cannot start TLS: handshake failure", "4.7.5", 0, "tls-handshake" },
	{ "TLSA lookup error for mx.a.test:25", "4.7.5", 0, "dane-lookup" },
	{ "no TLSA records found", "4.7.5", 0, "no-dane" },
	{ "non DNSSEC destination", "4.7.5", 0, "no-dane" },
	{ "client TLS configuration problem", "4.7.5", 0, "tls-configuration" },
	{ "something of our own", "4.3.0", 0, "failed-for-now" },
};

static void
test_causes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct outcome o = { .text = span_str(cases[i].text), .dsn = span_str(cases[i].dsn), .reply = cases[i].reply };
		assert_string_equal(explain(&o)->code, cases[i].code);
		assert_true(explain(&o)->cause[0] != '\0' && explain(&o)->help[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_causes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
