#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "mail/date.h"
#include "mail/notice.h"

#define ARRIVAL	((int64_t)1795304580 * SECOND)

static const struct notice_recipient people[] = {
	{ .address = SPAN("a b@example.net"), .orcpt = SPAN("rfc822;ab@example.org"), .outcome = { .status = OUTCOME_BOUNCED,
	    .reply = 550, .dsn = SPAN("5.1.1"), .text = SPAN("host mx.example.net[192.0.2.1] said: 550 5.1.1 no such user here, "
	    "and this reason is so long that it needs more than one line (in reply to RCPT TO command)"),
	    .mta = SPAN("mx.example.net"), .diagnostic = SPAN("smtp; 550 5.1.1 no such user here") } },
	{ .address = SPAN("joe@example.com"), .outcome = { .status = OUTCOME_RELAYED, .dsn = SPAN("4.4.1"),
	    .text = SPAN("caf\xc3\xa9\r\nBcc: x@y") } },
};

static const struct notice plain = {
	.kind = NOTICE_BOUNCE, .hostname = SPAN("mx.example.org"), .origin = SPAN("example.org"), .mail_name = SPAN("mtad"),
	.new_id = { 1, 2 }, .token = 0x1234, .now = ARRIVAL + SECOND, .to = SPAN("me@example.org"), .id = { 1000000, 1 },
	.arrival = ARRIVAL, .expires = ARRIVAL + DAY, .sender = SPAN("me@example.org"), .envid = SPAN("QQ1"),
	.header = SPAN("From: me@example.org\nSubject: hi\n there\n\n"), .recipients = people, .recipient_count = 2,
};

/* With our own words, unless the case has others. */
static struct notice
worded(struct notice n)
{
	static struct notice_templates own;
	notice_templates_own(&own, false);
	if (n.words == NULL) {
		n.words = &own.of[notice_template(n.kind, notice_delays(&n))];
		n.text = n.words->text;
	}
	return n;
}

static char *
made(const struct notice *n, const char *body)
{
	struct buf header = BUF_INIT(0), before = BUF_INIT(0), after = BUF_INIT(0);
	struct notice whole = worded(*n);
	notice_build(&whole, &header, &before, &after);
	buf_span(&header, buf_view(&before));
	buf_str(&header, body);
	buf_span(&header, buf_view(&after));
	buf_clear(&before);
	buf_clear(&after);
	return buf_take(&header);
}

static void
has(const char *text, const char *wanted)
{
	if (strstr(text, wanted) == NULL)
		fail_msg("no \"%s\" in:\n%s", wanted, text);
}

static void
bounce(void **state)
{
	(void)state;
	char *text = made(&plain, "");
	has(text, "From: Mail Delivery System <MAILER-DAEMON@example.org>\nSubject: Undelivered Mail Returned to Sender\n"
	    "To: me@example.org\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n");
	has(text, "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"0000000001z2.0000000000001234\"\n");
	has(text, "\n<\"a b\"@example.net>: host mx.example.net[192.0.2.1] said: 550 5.1.1 no such\n    user here,");
	has(text, "Reporting-MTA: dns; mx.example.org\nOriginal-Envelope-Id: QQ1\nX-mtad-Queue-ID: 0000010000z1\n"
	    "X-mtad-Sender: rfc822; me@example.org\nArrival-Date: Sat, 21 Nov 2026 23:43:00 +0000 (UTC)\n");
	has(text, "\n\nFinal-Recipient: rfc822; \"a b\"@example.net\nOriginal-Recipient: rfc822;ab@example.org\nAction: failed\n"
	    "Status: 5.1.1\nRemote-MTA: dns; mx.example.net\nDiagnostic-Code: smtp; 550 5.1.1 no such user here\n");
	has(text, "Diagnostic-Code: X-mtad; caf?? Bcc: x@y\n");
	has(text, "Content-Type: text/rfc822-headers\n\nReturn-Path: <me@example.org>\nFrom: me@example.org\nSubject: hi\n there\n\n--");
	assert_null(strstr(text, "\nBcc:"));
	assert_null(strstr(text, "8bit"));
	free(text);
}

static void
others(void **state)
{
	(void)state;
	struct notice n = plain;
	n.kind = NOTICE_DELAY;
	n.full = n.is_8bit = true;
	char *text = made(&n, "\nbody\n");
	has(text, "Action: delayed\n");
	has(text, "Will-Retry-Until: Sun, 22 Nov 2026 23:43:00 +0000 (UTC)\n");
	has(text, "Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nReturn-Path: <me@example.org>\nFrom:");
	has(text, " there\n\n\nbody\n\n--0000000001z2.0000000000001234--\n");
	free(text);
	n = plain;
	n.kind = NOTICE_SUCCESS;
	n.is_utf8 = true;
	text = made(&n, "");
	has(text, "Action: relayed\n");
	has(text, "report-type=global-delivery-status");
	has(text, "message/global-headers");
	has(text, "caf\xc3\xa9");
	free(text);
}

/* Python's parser sees the three parts. */
static void
parsed_by_others(void **state)
{
	(void)state;
	if (access("/usr/bin/python3", X_OK) != 0)
		skip();
	FILE *py = popen("/usr/bin/python3 -c 'import sys,email,email.policy as p\n"
	    "m=email.message_from_binary_file(sys.stdin.buffer,policy=p.default)\n"
	    "assert m.get_content_type()==\"multipart/report\" and not m.defects\n"
	    "a,b,c=m.iter_parts()\n"
	    "assert b.get_content_type()==\"message/delivery-status\"\n"
	    "f=b.get_payload()\n"
	    "assert len(f)==3 and f[1][\"Action\"]==\"failed\" and f[2][\"Status\"]==\"4.4.1\", f\n"
	    "assert c.get_content_type()==\"message/rfc822\"\n"
	    "assert c.get_content()[\"Subject\"]==\"hi there\"\n"
	    "assert c.get_content().get_content().strip()==\"body\"'", "w");
	assert_non_null(py);
	struct notice n = plain;
	n.full = true;
	char *text = made(&n, "body\n");
	fputs(text, py);
	free(text);
	assert_int_equal(pclose(py), 0);
}

static void
wanted(void **state)
{
	(void)state;
	static const struct { enum notice_kind kind; uint8_t notify, status; const char *mta; bool delays, wanted; } rows[] = {
		{ NOTICE_BOUNCE, NOTIFY_DEFAULT, OUTCOME_BOUNCED, "", false, true },
		{ NOTICE_BOUNCE, NOTIFY_NEVER, OUTCOME_BOUNCED, "", false, false },
		{ NOTICE_BOUNCE, NOTIFY_DELAY, OUTCOME_BOUNCED, "", false, false },
		{ NOTICE_BOUNCE, NOTIFY_DEFAULT, OUTCOME_SENT, "", false, false },
		{ NOTICE_DELAY, NOTIFY_DEFAULT, OUTCOME_DEFERRED, "", true, true },
		{ NOTICE_DELAY, NOTIFY_DELAY, OUTCOME_DEFERRED, "", false, false },
		{ NOTICE_DELAY, NOTIFY_FAILURE, OUTCOME_DEFERRED, "", true, false },
		{ NOTICE_SUCCESS, NOTIFY_DEFAULT, OUTCOME_SENT, "", true, false },
		{ NOTICE_SUCCESS, NOTIFY_SUCCESS, OUTCOME_SENT, "", true, true },
		{ NOTICE_SUCCESS, NOTIFY_SUCCESS, OUTCOME_SENT, "mx", true, false },
		{ NOTICE_SUCCESS, NOTIFY_SUCCESS, OUTCOME_RELAYED, "mx", true, true },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct outcome o = { .status = rows[i].status, .mta = span_str(rows[i].mta) };
		assert_int_equal(notice_wanted(rows[i].kind, rows[i].notify, &o, rows[i].delays), rows[i].wanted);
	}
}

int
main(void)
{
	setenv("TZ", "UTC", 1);
	date_init();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounce), cmocka_unit_test(others), cmocka_unit_test(parsed_by_others), cmocka_unit_test(wanted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
