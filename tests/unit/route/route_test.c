#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "route/route.h"
#include "tests/unit/conf/conf_helper.h"

#define SITE \
	"myhostname = mx.site.example\n" \
	"mydestination = $myhostname, localhost, site.example\n" \
	"proxy_interfaces = 192.0.2.99 [2001:db8::99]\n" \
	"relay_domains = relay.example\n" \
	"virtual_alias_domains = alias.example\n" \
	"virtual_mailbox_domains = box.example\n"

/* "class transport nexthop recipient", or "failed dsn". */
static void
show(const struct route *r, struct buf *out)
{
	buf_reset(out);
	if (r->failed)
		buf_printf(out, "failed %s", r->dsn);
	else
		buf_printf(out, "%s|%.*s|%.*s|%.*s%s", route_class_name(r->class), SPAN_ARG(r->transport),
		    SPAN_ARG(r->nexthop), SPAN_ARG(r->recipient), r->routed ? "|routed" : "");
}

/* Compared with what Debian's trivial-rewrite (3.7) answers to the same questions. */
static const struct { const char *more, *address, *want; } route_cases[] = {
	{ "", "user@site.example", "local|local|mx.site.example|user@site.example" },
	{ "", "user@Site.Example.", "local|local|mx.site.example|user@Site.Example" },
	{ "", "user", "local|local|mx.site.example|user@mx.site.example" },
	{ "", "", "local|local|mx.site.example|MAILER-DAEMON@mx.site.example" },
	{ "", "user@[192.0.2.99]", "local|local|mx.site.example|user@[192.0.2.99]" },
	{ "", "user@[IPv6:2001:db8::99]", "local|local|mx.site.example|user@[IPv6:2001:db8::99]" },
	{ "", "user@[192.0.2.98]", "default|smtp|[192.0.2.98]|user@[192.0.2.98]" },
	{ "", "user@far.example", "default|smtp|far.example|user@far.example" },
	{ "", "user@relay.example", "relay|relay|relay.example|user@relay.example" },
	{ "", "user@sub.relay.example", "relay|relay|sub.relay.example|user@sub.relay.example" },
	{ "", "user@box.example", "virtual mailbox|virtual|box.example|user@box.example" },
	{ "", "user@sub.box.example", "default|smtp|sub.box.example|user@sub.box.example" },
	{ "", "user@alias.example", "virtual alias|error|5.1.1 User unknown in virtual alias table|user@alias.example" },
	{ "show_user_unknown_table_name = no\n", "user@alias.example", "virtual alias|error|5.1.1 User unknown|user@alias.example" },
	/* the sender's own routes */
	{ "", "user%far.example@site.example", "default|smtp|far.example|user@far.example" },
	{ "", "user@far.example@site.example", "default|smtp|far.example|user@far.example" },
	{ "", "far.example!user@site.example", "default|smtp|far.example|user@far.example" },
	{ "", "far.example!user", "default|smtp|far.example|user@far.example" },
	{ "", "user%far.example", "default|smtp|far.example|user@far.example" },
	{ "", "a%b.example%site.example@site.example", "default|smtp|b.example|a@b.example" },
	{ "", "user%site.example@site.example", "local|local|mx.site.example|user@site.example" },
	{ "", "user%far.example@relay.example", "relay|relay|relay.example|user%far.example@relay.example|routed" },
	{ "", "user@far.example@relay.example", "relay|relay|relay.example|user@far.example@relay.example|routed" },
	{ "", "a!user@relay.example", "relay|relay|relay.example|a!user@relay.example|routed" },
	{ "", "a!user@far.example", "default|smtp|far.example|a!user@far.example|routed" },
	{ "allow_percent_hack = no\n", "user%far.example@site.example", "local|local|mx.site.example|user%far.example@site.example|routed" },
	{ "swap_bangpath = no\n", "far.example!user@site.example", "local|local|mx.site.example|far.example!user@site.example|routed" },
	/* no such domain can be */
	{ "", "user@", "default|error|5.1.3 bad address syntax|user@" },
	{ "resolve_null_domain = yes\n", "user@", "local|local|mx.site.example|user@mx.site.example" },
	{ "", "@far.example", "default|smtp|far.example|@far.example" },
	{ "", "@site.example", "local|local|mx.site.example|MAILER-DAEMON@site.example" },
	{ "", "user@1.2.3.4", "default|error|5.1.3 bad address syntax|user@1.2.3.4" },
	{ "resolve_numeric_domain = yes\n", "user@1.2.3.4", "default|smtp|[1.2.3.4]|user@[1.2.3.4]" },
	{ "", "user@a..b", "default|error|5.1.3 bad address syntax|user@a..b" },
	{ "", "user@[nonsense]", "default|error|5.1.3 bad address syntax|user@[nonsense]" },
	{ "", "user@-far-", "default|error|5.1.3 bad address syntax|user@-far-" },
	{ "append_at_myorigin = no\nmyorigin = other.example\n", "user", "local|local|mx.site.example|user@mx.site.example" },
	{ "", "a!b!user", "default|smtp|a|b!user@a|routed" },
	{ "append_dot_mydomain = yes\n", "user@host", "default|smtp|host|user@host" },
	{ "default_transport = smtp\ntransport_maps = inline:{ far.example=nosuch:x }\n", "u@far.example", "default|nosuch|x|u@far.example" },
	/* what a program would take for an option */
	{ "", "-user@far.example", "default|error|5.1.3 bad address syntax|-user@far.example" },
	{ "", "-user@site.example", "default|error|5.1.3 bad address syntax|-user@site.example" },
	{ "", "-user", "default|error|5.1.3 bad address syntax|-user@mx.site.example" },
	{ "", "-user%far.example@site.example", "default|error|5.1.3 bad address syntax|-user@far.example" },
	{ "", "far.example!-user", "default|error|5.1.3 bad address syntax|-user@far.example" },
	{ "", "u-ser@far.example", "default|smtp|far.example|u-ser@far.example" },
	{ "allow_min_user = yes\n", "-user@far.example", "default|smtp|far.example|-user@far.example" },
	/* transports and next hops */
	{ "relayhost = [hub.example]:587\n", "user@far.example", "default|smtp|[hub.example]:587|user@far.example" },
	{ "relayhost = hub\n", "user@relay.example", "relay|relay|hub|user@relay.example" },
	{ "relayhost = hub\n", "user@box.example", "virtual mailbox|virtual|box.example|user@box.example" },
	{ "relayhost = hub\n", "user@site.example", "local|local|mx.site.example|user@site.example" },
	{ "relayhost = hub\nrelay_transport = smtp:in.example\n", "user@relay.example", "relay|smtp|in.example|user@relay.example" },
	{ "default_transport = error:no mail out of here\n", "user@far.example", "default|error|no mail out of here|user@far.example" },
	{ "default_transport = smtp:\n", "user@far.example", "default|smtp|far.example|user@far.example" },
	{ "local_transport = lmtp:unix:/run/lmtp\n", "user@site.example", "local|lmtp|unix:/run/lmtp|user@site.example" },
	{ "mailbox_transport =\nvirtual_transport = lmtp:[::1]:24\n", "user@box.example", "virtual mailbox|lmtp|[::1]:24|user@box.example" },
	{ "transport_maps = inline:{ far.example=relay:[a]:26 }\nrelayhost = hub\n", "u@far.example", "default|relay|[a]:26|u@far.example" },
	{ "transport_maps = inline:{ far.example=relay: }\nrelayhost = hub\n", "u@far.example", "default|relay|far.example|u@far.example" },
	{ "transport_maps = inline:{ far.example=:[b] }\n", "u@far.example", "default|smtp|[b]|u@far.example" },
	{ "transport_maps = inline:{ far.example=: *=error:x }\nrelayhost = hub\n", "u@far.example", "default|smtp|hub|u@far.example" },
	{ "transport_maps = inline:{ .far.example=relay:a }\n", "u@x.far.example", "default|relay|a|u@x.far.example" },
	{ "transport_maps = inline:{ .far.example=relay:a }\n", "u@far.example", "default|smtp|far.example|u@far.example" },
	{ "transport_maps = inline:{ far.example=relay:a }\n", "u@x.far.example", "default|smtp|x.far.example|u@x.far.example" },
	{ "transport_maps = inline:{ *=relay:a far.example=smtp:b }\n", "u@far.example", "default|smtp|b|u@far.example" },
	{ "transport_maps = inline:{ *=relay:a far.example=smtp:b }\n", "u@x.example", "default|relay|a|u@x.example" },
	{ "transport_maps = inline:{ u@far.example=relay:a }\n", "U@Far.example", "default|relay|a|U@Far.example" },
	{ "transport_maps = inline:{ u@far.example=relay:a }\nrecipient_delimiter = +\n", "u+x@far.example", "default|relay|a|u+x@far.example" },
	{ "transport_maps = inline:{ alias.example=relay:a }\n", "u@alias.example", "virtual alias|error|5.1.1 User unknown in virtual alias table|u@alias.example" },
	{ "transport_maps = inline:{ site.example=relay:a }\n", "u@site.example", "local|relay|a|u@site.example" },
	/* by the sender, who is ann+x@site.example */
	{ "sender_dependent_relayhost_maps = inline:{ ann@site.example=[s]:587 }\nrecipient_delimiter = +\n", "u@far.example", "default|smtp|[s]:587|u@far.example" },
	{ "sender_dependent_relayhost_maps = inline:{ ann=[s]:587 }\nrecipient_delimiter = +\n", "u@relay.example", "relay|relay|[s]:587|u@relay.example" },
	{ "sender_dependent_relayhost_maps = inline:{ @site.example=DUNNO }\nrelayhost = hub\n", "u@far.example", "default|smtp|hub|u@far.example" },
	{ "sender_dependent_relayhost_maps = fail:x\n", "u@far.example", "failed 4.3.0" },
	{ "sender_dependent_default_transport_maps = inline:{ @site.example=relay:t }\n", "u@far.example", "default|relay|t|u@far.example" },
	{ "sender_dependent_default_transport_maps = inline:{ @site.example=relay: }\nrelayhost = hub\n", "u@far.example", "default|relay|hub|u@far.example" },
	{ "sender_dependent_default_transport_maps = inline:{ @site.example=relay:t }\n", "u@relay.example", "relay|relay|relay.example|u@relay.example" },
	{ "sender_dependent_default_transport_maps = fail:x\n", "u@far.example", "failed 4.3.0" },
	/* who has moved */
	{ "relocated_maps = inline:{ u@far.example=v@x }\n", "u@far.example", "default|error|5.1.6 User has moved to v@x|u@far.example" },
	{ "relocated_maps = inline:{ {u = 5.1.7 away} }\nrelocated_prefix_enable = no\n", "u@site.example", "local|error|5.1.7 away|u@site.example" },
	{ "relocated_maps = fail:x\n", "u@far.example", "failed 4.3.0" },
	{ "resolve_dequoted_address = no\n", "a@b.example@site.example", "local|local|mx.site.example|a@b.example@site.example|routed" },
	{ "append_dot_mydomain = yes\nmydomain = d.example\n", "a%b@site.example", "default|smtp|b.d.example|a@b.d.example" },
	{ "transport_maps = fail:x\n", "u@far.example", "failed 4.3.0" },
	{ "relay_domains = fail:x\n", "u@far.example", "failed 4.3.0" },
};

static void
routes(void **state)
{
	struct buf text = BUF_INIT(0), got = BUF_INIT(0);
	struct route r = { .text = BUF_INIT(0) };

	(void)state;
	for (size_t i = 0; i < sizeof route_cases / sizeof *route_cases; i++) {
		struct err err = { ERR_NONE, "" };
		buf_reset(&text);
		/* What comes later overrides with a warning, which is fine here. */
		buf_printf(&text, "%s%s", SITE, route_cases[i].more);
		struct conf *c = test_conf_good(text.ptr, NULL);
		struct router *router = router_new(c, &err);
		if (router == NULL)
			fail_msg("%s: %s", route_cases[i].more, err.text);
		conf_unref(c);		/* the router keeps its own */
		assert_int_equal(route_resolve(router, NULL, span_str(route_cases[i].address),
		    SPAN("ann+x@site.example"), &r, NULL), ROUTE_DONE);
		show(&r, &got);
		if (strcmp(got.ptr, route_cases[i].want) != 0)
			fail_msg("%s%s: \"%s\", not \"%s\"", route_cases[i].more, route_cases[i].address, got.ptr, route_cases[i].want);
		router_free(router);
	}
	route_clear(&r);
	buf_clear(&text);
	buf_clear(&got);
}

static void
rewriting(void **state)
{
	static const struct { const char *more, *address; bool local; const char *want; } cases[] = {
		{ "", "", true, "" },
		{ "", "user", true, "user@mx.site.example" },
		{ "", "user@host", true, "user@host" },
		{ "append_dot_mydomain = yes\n", "user@host", true, "user@host.site.example" },
		{ "append_dot_mydomain = yes\n", "user@[1.2.3.4]", true, "user@[1.2.3.4]" },
		{ "append_dot_mydomain = yes\nmyorigin = other\n", "user", true, "user@other.site.example" },
		{ "", "user@host.example.", true, "user@host.example" },
		{ "", "user%host.example", true, "user@host.example" },
		{ "", "host.example!user", true, "user@host.example" },
		{ "", "a!b!user", true, "b!user@a" },
		{ "", "a!user@b.example", true, "a!user@b.example" },
		{ "", "user", false, "user" },
		{ "remote_header_rewrite_domain = domain.invalid\n", "user", false, "user@domain.invalid" },
		{ "append_at_myorigin = no\n", "user", true, "user" },
	};
	struct buf text = BUF_INIT(0), got = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err;
		buf_reset(&text);
		buf_printf(&text, "%s%s", SITE, cases[i].more);
		struct conf *c = test_conf_good(text.ptr, NULL);
		struct router *router = router_new(c, &err);
		assert_non_null(router);
		buf_reset(&got);
		buf_str(&got, "");
		route_rewrite(router, span_str(cases[i].address), cases[i].local, &got);
		if (strcmp(got.ptr, cases[i].want) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].address, got.ptr, cases[i].want);
		router_free(router);
		conf_unref(c);
	}
	buf_clear(&text);
	buf_clear(&got);
}

static void
wrong(void **state)
{
	static const struct { const char *main_cf, *says; } cases[] = {
		{ "relay_domains = nis:x\n", "relay_domains: table type \"nis\"" },
		{ "transport_maps = nonsense\n", "transport_maps: \"nonsense\" is no table" },
		{ "virtual_alias_maps = nisplus:x\n", "virtual_alias_domains: table type \"nisplus\"" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		struct conf *c = test_conf_good(cases[i].main_cf, NULL);
		assert_null(router_new(c, &err));
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].main_cf, err.text);
		conf_unref(c);
	}
}

/* Remote tables are asked one after the other, and the trace is the same however their answers come. */
static void
pending(void **state)
{
	struct err err;
	struct route r = { .text = BUF_INIT(0) };
	struct buf first = BUF_INIT(0), trace = BUF_INIT(0);
	struct facts *f = facts_new();

	(void)state;
	struct conf *c = test_conf_good("mydestination = unix:passwd.byname\nrelay_domains = unix:group.byname\n"
	    "virtual_alias_domains =\nvirtual_mailbox_domains =\nmyhostname = m.example\nlocal_recipient_maps =\n", NULL);
	struct router *router = router_new(c, &err);
	assert_non_null(router);
	for (int round = 0; round < 20; round++) {
		struct fact_want w;
		int calls = 0;
		facts_reset(f, 0);
		if (round % 2 != 0)
			facts_hint(f, SPAN("unix:group.byname"), SPAN("far.example"));
		do {
			while (facts_wanted(f, &w))
				facts_answer(f, w.id, span_eqs(w.source, "unix:group.byname") ? FACT_KNOWN : FACT_ABSENT, SPAN("x"));
			buf_reset(&trace);
			assert_true(calls++ < 10);
		} while (route_resolve(router, f, SPAN("u@far.example"), SPAN_NONE, &r, &trace) == ROUTE_PENDING);
		assert_int_equal(r.class, ROUTE_RELAY);
		if (round == 0)
			buf_span(&first, buf_view(&trace));
		assert_string_equal(trace.ptr, first.ptr);
	}
	route_clear(&r);
	router_free(router);
	conf_unref(c);
	facts_free(f);
	buf_clear(&first);
	buf_clear(&trace);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes), cmocka_unit_test(rewriting), cmocka_unit_test(wrong), cmocka_unit_test(pending),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
