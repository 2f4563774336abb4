#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/match_list.h"
#include "tests/unit/conf/conf_helper.h"

static void
names(void **state)
{
	static const struct { const char *patterns; enum match_kind kind; bool parents; const char *name; bool want; } cases[] = {
		{ "a.example, b.example", MATCH_STRING, false, "B.Example", true },
		{ "a.example b.example", MATCH_STRING, false, "x.b.example", false },
		{ "a.example", MATCH_DOMAIN, true, "a.example", true },
		{ "a.example", MATCH_DOMAIN, true, "x.y.A.example", true },
		{ "a.example", MATCH_DOMAIN, true, "xa.example", false },
		{ "a.example", MATCH_DOMAIN, false, "x.a.example", false },
		{ ".a.example", MATCH_DOMAIN, false, "x.y.a.example", true },
		{ ".a.example", MATCH_DOMAIN, false, "a.example", false },
		{ "!x.a.example .a.example", MATCH_DOMAIN, false, "x.a.example", false },
		{ "!x.a.example .a.example", MATCH_DOMAIN, false, "y.a.example", true },
		{ ".a.example !x.a.example", MATCH_DOMAIN, false, "x.a.example", true },
		{ "inline:{ a.example=1 }", MATCH_DOMAIN, true, "x.a.example", true },
		{ "inline:{ a.example=1 }", MATCH_STRING, true, "x.a.example", false },
		{ "inline:{ .a.example=1 }", MATCH_DOMAIN, false, "x.a.example", true },
		{ "!inline:{ b.example=1 } static:all", MATCH_STRING, false, "b.example", false },
		{ "!inline:{ b.example=1 } static:all", MATCH_STRING, false, "c.example", true },
		{ "%/extra", MATCH_STRING, false, "file.example", true },
		{ "%/extra", MATCH_STRING, false, "comment.example", false },
		{ "%/extra", MATCH_STRING, false, "not.example", false },
		{ "!%/extra static:all", MATCH_STRING, false, "file.example", false },
		{ "[192.0.2.1]", MATCH_STRING, false, "[192.0.2.1]", true },
		{ "", MATCH_STRING, false, "", false },
		{ "", MATCH_DOMAIN, true, ".", false },
		{ "example", MATCH_DOMAIN, true, "..example", true },
	};
	struct buf text = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		buf_reset(&text);
		buf_printf(&text, "relay_domains = %s\nparent_domain_matches_subdomains = %s\n", cases[i].patterns,
		    cases[i].parents ? "x, relay_domains" : "x");
		struct conf *c = test_conf_good(text.ptr, "#comment.example\n !not.example\nfile.example, a b\n");
		struct match_list *l = match_list_new(c, "relay_domains", conf_str(conf_main(c), P_relay_domains),
		    cases[i].kind, &err);
		if (l == NULL)
			fail_msg("%s: %s", cases[i].patterns, err.text);
		enum match_result r = match_list_name(l, NULL, span_str(cases[i].name), &err);
		if (r != (cases[i].want ? MATCH_YES : MATCH_NO))
			fail_msg("%s: %s: %d", cases[i].patterns, cases[i].name, r);
		match_list_free(l);
		conf_unref(c);
	}
	buf_clear(&text);
}

static void
clients(void **state)
{
	static const struct { const char *patterns, *name, *address; bool want; } cases[] = {
		{ "127.0.0.0/8 [::1]/128", "unknown", "127.0.0.1", true },
		{ "127.0.0.0/8 [::1]/128", "unknown", "::1", true },
		{ "127.0.0.0/8 [::1]/128", "unknown", "::2", false },
		{ "127.0.0.0/8 [::1]/128", "unknown", "128.0.0.1", false },
		{ "127.0.0.0/8", "unknown", "::ffff:127.0.0.1", true },
		{ "[::ffff:127.0.0.0]/104", "unknown", "127.9.9.9", true },
		{ "[::ffff:127.0.0.0]/104", "unknown", "128.0.0.1", false },
		{ "[::ffff:192.0.2.1]", "unknown", "192.0.2.1", true },
		{ "0.0.0.0/0", "unknown", "::1", false },
		{ "[::]/0", "unknown", "::1", true },
		{ "[::]/0", "unknown", "1.2.3.4", false },
		{ "192.0.2.1", "unknown", "192.0.2.1", true },
		{ "192.0.2.1", "unknown", "192.0.2.2", false },
		{ "[2001:db8::]/33", "unknown", "2001:db8:7fff::1", true },
		{ "[2001:db8::]/33", "unknown", "2001:db8:8000::1", false },
		{ "!10.0.0.1 10.0.0.0/8", "unknown", "10.0.0.1", false },
		{ "!10.0.0.1 10.0.0.0/8", "unknown", "10.0.0.2", true },
		{ "10.0.0.0/8 !10.0.0.1", "unknown", "10.0.0.1", true },
		{ "host.example", "Host.Example", "192.0.2.9", true },
		{ "example", "host.example", "192.0.2.9", true },	/* mynetworks is in parent_domain_matches_subdomains */
		{ "inline:{ 192.0.2.9=x }", "host.example", "192.0.2.9", true },
		{ "inline:{ 192.0.2.9=x }", "host.example", "192.0.2.8", false },
		{ "%/extra", "unknown", "10.9.8.7", true },
		{ "%/extra", "unknown", "192.168.1.1", true },
		{ "%/extra", "unknown", "192.168.1.2", false },
		{ "127.0.0.0/8", "unknown", "garbage", false },
		{ "127.0.0.0/8", "unknown", "", false },
	};
	struct buf text = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		buf_reset(&text);
		buf_printf(&text, "mynetworks = %s\n", cases[i].patterns);
		struct conf *c = test_conf_good(text.ptr, "# net\n10.0.0.0/8\n192.168.1.1\n");
		struct match_list *l = match_list_new(c, "mynetworks", conf_str(conf_main(c), P_mynetworks), MATCH_CLIENT, &err);
		if (l == NULL)
			fail_msg("%s: %s", cases[i].patterns, err.text);
		enum match_result r = match_list_client(l, NULL, span_str(cases[i].name), span_str(cases[i].address), &err);
		if (r != (cases[i].want ? MATCH_YES : MATCH_NO))
			fail_msg("%s: %s[%s]: %d", cases[i].patterns, cases[i].name, cases[i].address, r);
		match_list_free(l);
		conf_unref(c);
	}
	buf_clear(&text);
}

static void
wrong(void **state)
{
	static const struct { const char *patterns; enum match_kind kind; const char *says; } cases[] = {
		{ "10.0.0.1/8", MATCH_CLIENT, "write 10.0.0.0/8" },
		{ "10.0.0.0/40", MATCH_CLIENT, "from 0 to 32" },
		{ "[::ffff:127.0.0.1]/104", MATCH_CLIENT, "write 127.0.0.0/8" },
		{ "10.0.0.0/", MATCH_CLIENT, "from 0 to 32" },
		{ "10.0.0", MATCH_CLIENT, "is no network" },
		{ "[::1/128", MATCH_CLIENT, "is no network" },
		{ "[::1]x", MATCH_CLIENT, "from 0 to 128" },
		{ "::1", MATCH_CLIENT, "is no table" },
		{ "!", MATCH_STRING, "a \"!\" without a pattern" },
		{ "sdbm:/x", MATCH_STRING, "not supported in this version" },
		{ "/not/read", MATCH_STRING, "was not read" },
	};

	(void)state;
	struct conf *c = test_conf_good("", NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		if (match_list_new(c, "mynetworks", cases[i].patterns, cases[i].kind, &err) != NULL)
			fail_msg("%s: no error", cases[i].patterns);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].patterns, err.text);
	}
	conf_unref(c);
}

/* A file that names itself ends with an error. */
static void
circle(void **state)
{
	struct err err = { ERR_NONE, "" };

	(void)state;
	char dir[] = "/tmp/mtad-conf-XXXXXX", path[64], text[128];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/list", dir);
	test_write(dir, "list", path);
	snprintf(text, sizeof text, "relay_domains = %s\n", path);
	test_write(dir, "main.cf", text);
	struct conf_problems p = { NULL, 0, 0 };
	struct conf *c = conf_load(dir, NULL, 0, &p);
	assert_non_null(c);
	assert_null(match_list_new(c, "relay_domains", path, MATCH_DOMAIN, &err));
	assert_non_null(strstr(err.text, "deep"));
	conf_unref(c);
	unlink(path);
	snprintf(path, sizeof path, "%s/main.cf", dir);
	unlink(path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), cmocka_unit_test(clients), cmocka_unit_test(wrong), cmocka_unit_test(circle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
