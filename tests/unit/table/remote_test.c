#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/build_text.h"
#include "table/ldap_quote.h"
#include "table/remote.h"
#include "table/remote_check.h"
#include "table/remote_replies.h"

static void
double_quotes(void *arg, struct span s, struct buf *out)
{
	(void)arg;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\'')
			buf_char(out, '\'');
		buf_char(out, s.ptr[i]);
	}
}

static void
expansion(void **state)
{
	static const struct { const char *format, *value, *key, *want; } cases[] = {
		{ "%s", "v", "k", "v" }, { "%S", "v", "k", "k" }, { "%u|%d|%U|%D", "a@b", "c@d", "a|b|c|d" },
		{ "%u", "plain", "k", "plain" }, { "%d", "plain", "k", NULL }, { "%D", "a@b", "k", NULL }, { "%U", "a@b", "k", "k" },
		{ "%u", "@b", "k", NULL }, { "%1.%2.%3", "v", "u@x.y.z", "z.y.x" }, { "%4", "v", "u@x.y.z", NULL }, { "%1", "v", "u", NULL },
		{ "%%s%", "v", "k", "%s" }, { "%s", "it's", "k", "it''s" }, { "%d", "a@b@c", "k", "c" }, { "%u", "a@b@c", "k", "a@b" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&b);
		bool ok = remote_expand(cases[i].format, span_str(cases[i].value), span_str(cases[i].key), double_quotes, NULL, &b);
		if (ok != (cases[i].want != NULL) || (ok && !span_eqs(buf_view(&b), cases[i].want)))
			fail_msg("%s %s %s: \"%.*s\"", cases[i].format, cases[i].value, cases[i].key, SPAN_ARG(buf_view(&b)));
	}
	buf_clear(&b);
}

/* FOUND: the value; ABSENT: "-"; FAILED: "!". */
static void
check(enum table_result r, struct buf *b, const char *reply, const char *want)
{
	if (r != TABLE_FOUND) {
		assert_int_equal(b->len, 0);
		buf_str(b, r == TABLE_ABSENT ? "-" : "!");
	}
	if (!span_eqs(buf_view(b), want))
		fail_msg("\"%s\": \"%.*s\", not \"%s\"", reply, SPAN_ARG(buf_view(b)), want);
	buf_reset(b);
}

static void
replies(void **state)
{
	static const struct { const char *reply, *tcp, *socketmap; } cases[] = {
		{ "200 a%20b%0A", "a b\n", "!" }, { "200 x\r", "x", "!" }, { "500 no", "-", "!" }, { "500", "-", "!" }, { "400 x", "!", "!" },
		{ "300 x", "!", "!" }, { "200 %2", "!", "!" }, { "200 %", "!", "!" }, { "200 %zz", "!", "!" }, { "200x", "!", "!" }, { "", "!", "!" },
		{ "2", "!", "!" }, { "OK value", "!", "value" }, { "OK ", "!", "!" }, { "OK", "!", "!" }, { "NOTFOUND ", "!", "-" }, { "NOTFOUND", "!", "-" },
		{ "TEMP why", "!", "!" }, { "TIMEOUT why", "!", "!" }, { "PERM why", "!", "!" }, { "okay x", "!", "!" },
	};
	static const struct { const char *line; enum table_result want; size_t len; } lines[] = {
		{ "END", TABLE_ABSENT, 0 }, { "VALUE k 0 12", TABLE_FOUND, 12 }, { "VALUE k 0 101", TABLE_FAILED, 0 }, { "VALUE k 0", TABLE_FAILED, 0 },
		{ "VALUE k 0 -1", TABLE_FAILED, 0 }, { "ERROR", TABLE_FAILED, 0 }, { "", TABLE_FAILED, 0 },
	};
	struct buf b = BUF_INIT(0);
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		check(remote_tcp_reply(span_str(cases[i].reply), &b, NULL), &b, cases[i].reply, cases[i].tcp);
		check(remote_socketmap_reply(span_str(cases[i].reply), &b, NULL), &b, cases[i].reply, cases[i].socketmap);
	}
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		len = 0;
		assert_int_equal(remote_memcache_value(span_str(lines[i].line), 100, &len, NULL), lines[i].want);
		assert_int_equal(len, lines[i].len);
	}
	assert_true(remote_netstring_length(SPAN("10"), 10, &len, NULL) && len == 10);
	assert_false(remote_netstring_length(SPAN("11"), 10, &len, NULL));
	assert_false(remote_netstring_length(SPAN("x"), 10, &len, NULL));
	buf_clear(&b);
}

static void
quoting(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	ldap_quote_filter(NULL, SPAN("a*(b)\\c\n"), &b);
	assert_string_equal(b.ptr, "a\\2a\\28b\\29\\5cc\\0a");
	buf_reset(&b);
	ldap_quote_dn(NULL, SPAN(" a,b=c# "), &b);
	assert_string_equal(b.ptr, "\\20a\\2cb\\3dc#\\20");
	buf_reset(&b);
	remote_percent_encode(&b, SPAN("a b%\xc3"));
	assert_string_equal(b.ptr, "a%20b%25%C3");
	buf_clear(&b);
}

static void
aliases(void **state)
{
	static const struct { const char *line, *name, *value; } cases[] = {
		{ "a: b ,c,,d", "a", "b, c, d" }, { "\"a b\": \"|x, y\", z", "a b", "\"|x, y\", z" }, { "a:b", "a", "b" }, { "a : b", "a", "b" },
		{ "a:", NULL, NULL }, { ": b", NULL, NULL }, { "a b", NULL, NULL }, { "a@b: c", NULL, NULL }, { "\"a@b\": c", "a@b", "c" },
		{ "a: \"b", "a", "\"b" }, { "a: \\b", "a", "b" }, { "\"a", NULL, NULL }, { "a:\\", "a", "\\" }, { "a: (x,y) b", "a", "(x,y) b" },
	};
	struct buf name = BUF_INIT(0), value = BUF_INIT(0);
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool ok = build_alias_line(span_str(cases[i].line), &name, &value, &why);
		if (ok != (cases[i].name != NULL) || (ok && (!span_eqs(buf_view(&name), cases[i].name) || !span_eqs(buf_view(&value), cases[i].value))))
			fail_msg("%s: \"%.*s\" \"%.*s\"", cases[i].line, SPAN_ARG(buf_view(&name)), SPAN_ARG(buf_view(&value)));
	}
	buf_clear(&name);
	buf_clear(&value);
}

static void
put_finding(void *arg, bool error, unsigned line, const char *text)
{
	buf_printf(arg, "%c%u %.*s|", error ? 'E' : 'W', line, (int)strcspn(text, ":"), text);
}

/* What is said of the file of a server's table: E (it fails) or W, the line, and the words before the first colon. */
static void
server_files(void **state)
{
	static const struct { const char *type, *text, *want; } cases[] = {
		{ "mysql", "hosts = h\ndbname = d\nquery = select x where y = '%s'\n", "" },
		{ "mysql", "# c\nhosts = h, inet:[::1]:3306 unix:/s\ndbname = d\n\nselect_field = a\ntable = b\n  c\nwhere_field = k\n", "" },
		{ "mysql", "", "E0 there is no dbname|E0 there is no query|" },
		{ "mysql", "dbname = d\nquery = x\n", "W2 query does not name the key (%s, %u, %d ...)|" },
		{ "mysql", "dbname = d\nquery = %s\nhost = h\n", "W3 host is no parameter of mysql tables; did you mean hosts?|" },
		{ "mysql", "dbname = d\nquery = %s\nscope = sub\n", "W3 scope is no parameter of mysql tables, only of others|" },
		{ "mysql", "dbname = d\nquery = %s\nhosts = h:0\n", "E3 hosts = h|" },
		{ "mysql", "dbname = d\nquery = %s\nhosts =\n", "E3 hosts = |" },
		{ "mysql", "dbname = d\nquery = %s\nexpansion_limit = -1\nexpansion_limit = 9x\n", "E4 expansion_limit = 9x|" },
		{ "mysql", "dbname = d\nquery = %s\ntls_verify_cert = maybe\n", "E3 tls_verify_cert = maybe|" },
		{ "mysql", "dbname = d\nquery = %s\nresult_format = %q\n", "E3 result_format = %q|" },
		{ "mysql", "dbname\n", "E1 expected name = value|" },
		{ "mysql", "a = b\n= x\n", "E2 expected name = value|" },
		{ "pgsql", "dbname = d\nselect_function = f\n", "" },
		{ "sqlite", "query = %s\n", "E0 there is no dbpath|" },
		{ "ldap", "search_base = dc=test\n", "" },
		{ "ldap", "server_host = h\n", "W0 there is no search_base|" },
		{ "ldap", "search_base = x\nscope = all\nbind = perhaps\ntimeout = 0\nversion = 4\n", "E2 scope = all|E3 bind = perhaps|E4 timeout = 0|E5 version = 4|" },
		{ "ldap", "search_base = x\nbind = sasl\n", "E2 bind = sasl|" },
		{ "ldap", "search_base = x\nbind = sasl\nsasl_mechs = external\nsasl_realm = r\n", "W4 sasl_realm has no effect|" },
		{ "ldap", "search_base = x\nquery_filter = (mail=%s)\ncache = yes\n", "W3 cache has no effect|" },
		{ "memcache", "", "" },
		{ "memcache", "memcache = localhost\nbackup = nosuch:x\nttl = long\n", "E1 memcache = localhost|E2 backup = nosuch|E3 ttl = long|" },
		{ "memcache", "memcache = unix:/s\nbackup = proxy:mysql:/x\nkey_format = k-%s\n", "" },
		{ "hash", "nonsense", "" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&b);
		buf_str(&b, "");
		remote_check(span_str(cases[i].type), span_str(cases[i].text), put_finding, &b);
		if (strcmp(b.ptr, cases[i].want) != 0)
			fail_msg("%s %s: \"%s\"", cases[i].type, cases[i].text, b.ptr);
	}
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion), cmocka_unit_test(replies), cmocka_unit_test(quoting), cmocka_unit_test(aliases),
		cmocka_unit_test(server_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
