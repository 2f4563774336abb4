#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "tests/unit/conf/conf_helper.h"

static void
times(void **state)
{
	static const struct { const char *text; char unit; int64_t want; } cases[] = {
		{ "10s", 's', 10 * SECOND }, { "5d", 's', 5 * DAY }, { "3", 's', 3 * SECOND }, { "3", 'h', 3 * HOUR },
		{ "2w", 's', 14 * DAY }, { "0", 'd', 0 }, { " 1m ", 's', MINUTE },
		{ "", 's', -1 }, { "s", 's', -1 }, { "1hh", 's', -1 }, { "-1s", 's', -1 }, { "1 s", 's', -1 }, { "1x", 's', -1 },
		{ "99999999999999999999", 's', -1 }, { "9999999999999w", 's', -1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t got = -1;
		struct err err;
		bool ok = conf_parse_time(span_str(cases[i].text), cases[i].unit, &got, &err);
		if (ok != (cases[i].want >= 0) || got != cases[i].want)
			fail_msg("%s: %lld", cases[i].text, (long long)got);
	}
}

/* A configuration, and what is said of it: every line of `says` is in what is printed, in order; "" for nothing at all. */
static void
problems(void **state)
{
	static const struct { const char *main_cf, *master_cf, *says; } cases[] = {
		{ NULL, NULL, "" },
		{ "", "", "" },
		{ "# all\n\n", NULL, "" },
		{ "smtpd_timeout = abc\n", NULL, "main.cf:1: error: smtpd_timeout: \"abc\" is not a time" },
		{ "a = 1\n\nsmtpd_hard_error_limit = x\n", NULL, "main.cf:3: error: smtpd_hard_error_limit: \"x\" is not a number" },
		{ "smtpd_helo_required = maybe\n", NULL, "\"maybe\" is neither yes nor no" },
		{ "line_length_limit = 5\n", NULL, "5 is too little; the least is 512" },
		{ "in_flow_delay = 11s\n", NULL, "11s is too much; the most is 10s" },
		{ "smtpd_hard_error_limit = 0\n", NULL, "0 is too little; the least is 1" },
		{ "smtp_connection_cache_time_limit = 0\n", NULL, "0s is too little; the least is 1s" },
		{ "unverified_sender_defer_code = 550\n", NULL, "550 is too much; the most is 499" },
		{ "message_size_limit =\n", NULL, "is not a number" },
		{ "novalue\n", NULL, "main.cf:1: error: no \"=\" after \"novalue\"; write: name = value" },
		{ "two words = 3\n", NULL, "main.cf:1: error: \"two words\" is no parameter name" },
		{ " indented = 3\n", NULL, "main.cf:1: error: the first setting begins with a blank" },
		{ "relay_domain = x\n", NULL, "main.cf:1: warning: relay_domain is no known parameter and is not used; did you mean relay_domains?" },
		{ "macro = x\nrelay_domains = $macro\n", NULL, "" },
		{ "relay_domains = $macro\n", NULL, "main.cf:1: warning: relay_domains: $macro is not set anywhere and counts as empty" },
		{ "relay_domains = a\nrelay_domains = b\n", NULL, "main.cf:2: warning: relay_domains is set in line 1 too" },
		{ "mydestination = $mydestination\n", NULL, "main.cf:1: error: mydestination: a value that needs itself: mydestination -> mydestination" },
		{ "myorigin = ${x\n", NULL, "main.cf:1: error: myorigin: a missing }" },
		{ "smtpd_milters = inet:x:1\n", NULL, "main.cf:1: warning: smtpd_milters is not supported in this version" },
		{ "smtpd_milters =\n", NULL, "" },
		{ "enable_long_queue_ids = no\n", NULL, "" },
		{ "relay_domains = texthash:/no/such\n", NULL, "main.cf:1: error: relay_domains: cannot open /no/such: No such file" },
		{ "mynetworks = 10.0.0.0/8, /no/such\n", NULL, "main.cf:1: error: mynetworks: cannot open /no/such" },
		{ "mynetworks = /dev/null\n", NULL, "/dev/null is not a plain file" },
		{ "smtp_destination_concurrency_limit = 2\nrelay_destination_rate_delay = x\n", NULL, "main.cf:2: error: relay_destination_rate_delay: \"x\" is not a time" },
		{ "retry_destination_recipient_limit = 2\nretry_delivery_slot_cost = 4\n", NULL, "" },
		{ "retry_transport_rate_delay = 4\n", NULL, "" },
		{ "transport_transport_rate_delay = 4\n", NULL, "main.cf:1: warning: transport_transport_rate_delay is a pattern, not a setting, and has no effect. Write the name" },
		{ "transport_destination_recipient_limit = $default_destination_recipient_limit\n", NULL, "" },
		{ "syslog_facility = local1\n", NULL, "main.cf:1: warning: syslog_facility is not supported and has no effect. Facility in the system log; mail is used." },
		{ "smtp_pix_workarounds = disable_esmtp,  delay_dotcrlf\nsmtp_starttls_timeout = 5m\nsmtp_use_tls = NO\n", NULL, "" },
		{ "", "smtp inet n - n - - smtpd\nsubmission inet n - n - - smtpd\n  -o smtpd_milters=inet:x:1\n",
		    "master.cf:2: warning: smtpd_milters is not supported in this version and has no effect, but is planned." },
		{ "", "smtp inet n - n - - smtpd -o smtpd_milters=\n", "" },
		{ "nosuch_destination_recipient_limit = 2\n", NULL, "nosuch_destination_recipient_limit is no known parameter" },
		{ "smtpd_restriction_classes = mine\nmine = permit\n", NULL, "" },
		{ "virtual_mailbox_domains = ldap:here\nhere_server_host = x\n", NULL, "" },
		{ "", "smtp inet n - n - -\n", "master.cf:1: error: 7 columns; write the eight" },
		{ "", "# x\nsmtp inet n - n - - smtpd\nx tcp n - n - - smtp\n", "master.cf:3: error: \"tcp\" is no type of service" },
		{ "", "smtp inet n - n - - smtpd\n  -o smtpd_timeout=x\n", "master.cf:1: error: -o smtpd_timeout: \"x\" is not a time" },
		{ "", "smtp inet n - n - - smtpd -o\n", "master.cf:1: error: -o without a setting behind it" },
		{ "", "smtp inet n - n - - smtpd -o novalue\n", "master.cf:1: error: -o novalue: write -o name=value" },
		{ "", "smtp inet n - n - - smtpd -o { a\n", "a { without its }" },
		{ "", "smtp inet q - n - - smtpd\n", "private column: \"q\" is none of y, n and -" },
		{ "", "smtp inet n - n x - smtpd\n", "wakeup column" },
		{ "", "smtp inet n - n - -1 smtpd\n", "maxproc column" },
		{ "", "a: inet n - n - - smtpd\n", "has no port" },
		{ "", "a/b unix n - n - - smtpd\n", "has no slash" },
		{ "", "smtp inet n - n - - /bin/sh\n", "command column" },
		{ "", "x unix n - n - - no-such-program\n", "master.cf:1: error: command column: \"no-such-program\" is no program that is known; there are: anvil bounce" },
		{ "mynetwroks = 10.0.0.0/8\n", NULL, "did you mean mynetworks?" },
		{ "", "smtp inet n - n - - smtpd\nsmtp inet n - n - 5 smtpd\n", "master.cf:2: warning: the service \"smtp\" stands in line 1 too" },
		{ "", "smtp inet n - n - - smtpd -o smtpd_relay_restriction=x\n", "master.cf:1: warning: smtpd_relay_restriction is no known parameter" },
		{ "", "smtp unix - - n - - smtp -o syslog_name=a/$service_name\n", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conf_problems p = { NULL, 0, 0 };
		struct buf out = BUF_INIT(0);
		struct conf *c = test_conf(cases[i].main_cf, cases[i].master_cf, NULL, &p);
		buf_str(&out, "");
		conf_problems_print(&p, &out);
		if ((cases[i].says[0] == '\0') != (out.len == 0) || strstr(out.ptr, cases[i].says) == NULL)
			fail_msg("case %zu: said \"%s\", not \"%s\"", i, out.ptr, cases[i].says);
		if ((p.errors == 0) != (c != NULL))
			fail_msg("case %zu: errors and result disagree", i);
		conf_problems_clear(&p);
		buf_clear(&out);
		conf_unref(c);
	}
}

static const char main_cf[] =
    "myhostname = mx.example.com\n"
    "mydestination = $myhostname,\n"
    "   # a comment amid\n"
    "\n"
    "\tlocalhost,\n"
    "#at the margin\n"
    "  $mydomain\n"
    "delay_warning_time = 4\n"
    "maximal_queue_lifetime = 2\n"
    "relay_destination_concurrency_limit = 7\n"
    "default_destination_recipient_limit = 33\n"
    "relay_destination_concurrency_negative_feedback = 1/concurrency\n"
    "empty =\n"
    "mynetworks = %/extra 10.0.0.0/8\n"
    "default_process_limit = 12\n";
static const char master_cf[] =
    "smtp      inet  n       -       n       -       -       smtpd\n"
    "2525      inet  n       -       n       -       5       smtpd\n"
    "  -o { smtpd_relay_restrictions = permit_mynetworks, reject }\n"
    "  -o smtpd_client_restrictions=permit -osmtpd_timeout=7s\n"
    "  -o { mydestination = only.example }\n"
    "qmgr      unix  n       -       n       300     1       qmgr\n"
    "smtp      unix  -       -       n       -       -       smtp\n"
    "relay     unix  -       y       y       10?     -       smtp -v\n"
    "pipe      unix  -       n       n       -       -       pipe\n"
    "  flags=Rq user=vmail argv=/bin/x -o ${recipient} { two words }\n";

/* One check for a loaded configuration and a thawed one. */
static void
check_values(const struct conf *c)
{
	const struct view *m = conf_main(c);
	struct buf b = BUF_INIT(0);
	struct span file;
	int64_t n = 0;

	assert_string_equal(conf_str(m, P_mydestination), "mx.example.com,\tlocalhost,  example.com");
	assert_string_equal(conf_str(m, P_mydomain), "example.com");
	assert_string_equal(conf_str(m, P_myorigin), "mx.example.com");
	assert_true(conf_time(m, P_delay_warning_time) == 4 * HOUR);		/* its default is 0h */
	assert_true(conf_time(m, P_maximal_queue_lifetime) == 2 * DAY);		/* 5d */
	assert_true(conf_time(m, P_smtpd_timeout) == 300 * SECOND);		/* ${stress?{10}:{300}}s */
	assert_true(conf_int(m, P_smtpd_hard_error_limit) == 20);
	assert_false(conf_bool(m, P_soft_bounce));
	assert_true(conf_bool(m, P_smtputf8_enable));
	assert_string_equal(conf_str(m, P_relay_domains), "");
	assert_string_equal(conf_raw(m, SPAN("empty")), "");
	assert_null(conf_raw(m, SPAN("nothing")));
	assert_true(conf_expand(m, SPAN("<$mydomain>"), &b, NULL));
	assert_string_equal(b.ptr, "<example.com>");
	assert_int_equal(conf_line(c, SPAN("delay_warning_time")), 8);
	assert_int_equal(conf_line(c, SPAN("relayhost")), 0);

	assert_true(conf_transport_int(c, "relay", "_destination_concurrency_limit", &n) && n == 7);
	assert_true(conf_transport_int(c, "smtp", "_destination_concurrency_limit", &n) && n == 20);
	assert_true(conf_transport_int(c, "local", "_destination_concurrency_limit", &n) && n == 2);
	assert_true(conf_transport_int(c, "pipe", "_destination_recipient_limit", &n) && n == 33);
	assert_true(conf_transport_int(c, "pipe", "_initial_destination_concurrency", &n) && n == 5);
	assert_true(conf_transport_time(c, "pipe", "_destination_rate_delay", &n) && n == 0);
	assert_false(conf_transport_int(c, "pipe", "_nonsense", &n));
	assert_false(conf_transport_time(c, "pipe", "_destination_recipient_limit", &n));
	buf_reset(&b);
	assert_true(conf_transport_str(c, "relay", "_destination_concurrency_negative_feedback", &b));
	assert_string_equal(b.ptr, "1/concurrency");

	buf_reset(&b);
	buf_printf(&b, "%s/extra", conf_dir(c));
	assert_true(conf_file(c, buf_view(&b), &file));
	assert_true(span_eqs(file, "192.168.0.0/16\n"));
	assert_false(conf_file(c, SPAN("/etc/passwd"), &file));
	buf_clear(&b);
}

static void
check_services(const struct conf *c)
{
	assert_int_equal(conf_service_count(c), 6);
	const struct service *s = conf_service(c, 1);
	const struct view *v = conf_view(c, s);

	assert_string_equal(s->name, "2525");
	assert_int_equal(s->line, 2);
	assert_int_equal(s->type, SERVICE_INET);
	assert_false(s->private_);
	assert_true(s->unprivileged);
	assert_false(s->chroot);
	assert_int_equal(s->maxproc, 5);
	assert_string_equal(s->command, "smtpd");
	assert_null(s->argv[0]);
	assert_string_equal(conf_str(v, P_smtpd_relay_restrictions), "permit_mynetworks, reject");
	assert_string_equal(conf_str(v, P_smtpd_client_restrictions), "permit");
	assert_true(conf_time(v, P_smtpd_timeout) == 7 * SECOND);
	assert_string_equal(conf_str(v, P_mydestination), "only.example");
	assert_ptr_equal(view_service(v), s);
	/* What depends on an overridden name follows it. */
	assert_string_equal(conf_str(conf_main(c), P_smtpd_client_restrictions), "");
	assert_true(conf_time(conf_view(c, conf_service(c, 0)), P_smtpd_timeout) == 300 * SECOND);
	assert_int_equal(conf_service(c, 0)->maxproc, 12);

	s = conf_transport(c, SPAN("relay"));
	assert_non_null(s);
	assert_true(s->chroot && s->unprivileged && s->private_);
	assert_true(s->wakeup == 10 * SECOND);
	assert_string_equal(s->argv[0], "-v");
	assert_ptr_equal(conf_transport(c, SPAN("smtp")), conf_service(c, 3));
	assert_null(conf_transport(c, SPAN("2525")));
	assert_ptr_equal(conf_program(c, "qmgr"), conf_view(c, conf_service(c, 2)));
	assert_ptr_equal(conf_program(c, "cleanup"), conf_main(c));

	s = conf_transport(c, SPAN("pipe"));
	const char *const argv[] = { "flags=Rq", "user=vmail", "argv=/bin/x", "-o", "${recipient}", "two words", NULL };
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(s->argv[i], argv[i]);
	assert_null(s->argv[6]);
}

static void
values(void **state)
{
	struct conf_problems p = { NULL, 0, 0 };
	struct err err = { ERR_NONE, "" };
	struct buf frozen = BUF_INIT(0);

	(void)state;
	struct conf *c = test_conf(main_cf, master_cf, "192.168.0.0/16\n", &p);
	assert_non_null(c);
	assert_int_equal(p.errors, 0);
	check_values(c);
	check_services(c);
	conf_freeze(c, &frozen);
	conf_unref(c);

	c = conf_thaw(buf_view(&frozen), &err);
	assert_non_null(c);
	check_values(c);
	check_services(c);
	conf_unref(conf_ref(c));
	conf_unref(c);
	/* Cut anywhere, it is refused. */
	for (size_t n = 0; n < frozen.len; n += 7)
		assert_null(conf_thaw(span_head(buf_view(&frozen), n), &err));
	buf_clear(&frozen);
	conf_problems_clear(&p);
}

/* With nothing at all there is a configuration, it is whole, and it relays for this machine alone. */
static void
defaults(void **state)
{
	struct conf_problems p = { NULL, 0, 0 };

	(void)state;
	struct conf *c = test_conf(NULL, NULL, NULL, &p);
	assert_non_null(c);
	assert_int_equal(p.count, 0);
	assert_non_null(strchr(conf_str(conf_main(c), P_myhostname), '.'));
	assert_non_null(strstr(conf_str(conf_main(c), P_mynetworks), "127.0.0.0/8"));
	assert_string_equal(conf_str(conf_main(c), P_relay_domains), "");
	assert_string_equal(conf_str(conf_main(c), P_smtpd_relay_restrictions),
	    "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination");
	assert_string_equal(conf_str(conf_main(c), P_smtpd_forbid_bare_newline), "normalize");
	static const char *const transports[] = { "smtp", "relay", "local", "virtual", "lmtp", "error", "retry", "discard" };
	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
		assert_non_null(conf_transport(c, span_str(transports[i])));
	conf_unref(c);
}

static void
overrides(void **state)
{
	const struct conf_override o[] = { { "mail_name", "Test" }, { "smtpd_timeout", "x" }, { "no_name", "1" } };
	struct conf_problems p = { NULL, 0, 0 };
	struct buf out = BUF_INIT(0);

	(void)state;
	struct conf *c = conf_load("/nonexistent", o, 1, &p);
	assert_non_null(c);
	assert_string_equal(conf_str(conf_main(c), P_mail_name), "Test");
	conf_unref(c);
	assert_null(conf_load("/nonexistent", o, 3, &p));
	conf_problems_print(&p, &out);
	assert_non_null(strstr(out.ptr, "command line: error: smtpd_timeout: \"x\" is not a time"));
	assert_non_null(strstr(out.ptr, "command line: warning: no_name is no known parameter"));
	conf_problems_clear(&p);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times), cmocka_unit_test(problems), cmocka_unit_test(values), cmocka_unit_test(defaults),
		cmocka_unit_test(overrides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
