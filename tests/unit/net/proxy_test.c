#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/proxy.h"

#define SIG	"\r\n\r\n\0\r\nQUIT\n"
#define IP4	"\300\0\002\007\306\063\144\001\017\240\0\031"
#define IP6	" \001\r\270\0\0\0\0\0\0\0\0\0\0\0\001 \001\r\270\0\0\0\0\0\0\0\0\0\0\0\002\017\240\0\031"
#define ROW(in, result, text)	{ SPAN_LIT(in), result, text }
#define SPAN_LIT(s)	{ s, sizeof (s) - 1 }

/* "client port server port", or the reason. */
static void
headers(void **state)
{
	static const struct { struct span in; enum proxy_result result; const char *text; } rows[] = {
		ROW("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\r\n", PROXY_DONE, "192.0.2.7 4000 198.51.100.1 25"),
		ROW("PROXY TCP4 192.0.2.7 198.51.100.1 4000 25\nEHLO x\r\n", PROXY_DONE, "192.0.2.7 4000 198.51.100.1 25"),
		ROW("PROXY TCP6 2001:db8::1 2001:db8::2 4000 25\r\n", PROXY_DONE, "2001:db8::1 4000 2001:db8::2 25"),
		ROW("PROXY UNKNOWN\r\n", PROXY_DONE, "own"), ROW("PROXY UNKNOWN ffff:: x 1 2\r\n", PROXY_DONE, "own"),
		ROW("PROXY TCP4 1.2.3", PROXY_MORE, ""), ROW("PRO", PROXY_MORE, ""), ROW("", PROXY_MORE, ""), ROW("\r\n\r", PROXY_MORE, ""),
		ROW("EHLO x\r\n", PROXY_BAD, "bad or missing protocol header"), ROW("PROXY\r\n", PROXY_BAD, "bad or missing protocol header"),
		ROW("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", PROXY_BAD, "bad or missing protocol type"), ROW("PROXY \r\n", PROXY_BAD, "bad or missing protocol type"),
		ROW("PROXY TCP4 ::1 ::1 4000 25\r\n", PROXY_BAD, "bad or missing client address"),
		ROW("PROXY TCP4 1.2.3.4\r\n", PROXY_BAD, "bad or missing server address"),
		ROW("PROXY TCP4 1.2.3.4 1.2.3.4 99999 25\r\n", PROXY_BAD, "bad or missing client port"),
		ROW("PROXY TCP4 1.2.3.4 1.2.3.4 025 25\r\n", PROXY_BAD, "bad or missing client port"),
		ROW("PROXY TCP4 1.2.3.4 1.2.3.4 25\r\n", PROXY_BAD, "bad or missing server port"),
		ROW("PROXY TCP4 1.2.3.4 1.2.3.4 0 x\r\n", PROXY_BAD, "bad or missing server port"),
		ROW("PROXY TCP4 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", PROXY_BAD,
		    "missing protocol header terminator"),
		ROW(SIG "\x21\x11\0\x0c" IP4, PROXY_DONE, "192.0.2.7 4000 198.51.100.1 25"),
		ROW(SIG "\x21\x11\0\x10" IP4 "\4\0\1x", PROXY_DONE, "192.0.2.7 4000 198.51.100.1 25"),
		ROW(SIG "\x21\x21\0\x24" IP6, PROXY_DONE, "2001:db8::1 4000 2001:db8::2 25"), ROW(SIG "\x20\0\0\0", PROXY_DONE, "own"),
		ROW(SIG "\x20\x11\0\x02xx", PROXY_DONE, "own"), ROW(SIG "\x21\x11\0\x0c" "\300\0\002\007", PROXY_MORE, ""), ROW(SIG, PROXY_MORE, ""),
		ROW(SIG "\x21\x11\0\x08\300\0\002\007\306\063\144\001", PROXY_BAD, "short address field"),
		ROW(SIG "\x21\x12\0\x0c" IP4, PROXY_BAD, "unsupported network protocol"), ROW(SIG "\x21\0\0\0", PROXY_BAD, "unsupported network protocol"),
		ROW(SIG "\x11\x11\0\x0c" IP4, PROXY_BAD, "unrecognized protocol version"), ROW(SIG "\x22\x11\0\x0c" IP4, PROXY_BAD, "unsupported command"),
		ROW(SIG "\x21\x11\xff\xff", PROXY_BAD, "the header is too long"),
	};
	char text[200], a[NET_ADDR_TEXT], b[NET_ADDR_TEXT];
	struct proxy_header h;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum proxy_result r = proxy_parse(rows[i].in, &h, &why);
		assert_int_equal(r, rows[i].result);
		snprintf(text, sizeof text, "%s", r == PROXY_BAD ? why : r == PROXY_MORE ? "" : "own");
		if (r == PROXY_DONE && !h.own)
			snprintf(text, sizeof text, "%s %u %s %u", net_addr_text(&h.client, a), net_addr_port(&h.client), net_addr_text(&h.server, b),
			    net_addr_port(&h.server));
		assert_string_equal(text, rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(headers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
