#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/build_text.h"
#include "table/ldap_quote.h"
#include "table/remote.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion), cmocka_unit_test(replies), cmocka_unit_test(quoting), cmocka_unit_test(aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
