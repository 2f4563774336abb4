#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/address.h"

#define S	ADDRESS_STRICT
#define U	ADDRESS_UTF8
#define B	ADDRESS_8BIT
#define E	ADDRESS_EMPTY

/* address NULL: refused. rest: what follows the path. */
static const struct { const char *arg; unsigned flags; const char *address, *rest; } paths[] = {
	{ "<user@example.org>", 0, "user@example.org", "" },
	{ "<user@example.org>", S, "user@example.org", "" },
	{ "  <user@example.org>  SIZE=10 BODY=8BITMIME ", S, "user@example.org", "SIZE=10 BODY=8BITMIME" },
	{ "<>", E, "", "" },
	{ "<> RET=FULL", E | S, "", "RET=FULL" },
	{ "< >", E, "", "" },
	{ "< >", E | S, NULL, "" },
	{ "<>", 0, NULL, "" },
	{ "", E, NULL, "" },
	{ "   ", E, NULL, "" },
	{ "<postmaster>", S, "postmaster", "" },
	{ "postmaster", 0, "postmaster", "" },
	{ "user@example.org NOTIFY=NEVER", 0, "user@example.org", "NOTIFY=NEVER" },
	{ "user@example.org", S, NULL, "" },
	{ "<@a,@b.example:user@example.org>", S, "user@example.org", "" },
	{ "<@[IPv6:::1],@b:user@example.org>", S, "user@example.org", "" },
	{ "<@a,@b user@example.org>", 0, NULL, "" },
	{ "<\"john doe\"@example.org>", S, "john doe@example.org", "" },
	{ "<\"a\\\"b\\\\c\"@example.org>", S, "a\"b\\c@example.org", "" },
	{ "<\"a@b\"@example.org>", S, "a@b@example.org", "" },
	{ "<\"a>b\"@example.org> X", S, "a>b@example.org", "X" },
	{ "<\"a@b\">", 0, NULL, "" },
	{ "<\"\"@example.org>", 0, "@example.org", "" },
	{ "<a\\ b@example.org>", 0, "a b@example.org", "" },
	{ "<a.b.c@example.org>", S, "a.b.c@example.org", "" },
	{ "<a..b.@example.org>", 0, "a..b.@example.org", "" },
	{ "<user@[192.0.2.1]>", S, "user@[192.0.2.1]", "" },
	{ "<user@[IPv6:2001:db8::1]>", S, "user@[IPv6:2001:db8::1]", "" },
	{ "<user@[192.0.2.1>", 0, NULL, "" },
	{ "<user@[192.0.2.1]x>", 0, NULL, "" },
	{ "<user@x[192.0.2.1]>", 0, NULL, "" },
	{ "<user@[IPv6:e@1]>", 0, NULL, "" },
	{ "<user@example.org.>", S, "user@example.org", "" },
	{ "<user@.>", 0, NULL, "" },
	{ "<user@example..org>", 0, NULL, "" },
	{ "<user@>", 0, NULL, "" },
	{ "<@example.org>", 0, NULL, "" },
	{ "<a@b@c>", 0, NULL, "" },
	{ "<john doe@example.org>", 0, NULL, "" },
	{ "< user@example.org >", 0, "user@example.org", "" },
	{ "< user@example.org >", S, NULL, "" },
	{ "<user(a (b) c)@example.org>", 0, "user@example.org", "" },
	{ "<user@example.org", 0, NULL, "" },
	{ "<\"user@example.org>", 0, NULL, "" },
	{ "<user@example.org>>", 0, NULL, "" },
	{ "<user@example.org>SIZE=1", 0, NULL, "" },
	{ "<a,b@example.org>", 0, NULL, "" },
	{ "<us\x01" "er@example.org>", 0, NULL, "" },
	{ "<us\x7f@example.org>", 0, NULL, "" },
	{ "<\xc3\xa4@example.org>", 0, NULL, "" },
	{ "<\xc3\xa4@b\xc3\xbc" "cher.example>", U | S, "\xc3\xa4@b\xc3\xbc" "cher.example", "" },
	{ "<\xc3@example.org>", U, NULL, "" },
	{ "<\xe4@example.org>", B, "\xe4@example.org", "" },
	{ "<!#$%&'*+-/=?^_`{|}~@example.org>", S, "!#$%&'*+-/=?^_`{|}~@example.org", "" },
};

static void
path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct buf out = BUF_INIT(4096);
		struct span rest;
		const char *fault = "none";
		buf_str(&out, "x");
		bool ok = address_path(span_str(paths[i].arg), paths[i].flags, &out, &rest, &fault);
		if (ok != (paths[i].address != NULL))
			fail_msg("%s: %s %s", paths[i].arg, out.ptr, fault);
		assert_string_equal(out.ptr + 1, ok ? paths[i].address : "");
		if (ok && !span_eqs(rest, paths[i].rest))
			fail_msg("%s: rest is \"%.*s\"", paths[i].arg, SPAN_ARG(rest));
		buf_clear(&out);
	}
}

static void
too_long(void **state)
{
	(void)state;
	struct buf in = BUF_INIT(0), out = BUF_INIT(0);
	struct span rest;
	const char *fault;
	buf_char(&in, '<');
	for (int i = 0; i < ADDRESS_MAX; i++)
		buf_char(&in, 'a');
	buf_str(&in, "@b>");
	assert_false(address_path(buf_view(&in), 0, &out, &rest, &fault));
	assert_string_equal(fault, "address is too long");
	buf_clear(&in);
	buf_clear(&out);
}

static void
quote(void **state)
{
	(void)state;
	static const struct { const char *in, *out; } rows[] = {
		{ "", "" }, { "user", "user" }, { "user@example.org", "user@example.org" },
		{ "john doe@example.org", "\"john doe\"@example.org" }, { "a\"b\\c@d", "\"a\\\"b\\\\c\"@d" },
		{ "a@b@c", "\"a@b\"@c" }, { "a..b@c", "\"a..b\"@c" }, { ".a@c", "\".a\"@c" }, { "a.@c", "\"a.\"@c" },
		{ "@c", "\"\"@c" }, { "\xc3\xa4@c", "\xc3\xa4@c" }, { "a@[1.2.3.4]", "a@[1.2.3.4]" }, { "a\nb@c", "\"a?b\"@c" },
		{ "a@b> x", "a@b??x" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b = BUF_INIT(0);
		buf_str(&b, "");
		address_quote(&b, span_str(rows[i].in));
		assert_string_equal(b.ptr, rows[i].out);
		buf_clear(&b);
	}
}

static void
parts(void **state)
{
	(void)state;
	struct span local, domain, user, ext;
	assert_true(address_split(SPAN("a@b@c"), &local, &domain));
	assert_true(span_eqs(local, "a@b") && span_eqs(domain, "c"));
	assert_false(address_split(SPAN("a"), &local, &domain));
	assert_true(span_eqs(local, "a") && domain.len == 0);
	assert_true(address_extension(SPAN("joe+a-b"), "+-", &user, &ext));
	assert_true(span_eqs(user, "joe") && span_eqs(ext, "a-b"));
	assert_false(address_extension(SPAN("+a"), "+", &user, &ext));
	assert_false(address_extension(SPAN("joe"), "+", &user, &ext));
	assert_false(address_extension(SPAN("joe+a"), "", &user, &ext));
	assert_false(address_extension(SPAN("mailer-daemon"), "-", &user, &ext));
	assert_false(address_extension(SPAN("owner-list"), "-", &user, &ext));
	assert_false(address_extension(SPAN("list-request"), "-", &user, &ext));
	assert_true(span_eqs(user, "list-request") && ext.len == 0);
	assert_true(address_eq(SPAN("a@B.C"), SPAN("a@b.c")));
	assert_false(address_eq(SPAN("A@b.c"), SPAN("a@b.c")));
	assert_false(address_eq(SPAN("a@"), SPAN("a")));
	struct buf b = BUF_INIT(0);
	address_fold(&b, SPAN("Joe@Example.ORG"));
	assert_string_equal(b.ptr, "Joe@example.org");
	buf_clear(&b);
}

static void
names(void **state)
{
	(void)state;
	struct span ip;
	bool v6;
	assert_true(address_hostname_ok(SPAN("mx-1.example.org"), false));
	assert_true(address_hostname_ok(SPAN("b\xc3\xbc" "cher.example"), true));
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a b", "1.2.3.4", "b\xc3\xbc" "cher",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (address_hostname_ok(span_str(bad[i]), false))
			fail_msg("%s was taken", bad[i]);
	assert_true(address_literal(SPAN("[192.0.2.1]"), &ip, &v6) && !v6 && span_eqs(ip, "192.0.2.1"));
	assert_true(address_literal(SPAN("[ipv6:2001:db8::1]"), &ip, &v6) && v6 && span_eqs(ip, "2001:db8::1"));
	assert_false(address_literal(SPAN("[2001:db8::1]"), &ip, &v6));
	assert_false(address_literal(SPAN("[1.2.3]"), &ip, &v6));
	assert_false(address_literal(SPAN("[]"), &ip, &v6));
	static const char *const broken[] = { "\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x8f\x80\x80" };
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
		assert_false(address_is_utf8(span_str(broken[i])));
	assert_true(address_is_utf8(SPAN("\xe2\x82\xac\xf0\x9f\x98\x80 a")));
}

/* expect: "name|address" each, "!" where there is no address; separated by a space. */
static const struct { const char *value, *expect; } lists[] = {
	{ "a@b", "|a@b;" },
	{ " a@b , c@d ", "|a@b;|c@d;" },
	{ "Joe <a@b>, \"Doe, Jane\" <c@d>", "Joe|a@b;\"Doe, Jane\"|c@d;" },
	{ "a@b (Joe (the) boss, yes), c@d", "|a@b;|c@d;" },
	{ "friends: a@b, Joe <c@d>;, e@f", "|a@b;Joe|c@d;|e@f;" },
	{ "undisclosed-recipients:;", "" },
	{ "x: ; y: a@b;", "|a@b;" },
	{ "<@r1,@r2:a@b>", "|a@b;" },
	{ "Joe\n <a@b>,\r\n\tc@d\n", "Joe|a@b;|c@d;" },
	{ "\"a,b\"@c, <\"x y\"@z>", "|a,b@c;|x y@z;" },
	{ "a . b @ c . d", "|a.b@c.d;" },
	{ ",,a@b,,", "|a@b;" },
	{ "(only a comment), a@b", "|a@b;" },
	{ "root, staff", "|root;|staff;" },
	{ "a@[IPv6:::1], b@c", "|a@[IPv6:::1];|b@c;" },
	{ "a@b; c@d", "|a@b;|c@d;" },
	{ "john doe, a@b", "|!;|a@b;" },
	{ "<>", "" },
	{ "Joe <a@b", "Joe|a@b;" },
	{ "\"unbalanced <a@b>", "|!;" },
	{ "", "" },
};

static void
list(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct mailbox_list l = { .left = span_str(lists[i].value) };
		struct mailbox m;
		struct buf got = BUF_INIT(0);
		buf_str(&got, "");
		while (mailbox_next(&l, &m)) {
			buf_span(&got, m.name);
			buf_char(&got, '|');
			if (!mailbox_address(m.spec, &got))
				buf_char(&got, '!');
			buf_char(&got, ';');
		}
		if (strcmp(got.ptr, lists[i].expect) != 0)
			fail_msg("%s: %s, not %s", lists[i].value, got.ptr, lists[i].expect);
		buf_clear(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path), cmocka_unit_test(too_long), cmocka_unit_test(quote), cmocka_unit_test(parts),
		cmocka_unit_test(names), cmocka_unit_test(list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
