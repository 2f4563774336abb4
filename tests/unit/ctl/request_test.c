#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ctl/commands.h"

#define WORDS	16

/* Words stand between "|". */
static size_t
split(const char *line, struct span *words)
{
	struct span left = span_str(line);
	size_t n = 0;

	while (n < WORDS && span_cut(&left, '|', &words[n]))
		n++;
	return n;
}

/* The request as "COMMAND name=value ...", or "error: ...". */
static void
shown(const char *line, struct buf *out)
{
	struct span words[WORDS];
	struct request req;
	struct err err = { .kind = ERR_NONE };

	buf_reset(out);
	if (!request_parse(&req, words, split(line, words), &err)) {
		buf_printf(out, "error: %s", err.text);
	} else {
		buf_str(out, command_row(req.command)->name);
		for (size_t i = 0; i < req.count; i++)
			buf_printf(out, " %.*s=%.*s", SPAN_ARG(req.args[i].name), SPAN_ARG(req.args[i].value));
	}
	request_clear(&req);
}

static void
parses(void **state)
{
	static const struct { const char *line, *want; } cases[] = {
		{ "status", "status" }, { "stat", "status" }, { "queue|ls", "queue ls" }, { "q|l", "queue ls" },
		{ "c|4SVLCh0000z3m", "cat id=4SVLCh0000z3m" },
		{ "queue|ls|@x.org", "queue ls selector=@x.org" },
		{ "queue|ls|age > 2h|--limit|5|--sort=age|--reverse", "queue ls limit=5 sort=age reverse=1 selector=age > 2h" },
		{ "queue|ls|reason|~|421 4.7|and|state|=|hold",
		  "queue ls selector=reason ~ \"421 4.7\" and state = hold" },
		{ "queue|ls|sender|=|", "queue ls selector=sender = \"\"" },
		{ "hold|sender|=|a@b.c|--reason|too much", "hold reason=too much selector=sender = a@b.c" },
		{ "delete|4SVLCh0000z3m|4SVLCh0001z3m", "delete selector=4SVLCh0000z3m 4SVLCh0001z3m" },
		{ "help|queue|ls", "help command=queue ls" },
		{ "flush", "flush" }, { "flush|--|@x.org", "flush selector=@x.org" },
		{ "sp|ch", "spool check" }, { "s|ch", "spool check" },
		{ "stop", "stop" },
		{ "un", "error: \"un\" may be any of: undelete, undo" },
		{ "spool", "error: the command is not complete; there are: spool dump, spool check" },
		{ "session|ls", "session ls" }, { "se|l", "session ls" },
		{ "trace", "trace" }, { "trace|mx.example.com|--count|5", "trace count=5 peer=mx.example.com" },
		{ "log|-f", "log follow=1" }, { "log|--follow|program|=|qmgr|-f", "error: follow is given twice" },
		{ "log|-f|severity|=|warning|--limit|3", "log follow=1 limit=3 selector=severity = warning" },
		{ "log|age > 2h", "error: selector, column 1: there is no field \"age\"" },
		{ "log|severity = warn", "error: selector, column 16: \"warn\" is no severity: info, warning" },
		{ "queue|ls|program = smtp", "error: selector, column 1: there is no field \"program\"" },
		{ "queue|ls|-f", "error: selector, column 1: \"-f\" is neither" },
		{ "debug|peer|add|192.0.2.7|2|for|10m", "debug peer add for=10m peer=192.0.2.7 level=2" },
		{ "debug|peer|add|x.test|for|10m", "debug peer add for=10m peer=x.test" },
		{ "debug|peer|add|x.test|--for|10m", "debug peer add for=10m peer=x.test" },
		{ "debug|peer|add|x.test|for|soon", "error: --for: \"soon\" is not a time, as 90s, 10m, 1h30m or 2d" },
		{ "debug|peer|add|x.test|high", "error: \"high\" is not a number" },
		{ "debug|peer|del|x.test", "debug peer del peer=x.test" }, { "debug|peer|ls", "debug peer ls" },
		{ "debug|peer|del", "error: debug peer del needs a PEER, as in: mtactl debug peer del 192.0.2.7" },
		{ "qeue|ls", "error: there is no command \"qeue\"; did you mean \"queue\"?" },
		{ "queue|lst", "error: there is no command \"lst\"; did you mean \"ls\"?" },
		{ "hold", "error: hold needs a SELECTOR, as in: mtactl hold 'sender = www@example.com' --reason 'runaway script'" },
		{ "cat", "error: cat needs a queue ID, as in: mtactl cat 4SVLCh0000z3m" },
		{ "cat|nonsense", "error: \"nonsense\" is not a queue ID; \"queue ls\" lists them" },
		{ "cat|4SVLCh0000z3m|more", "error: cat does not take \"more\"" },
		{ "status|--limit|5", "error: status has no option --limit" },
		{ "queue|ls|--limit", "error: --limit needs a value" },
		{ "queue|ls|--limit|x", "error: --limit: \"x\" is not a number" },
		{ "queue|ls|--sort|agee", "error: --sort: there is no field \"agee\"; did you mean \"age\"?" },
		{ "queue|ls|--limit|1|--limit|2", "error: limit is given twice" },
		{ "queue|ls|--reverse=2", "error: --reverse: it takes no value" },
		{ "xyzzy", "error: there is no command \"xyzzy\"; \"help\" lists them" },
	};
	struct buf got = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		shown(cases[i].line, &got);
		/* Of an error the beginning is enough. */
		if (!span_eqs(buf_view(&got), cases[i].want) && !(span_starts(span_str(cases[i].want), "error: selector") &&
		    span_starts(buf_view(&got), cases[i].want)))
			fail_msg("%s:\n got  %s\n want %s", cases[i].line, got.ptr, cases[i].want);
	}
	buf_clear(&got);
}

/* Every placeholder of every grammar has a type, and every example is a command. */
static void
rows_are_sound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = command_row((enum command)i);
		struct grammar g = { .left = span_str(row->grammar) };
		enum command found;
		while (grammar_next(&g))
			if (g.word.len > 0 && g.place == PLACE_NONE)
				fail_msg("%s: %.*s has no type", row->name, SPAN_ARG(g.word));
		assert_true(command_find(span_str(row->name), &found));
		assert_int_equal(found, i);
		assert_true(row->summary[0] != '\0');
		assert_true(strncmp(row->example, "mtactl ", 7) == 0);
		assert_true(row->right == CTL_VIEW || row->right == CTL_READ || row->right == CTL_FLUSH
		    || row->right == CTL_ADMINISTER);
	}
}

static void
packed(void **state)
{
	struct span words[WORDS], value;
	struct request req;
	struct buf bytes = BUF_INIT(0);

	(void)state;
	assert_true(request_parse(&req, words, split("queue|ls|@x.org|--limit|5", words), NULL));
	args_pack(&bytes, &req);
	assert_true(args_get(buf_view(&bytes), "selector", &value));
	assert_true(span_eqs(value, "@x.org"));
	assert_true(args_get(buf_view(&bytes), "limit", &value));
	assert_true(span_eqs(value, "5"));
	assert_false(args_get(buf_view(&bytes), "sort", &value));
	for (size_t n = 0; n < bytes.len; n++)
		(void)args_get(span_of(bytes.ptr, n), "nothing", &value);
	buf_clear(&bytes);
	request_clear(&req);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses), cmocka_unit_test(rows_are_sound), cmocka_unit_test(packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
