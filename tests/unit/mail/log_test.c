#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/date.h"
#include "mail/delivery_log.h"
#include "mail/outcome.h"
#include "mail/received.h"

#define NOW	((int64_t)1795304580 * SECOND)	/* Sat, 21 Nov 2026 23:43:00 UTC */

static void
seconds(void **state)
{
	(void)state;
	static const struct { int64_t usec; const char *text; } rows[] = {
		{ 0, "0" }, { -5, "0" }, { 4999, "0" }, { 5000, "0.01" }, { 50000, "0.05" }, { 54999, "0.05" }, { 300000, "0.3" },
		{ 154000, "0.15" }, { 994999, "0.99" }, { 999000, "1" }, { 1540000, "1.5" }, { 9960000, "10" }, { 15300000, "15" },
		{ 121500000, "122" }, { 432000000000, "432000" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b = BUF_INIT(0);
		delivery_log_seconds(&b, rows[i].usec);
		assert_string_equal(b.ptr, rows[i].text);
		buf_clear(&b);
	}
}

static void
line(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(0);
	struct delivery_log l = { .recipient = SPAN("joe@example.org"), .orig_to = SPAN("joe@example.org"), .relay = SPAN("local"),
		.arrival = NOW, .active = NOW + 20000, .handoff = NOW + 20000, .done = NOW + 50000, .dsn = SPAN("2.0.0"),
		.status = OUTCOME_SENT, .text = SPAN("delivered to maildir") };
	delivery_log_put(&b, &l);
	assert_string_equal(b.ptr, "to=<joe@example.org>, relay=local, delay=0.05, delays=0.02/0/0/0.03, dsn=2.0.0, "
	    "status=sent (delivered to maildir)");
	buf_reset(&b);
	l.orig_to = SPAN("info@example.org");
	l.relay = SPAN("mx.example.org[192.0.2.1]:25");
	l.connected = NOW + 30000;
	l.reuse = 2;
	l.status = OUTCOME_DEFERRED;
	delivery_log_put(&b, &l);
	assert_string_equal(b.ptr, "to=<joe@example.org>, orig_to=<info@example.org>, relay=mx.example.org[192.0.2.1]:25, "
	    "conn_use=3, delay=0.05, delays=0.02/0/0.01/0.02, dsn=2.0.0, status=deferred (delivered to maildir)");
	buf_clear(&b);
}

static void
dates(void **state)
{
	(void)state;
	char text[DATE_TEXT];
	assert_int_equal(date_text(NOW, text), 37);
	assert_string_equal(text, "Sat, 21 Nov 2026 23:43:00 +0000 (UTC)");
	date_text(NOW + SECOND - 1, text);
	assert_string_equal(text, "Sat, 21 Nov 2026 23:43:00 +0000 (UTC)");
	date_text(0, text);
	assert_string_equal(text, "Thu,  1 Jan 1970 00:00:00 +0000 (UTC)");
	date_text(INT64_MAX, text);
	date_text(INT64_MIN + 1, text);
	date_mbox(NOW, text);
	assert_string_equal(text, "Sat Nov 21 23:43:00 2026");
	date_compact(NOW, text);
	assert_string_equal(text, "20261121234300");
	setenv("TZ", "XXX-5:30", 1);
	date_init();
	date_text(NOW + SECOND, text);
	assert_string_equal(text, "Sun, 22 Nov 2026 05:13:01 +0530 (XXX)");
	setenv("TZ", "UTC", 1);
	date_init();
}

static void
received(void **state)
{
	(void)state;
	struct buf b = BUF_INIT(0);
	struct received r = { .hostname = SPAN("mx.example.org"), .mail_name = SPAN("mtad"), .id = { 1, 1 }, .arrival = NOW + 5 * SECOND,
		.helo = SPAN("ev(il)"), .client_name = SPAN("unknown"), .client_addr = SPAN("2001:db8::1"), .protocol = SPAN("ESMTP"),
		.recipient = SPAN("a b@example.org"), .uid = -1 };
	received_put(&b, &r);
	assert_string_equal(b.ptr, "Received: from ev?il? (unknown [IPv6:2001:db8::1])\n\tby mx.example.org (mtad) with ESMTP id "
	    "0000000001z1\n\tfor <\"a b\"@example.org>; Sat, 21 Nov 2026 23:43:05 +0000 (UTC)\n");
	buf_reset(&b);
	r.recipient = r.helo = SPAN_NONE;
	r.client_addr = SPAN("192.0.2.1");
	received_put(&b, &r);
	assert_string_equal(b.ptr, "Received: from unknown (unknown [192.0.2.1])\n\tby mx.example.org (mtad) with ESMTP id "
	    "0000000001z1;\n\tSat, 21 Nov 2026 23:43:05 +0000 (UTC)\n");
	buf_reset(&b);
	r.client_addr = SPAN_NONE;
	received_put(&b, &r);
	assert_string_equal(b.ptr, "Received: by mx.example.org (mtad)\n\tid 0000000001z1; Sat, 21 Nov 2026 23:43:05 +0000 (UTC)\n");
	buf_reset(&b);
	r.uid = 1000;
	received_put(&b, &r);
	assert_string_equal(b.ptr, "Received: by mx.example.org (mtad, from userid 1000)\n\tid 0000000001z1; "
	    "Sat, 21 Nov 2026 23:43:05 +0000 (UTC)\n");
	buf_reset(&b);
	message_id_put(&b, NOW, r.id, r.hostname);
	assert_string_equal(b.ptr, "<20261121234300.0000000001z1@mx.example.org>");
	buf_clear(&b);
}

int
main(void)
{
	setenv("TZ", "UTC", 1);
	date_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds), cmocka_unit_test(line), cmocka_unit_test(dates), cmocka_unit_test(received),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
