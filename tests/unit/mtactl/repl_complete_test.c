#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "mtactl/repl_complete.h"

/* A daemon that knows one value of each field, and one that nobody may type. */
static void
values(void *arg, const char *field, struct candidates *c)
{
	char text[64];

	(void)arg;
	snprintf(text, sizeof text, "<%s>", field);
	candidate_add(c, span_str(text), span_str("\x1b]0;x\x07"));
	candidate_add(c, span_str("a b;$(x)"), SPAN_NONE);
	candidate_add(c, span_str("dead.test"), SPAN_NONE);
}

/* The line up to the cursor; a candidate that must be there, and one that must not. */
static void
places(void **state)
{
	static const struct { const char *line, *there, *not_there; } cases[] = {
		{ "", "queue", "ls" }, { "", "watch", NULL }, { "st", "status", "queue" }, { "st", "stop", NULL },
		{ "queue ", "ls", "status" }, { "q l", "ls", "show" }, { "queue s", "show", "ls" },
		{ "nonsense ", NULL, "ls" },
		{ "queue ls ", "state", "sender =" }, { "queue ls ", "deferred", NULL }, { "queue ls ", "--sort", NULL },
		{ "queue ls ", "<id>", NULL }, { "queue ls --", "--limit", "state" },
		{ "queue ls --sort a", "age", "deferred" }, { "queue ls --sort=a", "age", NULL },
		{ "queue ls --limit 5 --", "--sort", "--limit" },
		{ "queue ls --limit 5 st", "state", NULL },
		{ "queue ls age ", "<", "and" }, { "queue ls sender ", "~", "<" },
		{ "queue ls state = ", "deferred", "sender" }, { "queue ls 'state = de", "deferred", NULL },
		{ "queue ls state=", "deferred", "sender" }, { "queue ls state = ", "deferred", "--sort" },
		{ "queue ls sender.domain = ", "<sender.domain>", "deferred" },
		{ "queue ls rcpt.domain in (a.com, ", "<rcpt.domain>", "and" },
		{ "queue ls rcpt.domain in (a.com) ", "and", "<rcpt.domain>" },
		{ "queue ls state = deferred ", "and", "state" }, { "queue ls state = deferred and ", "state", NULL },
		{ "why @de", "@dead.test", NULL }, { "why age > ", NULL, "sender" },
		{ "queue show ", "<id>", "state" }, { "queue show 4abc ", "--json", "<id>" },
		{ "queue count --by ", "rcpt.domain", "<id>" },
		{ "help ", "queue", "watch" }, { "help queue ", "ls", "status" },
		{ "config get mydest", "mydestination", "myhostname" }, { "config get mydestination myhostn", "myhostname", NULL },
		{ "config set relayh", "relayhost", NULL }, { "config set relayhost ", "--plan", "mynetworks" },
		{ "config explain smtpd_relay", "smtpd_relay_restrictions", NULL },
		{ "map query ", "<table>", "<id>" }, { "map query transport_maps ", "<key:transport_maps>", NULL },
		{ "map put texthash:/a/b --plan ", NULL, "<table>" }, { "map undo ", "<table>", NULL },
		{ "lint --explain P1", "P101", "R101" }, { "lint --format ", "json", "P101" },
		{ "watch ", "queue", "watch" }, { "watch 5 queue ", "ls", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span line = span_str(cases[i].line);
		size_t at = line.len;
		bool there = cases[i].there == NULL, not_there = true;
		struct candidates c;
		while (at > 0 && strchr(repl_word_breaks, line.ptr[at - 1]) == NULL)
			at--;
		repl_complete(&c, span_head(line, at), span_skip(line, at), values, NULL);
		for (size_t k = 0; k < c.count; k++) {
			there = there || strcmp(c.item[k].text, cases[i].there) == 0;
			not_there = not_there && (cases[i].not_there == NULL || strcmp(c.item[k].text, cases[i].not_there) != 0);
			assert_null(strchr(c.item[k].text, '$'));
			assert_true(c.item[k].hint == NULL || strchr(c.item[k].hint, '\x1b') == NULL);
		}
		if (!there || !not_there)
			fail_msg("\"%s\": %s", cases[i].line, there ? "too much" : "too little");
		candidates_clear(&c);
	}
}

static void
files(void **state)
{
	static const struct { const char *left; bool files; } cases[] = {
		{ "queue ls > ", true }, { "queue ls >> /tmp/", true }, { "queue ls | gr", true }, { "spool dump ", true },
		{ "queue ls age > ", false }, { "queue ls --sort age > ", true }, { "queue ls 'a | ", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct candidates c;
		repl_complete(&c, span_str(cases[i].left), SPAN_NONE, values, NULL);
		assert_int_equal(c.files, cases[i].files);
		candidates_clear(&c);
	}
}

/* Any bytes, at any length: bounds only. */
static void
noise(void **state)
{
	static const char bytes[] = "queue ls ()\"'|<>=!~,@-\t\n\xff\x1b in and whyageid";
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char line[400];
		size_t n = 0, end = seed % sizeof line;
		while (n < end) {
			seed = seed * 1664525 + 1013904223;
			line[n++] = bytes[(seed >> 16) % (sizeof bytes - 1)];
		}
		seed++;
		struct candidates c;
		size_t at = n == 0 ? 0 : (seed >> 8) % n;
		repl_complete(&c, span_of(line, at), span_of(line + at, n - at), values, NULL);
		candidates_clear(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places), cmocka_unit_test(files), cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
