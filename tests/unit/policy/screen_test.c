#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy/screen.h"
#include "tests/unit/conf/conf_helper.h"

static struct screen *
screen_of(const char *main_cf, struct conf **conf, struct err *err)
{
	*conf = test_conf_good(main_cf, NULL);
	return screen_new(conf_main(*conf), err);
}

static void
test_access(void **state)
{
	static const struct {
		const char	*list, *addr;
		enum screen_access result;
	} cases[] = {
		{ "permit_mynetworks", "10.1.2.3", SCREEN_PERMIT },
		{ "permit_mynetworks", "192.0.2.1", SCREEN_DUNNO },
		{ "permit_mynetworks", "2001:db8::1", SCREEN_PERMIT },
		{ "", "10.1.2.3", SCREEN_DUNNO },
		{ "permit_mynetworks, reject", "192.0.2.1", SCREEN_REJECT },
		{ "inline:{{192.0.2.1=dunno} {192.0.2.2=permit} {192.0.2.3=REJECT} {192.0.2.4=ok}}, permit_mynetworks", "192.0.2.1", SCREEN_DUNNO },
		{ "inline:{{192.0.2.1=dunno} {192.0.2.2=permit} {192.0.2.3=REJECT} {192.0.2.4=ok}}, permit_mynetworks", "192.0.2.2", SCREEN_PERMIT },
		{ "inline:{{192.0.2.1=dunno} {192.0.2.2=permit} {192.0.2.3=REJECT} {192.0.2.4=ok}}, permit_mynetworks", "192.0.2.3", SCREEN_REJECT },
		{ "inline:{{192.0.2.1=dunno} {192.0.2.2=permit} {192.0.2.3=REJECT} {192.0.2.4=ok}}, permit", "192.0.2.4", SCREEN_PERMIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf text = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		struct conf *conf;
		buf_printf(&text, "mynetworks = 10.0.0.0/8 [2001:db8::]/32\npostscreen_access_list = %s\n", cases[i].list);
		struct screen *s = screen_of(text.ptr, &conf, &err);
		assert_non_null(s);
		if (screen_access(s, span_str(cases[i].addr)) != cases[i].result)
			fail_msg("%s: %s", cases[i].list, cases[i].addr);
		screen_free(s);
		conf_unref(conf);
		buf_clear(&text);
	}
}

/* What the DNS knows, answered one at a time, the last asked for first. */
static void
answer_last(struct facts *f)
{
	static const struct { const char *key, *value; } zone[] = {
		{ "A 1.2.0.192.a.test", "127.0.0.2" }, { "A 1.2.0.192.b.test", "127.0.0.9\n127.0.0.4" }, { "A 1.2.0.192.good.test", "127.0.0.1" },
	};
	struct fact_want w[16];
	size_t n = 0;

	while (n < 16 && facts_wanted(f, &w[n]))
		n++;
	while (n-- > 0) {
		const char *value = NULL;
		for (size_t i = 0; i < sizeof zone / sizeof *zone; i++)
			if (span_eqs(w[n].key, zone[i].key))
				value = zone[i].value;
		enum fact_state state = span_ends(w[n].key, "broken.test") ? FACT_FAILED : value == NULL ? FACT_ABSENT : FACT_KNOWN;
		assert_true(facts_answer(f, w[n].id, state, span_str(value)));
	}
}

static void
test_score(void **state)
{
	static const struct {
		const char	*sites;
		int64_t		 score;
		const char	*worst;
	} cases[] = {
		{ "", 0, NULL },
		{ "a.test", 1, "a.test" },
		{ "a.test*3, b.test*5", 8, "b.test" },
		{ "a.test*3 b.test=127.0.0.4*4 good.test*-6", 1, "b.test" },
		{ "b.test=127.0.0.[5..8]", 0, NULL },
		{ "b.test=127.0.0.[5..9]*2", 2, "b.test" },
		{ "broken.test*7 none.test a.test", 1, "a.test" },
		{ "good.test*-2", -2, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf text = BUF_INIT(4096);
		struct err err = { ERR_NONE, "" };
		struct facts *f = facts_new();
		struct conf *conf;
		int64_t score;
		const char *worst;
		int rounds = 0;
		buf_printf(&text, "postscreen_dnsbl_sites = %s\n", cases[i].sites);
		struct screen *s = screen_of(text.ptr, &conf, &err);
		assert_non_null(s);
		facts_reset(f, 0);
		while (!screen_score(s, SPAN("192.0.2.1"), f, &score, &worst)) {
			/* All lists in one round. */
			assert_int_equal(rounds++, 0);
			answer_last(f);
		}
		assert_int_equal(score, cases[i].score);
		if (cases[i].worst == NULL)
			assert_null(worst);
		else
			assert_string_equal(worst, cases[i].worst);
		facts_free(f);
		screen_free(s);
		conf_unref(conf);
		buf_clear(&text);
	}
}

static void
test_wrong(void **state)
{
	static const struct { const char *main_cf, *text; } cases[] = {
		{ "postscreen_access_list = permit_mynetwork\n", "postscreen_access_list: \"permit_mynetwork\" is no rule" },
		{ "postscreen_access_list = nosuch:/x\n", "postscreen_access_list: " },
		{ "postscreen_greet_action = reject\n", "postscreen_greet_action: \"reject\" is none of" },
		{ "postscreen_dnsbl_sites = a.test*x\n", "postscreen_dnsbl_sites: \"a.test*x\": the weight is no number" },
		{ "postscreen_dnsbl_sites = a.test=127.0.0.[\n", "postscreen_dnsbl_sites: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { ERR_NONE, "" };
		struct conf *conf;
		assert_null(screen_of(cases[i].main_cf, &conf, &err));
		if (strstr(err.text, cases[i].text) != err.text)
			fail_msg("%s: %s", cases[i].main_cf, err.text);
		conf_unref(conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_access), cmocka_unit_test(test_score), cmocka_unit_test(test_wrong) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
