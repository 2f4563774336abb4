#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/content_check.h"
#include "tests/unit/conf/conf_helper.h"

static const struct { const char *value, *text, *complaint; enum check_action action; } rows[] = {
	{ "REJECT", "5.7.1 message content rejected", "", CHECK_REJECT },
	{ "reject  no", "5.7.1 no", "", CHECK_REJECT },
	{ "REJECT 4.2.1 later", "4.2.1 later", "", CHECK_REJECT },
	{ "REJECT 2.7.9 x", "4.7.9 x", "need 4.x.x or 5.x.x", CHECK_REJECT },
	{ "REJECT 5.7 x", "5.7.1 5.7 x", "", CHECK_REJECT },
	{ "WARN a b", "a b", "", CHECK_WARN },
	{ "ok", "", "", CHECK_DUNNO },
	{ "FILTER smtp:[h]:1", "smtp:[h]:1", "", CHECK_FILTER },
	{ "FILTER smtp", "smtp", "transport:destination", CHECK_DUNNO },
	{ "REDIRECT u", "u", "user@domain", CHECK_DUNNO },
	{ "BCC u@d", "u@d", "", CHECK_BCC },
	{ "BCC", "", "user@domain", CHECK_DUNNO },
	{ "PREPEND X: y", "X: y", "", CHECK_PREPEND },
	{ "PREPEND xy", "xy", "headername", CHECK_DUNNO },
	{ "REPLACE", "", "without text", CHECK_DUNNO },
	{ "STRIP", "", "", CHECK_STRIP },
	{ "STRIPED", "", "unknown command", CHECK_DUNNO },
};

static void
values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char main_cf[200];
		struct err err = { 0 };
		struct content_checks *c;
		struct check_result r = { .value = BUF_INIT(0) };
		(void)snprintf(main_cf, sizeof main_cf, "header_checks = static:{%s}\n", rows[i].value);
		struct conf *conf = test_conf_good(main_cf, NULL);
		assert_true(content_checks_new(conf, conf_main(conf), CHECK_CLEANUP, &c, &err));
		content_check(c, CHECK_HEADER, SPAN("Subject: x"), &r);
		if (r.action != rows[i].action || !span_eqs(r.text, rows[i].text) || strstr(r.complaint, rows[i].complaint) == NULL ||
		    (rows[i].complaint[0] == '\0') != (r.complaint[0] == '\0'))
			fail_msg("%s: %d \"%.*s\" %s", rows[i].value, r.action, SPAN_ARG(r.text), r.complaint);
		content_check(c, CHECK_HEADER, SPAN_NONE, &r);
		assert_int_equal(r.action, CHECK_DUNNO);
		buf_clear(&r.value);
		content_checks_free(c);
		conf_unref(conf);
	}
}

static void
users(void **state)
{
	struct conf *conf = test_conf_good("smtp_body_checks = static:{DISCARD}\nlmtp_header_checks = static:{IGNORE}\n", NULL);
	struct check_result r = { .value = BUF_INIT(0) };
	struct content_checks *c;
	struct err err = { 0 };

	(void)state;
	assert_true(content_checks_new(conf, conf_main(conf), CHECK_CLEANUP, &c, &err));
	assert_null(c);
	assert_true(content_checks_new(conf, conf_main(conf), CHECK_SMTP, &c, &err));
	assert_false(content_checks_has(c, CHECK_HEADER));
	content_check(c, CHECK_BODY, SPAN("x"), &r);
	assert_int_equal(r.action, CHECK_DUNNO);
	assert_non_null(strstr(r.complaint, "unknown command \"DISCARD\" in smtp_body_checks map"));
	content_checks_free(c);
	assert_true(content_checks_new(conf, conf_main(conf), CHECK_LMTP, &c, &err));
	content_check(c, CHECK_HEADER, SPAN("Subject: x"), &r);
	assert_int_equal(r.action, CHECK_IGNORE);
	assert_int_equal(content_check_kind(CHECK_HEADER, SPAN("content-type: x")), CHECK_MIME);
	assert_int_equal(content_check_kind(CHECK_NESTED, SPAN("Subject: x")), CHECK_NESTED);
	content_checks_free(c);
	buf_clear(&r.value);
	conf_unref(conf);
}

static void
lines(void **state)
{
	struct check_result r = { .action = CHECK_REJECT, .text = SPAN("5.7.1 no") };
	struct check_source s = { .origin = SPAN("h[192.0.2.1]"), .sender = SPAN("a@b"), .recipient = SPAN("c@d"), .protocol = SPAN("ESMTP"),
	    .helo = SPAN("x"), .has_recipient = true };
	struct buf b = BUF_INIT(0);

	(void)state;
	content_check_log(&b, &r, CHECK_NESTED, SPAN("Subject: y"), &s);
	buf_str(&b, "|");
	content_check_log(&b, &(struct check_result){ .action = CHECK_INFO }, CHECK_BODY, SPAN("line"), &(struct check_source){ .origin = SPAN("local") });
	assert_string_equal(b.ptr, "reject: header Subject: y from h[192.0.2.1]; from=<a@b> to=<c@d> proto=ESMTP helo=<x>: 5.7.1 no|"
	    "info: body line from local; from=<>");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(values), cmocka_unit_test(users), cmocka_unit_test(lines) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
