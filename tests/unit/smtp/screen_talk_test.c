/* The screener's dialogue, line by line. What a whole session comes to, tests/peers/test_postscreen.py holds against Postfix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/screen_talk.h"

static struct buf logged;
static unsigned failed, passed;

static void
on_log(void *arg, const char *text)
{
	(void)arg;
	buf_printf(&logged, "%s|", text);
}

static void
on_failed(void *arg, enum screen_talk_test test, enum screen_talk_action action)
{
	(void)arg;
	(void)action;
	failed |= 1u << test;
}

static void
on_passed(void *arg, unsigned tests)
{
	(void)arg;
	passed |= tests;
}

static const struct screen_talk_ops ops = { .log = on_log, .failed = on_failed, .passed = on_passed };

static void
test_sessions(void **state)
{
	static const struct {
		const char	*in, *out, *log;
		enum screen_talk_action action;
		unsigned	 failed, passed;
		enum screen_talk_state state;
	} cases[] = {
		{ "HELO x\r\n", "250 mx\r\n", "", TALK_DROP, 0, 0, TALK_GOES_ON },
		{ "helo x\r", "", "", TALK_DROP, 0, 0, TALK_GOES_ON },
		{ "MAIL FROM:<a@b>\r\n", "250 2.1.0 Ok\r\n", "", TALK_DROP, 0, 0, TALK_GOES_ON },
		{ "RCPT TO:<a@b>\r\n", "503 5.5.1 Error: need MAIL command\r\n", "", TALK_DROP, 0, 7, TALK_GOES_ON },
		{ "NOOP\n", "521 5.5.1 Protocol error\r\n", "BARE NEWLINE from [::1]:5 after NOOP|", TALK_DROP, 4, 0, TALK_OVER },
		{ "NOOP\n", "250 2.0.0 Ok\r\n", "BARE NEWLINE from [::1]:5 after NOOP|", TALK_IGNORE, 4, 0, TALK_GOES_ON },
		{ "GET /\r\n", "521 5.7.0 Error: I can break rules, too. Goodbye.\r\n", "NON-SMTP COMMAND from [::1]:5 after CONNECT: GET /|", TALK_DROP, 2, 0, TALK_OVER },
		{ "A: b\r\n", "502 5.5.2 Error: command not recognized\r\n", "NON-SMTP COMMAND from [::1]:5 after CONNECT: A: b|", TALK_ENFORCE, 2, 0, TALK_GOES_ON },
		{ "NOOP\r\nX\1y\r\n", "521 5.5.1 Protocol error\r\n", "COMMAND PIPELINING from [::1]:5 after NOOP: X\\001y\\r\\n|", TALK_DROP, 1, 0, TALK_OVER },
		{ "BDAT 3 LAST\r\nabc", "554 5.5.1 Error: need MAIL command\r\n", "BDAT without valid RCPT from [::1]:5|", TALK_DROP, 0, 0, TALK_OVER },
		{ "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n", "", TALK_DROP, 0, 0, TALK_TLS },
		{ "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "421 mx Service unavailable - try again later\r\n",
		  "COMMAND LENGTH LIMIT from [::1]:5 after CONNECT|", TALK_DROP, 0, 0, TALK_OVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct screen_talk_config config = { .hostname = "mx", .banner = "mx", .forbidden_commands = "GET", .line_limit = 60, .command_limit = 20,
			.actions = { cases[i].action, cases[i].action, cases[i].action } };
		struct buf out = BUF_INIT(4096);
		struct screen_talk t = { .config = &config, .ops = &ops, .who = "[::1]:5", .out = &out, .todo = 7, .tls = true };
		buf_clear(&logged);
		logged = BUF_INIT(4096);
		buf_str(&logged, "");
		failed = passed = 0;
		screen_talk_begin(&t);
		assert_string_equal(out.ptr, "220 mx\r\n");
		buf_reset(&out);
		buf_str(&out, "");
		screen_talk_run(&t, span_str(cases[i].in));
		assert_string_equal(out.ptr, cases[i].out);
		assert_string_equal(logged.ptr, cases[i].log);
		assert_int_equal(failed, cases[i].failed);
		assert_int_equal(passed, cases[i].passed);
		assert_int_equal(t.state, cases[i].state);
		screen_talk_clear(&t);
		buf_clear(&out);
	}
	buf_clear(&logged);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sessions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
