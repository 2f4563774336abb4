#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "policy/policy.h"
#include "tests/unit/conf/conf_helper.h"

#define SITE \
	"myhostname = mx.site.example\n" \
	"mydestination = $myhostname, localhost, site.example\n" \
	"mynetworks = 127.0.0.0/8 [::1]/128\n" \
	"relay_domains = relay.example\n" \
	"virtual_alias_domains = alias.example\n" \
	"virtual_mailbox_domains = box.example\n" \
	"virtual_mailbox_maps = inline:{ u@box.example=u/ }\n" \
	"relay_recipient_maps =\n"

/* What the lookup role would say. */
static void
answer(struct facts *f, uint64_t *seed)
{
	struct fact_want w[32];
	size_t n = 0;

	while (n < 32 && facts_wanted(f, &w[n]))
		n++;
	for (; n > 0; n--) {
		*seed = *seed * 6364136223846793005u + 1;
		size_t i = (size_t)(*seed >> 33) % n;
		bool root = span_eqs(w[i].key, "root") || span_eqs(w[i].key, "user");
		bool bad = span_eqs(w[i].key, "broken");
		assert_true(facts_answer(f, w[i].id, bad ? FACT_FAILED : root ? FACT_KNOWN : FACT_ABSENT, SPAN("x")));
		w[i] = w[n - 1];
	}
}

static void
run(struct policy *p, enum policy_stage stage, const struct policy_session *s, struct policy_verdict *v, uint64_t seed,
    struct buf *trace)
{
	struct facts *f = facts_new();
	int calls = 0;

	facts_reset(f, 0);
	do {
		answer(f, &seed);
		if (trace != NULL)
			buf_reset(trace);
		assert_true(calls++ < 50);
	} while (policy_check(p, stage, s, f, v, trace) == POLICY_PENDING);
	facts_free(f);
}

struct site {
	struct conf *conf;
	struct router *router;
	struct policy *policy;
};

static struct site
site_open(const char *more)
{
	struct buf text = BUF_INIT(0);
	struct site s;
	struct err err = { ERR_NONE, "" };

	buf_printf(&text, "%s%s", SITE, more);
	s.conf = test_conf_good(text.ptr, NULL);
	s.router = router_new(s.conf, &err);
	if (s.router == NULL)
		fail_msg("%s: %s", more, err.text);
	s.policy = policy_new(conf_main(s.conf), s.router, &err);
	if (s.policy == NULL)
		fail_msg("%s: %s", more, err.text);
	buf_clear(&text);
	return s;
}

static void
site_close(struct site *s)
{
	policy_free(s->policy);
	router_free(s->router);
	conf_unref(s->conf);
}

#define FAR	"203.0.113.5"
#define NEAR	"127.0.0.1"

/* The replies are those that Debian's smtpd (3.7) gives to the same commands. */
static void
recipients(void **state)
{
	static const struct { const char *more, *client, *sender, *recipient, *want; } cases[] = {
		/* relaying */
		{ "", FAR, "a@b.example", "u@far.example", "454 4.7.1 <u@far.example>: Relay access denied" },
		{ "", NEAR, "a@b.example", "u@far.example", "ok" },
		{ "", "::1", "a@b.example", "u@far.example", "ok" },
		{ "", FAR, "a@b.example", "u@relay.example", "ok" },
		{ "", FAR, "a@b.example", "u@sub.relay.example", "ok" },
		{ "", FAR, "a@b.example", "u%far.example@site.example", "454 4.7.1 <u%far.example@site.example>: Relay access denied" },
		{ "", FAR, "a@b.example", "u@far.example@site.example", "454 4.7.1 <u@far.example@site.example>: Relay access denied" },
		{ "", FAR, "a@b.example", "far.example!u@site.example", "454 4.7.1 <far.example!u@site.example>: Relay access denied" },
		{ "", FAR, "a@b.example", "far.example!u", "454 4.7.1 <far.example!u>: Relay access denied" },
		{ "", FAR, "a@b.example", "u%far.example@relay.example", "454 4.7.1 <u%far.example@relay.example>: Relay access denied" },
		{ "", FAR, "a@b.example", "u@far.example@relay.example", "454 4.7.1 <u@far.example@relay.example>: Relay access denied" },
		{ "allow_untrusted_routing = yes\n", FAR, "a@b.example", "u%far.example@relay.example", "ok" },
		{ "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n", FAR, "", "u@far.example", "554 5.7.1 <u@far.example>: Relay access denied" },
		{ "smtpd_relay_restrictions = permit_mynetworks, permit_auth_destination, reject\n", FAR, "", "u@relay.example", "ok" },
		{ "smtpd_relay_restrictions = permit_mynetworks, permit_auth_destination, reject\n", FAR, "", "u@far.example", "554 5.7.1 <u@far.example>: Recipient address rejected: Access denied" },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks reject_unauth_destination\n", FAR, "", "u@far.example", "554 5.7.1 <u@far.example>: Relay access denied" },
		{ "mynetworks = fail:x\n", FAR, "", "u@far.example", "451 4.3.0 <u@far.example>: Temporary lookup failure" },
		{ "relay_domains = fail:x\n", FAR, "", "u@far.example", "451 4.3.0 <u@far.example>: Temporary lookup failure" },
		{ "allow_percent_hack = no\n", FAR, "", "u%far.example@site.example", "454 4.7.1 <u%far.example@site.example>: Relay access denied" },
		{ "", FAR, "", "u@", "501 5.1.3 Bad recipient address syntax" },
		{ "", NEAR, "", "-u@far.example", "501 5.1.3 Bad recipient address syntax" },
		{ "", NEAR, "", "u@1.2.3.4", "501 5.1.3 Bad recipient address syntax" },
		{ "", NEAR, "", "u@a..b", "501 5.1.3 Bad recipient address syntax" },
		{ "", FAR, "", "u@[1.2.3.4]", "454 4.7.1 <u@[1.2.3.4]>: Relay access denied" },
		{ "", FAR, "", "@far.example", "454 4.7.1 <@far.example>: Relay access denied" },
		/* unlisted recipients */
		{ "", FAR, "a@b.example", "root@site.example", "ok" },
		{ "", FAR, "a@b.example", "Root@localhost", "ok" },
		{ "", FAR, "a@b.example", "nobody-there@site.example", "550 5.1.1 <nobody-there@site.example>: Recipient address rejected: User unknown in local recipient table" },
		{ "", NEAR, "a@b.example", "nobody-there@site.example", "550 5.1.1 <nobody-there@site.example>: Recipient address rejected: User unknown in local recipient table" },
		{ "", FAR, "a@b.example", "broken@site.example", "451 4.3.0 <broken@site.example>: Temporary lookup failure" },
		{ "recipient_delimiter = +\n", FAR, "", "user+box@site.example", "ok" },
		{ "", FAR, "", "user+box@site.example", "550 5.1.1 <user+box@site.example>: Recipient address rejected: User unknown in local recipient table" },
		{ "show_user_unknown_table_name = no\n", FAR, "", "x@site.example", "550 5.1.1 <x@site.example>: Recipient address rejected: User unknown" },
		{ "unknown_local_recipient_reject_code = 450\n", FAR, "", "x@site.example", "450 4.1.1 <x@site.example>: Recipient address rejected: User unknown in local recipient table" },
		{ "local_recipient_maps =\n", FAR, "", "x@site.example", "ok" },
		{ "smtpd_reject_unlisted_recipient = no\n", FAR, "", "x@site.example", "ok" },
		{ "", FAR, "", "x@alias.example", "550 5.1.1 <x@alias.example>: Recipient address rejected: User unknown in virtual alias table" },
		{ "", FAR, "", "u@box.example", "ok" },
		{ "", FAR, "", "x@box.example", "550 5.1.1 <x@box.example>: Recipient address rejected: User unknown in virtual mailbox table" },
		{ "relay_recipient_maps = inline:{ u@relay.example=1 }\n", FAR, "", "x@relay.example", "550 5.1.1 <x@relay.example>: Recipient address rejected: User unknown in relay recipient table" },
		{ "", FAR, "", "postmaster", "ok" },
		{ "smtpd_recipient_restrictions = reject\n", FAR, "", "PostMaster", "ok" },
		{ "smtpd_recipient_restrictions = reject_unlisted_recipient, permit\n", FAR, "", "x@site.example", "550 5.1.1 <x@site.example>: Recipient address rejected: User unknown in local recipient table" },
		{ "smtpd_reject_unlisted_sender = yes\n", FAR, "x@site.example", "root@site.example", "550 5.1.0 <x@site.example>: Sender address rejected: User unknown in local recipient table" },
		{ "smtpd_reject_unlisted_sender = yes\n", FAR, "x@alias.example", "root@site.example", "550 5.1.7 <x@alias.example>: Sender address rejected: User unknown in virtual alias table" },
		{ "smtpd_reject_unlisted_sender = yes\n", FAR, "", "root@site.example", "ok" },
		/* lists of earlier stages, delayed */
		{ "smtpd_client_restrictions = permit_mynetworks, reject\n", FAR, "", "root@site.example", "554 5.7.1 <name.example[203.0.113.5]>: Client host rejected: Access denied" },
		{ "smtpd_client_restrictions = permit_mynetworks, reject\n", NEAR, "", "root@site.example", "ok" },
		{ "smtpd_helo_restrictions = reject\n", FAR, "", "root@site.example", "554 5.7.1 <helo.example>: Helo command rejected: Access denied" },
		{ "smtpd_sender_restrictions = defer\n", FAR, "s@b.example", "root@site.example", "450 4.3.2 <s@b.example>: Sender address rejected: Try again later" },
		{ "reject_code = 521\nsmtpd_sender_restrictions = reject\n", FAR, "s@b.example", "root@site.example", "521 5.7.1 <s@b.example>: Sender address rejected: Access denied" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender\n", FAR, "s", "root@site.example", "504 5.5.2 <s>: Sender address rejected: need fully-qualified address" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender\n", FAR, "s@host", "root@site.example", "504 5.5.2 <s@host>: Sender address rejected: need fully-qualified address" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender\n", FAR, "s@[1.2.3.4]", "root@site.example", "ok" },
		{ "smtpd_sender_restrictions = reject_non_fqdn_sender\n", FAR, "", "root@site.example", "ok" },
		{ "smtpd_recipient_restrictions = reject_non_fqdn_recipient\n", FAR, "", "root@localhost", "504 5.5.2 <root@localhost>: Recipient address rejected: need fully-qualified address" },
		{ "smtpd_recipient_restrictions = reject_non_fqdn_sender\n", FAR, "s", "root@site.example", "504 5.5.2 <s>: Sender address rejected: need fully-qualified address" },
		/* putting off and warning */
		{ "smtpd_recipient_restrictions = defer_if_permit\n", FAR, "", "root@site.example", "450 4.7.0 <root@site.example>: Recipient address rejected: defer_if_permit requested" },
		{ "smtpd_recipient_restrictions = defer_if_permit, reject\n", FAR, "", "root@site.example", "554 5.7.1 <root@site.example>: Recipient address rejected: Access denied" },
		{ "smtpd_recipient_restrictions = defer_if_reject, reject\n", FAR, "", "root@site.example", "450 4.7.0 <root@site.example>: Recipient address rejected: defer_if_reject requested" },
		{ "smtpd_recipient_restrictions = defer_if_reject, permit\n", FAR, "", "root@site.example", "ok" },
		{ "smtpd_recipient_restrictions = warn_if_reject reject, permit\n", FAR, "", "root@site.example", "ok warned" },
		{ "smtpd_recipient_restrictions = warn_if_reject permit, reject\n", FAR, "", "root@site.example", "ok" },
		{ "smtpd_recipient_restrictions = warn_if_reject reject, reject\n", FAR, "", "root@site.example", "554 5.7.1 <root@site.example>: Recipient address rejected: Access denied warned" },
		{ "smtpd_recipient_restrictions = sleep 1, permit\n", FAR, "", "root@site.example", "ok" },
		/* classes and groups */
		{ "smtpd_restriction_classes = strict\nstrict = permit_mynetworks, reject\nsmtpd_recipient_restrictions = strict\n", FAR, "", "root@site.example", "554 5.7.1 <root@site.example>: Recipient address rejected: Access denied" },
		{ "smtpd_restriction_classes = strict\nstrict = permit_mynetworks, reject\nsmtpd_recipient_restrictions = strict\n", NEAR, "", "root@site.example", "ok" },
		{ "smtpd_recipient_restrictions = { permit_mynetworks, reject }\n", NEAR, "", "root@site.example", "ok" },
	};
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf got = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct site site = site_open(cases[i].more);
		struct policy_session s = { .client_name = SPAN("name.example"), .client_addr = span_str(cases[i].client),
		    .helo = SPAN("helo.example"), .protocol = SPAN("ESMTP"), .sender = span_str(cases[i].sender),
		    .recipient = span_str(cases[i].recipient), .has_sender = true, .has_recipient = true };
		run(site.policy, POLICY_RECIPIENT, &s, &v, i, NULL);
		buf_reset(&got);
		if (v.action == POLICY_OK)
			buf_str(&got, "ok");
		else
			buf_printf(&got, "%d %s %s", v.code, v.dsn, v.reply);
		if (v.warned)
			buf_str(&got, " warned");
		if (strcmp(got.ptr, cases[i].want) != 0)
			fail_msg("%s%s: \"%s\", not \"%s\"", cases[i].more, cases[i].recipient, got.ptr, cases[i].want);
		site_close(&site);
	}
	policy_verdict_clear(&v);
	buf_clear(&got);
}

static void
other_stages(void **state)
{
	static const struct { const char *more; enum policy_stage stage; const char *helo; bool pipelined; const char *want; } cases[] = {
		{ "smtpd_client_restrictions = reject\n", POLICY_CLIENT, "", false, "ok" },
		{ "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject\n", POLICY_CLIENT, "", false, "554 5.7.1 <name.example[203.0.113.5]>: Client host rejected: Access denied" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\n", POLICY_HELO, "a!b", false, "501 5.5.2 <a!b>: Helo command rejected: Invalid name" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\n", POLICY_HELO, "[1.2.3.4]", false, "ok" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\n", POLICY_HELO, "host", false, "ok" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n", POLICY_HELO, "1.2.3.4", false, "504 5.5.2 <1.2.3.4>: Helo command rejected: need fully-qualified hostname" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\n", POLICY_HELO, "1.2.3.4", false, "ok" },
		{ "smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_non_fqdn_helo_hostname\n", POLICY_HELO, "host", false, "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname" },
		{ "smtpd_delay_reject = no\nsmtpd_sender_restrictions = reject\n", POLICY_SENDER, "h", false, "554 5.7.1 <s@b.example>: Sender address rejected: Access denied" },
		{ "smtpd_data_restrictions = reject_unauth_pipelining\n", POLICY_DATA, "h", true, "503 5.5.0 <DATA>: Data command rejected: Improper use of SMTP command pipelining" },
		{ "smtpd_data_restrictions = reject_unauth_pipelining\n", POLICY_DATA, "h", false, "ok" },
		{ "smtpd_end_of_data_restrictions = reject\n", POLICY_END_OF_DATA, "h", false, "554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied" },
		{ "smtpd_etrn_restrictions = reject\n", POLICY_ETRN, "h", false, "554 5.7.1 <etrn.example>: Etrn command rejected: Access denied" },
		{ "", POLICY_VRFY, "h", false, "550 5.1.1 <x@site.example>: Recipient address rejected: User unknown in local recipient table" },
	};
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf got = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct site site = site_open(cases[i].more);
		struct policy_session s = { .client_name = SPAN("name.example"), .client_addr = SPAN(FAR), .helo = span_str(cases[i].helo),
		    .protocol = SPAN("ESMTP"), .sender = SPAN("s@b.example"), .recipient = SPAN("x@site.example"), .etrn = SPAN("etrn.example"),
		    .has_sender = cases[i].stage >= POLICY_SENDER, .has_recipient = cases[i].stage == POLICY_VRFY,
		    .pipelined = cases[i].pipelined };
		run(site.policy, cases[i].stage, &s, &v, i, NULL);
		buf_reset(&got);
		if (v.action == POLICY_OK)
			buf_str(&got, "ok");
		else
			buf_printf(&got, "%d %s %s", v.code, v.dsn, v.reply);
		if (strcmp(got.ptr, cases[i].want) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].more, got.ptr, cases[i].want);
		s.trusted = true;
		run(site.policy, cases[i].stage, &s, &v, i, NULL);
		assert_int_equal(v.action, POLICY_OK);
		site_close(&site);
	}
	policy_verdict_clear(&v);
	buf_clear(&got);
}

/* What the DNS would say: by "TYPE name". */
static void
answer_dns(struct facts *f, uint64_t *seed)
{
	static const struct { const char *key, *value; } known[] = {
		{ "A 5.113.0.203.bl.example", "127.0.0.4\n" }, { "TXT 5.113.0.203.bl.example", "a reason\n" }, { "MX good.example", "10 mx.good.example\n" },
		{ "MX null.example", "0 \n" }, { "A mx.good.example", "192.0.2.7\n" }, { "A name.example", "203.0.113.5\n" }, { "NS good.example", "ns.good.example\n" },
		{ "A ns.good.example", "192.0.2.8\n" },
	};
	struct fact_want w[32];
	size_t n = 0;

	while (n < 32 && facts_wanted(f, &w[n]))
		n++;
	for (; n > 0; n--) {
		*seed = *seed * 6364136223846793005u + 1;
		size_t i = (size_t)(*seed >> 33) % n, k = 0;
		while (k < sizeof known / sizeof *known && !span_eqs(w[i].key, known[k].key))
			k++;
		bool fails = span_ends(w[i].key, "fail.example");
		bool found = k < sizeof known / sizeof *known;
		assert_true(facts_answer(f, w[i].id, found ? FACT_KNOWN : fails ? FACT_FAILED : FACT_ABSENT, found ? span_str(known[k].value) : SPAN_NONE));
		w[i] = w[n - 1];
	}
}

/* Restrictions that ask the DNS, tables, policy servers; in any order of answers the same. */
static void
with_facts(void **state)
{
	static const struct { const char *more, *sender, *want; } cases[] = {
		{ "reject_rbl_client bl.example", "", "554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using bl.example; a reason" },
		{ "reject_rbl_client bl.example=127.0.0.[5..9]", "", "ok" },
		{ "reject_rbl_client fail.example, reject_rbl_client bl.example=127.0.0.4", "", "554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked using bl.example; a reason" },
		{ "permit_dnswl_client bl.example, reject", "", "ok" },
		{ "permit_dnswl_client fail.example, reject", "", "450 4.7.1 <203.0.113.5>: Client host rejected: Service unavailable" },
		{ "reject_unknown_sender_domain", "a@good.example", "ok" },
		{ "reject_unknown_sender_domain", "a@null.example", "550 5.7.27 <a@null.example>: Sender address rejected: Domain null.example does not accept mail (nullMX)" },
		{ "reject_unknown_sender_domain", "a@none.example", "450 4.1.8 <a@none.example>: Sender address rejected: Domain not found" },
		{ "reject_unknown_sender_domain", "a@fail.example", "450 4.1.8 <a@fail.example>: Sender address rejected: Domain not found" },
		{ "reject_unknown_sender_domain, reject", "a@fail.example", "554 5.7.1 <root@site.example>: Recipient address rejected: Access denied" },
		{ "check_sender_mx_access inline:{ 192.0.2.7=REJECT }", "a@good.example", "554 5.7.1 <a@good.example>: Sender address rejected: Access denied" },
		{ "check_sender_ns_access inline:{ {ns.good.example=REJECT 5.1.8 x} }", "a@sub.good.example", "554 5.1.8 <a@sub.good.example>: Sender address rejected: x" },
		{ "check_sender_mx_access static:OK", "a@good.example", "451 4.3.5 Server configuration error" },
		{ "check_client_a_access inline:{ 203.0.113=REJECT }", "", "554 5.7.1 <name.example[203.0.113.5]>: Client host rejected: Access denied" },
		{ "check_sender_access static:DISCARD", "", "discard" },
		{ "check_sender_access static:{HOLD x}", "", "ok effects" },
		{ "check_policy_service inet:127.0.0.1:1", "", "451 4.3.5 <root@site.example>: Recipient address rejected: Server configuration problem" },
		{ "check_policy_service { inet:127.0.0.1:1, { default_action = DUNNO } }", "", "ok" },
		{ "reject_sender_login_mismatch", "own@site.example", "553 5.7.1 <own@site.example>: Sender address rejected: not logged in" },
		{ "reject_sender_login_mismatch", "any@good.example", "ok" },
	};
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf got = BUF_INIT(0), more = BUF_INIT(0), trace = BUF_INIT(0), first = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&more);
		buf_printf(&more, "smtpd_recipient_restrictions = %s\nsmtpd_sasl_auth_enable = yes\nlocal_recipient_maps =\nsmtpd_sender_login_maps = inline:{ own@site.example=owner }\n", cases[i].more);
		struct site site = site_open(more.ptr);
		struct policy_session s = { .client_name = SPAN("name.example"), .client_addr = SPAN(FAR), .helo = SPAN("helo.example"), .protocol = SPAN("ESMTP"),
		    .sender = span_str(cases[i].sender), .recipient = SPAN("root@site.example"), .has_sender = true, .has_recipient = true };
		for (uint64_t seed = 0; seed < 5; seed++) {
			struct facts *f = facts_new();
			uint64_t order = seed;
			facts_reset(f, 0);
			buf_reset(&trace);
			while (policy_check(site.policy, POLICY_RECIPIENT, &s, f, &v, &trace) == POLICY_PENDING) {
				answer_dns(f, &order);
				buf_reset(&trace);
			}
			facts_free(f);
			if (seed == 0) {
				buf_reset(&first);
				buf_span(&first, buf_view(&trace));
			}
			assert_true(span_eq(buf_view(&trace), buf_view(&first)));
		}
		buf_reset(&got);
		if (v.action == POLICY_REFUSE)
			buf_printf(&got, "%d %s %s", v.code, v.dsn, v.reply);
		else
			buf_str(&got, v.action == POLICY_DISCARD ? "discard" : v.effects.len > 0 ? "ok effects" : "ok");
		if (strcmp(got.ptr, cases[i].want) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].more, got.ptr, cases[i].want);
		site_close(&site);
	}
	policy_verdict_clear(&v);
	buf_clear(&got);
	buf_clear(&more);
	buf_clear(&trace);
	buf_clear(&first);
}

static void
log_lines(void **state)
{
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf got = BUF_INIT(0);
	struct site site = site_open("smtpd_recipient_restrictions = warn_if_reject reject\n");
	struct policy_session s = { .client_name = SPAN("unknown"), .client_addr = SPAN(FAR), .helo = SPAN("h\x1b"),
	    .protocol = SPAN("ESMTP"), .sender = SPAN(""), .recipient = SPAN("u\n@far.example"), .has_sender = true, .has_recipient = true };

	(void)state;
	run(site.policy, POLICY_RECIPIENT, &s, &v, 1, NULL);
	policy_log_reject(&s, POLICY_RECIPIENT, &v, &got);
	assert_string_equal(got.ptr, "reject: RCPT from unknown[203.0.113.5]: 454 4.7.1 <u?@far.example>: Relay access denied;"
	    " from=<> to=<u?@far.example> proto=ESMTP helo=<h?>");
	assert_string_equal(v.restriction, "defer_unauth_destination");
	s.recipient = SPAN("root@site.example");
	run(site.policy, POLICY_RECIPIENT, &s, &v, 1, NULL);
	assert_int_equal(v.action, POLICY_OK);
	assert_string_equal(v.log.ptr, "reject_warning: RCPT from unknown[203.0.113.5]: 554 5.7.1 <root@site.example>:"
	    " Recipient address rejected: Access denied; from=<> to=<root@site.example> proto=ESMTP helo=<h?>");
	assert_non_null(v.route);
	assert_true(span_eqs(v.route->transport, "local"));
	site_close(&site);
	policy_verdict_clear(&v);
	buf_clear(&got);
}

static void
lists(void **state)
{
	struct site site = site_open("smtpd_client_event_limit_exceptions = 192.0.2.0/24\n");
	struct policy_session s = { .client_name = SPAN("unknown"), .client_addr = SPAN("127.0.0.1") };

	(void)state;
	assert_true(policy_in_mynetworks(site.policy, &s));
	assert_true(policy_newline_exempt(site.policy, &s));
	assert_true(policy_rewrite_local(site.policy, &s));
	assert_false(policy_rate_exempt(site.policy, &s));
	s.client_addr = SPAN("192.0.2.1");
	assert_false(policy_in_mynetworks(site.policy, &s));
	assert_true(policy_rate_exempt(site.policy, &s));
	s.client_addr = SPAN("203.0.113.77");
	assert_false(policy_rewrite_local(site.policy, &s));
	site_close(&site);
}

/* What is wrong with a configuration beyond the values. */
static void
wrong_configurations(void **state)
{
	static const struct { const char *main_cf, *master_cf, *says; } cases[] = {
		{ "", NULL, "" },
		{ "smtpd_recipient_restrictions = reject_rbl_client zen.example=127.0.0\n", NULL, "main.cf:1: error: smtpd_recipient_restrictions: \"zen.example=127.0.0\": the filter behind = is no pattern" },
		{ "smtpd_recipient_restrictions = reject_rbl_client zen.example=127.0.0.[2..11;15]\n", NULL, "" },
		{ "smtpd_recipient_restrictions = check_policy_service private/x\n", NULL, "write inet:HOST:PORT or unix:PATH" },
		{ "smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:1, timeot=1 }\n", NULL, "unknown attribute \"timeot\"" },
		{ "smtpd_recipient_restrictions = check_policy_service { inet:127.0.0.1:1, timeout = 1s, default_action = DUNNO }\n", NULL, "" },
		{ "smtpd_data_restrictions = static:DUNNO\n", NULL, "write check_client_access, check_sender_access" },
		{ "smtpd_recipient_restrictions = check_sender_access nothing\n", NULL, "wants a table behind it" },
		{ "smtpd_restriction_classes = a\nsmtpd_data_restrictions = a\n", NULL, "a: smtpd_restriction_classes names it, and it is not set" },
		{ "unknown_address_tempfail_action = no\n", NULL, "write defer or defer_if_permit" },
		{ "\nsmtpd_sender_restrictions = reject_unlisted_sendr\n", NULL, "main.cf:2: error: smtpd_sender_restrictions: \"reject_unlisted_sendr\" is no restriction; did you mean reject_unlisted_sender?" },
		{ "smtpd_client_restrictions = static:DUNNO\n", NULL, "" },
		{ "smtpd_client_restrictions = blah_blah_blah_blah\n", NULL, "\"blah_blah_blah_blah\" is no restriction; see" },
		{ "smtpd_client_restrictions = sleep\n", NULL, "sleep wants an argument" },
		{ "smtpd_client_restrictions = sleep x\n", NULL, "write a number of seconds" },
		{ "smtpd_relay_restrictions =\n", NULL, "main.cf:1: error: smtpd_relay_restrictions: neither this nor smtpd_recipient_restrictions refuses anything: an open relay" },
		{ "smtpd_relay_restrictions = permit\n", NULL, "an open relay" },
		{ "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = reject_unauth_destination\n", NULL, "" },
		{ "mynetworks = 10.0.0.1/8\n", NULL, "main.cf:1: error: mynetworks: \"10.0.0.1/8\" has bits set" },
		{ "relay_domains = sdbm:/x\n", NULL, "main.cf:1: error: relay_domains: table type \"sdbm\"" },
		{ "alias_maps = hash:/etc/aliases\n", NULL, "" },
		{ "alias_maps = sdbm:/etc/mail/aliases\n", NULL, "main.cf:0" },
		{ "default_transport = nosuch\n", NULL, "main.cf:1: warning: default_transport: master.cf has no service \"nosuch\"; mail for it will wait" },
		{ "virtual_mailbox_domains = x.example\n", NULL, "" },
		{ "virtual_mailbox_domains = x.example\nvirtual_transport = lmtp:[::1]:24\n", NULL, "" },
		{ "virtual_alias_maps = inline:{ a@x.example=b }\n", NULL, "" },
		{ "smtpd_restriction_classes = a\na = a\nsmtpd_data_restrictions = a\n", NULL, "deep" },
		{ "", "smtp inet n - n - - smtpd -o smtpd_client_restrictions=rejct\n", "master.cf:1: error: smtpd_client_restrictions: \"rejct\" is no restriction; did you mean reject?" },
	};
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct conf_problems p = { NULL, 0, 0 };
		struct conf *c = test_conf(cases[i].main_cf, cases[i].master_cf, NULL, &p);
		assert_non_null(c);
		policy_check_conf(c, &p);
		buf_reset(&out);
		buf_str(&out, "");
		conf_problems_print(&p, &out);
		if (strcmp(cases[i].says, "main.cf:0") == 0) {
			assert_non_null(strstr(out.ptr, "local_recipient_maps: table type \"sdbm\""));
			assert_true(p.errors > 0);
		} else if ((cases[i].says[0] == '\0') != (out.len == 0) || strstr(out.ptr, cases[i].says) == NULL) {
			fail_msg("case %zu: said \"%s\", not \"%s\"", i, out.ptr, cases[i].says);
		}
		conf_problems_clear(&p);
		conf_unref(c);
	}
	buf_clear(&out);
}

/* Whatever order facts come in, the decision and the way to it are the same. */
static void
order_of_facts(void **state)
{
	struct site site = site_open("recipient_delimiter = +\nsmtpd_recipient_restrictions = sleep 1, reject_unlisted_recipient, "
	    "warn_if_reject reject, sleep 2, permit\nsmtpd_reject_unlisted_sender = yes\n");
	struct policy_session s = { .client_name = SPAN("unknown"), .client_addr = SPAN(FAR), .helo = SPAN("h"),
	    .protocol = SPAN("ESMTP"), .sender = SPAN("user+y@site.example"), .recipient = SPAN("root+x@site.example"),
	    .has_sender = true, .has_recipient = true };
	struct policy_verdict v = { .text = BUF_INIT(0) };
	struct buf trace = BUF_INIT(0), first = BUF_INIT(0);

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		run(site.policy, POLICY_RECIPIENT, &s, &v, seed, &trace);
		assert_int_equal(v.action, POLICY_OK);
		assert_true(v.warned);
		if (seed == 0)
			buf_span(&first, buf_view(&trace));
		assert_string_equal(trace.ptr, first.ptr);
	}
	site_close(&site);
	policy_verdict_clear(&v);
	buf_clear(&trace);
	buf_clear(&first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients), cmocka_unit_test(other_stages), cmocka_unit_test(log_lines), cmocka_unit_test(lists),
		cmocka_unit_test(wrong_configurations), cmocka_unit_test(order_of_facts), cmocka_unit_test(with_facts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
