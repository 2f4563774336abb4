#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/build.h"
#include "table/network.h"
#include "table/table.h"
#include "tests/unit/conf/conf_helper.h"

/* "key" -> the value, "-" where it is not there, "!" where it fails, "?" where it waits. */
static const char *
ask(const struct table *t, struct facts *facts, const char *key, struct buf *b)
{
	struct err err;

	buf_reset(b);
	buf_str(b, "");
	switch (table_get(t, facts, span_str(key), b, &err)) {
	case TABLE_FOUND: return b->ptr;
	case TABLE_ABSENT: return "-";
	case TABLE_FAILED: return "!";
	case TABLE_PENDING: return "?";
	}
	return "";
}

static void
lookups(void **state)
{
	static const struct { const char *spec, *file, *key, *want; } cases[] = {
		{ "inline:{ a=1, b = 2, c= 3 d =4 { e = five words } }", NULL, "a", "1" },
		{ "inline:{ a=1, b = 2, c= 3 d =4 { e = five words } }", NULL, "b", "2" },
		{ "inline:{ a=1, b = 2, c= 3 d =4 { e = five words } }", NULL, "c", "3" },
		{ "inline:{ a=1, b = 2, c= 3 d =4 { e = five words } }", NULL, "d", "4" },
		{ "inline:{ a=1, b = 2, c= 3 d =4 { e = five words } }", NULL, "E", "five words" },
		{ "inline:{a=1}", NULL, "x", "-" },
		{ "cidr:FILE", "!10.0.0.0/8 x\n", "::1", "-" },
		{ "static:all", NULL, "anything", "all" },
		{ "static:{ two words }", NULL, "anything", "two words" },
		{ "proxy:static:x", NULL, "y", "x" },
		{ "fail:broken", NULL, "y", "!" },
		{ "texthash:FILE", "# c\na  1\nB\ttwo words\n\n  # no\n   and more\n\"q k\" v\na 2\n", "a", "1" },
		{ "texthash:FILE", "# c\na  1\nB\ttwo words\n\n  # no\n   and more\n\"q k\" v\na 2\n", "b", "two words   and more" },
		{ "texthash:FILE", "# c\na  1\nB\ttwo words\n\n  # no\n   and more\n\"q k\" v\na 2\n", "\"Q K\"", "v" },
		{ "texthash:FILE", "\"q k\" v\n", "q k", "-" },
		{ "texthash:FILE", "b\na 1\n\"x y\n", "a", "1" },
		{ "inline:{ a=1, a=2 }", NULL, "a", "2" },
		{ "unionmap:{ inline:{a=1}, inline:{b=2}, inline:{a=3} }", NULL, "A", "1,3" },
		{ "unionmap:{ inline:{a=1}, inline:{b=2}, inline:{a=3} }", NULL, "x", "-" },
		{ "unionmap:{ inline:{a=1}, fail:x }", NULL, "a", "!" },
		{ "pipemap:{ inline:{a=b}, inline:{b=c} }", NULL, "A", "c" },
		{ "pipemap:{ inline:{a=b}, inline:{c=c} }", NULL, "a", "-" },
		{ "pipemap:{ inline:{a=b}, fail:x }", NULL, "z", "-" },
		{ "pipemap:{ inline:{a=b}, fail:x }", NULL, "a", "!" },
		{ "randmap:{ x, x }", NULL, "a", "x" },
		{ "hash:/nosuch/table", NULL, "a", "!" },
		{ "/nosuch/table", NULL, "a", "!" },
		{ "regexp:FILE", "/^a(.)c$/ <$1>\n/./ rest $$1\n", "aBc", "<B>" },
		{ "regexp:FILE", "/^a(.)c$/ <$1>\n/./ rest $$1\n", "x", "rest $1" },
		{ "regexp:FILE", "/^(a)|(b)$/ [${1}$(2)]\n", "b", "[b]" },
		{ "regexp:FILE", "/^(a)|(b)$/ [${1}$(2)]\n", "c", "-" },
		{ "regexp:FILE", "!/a/ no a\n/B/i big\n/b/ small\n", "aB", "big" },
		{ "regexp:FILE", "!/a/ no a\n/B/i big\n/b/ small\n", "ab", "small" },
		{ "regexp:FILE", "!/a/ no a\n/B/i big\n/b/ small\n", "c", "no a" },
		{ "regexp:FILE", "if /a/\nif !/b/\n/c/ 1\nendif\n/d/ 2\nendif\n/./ 3\n", "ac", "1" },
		{ "regexp:FILE", "if /a/\nif !/b/\n/c/ 1\nendif\n/d/ 2\nendif\n/./ 3\n", "abcd", "2" },
		{ "regexp:FILE", "if /a/\nif !/b/\n/c/ 1\nendif\n/d/ 2\nendif\n/./ 3\n", "bcd", "3" },
		{ "regexp:FILE", "/[\\.]x/ bs\n", "\\x", "bs" },
		{ "regexp:FILE", "", "", "-" },
		{ "pcre:FILE", "/^(?<n>a+?)(\\d*)/ $2-$1\n", "aa12", "-a" },
		{ "pcre:FILE", "/a.c/ dot\n", "A\nC", "dot" },
		{ "pcre:FILE", "/a.c/s nodot\n/x/ x\n", "a\nc", "-" },
		{ "pcre:FILE", "/(a+)+$/ slow\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "-" },
		{ "texthash:FILE", "", "a", "-" },
		{ "pcre:{{/a(.)c/ x$1}}", NULL, "abc", "xb" },
		{ "pcre:{ {/a(.)c/ x$1}, {/b{2}/ y z} }", NULL, "zbb", "y z" },
		{ "regexp:{ {if /b/} {/c/ z} {endif} {!/q/ no q} }", NULL, "bc", "z" },
		{ "regexp:{ {if /b/} {/c/ z} {endif} {!/q/ no q} }", NULL, "c", "no q" },
		{ "cidr:{ {10.0.0.0/8 ten}, {0.0.0.0/0  all } }", NULL, "10.1.1.1", "ten" },
		{ "cidr:{ {10.0.0.0/8 ten}, {0.0.0.0/0  all } }", NULL, "11.1.1.1", "all" },
		{ "pcre:{ }", NULL, "a", "-" },
		{ "cidr:FILE", "10.0.0.0/8 ten\n0.0.0.0/0 all\n2001:db8::/32 six\n", "10.1.2.3", "ten" },
		{ "cidr:FILE", "10.0.0.0/8 ten\n0.0.0.0/0 all\n2001:db8::/32 six\n", "11.1.2.3", "all" },
		{ "cidr:FILE", "10.0.0.0/8 ten\n0.0.0.0/0 all\n2001:db8::/32 six\n", "2001:DB8::1", "six" },
		{ "cidr:FILE", "10.0.0.0/8 ten\n0.0.0.0/0 all\n2001:db8::/32 six\n", "2001:db9::1", "-" },
		{ "cidr:FILE", "10.0.0.0/8 ten\n0.0.0.0/0 all\n", "name", "-" },
		{ "cidr:FILE", "!10.0.0.0/8 other\n10.0.0.1 one\n", "10.0.0.1", "one" },
		{ "cidr:FILE", "!10.0.0.0/8 other\n10.0.0.1 one\n", "9.0.0.1", "other" },
		{ "cidr:FILE", "if 10.0.0.0/8\n10.1.0.0/16 a\nif !10.2.0.0/16\n0.0.0.0/0 b\nendif\nendif\n0.0.0.0/0 c\n", "10.1.2.3", "a" },
		{ "cidr:FILE", "if 10.0.0.0/8\n10.1.0.0/16 a\nif !10.2.0.0/16\n0.0.0.0/0 b\nendif\nendif\n0.0.0.0/0 c\n", "10.3.2.3", "b" },
		{ "cidr:FILE", "if 10.0.0.0/8\n10.1.0.0/16 a\nif !10.2.0.0/16\n0.0.0.0/0 b\nendif\nendif\n0.0.0.0/0 c\n", "10.2.2.3", "c" },
		{ "cidr:FILE", "if 10.0.0.0/8\n10.1.0.0/16 a\nif !10.2.0.0/16\n0.0.0.0/0 b\nendif\nendif\n0.0.0.0/0 c\n", "1.2.2.3", "c" },
		{ "unix:passwd.byname", NULL, "root", "!" },	/* no facts: it cannot be asked */
		{ "unix:passwd.byname", NULL, "a@b", "-" },
	};
	struct buf b = BUF_INIT(0), spec = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* relay_domains stands for any honoured parameter: what it names is read with the configuration. */
		const char *at = cases[i].file == NULL ? NULL : strstr(cases[i].spec, "FILE");
		struct err err;
		buf_reset(&spec);
		if (at != NULL)
			buf_printf(&spec, "relay_domains = %.*s%%/extra\n", (int)(at - cases[i].spec), cases[i].spec);
		struct conf *c = test_conf_good(at == NULL ? "" : spec.ptr, cases[i].file);
		struct table *t = table_open(c, span_str(at == NULL ? cases[i].spec :
		    conf_str(conf_main(c), P_relay_domains)), &err);
		if (t == NULL)
			fail_msg("%s: %s", cases[i].spec, err.text);
		const char *got = ask(t, NULL, cases[i].key, &b);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s, %s: \"%s\", not \"%s\"", cases[i].spec, cases[i].key, got, cases[i].want);
		table_free(t);
		conf_unref(c);
	}
	buf_clear(&b);
	buf_clear(&spec);
}

static void
wrong_tables(void **state)
{
	static const struct { const char *spec, *file, *says; } cases[] = {
		{ "proxy:mongodb:x", NULL, "\"mongodb\"" },
		{ "nonsense", NULL, "is no table" },
		{ "nonsense:x", NULL, "there is no type \"nonsense\"" },
		{ "", NULL, "is no table" },
		{ "inline:a=b", NULL, "write inline:{" },
		{ "inline:{ a }", NULL, "expected key = value at \"a" },
		{ "inline:{ a= }", NULL, "expected key = value" },
		{ "inline:{ = b }", NULL, "expected key = value" },
		{ "inline:{ { a b } }", NULL, "expected key = value" },
		{ "texthash:relative", NULL, "open relative: No such file" },
		{ "unix:hosts", NULL, "there are unix:passwd.byname" },
		{ "static:", NULL, "expecting \"type:name\"" },
		{ "unionmap:{}", NULL, "write unionmap:{" },
		{ "unionmap:{ nonsense:x }", NULL, "no type \"nonsense\"" },
		{ "randmap:x", NULL, "write randmap:{" },
		{ "pcre:{ /b/ y }", NULL, "no '{' at start of text in \"/b/\"" },
		{ "pcre:{{/b/ z} x}", NULL, "no '{' at start of text in \"x\"" },
		{ "regexp:{{/b/ z}", NULL, "regexp map: missing '}' in \"{{/b/ z}\"" },
		{ "cidr:{{1.1.1.1 z}}}", NULL, "syntax error after '}'" },
		{ "texthash:{{a b}}", NULL, "No such file" },
	};
	struct buf text = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		buf_reset(&text);
		buf_printf(&text, "relay_domains = %s%%/extra\n", cases[i].spec);
		struct conf *c = test_conf_good(cases[i].file == NULL ? "" : text.ptr, cases[i].file);
		const char *spec = cases[i].file == NULL ? cases[i].spec : conf_str(conf_main(c), P_relay_domains);
		if (table_open(c, span_str(spec), &err) != NULL)
			fail_msg("%s: no error", cases[i].spec);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s: \"%s\"", cases[i].spec, err.text);
		conf_unref(c);
	}
	buf_clear(&text);
}

struct told {
	struct buf	 text;
};

static void
on_warning(void *arg, const char *path, unsigned line, const char *text)
{
	struct told *t = arg;
	const char *name = strrchr(path, '/');

	buf_printf(&t->text, "%s:%u: %s|", name == NULL ? path : name + 1, line, text);
}

/* What a line has wrong is told with file and line, and the table works without it. */
static void
warnings(void **state)
{
	static const struct { const char *type, *file, *says; } cases[] = {
		{ "texthash:", "a 1\nb\n", "extra:2: expected format: key whitespace value -- ignoring this line|" },
		{ "texthash:", "\"a 1\n", "extra:1: unbalanced '\"' -- ignoring this line|" },
		{ "texthash:", "a 1\nA 2\nb: 3\n", "extra:2: duplicate entry: \"A\"|extra:3: record is in \"key: value\" format; is this an alias file?|" },
		{ "cidr:", "10.0.0.0/8\n", "extra:1: no lookup result: skipping this rule|" },
		{ "cidr:", "1.2.3.4 a\n10.0.0.1/8 x\n", "extra:2: \"10.0.0.1/8\" has bits set behind the network's; write 10.0.0.0/8: skipping this rule|" },
		{ "cidr:", "endif\n", "extra:1: ENDIF without IF: skipping this rule|" },
		{ "cidr:", "if 10.0.0.0/8\n", "extra:1: IF without its ENDIF|" },
		{ "cidr:", "if\n", "extra:1: no address pattern: skipping this rule|" },
		{ "regexp:", "/a(/ x\n", "extra:1: Unmatched ( or \\(: skipping this rule|" },
		{ "regexp:", "/a/q x\n/b\n", "extra:1: unknown regexp option \"q\": skipping this rule|extra:2: no closing regexp delimiter \"/\": skipping this rule|" },
		{ "regexp:", "/a/ $1\n/(b)/ $2 $x\n", "extra:1: out of range replacement index \"1\": skipping this rule|extra:2: non-numeric replacement index "
		    "\"x\"|extra:2: bad replacement syntax: skipping this rule|" },
		{ "regexp:", "/a/ ${1\n/a/ $0\n/a/ x$\n", "extra:1: truncated macro reference: skipping this rule|extra:2: out of range replacement index \"0\": "
		    "skipping this rule|extra:3: empty macro name: skipping this rule|" },
		{ "regexp:", "!/a/ $1\n/a/\n", "extra:1: $number found in negative match replacement text: skipping this rule|extra:2: no replacement text: using empty string|" },
		{ "regexp:", "foo bar\nendif\nif /x/ y\n", "extra:1: ignoring unrecognized request|extra:2: ignoring ENDIF without matching IF|extra:3: ignoring extra "
		    "text after IF statement: \"y\"|extra:3: IF has no matching ENDIF|" },
		{ "regexp:", "!\n", "extra:1: no regular expression: skipping this rule|" },
		{ "pcre:", "/a(/ x\n/a/q x\n", "extra:1: error in regex at offset 2: missing closing parenthesis: skipping this rule|extra:2: unknown pcre option \"q\": skipping this rule|" },
	};
	struct told told = { .text = BUF_INIT(0) };
	struct buf text = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		buf_reset(&text);
		buf_reset(&told.text);
		buf_printf(&text, "relay_domains = %s%%/extra\n", cases[i].type);
		struct conf *c = test_conf_good(text.ptr, cases[i].file);
		table_use(&(struct table_env){ .warn = on_warning, .arg = &told });
		struct table *t = table_open(c, span_str(conf_str(conf_main(c), P_relay_domains)), &err);
		table_use(&(struct table_env){ .warn = NULL });
		if (t == NULL)
			fail_msg("%s%s: %s", cases[i].type, cases[i].file, err.text);
		if (told.text.len == 0 || strcmp(told.text.ptr, cases[i].says) != 0)
			fail_msg("%s%s: \"%s\"", cases[i].type, cases[i].file, told.text.len == 0 ? "" : told.text.ptr);
		table_free(t);
		conf_unref(c);
	}
	buf_clear(&text);
	buf_clear(&told.text);
}

static void
addresses(void **state)
{
	static const struct { const char *tables, *address; bool local; const char *want; } cases[] = {
		{ "inline:{ user+ext@x.example=1 }", "User+Ext@X.example", false, "1" },
		{ "inline:{ user@x.example=2 }", "user+ext@x.example", false, "2" },
		{ "inline:{ user=3 }", "user+ext@x.example", true, "3" },
		{ "inline:{ user+ext=4 user=3 }", "user+ext@x.example", true, "4" },
		{ "inline:{ user=3 }", "user+ext@x.example", false, "-" },
		{ "inline:{ @x.example=5 }", "user+ext@x.example", false, "5" },
		{ "inline:{ @x.example=5 user@x.example=2 }", "user+ext@x.example", false, "2" },
		{ "inline:{ a=1 } inline:{ user@x.example=7 }", "user@x.example", false, "7" },
		{ "inline:{ user=3 }", "user", false, "3" },
		{ "", "user", true, "-" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	struct conf *c = test_conf_good("", NULL);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tables t;
		struct err err;
		assert_true(tables_open(&t, c, cases[i].tables, &err));
		buf_reset(&b);
		buf_str(&b, "");
		enum table_result r = tables_get_address(&t, NULL, span_str(cases[i].address), "+", cases[i].local, &b, &err);
		const char *got = r == TABLE_FOUND ? b.ptr : "-";
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s in %s: %s", cases[i].address, cases[i].tables, got);
		tables_clear(&t);
	}
	conf_unref(c);
	buf_clear(&b);
}

static void
facts_are_asked(void **state)
{
	struct buf b = BUF_INIT(0);
	struct fact_want w;
	struct err err;
	struct facts *f = facts_new();

	(void)state;
	struct conf *c = test_conf_good("", NULL);
	struct table *t = table_open(c, SPAN("proxy:unix:passwd.byname"), &err);
	assert_string_equal(ask(t, f, "Root", &b), "?");
	assert_true(facts_wanted(f, &w));
	assert_true(span_eqs(w.source, "unix:passwd.byname") && span_eqs(w.key, "root"));
	facts_answer(f, w.id, FACT_KNOWN, SPAN("root:x:0:0"));
	assert_string_equal(ask(t, f, "root", &b), "root:x:0:0");
	assert_string_equal(ask(t, f, "other", &b), "?");
	assert_true(facts_wanted(f, &w));
	facts_answer(f, w.id, FACT_FAILED, SPAN("gone"));
	assert_string_equal(ask(t, f, "other", &b), "!");
	table_free(t);
	conf_unref(c);
	facts_free(f);
	buf_clear(&b);
}

/* One table for all who name the same text, and each is told what is wrong with it; another text is another table. */
static void
texts_are_shared(void **state)
{
	static const struct { const char *type, *text, *other, *key; } cases[] = {
		{ "texthash:", "a 1\nb\n", "a 2\n", "a" }, { "cidr:", "10.0.0.0/8 1\nb\n", "10.0.0.0/8 2\n", "10.1.1.1" },
		{ "regexp:", "/a/ 1\n/b(/ 2\n", "/a/ 2\n", "a" }, { "pcre:", "/a/ 1\n/b(/ 2\n", "/a/ 2\n", "a" },
	};
	struct told told = { .text = BUF_INIT(0) };
	struct buf b = BUF_INIT(0);
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&b);
		buf_printf(&b, "relay_domains = %s%%/extra\n", cases[i].type);
		struct conf *c = test_conf_good(b.ptr, cases[i].text);
		char *spec = span_dup(span_str(conf_str(conf_main(c), P_relay_domains)));
		struct table *first = table_open(c, span_str(spec), &err);
		buf_reset(&told.text);
		table_use(&(struct table_env){ .warn = on_warning, .arg = &told });
		struct table *second = table_open(c, span_str(spec), &err);
		table_use(&(struct table_env){ .warn = NULL });
		assert_non_null(told.text.ptr);
		assert_non_null(strstr(told.text.ptr, "extra:2: "));
		struct conf *next = conf_with_file(c, span_skip(span_str(spec), strlen(cases[i].type)), span_str(cases[i].other), &err);
		struct table *third = table_open(next, span_str(spec), &err);
		table_free(first);
		conf_unref(c);
		assert_string_equal(ask(second, NULL, cases[i].key, &b), "1");
		assert_string_equal(ask(third, NULL, cases[i].key, &b), "2");
		table_free(second);
		assert_string_equal(ask(third, NULL, cases[i].key, &b), "2");
		table_free(third);
		conf_unref(next);
		free(spec);
	}
	buf_clear(&told.text);
	buf_clear(&b);
}

static bool
count_one(void *arg, struct span key, struct span value)
{
	size_t *n = arg;

	(void)key;
	(void)value;
	++*n;
	return true;
}

/* Of keys that stand there twice the first counts (or the last), each is said where it stands, and none is lost, whatever the order in the file. */
static void
built_as_read(void **state)
{
	struct told told = { .text = BUF_INIT(0) };
	char path[] = "/tmp/mtad-build-XXXXXX", name[64], key[32], want[32];
	struct buf b = BUF_INIT(0);
	struct err err = { ERR_NONE, "" };
	size_t count = 0, listed = 0;

	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	for (int i = 0; i < 5000; i++)
		dprintf(fd, "key%d value%d\n", i, i);
	dprintf(fd, "KEY7 again\nbad\nkey3 again\n");
	close(fd);
	for (int replace = 0; replace < 2; replace++) {
		const struct build_options o = { .duplicates = replace ? BUILD_DUP_REPLACE : BUILD_DUP_WARN };
		buf_reset(&told.text);
		table_use(&(struct table_env){ .warn = on_warning, .arg = &told });
		assert_true(table_build(path, &o, &count, &err));
		table_use(&(struct table_env){ .warn = NULL });
		assert_int_equal(count, replace ? 5002 : 5000);
		const char *dup7 = strstr(told.text.ptr, "\"key7\""), *bad = strstr(told.text.ptr, ":5002: expected"), *dup3 = strstr(told.text.ptr, "\"key3\"");
		assert_true(bad != NULL && (replace ? dup7 == NULL && dup3 == NULL : dup7 != NULL && dup7 < bad && bad < dup3));
		snprintf(name, sizeof name, "hash:%s", path);
		struct conf *c = test_conf_good("", NULL);
		struct table *t = table_open(c, span_str(name), &err);
		for (int i = 0; i < 5000; i++) {
			snprintf(key, sizeof key, "Key%d", i);
			snprintf(want, sizeof want, "value%d", i);
			assert_string_equal(ask(t, NULL, key, &b), replace && (i == 7 || i == 3) ? "again" : want);
		}
		assert_true(table_each(t, count_one, &listed, &err));
		table_free(t);
		conf_unref(c);
	}
	assert_int_equal(listed, 10000);
	snprintf(name, sizeof name, "%s.gdbm", path);
	unlink(name);
	unlink(path);
	buf_clear(&told.text);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookups), cmocka_unit_test(wrong_tables), cmocka_unit_test(warnings), cmocka_unit_test(addresses),
		cmocka_unit_test(facts_are_asked), cmocka_unit_test(texts_are_shared), cmocka_unit_test(built_as_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
