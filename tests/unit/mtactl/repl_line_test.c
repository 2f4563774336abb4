#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mtactl/repl_line.h"

/* Words as "[a][b c]", then where the output goes. */
static void
lines(void **state)
{
	static const struct { const char *in, *want; } cases[] = {
		{ "", "" }, { "   \t", "" }, { "# a comment | x", "" },
		{ "queue ls", "[queue][ls]" },
		{ "queue ls 'a = b' \"c \\\" d\" e\\ f", "[queue][ls][a = b][c \" d][e f]" },
		{ "why \"4\\.7\" ''", "[why][4\\.7][]" },
		{ "queue ls | wc -l", "[queue][ls] | wc -l" },
		{ "queue ls|grep 'a|b'", "[queue][ls] | grep 'a|b'" },
		{ "queue ls > out file", "error: there is more behind the file's name (quote a selector that has > in it)" },
		{ "queue ls > 'out file'", "[queue][ls] > out file" },
		{ "queue ls >>log", "[queue][ls] >> log" },
		{ "queue ls age > 2h", "[queue][ls][age][>][2h]" },
		{ "queue ls age >2h", "[queue][ls][age][>2h]" },
		{ "queue ls age > 2h > out", "[queue][ls][age][>][2h] > out" },
		{ "queue ls age>2h and size >= 5k", "[queue][ls][age>2h][and][size][>=][5k]" },
		{ "queue ls --sort age > out", "[queue][ls][--sort][age] > out" },
		{ "queue ls reason ~ 421|450", "[queue][ls][reason][~][421|450]" },
		{ "queue ls reason~421|450", "[queue][ls][reason~421|450]" },
		{ "queue ls reason ~ 421 | wc", "[queue][ls][reason][~][421] | wc" },
		{ "queue ls '>'", "[queue][ls][>]" },
		{ "watch queue count", "2s [queue][count]" },
		{ "watch 10 queue count", "10s [queue][count]" },
		{ "watch 0 status", "error: watch takes 1 to 86400 seconds" },
		{ "watch", "error: watch needs a command: watch [SECONDS] COMMAND" },
		{ "watch 3", "error: watch needs a command: watch [SECONDS] COMMAND" },
		{ "watch status | less", "error: watch shows its command on the screen; it takes no | and no >" },
		{ "| wc", "error: a command is missing" },
		{ "> x", "error: a command is missing" },
		{ "status >", "error: a file's name is missing behind >" },
		{ "status |  ", "error: a command of the shell is missing behind |" },
		{ "why 'a", "error: a quote is not closed" },
		{ "a|b", "[a] | b" }, { "a>b", "[a>b]" }, { "\\", "[\\]" },
	};
	static const char *const targets[] = { "", " | ", " > ", " >> " };
	struct buf b = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err = { .kind = ERR_NONE };
		struct repl_line line;
		buf_reset(&b);
		buf_str(&b, "");
		if (!repl_line_parse(&line, span_str(cases[i].in), &err)) {
			buf_printf(&b, "error: %s", err.text);
		} else {
			if (line.watch > 0)
				buf_printf(&b, "%us ", line.watch);
			for (size_t k = 0; k < line.count; k++)
				buf_printf(&b, "[%.*s]", SPAN_ARG(line.words[k]));
			buf_printf(&b, "%s%s", targets[line.target], line.target != TARGET_SCREEN ? line.to.ptr : "");
		}
		assert_string_equal(b.ptr, cases[i].want);
		repl_line_clear(&line);
	}
	buf_clear(&b);
}

static void
zero_byte(void **state)
{
	struct err err = { .kind = ERR_NONE };
	struct repl_line line;

	(void)state;
	assert_false(repl_line_parse(&line, span_of("a\0b", 3), &err));
	repl_line_clear(&line);
}

static void
history(void **state)
{
	static const struct { const char *line; bool kept; } cases[] = {
		{ "queue ls", true }, { " queue ls", false }, { "", false }, { "\tstatus", false },
		{ "map get hash:/etc/sasl_passwd x", false }, { "config set x_PASSWORD=y", false }, { "a token", false },
		{ "pass", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(repl_history_keeps(span_str(cases[i].line)), cases[i].kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines), cmocka_unit_test(zero_byte), cmocka_unit_test(history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
