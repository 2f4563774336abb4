/* Every rule by its own examples: the bad one breaks that rule and no other, the mended one breaks none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/params.h"
#include "table/table.h"
#include "world.h"

/*
 * P227 depends on what this version does with a parameter, T102 on its table types; either may stand beside a rule whose parameter is not
 * supported yet.
 */
static bool
beside(enum lint_code rule, enum lint_code found)
{
	return rule != found && (found == LINT_P227 || (found == LINT_T102 && (rule == LINT_T103 || rule == LINT_F113)));
}

static void
show(const struct lint_report *r, const char *what, enum lint_code code)
{
	struct buf out = BUF_INIT(0);

	lint_print(r, LINT_GCC, false, &out);
	print_error("%s, %s:\n%s\n", lint_rule(code)->code, what, out.len > 0 ? out.ptr : "(nothing)");
	buf_clear(&out);
}

static int
check_bad(enum lint_code code)
{
	struct world w;
	struct lint_report r;
	size_t own = 0, others = 0;

	world_init(&w, lint_rule(code)->bad);
	world_lint(&w, &r);
	for (size_t i = 0; i < r.count; i++) {
		own += r.items[i].code == code;
		others += r.items[i].code != code && !beside(code, r.items[i].code);
	}
	bool bad = own == 0 || others > 0;
	if (bad)
		show(&r, "bad example", code);
	lint_report_clear(&r);
	world_clear(&w);
	return bad;
}

static int
check_good(enum lint_code code)
{
	struct world w;
	struct lint_report r;
	size_t any = 0;

	world_init(&w, lint_rule(code)->good);
	world_lint(&w, &r);
	for (size_t i = 0; i < r.count; i++)
		any += r.items[i].code == code || !beside(code, r.items[i].code);
	if (any > 0)
		show(&r, "mended example", code);
	lint_report_clear(&r);
	world_clear(&w);
	return any > 0;
}

static void
test_examples(void **state)
{
	int failed = 0;

	(void)state;
	for (int i = 0; i < LINT_CODES; i++)
		failed += check_bad((enum lint_code)i) + check_good((enum lint_code)i);
	assert_int_equal(failed, 0);
}

static void
test_rows_are_whole(void **state)
{
	(void)state;
	for (int i = 0; i < LINT_CODES; i++) {
		const struct lint_rule *r = lint_rule((enum lint_code)i);
		enum lint_code found;
		assert_int_equal(strlen(r->code), 4);
		assert_true(strlen(r->summary) > 5 && strlen(r->why) > 10 && strlen(r->help) > 5);
		assert_non_null(r->check);
		assert_string_not_equal(r->bad, r->good);
		assert_true(lint_rule_find(span_str(r->code), &found));
		assert_int_equal(found, i);	/* no code twice */
	}
}

/* docs/lint.md is what --manual prints. */
static void
test_manual(void **state)
{
	struct buf made = BUF_INIT(0), there = BUF_INIT(0);
	FILE *f = fopen("docs/lint.md", "r");
	char chunk[4096];
	size_t n;

	(void)state;
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_put(&there, chunk, n);
	fclose(f);
	lint_manual(&made);
	assert_string_equal(there.ptr, made.ptr);
	buf_clear(&made);
	buf_clear(&there);
}

/* -- places ------------------------------------------------------------------------------ */

static const struct {
	const char	*name, *example, *code;
	unsigned	 line, column, width;
} places[] = {
	{ "behind a value", "relayhost = [r.example.net] # x\n", "P106", 1, 29, 3 },
	{ "in a continued value", "mydestination = a.example,\n# a comment\n\n   b.example; $myhostname\n", "P116", 4, 13, 1 },
	{ "the second of a list", "inet_interfaces = 127.0.0.1,\n\t192.0.2.99\n", "P219", 2, 2, 10 },
	{ "the name", "relayhst = [r.example.net]\n", "P110", 1, 1, 8 },
	{ "a column of master.cf", "--- master.cf\nrelay unix - - no - - smtp\n", "M103", 1, 16, 2 },
	{ "an argument on the next line", "--- master.cf\nsmtp inet n - n - - smtpd\n  -o smtpd_delay_rejct=no\n", "M110", 2, 6, 17 },
	{ "a value in braces", "--- master.cf\nsmtp inet n - n - - smtpd\n  -o { smtpd_delay_reject = maybe }\n", "P201", 2, 29, 5 },
};

static void
test_places(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct world w;
		struct lint_report r;
		bool found = false;
		world_init(&w, places[i].example);
		world_lint(&w, &r);
		for (size_t k = 0; k < r.count; k++) {
			const struct lint_finding *f = &r.items[k];
			if (strcmp(lint_rule(f->code)->code, places[i].code) != 0)
				continue;
			found = true;
			if (f->line != places[i].line || f->column != places[i].column || f->width != places[i].width)
				fail_msg("%s: %u:%u+%u", places[i].name, f->line, f->column, f->width);
		}
		if (!found)
			fail_msg("%s: no finding", places[i].name);
		lint_report_clear(&r);
		world_clear(&w);
	}
}

/* -- disabling ------------------------------------------------------------------------------- */

static const struct {
	const char	*name, *example;
	size_t		 findings, disabled;
} comments[] = {
	{ "above the line", "# lint: disable=P106 it is meant\nrelayhost = [r.example.net] # x\n", 0, 1 },
	{ "above the logical line", "# lint: disable=P116 so be it\nmydestination = $myhostname,\n  a.example; b.example\n", 0, 1 },
	{ "in any case, with spaces", "#  lint:  disable=p106,P107\nrelayhost = [r.example.net] # x\n", 0, 1 },
	{ "another code", "# lint: disable=P107 no\nrelayhost = [r.example.net] # x\n", 1, 0 },
	{ "not directly above", "biff = no\n# lint: disable=P106\n\nrelayhost = [r.example.net] # x\n", 1, 0 },
	{ "the head of the file", "# lint: disable=P106 everywhere\n\nbiff = no\nrelayhost = [r.example.net] # x\n", 0, 1 },
};

static void
test_disabled(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof comments / sizeof *comments; i++) {
		struct world w;
		struct lint_report r;
		world_init(&w, comments[i].example);
		world_lint(&w, &r);
		if (r.count != comments[i].findings || r.disabled != comments[i].disabled)
			fail_msg("%s: %zu findings, %zu disabled", comments[i].name, r.count, r.disabled);
		lint_report_clear(&r);
		world_clear(&w);
	}
}

/* -- witnesses: what they say comes from the daemon's own decisions ------------------------------- */

static const struct {
	const char	*code, *example, *words;
} witnesses[] = {
	{ "R101", "mynetworks = 0.0.0.0/0\n", "client 192.0.2.1 may send to <user@example.net>: 250 by permit_mynetworks" },
	{ "R103", "mynetworks = 172.16.0.0/12\n--- host\ncontainer\n", "client 172.17.0.1 may send to <user@example.net>: 250 by permit_mynetworks" },
	{ "R107", "relay_domains = net\n", "client 192.0.2.1 may send to <user@example.net>: 250" },
	{ "R114", "--- master.cf\n2525 inet n - n - - smtpd -o smtpd_relay_restrictions=permit\n",
	    "client 192.0.2.1 may send to <user@example.net>: 250 by permit" },
	{ "R111", NULL, "client 192.0.2.1 may send to <user@example.net>: 250 by permit" },
	{ "R112", NULL, "client 192.0.2.1 may send to <user@example.net>: 250" },
};

static void
test_witnesses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof witnesses / sizeof *witnesses; i++) {
		struct world w;
		struct lint_report r;
		enum lint_code code = LINT_CODES;
		bool found = false;
		assert_true(lint_rule_find(span_str(witnesses[i].code), &code));
		world_init(&w, witnesses[i].example != NULL ? witnesses[i].example : lint_rule(code)->bad);
		world_lint(&w, &r);
		for (size_t k = 0; k < r.count; k++)
			found = found || (r.items[k].code == code && strstr(r.items[k].message, witnesses[i].words) != NULL);
		if (!found)
			show(&r, "no witness", code);
		assert_true(found);
		lint_report_clear(&r);
		world_clear(&w);
	}
}

/* -- names: the linter and the daemon's own warnings agree ------------------------------------------ */

static const char *const names[] = {
	"relayhost", "relayhst", "frobnicate", "relay_destination_concurrency_limit", "nosuch_destination_concurrency_limit",
	"my_macro", "my_class", "people_server_host", "smtpd_banner", "Relayhost", "smtp_banner", "policy_time_limit",
};

static void
test_names_agree(void **state)
{
	static const char rest[] = "smtpd_restriction_classes = my_class\nsmtp_helo_name = ${my_macro}.example.com\n"
	    "virtual_alias_maps = ldap:people\n";
	static const char master[] = "relay unix - - n - - smtp\n";

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct conf_problems problems = { NULL, 0, 0 };
		struct buf text = BUF_INIT(0);
		struct world w;
		struct lint_report r;
		bool conf_says = false, lint_says = false;
		buf_printf(&text, "%s%s = x\n", rest, names[i]);
		conf_unref(conf_parse(WORLD_DIR, buf_view(&text), SPAN("relay unix - - n - - smtp\n"), &problems));
		for (size_t k = 0; k < problems.count; k++)
			conf_says = conf_says || strstr(problems.items[k].text, "no known parameter") != NULL;
		world_texts(&w, buf_view(&text), span_str(master));
		world_lint(&w, &r);
		for (size_t k = 0; k < r.count; k++)
			lint_says = lint_says || r.items[k].code == LINT_P110 || r.items[k].code == LINT_P111;
		if (conf_says != lint_says)
			fail_msg("%s: the daemon %s, the linter %s", names[i], conf_says ? "warns" : "is content",
			    lint_says ? "warns" : "is content");
		conf_problems_clear(&problems);
		lint_report_clear(&r);
		world_clear(&w);
		buf_clear(&text);
	}
}

/* -- whole files -------------------------------------------------------------------------------- */

static bool
slurp(const char *path, struct buf *out)
{
	return lint_host_real()->read(NULL, path, out, NULL);
}

/* What Debian ships has nothing above info. */
static void
test_debian(void **state)
{
	static const char *const mains[] = { "/usr/share/postfix/main.cf.debian", "/usr/share/postfix/main.cf.dist" };
	static const char *const masters[] = { "/usr/share/postfix/master.cf.dist", "/etc/postfix/master.cf" };
	int tried = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct buf main_cf = BUF_INIT(0), master_cf = BUF_INIT(0);
		struct world w;
		struct lint_report r;
		if (slurp(mains[i / 2], &main_cf) && slurp(masters[i % 2], &master_cf)) {
			tried++;
			world_texts(&w, buf_view(&main_cf), buf_view(&master_cf));
			world_lint(&w, &r);
			if (r.of_level[LINT_ERROR] + r.of_level[LINT_WARNING] > 0) {
				show(&r, mains[i / 2], LINT_P101);
				fail();
			}
			lint_report_clear(&r);
			world_clear(&w);
		}
		buf_clear(&main_cf);
		buf_clear(&master_cf);
	}
	if (tried == 0)
		skip();
}

static void
test_formats(void **state)
{
	struct world w;
	struct lint_report r;
	struct buf out = BUF_INIT(0);

	(void)state;
	world_init(&w, "relayhost = [r\x1b[31m.example.net] # x\n");
	world_lint(&w, &r);
	lint_print(&r, LINT_GCC, false, &out);
	assert_non_null(strstr(out.ptr, WORLD_DIR "/main.cf:1:"));
	assert_non_null(strstr(out.ptr, ": error: "));
	assert_non_null(strstr(out.ptr, " [P106]\n"));
	buf_reset(&out);
	lint_print(&r, LINT_TTY, true, &out);
	assert_non_null(strstr(out.ptr, "[r\\x1b[31m.example.net]"));
	assert_non_null(strstr(out.ptr, "^~~"));
	buf_reset(&out);
	lint_print(&r, LINT_JSON, false, &out);
	assert_non_null(strstr(out.ptr, "\"code\":\"P106\""));
	assert_null(strchr(out.ptr, '\x1b'));
	buf_reset(&out);
	lint_print(&r, LINT_QUIET, false, &out);
	assert_int_equal(out.len, 0);
	buf_clear(&out);
	lint_report_clear(&r);
	world_clear(&w);
}

/* A file with every kind of damage still gets its other findings. */
static void
test_many_errors(void **state)
{
	static const char *const expected[] = { "P101", "P201", "P202", "P113", "P110", "M101", "M103", "R101" };
	struct world w;
	struct lint_report r;

	(void)state;
	world_init(&w, "no sign here\nsmtpd_delay_reject = perhaps\nmessage_size_limit = 1G\nx_a = $x_b\nx_b = $x_a\n"
	    "relayhst = [r.example.net]\nmynetworks = 0.0.0.0/0\n--- master.cf\nbroken line\nrelay unix - - q - - smtp\n");
	world_lint(&w, &r);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		bool found = false;
		for (size_t k = 0; k < r.count; k++)
			found = found || strcmp(lint_rule(r.items[k].code)->code, expected[i]) == 0;
		if (!found)
			fail_msg("no %s", expected[i]);
	}
	lint_report_clear(&r);
	world_clear(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_whole), cmocka_unit_test(test_examples), cmocka_unit_test(test_places),
		cmocka_unit_test(test_disabled), cmocka_unit_test(test_names_agree), cmocka_unit_test(test_witnesses), cmocka_unit_test(test_debian),
		cmocka_unit_test(test_formats), cmocka_unit_test(test_many_errors), cmocka_unit_test(test_manual),
	};
	return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
