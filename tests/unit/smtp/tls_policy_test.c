#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "smtp/tls_policy.h"

#define W	"maps, next-hop destination \"x.test\""

struct row {
	const char	*text;
	const char	*says;		/* "level match=a,b ..." as show() has it */
	const char	*warns;		/* warnings, joined by "; " */
};

static const struct row rows[] = {
	{ "none", "none", "" },
	{ "MAY", "may", "" },
	{ "encrypt", "encrypt", "" },
	{ "dane", "dane", "" },
	{ "dane-only", "dane-only", "" },
	{ "half-dane", "invalid", W ": invalid security level \"half-dane\"" },
	{ "", "invalid", W ": invalid empty policy" },
	{ " ,\t", "invalid", W ": invalid empty policy" },
	{ "sekure", "invalid", W ": invalid security level \"sekure\"" },
	{ "none match=a", "none", W ": ignoring attribute \"match=a\" with TLS disabled" },
	{ "secure match=a.test:.a.test, match=b.test", "secure match=a.test,.a.test,b.test", "" },
	{ "verify match=hostname", "verify match=hostname", "" },
	{ "may match=a", "invalid", W ": attribute \"match\" invalid at security level \"may\"" },
	{ "encrypt match=", "invalid", W ": attribute \"match\" has empty value" },
	{ "fingerprint match=AA:BB|CC:DD match=EE", "fingerprint match=AA:BB,CC:DD,EE", "" },
	{ "encrypt protocols=>=TLSv1.2 ciphers=high exclude=aNULL:MD5", "encrypt protocols=>=TLSv1.2 ciphers=high exclude=aNULL:MD5", "" },
	{ "encrypt protocols=TLSv1.3 protocols=TLSv1.2", "invalid", W ": attribute \"protocols\" is specified multiple times" },
	{ "encrypt ciphers=", "invalid", W ": attribute \"ciphers\" has empty value" },
	{ "encrypt exclude=", "encrypt exclude=", "" },
	{ "encrypt exclude=a exclude=b", "invalid", W ": attribute \"exclude\" is specified multiple times" },
	{ "verify servername=a.test", "verify servername=a.test", "" },
	{ "verify tafile=/a.pem tafile=/b.pem", "verify tafile=/a.pem,/b.pem", "" },
	{ "encrypt tafile=/a.pem", "invalid", W ": attribute \"tafile\" invalid at security level \"encrypt\"" },
	{ "may connection_reuse=YES", "may reuse=1", "" },
	{ "may connection_reuse=no connection_reuse=yes", "may reuse=1", "" },
	{ "may connection_reuse=maybe", "invalid", W ": attribute \"connection_reuse\" has bad value: \"maybe\"" },
	{ "may enable_rpk=no", "may", "" },
	{ "may enable_rpk=yes", "may", W ": attribute \"enable_rpk\" has no effect: mtad uses certificates, not raw public keys" },
	{ "may something", "invalid", W ": malformed attribute/value pair \"something\": missing '=' after attribute name" },
	{ "may =x", "invalid", W ": malformed attribute/value pair \"=x\": missing attribute name" },
	{ "may unknown=x", "invalid", W ": invalid attribute name: \"unknown\"" },
};

static void
hear(void *arg, const char *text)
{
	struct buf *b = arg;

	if (b->len > 0)
		buf_str(b, "; ");
	buf_str(b, text);
}

static void
put_words(struct buf *b, const char *name, const struct tls_words *w)
{
	for (size_t i = 0; i < w->count; i++)
		buf_printf(b, "%s%s%s", i == 0 ? name : "", i == 0 ? "" : ",", w->list[i]);
}

static void
show(struct buf *b, const struct tls_policy *p)
{
	buf_reset(b);
	buf_str(b, tls_level_name(p->level));
	if (p->level == TLS_LEVEL_INVALID)
		return;
	put_words(b, " match=", &p->match);
	if (p->protocols != NULL)
		buf_printf(b, " protocols=%s", p->protocols);
	if (p->ciphers != NULL)
		buf_printf(b, " ciphers=%s", p->ciphers);
	if (p->exclude != NULL)
		buf_printf(b, " exclude=%s", p->exclude);
	if (p->servername != NULL)
		buf_printf(b, " servername=%s", p->servername);
	put_words(b, " tafile=", &p->tafiles);
	if (p->connection_reuse >= 0)
		buf_printf(b, " reuse=%d", p->connection_reuse);
}

static void
entries(void **state)
{
	struct buf heard = BUF_INIT(0), said = BUF_INIT(0);
	struct tls_warn warn = { hear, &heard };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tls_policy p = TLS_POLICY_INIT;
		print_message("%s\n", rows[i].text);
		buf_reset(&heard);
		buf_str(&heard, "");
		bool ok = tls_policy_parse(&p, span_str(rows[i].text), W, &warn);
		assert_int_equal(ok, p.level != TLS_LEVEL_INVALID);
		show(&said, &p);
		assert_string_equal(said.ptr, rows[i].says);
		assert_string_equal(heard.ptr, rows[i].warns);
		tls_policy_clear(&p);
	}
	buf_clear(&heard);
	buf_clear(&said);
}

static void
too_many_words(void **state)
{
	struct tls_policy p = TLS_POLICY_INIT;
	char text[1000] = "secure match=";

	(void)state;
	for (size_t i = 0; i <= TLS_POLICY_WORDS; i++)
		strcat(text, "a:");
	assert_false(tls_policy_parse(&p, span_str(text), W, NULL));
	assert_int_equal(p.match.count, TLS_POLICY_WORDS);
	tls_policy_clear(&p);
}

/* -- which entry -------------------------------------------------------------------------- */

static const char maps_text[] = "inline:{ { example.com = secure }, { .example.com = encrypt }, { .org = may }, { [mx.test]:587 = verify },"
    " { bad.test = foo }, { /run/lmtp = none } }";

static const struct {
	const char	*nexthop, *level;
} lookups[] = {
	{ "example.com", "secure" }, { "EXAMPLE.com", "secure" }, { "a.example.com", "encrypt" }, { "b.a.example.com", "encrypt" },
	{ "x.org", "may" }, { "org", "unknown" }, { "[mx.test]:587", "verify" }, { "[mx.test]", "unknown" },
	{ "[a.example.com]", "unknown" }, { "a.example.com:25", "unknown" }, { "bad.test", "invalid" }, { "else.test", "unknown" },
	{ "/run/lmtp", "none" }, { "a..org", "unknown" }, { "", "unknown" },
};

static void
which_entry(void **state)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct conf *conf = conf_parse("/nowhere", SPAN(""), SPAN(""), &problems);
	struct tables maps;
	struct err err;

	(void)state;
	assert_non_null(conf);
	assert_true(tables_open(&maps, conf, maps_text, &err));
	for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
		struct tls_policy p;
		print_message("%s\n", lookups[i].nexthop);
		enum table_result found = tls_policy_find(&p, &maps, "maps", NULL, lookups[i].nexthop, NULL);
		assert_string_equal(tls_level_name(p.level), lookups[i].level);
		assert_int_equal(found == TABLE_FAILED, p.level == TLS_LEVEL_INVALID);
		assert_int_equal(found == TABLE_ABSENT, p.level == TLS_LEVEL_NOT_FOUND);
		tls_policy_clear(&p);
	}
	tables_clear(&maps);
	conf_problems_clear(&problems);
	conf_unref(conf);
}

static const struct {
	const char	*one, *two, *level;
} sites[] = {
	{ "NONE", "MAY", "none" }, { "MAY", "NONE", "none" }, { "MAY", "MAY", "may" }, { "MUST", "NONE", "verify" },
	{ "NONE", "MUST", "verify" }, { "MUST", "MUST_NOPEERMATCH", "verify" }, { "MUST_NOPEERMATCH", "MUST", "verify" },
	{ "MAY", "MUST_NOPEERMATCH", "encrypt" }, { "must", "may", "verify" }, { "MAYBE", "MAY", "invalid" },
};

static void
per_site(void **state)
{
	struct conf_problems problems = { NULL, 0, 0 };
	struct conf *conf = conf_parse("/nowhere", SPAN(""), SPAN(""), &problems);
	char text[200];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
		enum tls_level level = TLS_LEVEL_NOT_FOUND;
		struct tables maps;
		(void)snprintf(text, sizeof text, "inline:{ { one = %s }, { two = %s } }", sites[i].one, sites[i].two);
		assert_true(tables_open(&maps, conf, text, &err));
		if (tls_site_find(&level, &maps, "per_site", NULL, "one", "next-hop destination", NULL) != TABLE_FAILED)
			tls_site_find(&level, &maps, "per_site", NULL, "two", "server hostname", NULL);
		assert_string_equal(tls_level_name(level), sites[i].level);
		tables_clear(&maps);
	}
	conf_problems_clear(&problems);
	conf_unref(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(entries), cmocka_unit_test(too_many_words), cmocka_unit_test(which_entry),
		cmocka_unit_test(per_site) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
