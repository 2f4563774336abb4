#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mtactl/present.h"

static void
run(enum command command, bool tty, const char *const *rows, struct buf *out)
{
	struct request req = { .command = command };
	struct display d = { .tty = tty, .now = 4000, .request = &req };
	const struct presenter *p = presenter_of(command);
	struct buf note = BUF_INIT(0);
	int status = 0;

	if (p->begin != NULL)
		p->begin(&d);
	for (; *rows != NULL; rows++) {
		d.rows++;	/* as session_row counts */
		p->row(&d, span_str(*rows));
	}
	if (p->end != NULL)
		p->end(&d, &note, &status);
	buf_reset(out);
	buf_span(out, buf_view(&d.out));
	if (note.len > 0)
		buf_printf(out, "NOTE %s", note.ptr);
	buf_str(out, "");
	buf_clear(&note);
	display_clear(&d);
	request_clear(&req);
}

static const char *const story[] = {
	"{\"time\":1000,\"event\":\"received\",\"text\":\"from <\\u001b[31m>\",\"recipients\":2}",
	"{\"time\":1001,\"event\":\"deferred\",\"text\":\"421 later\",\"recipient\":\"b@a.test\",\"relay\":\"mx[1.2.3.4]:25\",\"dsn\":\"4.2.0\",\"attempt\":1}",
	"{\"time\":1002,\"event\":\"held\",\"text\":\"why not\",\"who\":\"root\",\"action\":7}", NULL,
};
static const char *const shape[] = {
	"{\"value\":\"TOTAL\",\"total\":1234,\"ages\":[1000,0,0,0,0,0,0,0,0,234]}",
	"{\"value\":\"a-domain-whose-name-is-longer-than-the-column.example.com\",\"total\":1,\"ages\":[1,0,0,0,0,0,0,0,0,0]}",
	"{\"value\":\"x\\u001by\",\"total\":0,\"ages\":[]}", NULL,
};
static const char *const suspended[] = {
	"{\"destination\":\"smtp:a.test\",\"result\":\"suspended\",\"waiting\":2}",
	"{\"action\":5,\"command\":\"dest suspend\",\"messages\":0,\"undo\":true}", NULL,
};
static const char *const top[] = {
	"{\"cause\":\"c\",\"code\":\"greylisted\",\"dest\":\"a.test\",\"messages\":3,\"recipients\":6,\"size\":4300,\"oldest\":400,\"newest\":500,"
	    "\"example\":\"4SVLCh0000z3m\",\"reason\":\"450 later\"}", NULL,
};
static const char *const nonsense[] = { "{}", "[]", "{\"ages\":{},\"total\":", NULL };

static void
shows(void **state)
{
	static const struct { enum command command; bool tty; const char *const *rows; const char *want; } cases[] = {
		{ CMD_story, false, story,
		  "1970-01-01T00:16:40Z\treceived\tfrom <\\x1b[31m>\n"
		  "1970-01-01T00:16:41Z\tdeferred\t<b@a.test>: 421 later (relay mx[1.2.3.4]:25, dsn 4.2.0, attempt 1)\n"
		  "1970-01-01T00:16:42Z\theld\twhy not (by root, action 7)\n" },
		{ CMD_queue_shape, true, shape,
		  "                                       T    5 10 20 40 80 160 320 640 1280 1280+\n"
		  "                              TOTAL 1234 1000  0  0  0  0   0   0   0    0   234\n"
		  "+longer-than-the-column.example.com    1    1  0  0  0  0   0   0   0    0     0\n"
		  "                             x\\x1by    0    -  -  -  -  -   -   -   -    -     -\n" },
		{ CMD_queue_shape, false, shape,
		  "TOTAL\t1234\t1000\t0\t0\t0\t0\t0\t0\t0\t0\t234\n"
		  "a-domain-whose-name-is-longer-than-the-column.example.com\t1\t1\t0\t0\t0\t0\t0\t0\t0\t0\t0\n"
		  "x\\x1by\t0\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n" },
		{ CMD_dest_suspend, true, suspended, "smtp:a.test: suspended, 2 recipients wait\nNOTE \"mtactl undo 5\" takes it back" },
		{ CMD_dest_resume, false, suspended, "smtp:a.test\tsuspended\t2\nNOTE \"mtactl undo 5\" takes it back" },
		{ CMD_queue_top, false, top, "3\t6\t4300\t400\t500\tgreylisted\ta.test\t4SVLCh0000z3m\tc\t450 later\n" },
		{ CMD_queue_top, true, top,
		  "MESSAGES RECIPIENTS   SIZE OLDEST  CAUSE\n"
		  "       3          6   4.2K     1h  greylisted at a.test  4SVLCh0000z3m\n"
		  "         450 later\n" },
	};
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		run(cases[i].command, cases[i].tty, cases[i].rows, &out);
		if (strncmp(out.ptr, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("case %zu:\n got\n%s\n want\n%s", i, out.ptr, cases[i].want);
	}
	buf_clear(&out);
}

/* What is not as it should be harms nothing. */
static void
takes_anything(void **state)
{
	static const enum command commands[] = { CMD_story, CMD_queue_top, CMD_queue_shape, CMD_queue_export, CMD_dest_suspend,
	    CMD_dest_resume, CMD_dest_ls };
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		run(commands[i], true, nonsense, &out);
		run(commands[i], false, nonsense, &out);
	}
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(shows), cmocka_unit_test(takes_anything) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
