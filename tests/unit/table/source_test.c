#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table/named.h"
#include "table/source.h"

static char path[64];

static struct source *
open_text(const char *type, const char *text)
{
	struct err err = { ERR_NONE, "" };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	struct source *s = source_open(span_str(type), path, &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

static int
make(void **state)
{
	(void)state;
	strcpy(path, "/tmp/mtad-source.XXXXXX");
	int fd = mkstemp(path);
	close(fd);
	return fd < 0 ? -1 : 0;
}

static int
drop(void **state)
{
	char before[128];
	(void)state;
	snprintf(before, sizeof before, "/tmp/.%s.before", path + 5);
	unlink(before);
	return unlink(path);
}

static const char sample[] =
	"# transports\n"
	"example.com    smtp:[mx.example.com]\n"
	"\n"
	"# a long one\n"
	"example.net\n"
	"# in its middle\n"
	"\tsmtp:[a.example.net]\n"
	"\"with blank\"\tlocal:";

static void
test_put_and_del(void **state)
{
	static const struct {
		const char *name, *type, *text, *key, *value;	/* no value: del */
		const char *want;	/* NULL: refused */
	} rows[] = {
		{ "in its place, blanks as they were", "texthash", sample, "EXAMPLE.com", "smtp:[b]",
		  "# transports\nexample.com    smtp:[b]\n\n# a long one\nexample.net\n# in its middle\n\tsmtp:[a.example.net]\n"
		  "\"with blank\"\tlocal:" },
		{ "the comment in its middle stays", "texthash", sample, "example.net", "x:",
		  "# transports\nexample.com    smtp:[mx.example.com]\n\n# a long one\nexample.net\tx:\n# in its middle\n"
		  "\"with blank\"\tlocal:" },
		{ "quoted key", "texthash", "\"a b\" c\n", "\"a b\"", "d", "\"a b\" d\n" },
		{ "put behind a line without its end", "texthash", "a\tb", "c", "d", "a\tb\nc\td\n" },
		{ "into nothing", "texthash", "", "c", "d", "c\td\n" },
		{ "a key to quote", "texthash", "a  b\n", "c d", "e", NULL },
		{ "a comment", "texthash", "a  b\n", "#c", "e", NULL },
		{ "an alias to quote", "aliases", "a:  b\n", "#c \"d\"", "e", "a:  b\n\"#c \\\"d\\\"\":  e\n" },
		{ "value over lines", "texthash", "a b\n", "c", "d,\ne", "a b\nc d,\n\te\n" },
		{ "value that begins an entry", "texthash", "a b\n", "c", "d\n#e", "a b\nc d\n\t#e\n" },
		{ "no value", "texthash", "a b\n", "c", "", NULL },
		{ "no key", "texthash", "a b\n", "", "x", NULL },
		{ "key of two lines", "texthash", "a b\n", "c\nd", "x", NULL },
		{ "out", "texthash", sample, "example.net", NULL,
		  "# transports\nexample.com    smtp:[mx.example.com]\n\n# a long one\n# in its middle\n\"with blank\"\tlocal:" },
		{ "all of them out", "texthash", "a 1\nb 2\nA 3\n", "a", NULL, "b 2\n" },
		{ "the first counts", "texthash", "a 1\nb 2\na 3\n", "a", "4", "a 4\nb 2\na 3\n" },
		{ "not there", "texthash", "a 1\n", "b", NULL, NULL },
		{ "hash", "hash", "a 1\n", "b", "2", "a 1\nb 2\n" },
		{ "alias", "aliases", "root: me\n", "www", "root, \"|prog x\"", "root: me\nwww: root, \"|prog x\"\n" },
		{ "alias in its place", "aliases", "root:\tme\n", "ROOT", "you", "root:\tyou\n" },
		{ "cidr", "cidr", "192.0.2.0/24 OK\n", "2001:db8::/32", "REJECT", "192.0.2.0/24 OK\n2001:db8::/32 REJECT\n" },
		{ "no network", "cidr", "192.0.2.0/24 OK\n", "192.0.2.1/24", "REJECT", NULL },
		{ "no network at all", "cidr", "", "example.com", "REJECT", NULL },
		{ "not an if", "cidr", "", "if", "192.0.2.1", NULL },
		{ "not the end of one", "cidr", "", "endif", "x", NULL },
		{ "pattern", "regexp", "/^a/ OK\n", "/^b$/i", "REJECT no", "/^a/ OK\n/^b$/i REJECT no\n" },
		{ "pattern in its place", "pcre", "if /x/\n/^a b/  OK\nendif\n", "/^a b/", "X", "if /x/\n/^a b/  X\nendif\n" },
		{ "pattern's case counts", "pcre", "/^a/ OK\n", "/^A/", "X", "/^a/ OK\n/^A/ X\n" },
		{ "bad pattern", "pcre", "", "/(/", "X", NULL },
		{ "no pattern", "pcre", "", "abc", "X", NULL },
		{ "no such flag", "regexp", "", "/a/q", "X", NULL },
		{ "rows are elsewhere", "pgsql", "hosts = x\n", "a", "b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct source *s = open_text(rows[i].type, rows[i].text);
		struct err err = { ERR_NONE, "" };
		bool ok = rows[i].value != NULL ? source_put(s, span_str(rows[i].key), span_str(rows[i].value), &err) :
		    source_del(s, span_str(rows[i].key), &err);
		const char *want = rows[i].want == NULL ? rows[i].text : rows[i].want;
		if (ok != (rows[i].want != NULL) || !span_eqs(source_text(s), want))
			fail_msg("%s: %s\n%.*s", rows[i].name, err.text, SPAN_ARG(source_text(s)));
		assert_int_equal(source_edited(s), ok);
		assert_int_equal(ok, err.text[0] == '\0');
		if (ok)
			assert_true(source_commit(s, &err));
		source_free(s);
		s = source_open(span_str(rows[i].type), path, &err);
		assert_true(span_eqs(source_text(s), want));
		source_free(s);
		if (ok) {
			struct buf diff = BUF_INIT(0);
			assert_true(source_undo_diff(path, &diff, &err));
			assert_true(diff.len > 0);
			assert_true(source_undo(path, NULL, &err));
			s = source_open(span_str(rows[i].type), path, &err);
			assert_true(span_eqs(source_text(s), rows[i].text));
			source_free(s);
			buf_clear(&diff);
		}
	}
}

static void
test_entries(void **state)
{
	struct source *s = open_text("texthash", sample);
	struct source_entry e;
	struct err err = { ERR_NONE, "" };
	size_t at;

	(void)state;
	assert_int_equal(source_count(s), 3);
	assert_true(source_entry(s, 1, &e));
	assert_true(e.kind == SOURCE_PAIR && e.line == 5 && e.last == 7);
	assert_true(span_eqs(e.key, "example.net") && span_eqs(e.value, "smtp:[a.example.net]"));
	assert_true(source_find(s, SPAN("\"With Blank\""), 0, &at) && at == 2);
	assert_false(source_find(s, SPAN("example.com"), 1, &at));
	assert_false(source_entry(s, 3, &e));
	assert_true(source_check(s, &err));
	source_free(s);
}

static void
test_check(void **state)
{
	static const struct {
		const char *type, *text, *why;	/* behind "PATH:" */
	} rows[] = {
		{ "texthash", "a b\n\nc\n", "3: expected format: key whitespace value" },
		{ "texthash", "  a b\n", "1: the first entry begins with a blank; begin it at the margin" },
		{ "texthash", "\"a b\n", "1: unbalanced '\"'" },
		{ "aliases", "root me\n", "1: expected a name, \":\" and a value" },
		{ "cidr", "if 192.0.2.0/24\n192.0.2.1 x\n", "1: an if without its endif" },
		{ "cidr", "192.0.2.1 x\nendif\n", "2: an endif without its if" },
		{ "pcre", "/a/ x\n/b\n", "2: a pattern without its second \"/\"" },
		{ "mysql", "hosts\n", "1: expected a name, \"=\" and a value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct source *s = open_text(rows[i].type, rows[i].text);
		struct err err = { ERR_NONE, "" };
		char want[256];
		snprintf(want, sizeof want, "%s:%s", path, rows[i].why);
		assert_false(source_check(s, &err));
		assert_string_equal(err.text, want);
		/* What was wrong before does not keep one from mending it; what becomes wrong is refused. */
		assert_false(source_set(s, span_str(rows[i].text), &err));
		source_free(s);
	}
	struct source *s = open_text("texthash", "a b\n");
	struct err err = { ERR_NONE, "" };
	assert_false(source_set(s, SPAN("a b\nc\n"), &err));
	assert_true(span_eqs(source_text(s), "a b\n") && !source_edited(s));
	assert_true(source_set(s, SPAN("a b\nc d\n"), &err));
	assert_true(source_edited(s));
	source_free(s);
	assert_null(source_open(SPAN("static"), path, &err));
}

/* What the daemon's own reader makes of what was put. */
static void
test_as_the_daemon_reads(void **state)
{
	static const char *const keys[] = { "a", "\"b c\"", "\"e\"@x", "f\\g", "k#l", "M", "endif" };
	struct conf_problems problems = { NULL, 0, 0 };
	struct source *s = open_text("texthash", "# empty\n");
	struct err err = { ERR_NONE, "" };

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (!source_put(s, span_str(keys[i]), SPAN("the value"), &err))
			fail_msg("%s: %s", keys[i], err.text);
	assert_true(source_commit(s, &err));
	source_free(s);
	struct conf *c = conf_parse("/", SPAN_NONE, SPAN_NONE, &problems);
	char spec[128];
	snprintf(spec, sizeof spec, "texthash:%s", path);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct buf value = BUF_INIT(0);
		if (table_ask(c, span_str(spec), span_str(keys[i]), &value, &err) != TABLE_FOUND || !span_eqs(buf_view(&value), "the value"))
			fail_msg("%s", keys[i]);
		buf_clear(&value);
	}
	struct buf value = BUF_INIT(0);
	assert_int_equal(table_ask(c, span_str(spec), SPAN("z"), &value, &err), TABLE_ABSENT);
	assert_int_equal(table_ask(c, SPAN("texthash:/nowhere"), SPAN("z"), &value, &err), TABLE_FAILED);
	assert_int_equal(table_ask(c, SPAN("inline:{ a = $b }"), SPAN("A"), &value, &err), TABLE_FOUND);
	assert_true(span_eqs(buf_view(&value), "$b"));
	buf_clear(&value);
	conf_unref(c);
	conf_problems_clear(&problems);
}

static void
test_named(void **state)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct named_table *t;
	char main_cf[1024];

	(void)state;
	struct source *s = open_text("texthash", "a b\n");
	source_free(s);
	snprintf(main_cf, sizeof main_cf, "transport_maps = texthash:%s, inline:{ a=b }\nvirtual_alias_maps = proxy:texthash:%s\n"
	    "alias_database = hash:%s\nsmtpd_restriction_classes = mine\nmine = check_client_access static:OK\n"
	    "smtpd_client_restrictions = { check_client_access inline:{c=d} }, check_policy_service unix:private/x\n", path, path, path);
	struct conf *c = conf_parse("/", span_str(main_cf),
	    SPAN("x inet n - n - - smtpd -o smtpd_client_restrictions=check_client_access,fail:no\n"), &problems);
	if (c == NULL)
		fail_msg("%s", problems.items[problems.count - 1].text);
	conf_problems_clear(&problems);
	assert_non_null(c);
	size_t n = tables_named(c, &t);
	bool transport = false, aliases = false, fails = false, mine = false;
	for (size_t i = 0; i < n; i++) {
		assert_null(strstr(t[i].spec, "private"));
		transport = transport || (strcmp(t[i].name, path) == 0 && strcmp(t[i].users, "transport_maps, virtual_alias_maps") == 0 &&
		    strcmp(t[i].grammar, "texthash") == 0);
		aliases = aliases || t[i].aliases;
		fails = fails || (strcmp(t[i].spec, "fail:no") == 0 && strcmp(t[i].users, "x inet -o smtpd_client_restrictions") == 0);
		mine = mine || (strcmp(t[i].spec, "static:OK") == 0 && strcmp(t[i].users, "mine") == 0 && t[i].grammar == NULL);
	}
	assert_true(transport && aliases && fails && mine);
	tables_named_free(t, n);
	conf_unref(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_del, make, drop),
		cmocka_unit_test_setup_teardown(test_entries, make, drop),
		cmocka_unit_test_setup_teardown(test_check, make, drop),
		cmocka_unit_test_setup_teardown(test_as_the_daemon_reads, make, drop),
		cmocka_unit_test_setup_teardown(test_named, make, drop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
