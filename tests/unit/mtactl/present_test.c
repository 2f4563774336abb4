#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "mtactl/present.h"

static void
safe(void **state)
{
	static const struct { const char *in; size_t len; bool lines; const char *want; } cases[] = {
		{ "plain ~", 7, false, "plain ~" },
		{ "\x1b[31mred\x07\n", 10, false, "\\x1b[31mred\\x07\\x0a" },
		{ "a\tb\nc\r", 6, true, "a\tb\nc\\x0d" },
		{ "\x00\x7f", 2, false, "\\x00\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f", 6, false, "gr\xc3\xbc\xc3\x9f" },
		{ "\xc2\x9b" "2J", 4, false, "\\u009b2J" },		/* C1: CSI */
		{ "\x9b" "2J", 3, false, "\\x9b2J" },
		{ "a\xe2\x80\xae" "b", 5, false, "a\\u202eb" },		/* right-to-left override */
		{ "\xef\xbb\xbf", 3, false, "\\ufeff" },
		{ "\xf0\x9f\x98\x80", 4, false, "\xf0\x9f\x98\x80" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&b);
		safe_text(&b, span_of(cases[i].in, cases[i].len), cases[i].lines);
		assert_string_equal(b.ptr, cases[i].want);
	}
	buf_clear(&b);
}

static void
numbers(void **state)
{
	static const struct { void (*fn)(struct buf *, int64_t); int64_t n; const char *want; } cases[] = {
		{ age_text, -5, "0s" }, { age_text, 59, "59s" }, { age_text, 60, "1m" }, { age_text, 7199, "1h" },
		{ age_text, 47 * 3600, "47h" }, { age_text, 48 * 3600, "2d" },
		{ size_text, 0, "0" }, { size_text, 999, "999" }, { size_text, 1000, "1.0K" }, { size_text, 4300, "4.2K" },
		{ size_text, 1024 * 1000, "1.0M" }, { size_text, 17825792, "17M" }, { size_text, (int64_t)5 << 40, "5.0T" },
		{ iso_text, 0, "1970-01-01T00:00:00Z" }, { iso_text, 1795309326, "2026-11-22T01:02:06Z" },
		{ iso_text, 86399, "1970-01-01T23:59:59Z" }, { iso_text, -1, "" }, { iso_text, INT64_MAX, "" },
	};
	struct buf b = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_reset(&b);
		buf_str(&b, "");
		cases[i].fn(&b, cases[i].n);
		assert_string_equal(b.ptr, cases[i].want);
	}
	buf_clear(&b);
}

/* -- presenters: rows in, text out ------------------------------------------ */

static const char deferred[] = "{\"queue_name\":\"deferred\",\"queue_id\":\"4SVLCh0000z3m\",\"arrival_time\":1000,"
    "\"message_size\":4300,\"forced_expire\":false,\"sender\":\"ann@example.org\",\"recipients\":[{\"address\":\"bob@a.test\","
    "\"delay_reason\":\"said: 421 \\u001b[31m\\\"later\\\"\",\"state\":\"deferred\",\"next_time\":1900},{\"address\":\"c@a.test\","
    "\"blocker\":\"destination is suspended\"}]}";
static const char held[] = "{\"queue_name\":\"hold\",\"queue_id\":\"4SVLCh0001z3m\",\"arrival_time\":1600,\"message_size\":500,"
    "\"sender\":\"\",\"hold_reason\":\"looks bad\",\"hold_by\":\"root\",\"recipients\":[]}";

static void
run(enum command command, bool tty, const char *selector, const char *const *rows, struct buf *out, int *status)
{
	struct request req = { .command = command, .count = 0 };
	struct display d = { .tty = tty, .now = 1630, .trash_time = 86400, .request = &req };
	const struct presenter *p = presenter_of(command);
	struct buf note = BUF_INIT(0);

	if (selector != NULL)
		assert_true(request_add(&req, SPAN("selector"), span_str(selector), NULL));
	setenv("TZ", "UTC0", 1);
	if (p->begin != NULL)
		p->begin(&d);
	for (; *rows != NULL; rows++, d.rows++)
		p->row(&d, span_str(*rows));
	if (p->end != NULL)
		p->end(&d, &note, status);
	buf_reset(out);
	buf_span(out, buf_view(&d.out));
	if (note.len > 0)
		buf_printf(out, "NOTE %s", note.ptr);
	buf_str(out, "");
	buf_clear(&note);
	display_clear(&d);
	request_clear(&req);
}

static void
shows(void **state)
{
	static const struct { enum command command; bool tty; const char *selector; const char *rows[6]; const char *want; int status; }
	    cases[] = {
		{ CMD_queue_ls, true, NULL, { deferred, held },
		  "QUEUE ID            SIZE   AGE  SENDER, RECIPIENTS\n"
		  "4SVLCh0000z3m        4.2K   10m  ann@example.org\n"
		  "        bob@a.test  next try in 4m\n"
		  "            (said: 421 \\x1b[31m\"later\")\n"
		  "        c@a.test  destination is suspended\n"
		  "4SVLCh0001z3m!        500   30s  <>\n"
		  "        held by root: looks bad\n"
		  "NOTE -- 2 messages, 4.7K", 0 },
		{ CMD_queue_ls, false, NULL, { deferred, held },
		  "4SVLCh0000z3m\tdeferred\t1970-01-01T00:16:40Z\t4300\tann@example.org\tbob@a.test,c@a.test\t1970-01-01T00:31:40Z\t"
		  "said: 421 \\x1b[31m\"later\"\n"
		  "4SVLCh0001z3m\thold\t1970-01-01T00:26:40Z\t500\t<>\t-\t-\t-\n", 0 },
		{ CMD_queue_ls, true, NULL, { NULL }, "NOTE Mail queue is empty", 0 },
		{ CMD_queue_ls, true, "hold", { NULL }, "NOTE nothing matches", 1 },
		{ CMD_delete, false, "hold", { "{\"queue_id\":\"A\",\"result\":\"deleted\"}",
		  "{\"action\":17,\"command\":\"delete\",\"messages\":1,\"undo\":true}" },
		  "A\tdeleted\nNOTE 1 message deleted. Take it back with: mtactl undo 17, within 24h", 0 },
		{ CMD_undo, true, NULL, { "{\"queue_id\":\"A\",\"result\":\"undeleted\"}",
		  "{\"action\":18,\"command\":\"undo\",\"messages\":1,\"skipped\":2,\"undoes\":17,\"undo\":true}" },
		  "A: undeleted\nNOTE 1 message undeleted. Action 17 is taken back, but for 2 messages changed since, or finished."
		  " Do it again with: mtactl undo 18", 0 },
		{ CMD_bounce, false, "*", { "{\"queue_id\":\"A\",\"result\":\"bounced\",\"detail\":\"1 recipient is being delivered\"}",
		  "{\"action\":3,\"command\":\"bounce\",\"messages\":1,\"undo\":false}" },
		  "A\tbounced\t1 recipient is being delivered\nNOTE 1 message bounced.", 0 },
		{ CMD_hold, true, "*", { "{\"plan\":3,\"command\":\"hold\",\"messages\":2,\"recipients\":3,\"size\":4300,\"expires\":2530}",
		  "{\"sample\":true,\"queue_name\":\"deferred\",\"queue_id\":\"4SVLCh0000z3m\",\"arrival_time\":1000,\"message_size\":430,"
		  "\"sender\":\"\",\"recipients\":[]}", "{\"by\":\"sender\",\"value\":\"\",\"messages\":2}",
		  "{\"by\":\"dest\",\"value\":\"a.test\",\"messages\":2}" },
		  "plan 3: hold 2 messages, 3 recipients, 4.2K\n\nfor example\n4SVLCh0000z3m         430   10m  <>\n"
		  "\nby sender\n       2  <>\n\nby dest\n       2  a.test\n"
		  "NOTE Nothing was done. Do it with: mtactl apply 3, within 15m", 0 },
		{ CMD_journal, false, NULL, { "{\"action\":17,\"time\":1600,\"who\":\"root\",\"command\":\"delete\",\"selector\":\"@a.test\","
		  "\"reason\":\"junk\\u001b\",\"messages\":3,\"undone\":18,\"can_undo\":false}",
		  "{\"action\":16,\"time\":1600,\"who\":\"root\",\"command\":\"undo\",\"selector\":\"15\",\"undoes\":15,"
		  "\"messages\":1,\"interrupted\":true,\"can_undo\":true}" },
		  "17\t1970-01-01T00:26:40Z\troot\tdelete\t3\t@a.test\tjunk\\x1b\tundone by 18\n"
		  "16\t1970-01-01T00:26:40Z\troot\tundo\t1\taction 15\t-\tcan be undone, was interrupted\n", 0 },
		{ CMD_hold, true, "*", { "{\"queue_id\":\"A\",\"result\":\"held\"}", "{\"queue_id\":\"B\",\"result\":\"skipped\","
		  "\"detail\":\"it is gone\"}", "{\"queue_id\":\"C\",\"result\":\"held\"}" },
		  "A: held\nB: skipped (it is gone)\nC: held\nNOTE 2 messages held, 1 skipped.", 0 },
		{ CMD_doctor, true, NULL, { "{\"check\":\"counts\",\"ok\":true,\"checked\":3}",
		  "{\"violation\":\"no event\",\"queue_id\":\"A\",\"recipient\":\"x@y\"}" },
		  "ok   counts (3 checked)\n!!   A x@y no event\n", 1 },
		{ CMD_why, false, "*", { "{\"queue_id\":\"A\",\"sender\":\"\",\"recipient\":\"x@y\",\"arrival_time\":1600,\"verdict\":\"it waits\","
		  "\"attempts\":2,\"last_time\":1610,\"next_event\":\"a probe\"}" },
		  "A to x@y, from <>, 30s old\n  verdict     it waits\n  tried       2 times, last 20s ago\n  next        a probe\n", 0 },
		{ CMD_status, false, NULL, { "{\"role\":\"send\",\"slot\":1,\"stats\":{\"a\":1,\"b\":\"x\"}}",
		  "{\"role\":\"local\",\"slot\":0,\"error\":\"no answer\"}" }, "send\t1\ta=1 b=x\nlocal\t0\tno answer\n", 0 },
		{ CMD_cat, false, NULL, { "{\"header\":\"A: \\u00e9\\n\\n\"}", "{\"body64\":\"AP8=\"}", "{\"body\":\"x\\n\"}" },
		  NULL, 0 },
		{ CMD_session_ls, true, NULL, { "{\"session\":\"in-0-7\",\"direction\":\"in\",\"peer\":\"x\u202e[192.0.2.1]\",\"state\":\"DATA\","
		  "\"sender\":\"ann@a.test\",\"recipients\":2,\"queue_id\":\"4SVLCh0000z3m\",\"since\":1000,\"idle\":61,\"bytes\":4300,\"debug\":2}",
		  "{\"role\":\"send\",\"slot\":1,\"error\":\"no answer within a second\"}" },
		  "SESSION    PEER                         STATE           AGE IDLE BYTES MESSAGE\n"
		  "in-0-7     x\\u202e[192.0.2.1]           DATA            10m   1m  4.2K 4SVLCh0000z3m from <ann@a.test> to 2 (debug 2)\n"
		  "send 1: no answer within a second\nNOTE -- 1 session", 0 },
		{ CMD_session_ls, false, NULL, { "{\"session\":\"in-0-7\",\"direction\":\"in\",\"service\":\"smtpd\",\"peer\":\"a[1]\",\"port\":5,"
		  "\"state\":\"EHLO\",\"since\":9,\"idle\":3,\"bytes\":4}" },
		  "in-0-7\tin\tsmtpd\ta[1]\t5\tEHLO\t9\t3\t4\t-\t-\t-\n", 0 },
		{ CMD_debug_peer_ls, true, NULL, { "{\"peer\":\"mx.a.test\",\"level\":2,\"until\":1690,\"who\":\"root\",\"source\":\"operator\"}",
		  "{\"peer\":\"b\",\"level\":1,\"source\":\"main.cf\"}" },
		  "mx.a.test                    level 2, from operator root, ends in 1m\n"
		  "b                            level 1, from main.cf\n", 0 },
		{ CMD_debug_peer_del, false, NULL, { "{\"peer\":\"b\"}" }, "b\tremoved\n", 0 },
		{ CMD_trace, true, NULL, { "{\"time\":1000.123456,\"session\":\"out-0-1\",\"peer\":\"mx[1]:25\",\"from\":\"peer\",\"text\":\"220 \\u001b[2J\"}",
		  "{\"lost\":12}", "{\"time\":1000.2,\"session\":\"out-0-1\",\"peer\":\"mx[1]:25\",\"from\":\"mtad\",\"text\":\"QUIT\"}",
		  "{\"time\":1000,\"session\":\"in-0-2\",\"peer\":\"c[2]\",\"from\":\"note\",\"text\":\"the session ends\"}" },
		  "-- out-0-1 mx[1]:25\n00:16:40.123 out-0-1 <- 220 \\x1b[2J\n-- 12 lines were lost here: they came faster than they were read\n"
		  "00:16:40.200 out-0-1 -> QUIT\n-- in-0-2 c[2]\n00:16:40.000 in-0-2 -- the session ends\n", 0 },
		{ CMD_trace, false, NULL, { "{\"time\":1000.123456,\"session\":\"out-0-1\",\"peer\":\"mx[1]:25\",\"from\":\"peer\",\"text\":\"220 x\"}",
		  "{\"lost\":12}" }, "1000.123456\tout-0-1\tmx[1]:25\t<\t220 x\nlost\t12\n", 0 },
		{ CMD_log, false, NULL, { "{\"time\":\"bad\",\"severity\":\"warning\",\"program\":\"smtpd\",\"role\":\"receive\",\"slot\":1,\"text\":\"a\\u202eb\"}",
		  "{\"severity\":\"info\",\"text\":\"c\"}" }, "- smtpd[receive 1]: warning: a\\u202eb\n- -[- -]: c\n", 0 },
		{ CMD_log, true, NULL, { NULL }, "NOTE no warnings and no errors since mtad started; \"mtactl log -f\" follows the log", 0 },
		/* What is not as it should be harms nothing. */
		{ CMD_queue_ls, false, NULL, { "{}", "[]", "{\"recipients\":[{\"address\":" },
		  "-\t-\t1970-01-01T00:00:00Z\t0\t<>\t-\t-\t-\n-\t-\t1970-01-01T00:00:00Z\t0\t<>\t-\t-\t-\n"
		  "-\t-\t1970-01-01T00:00:00Z\t0\t<>\t-\t-\t-\n", 0 },
	};
	struct buf out = BUF_INIT(0);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int status = 0;
		run(cases[i].command, cases[i].tty, cases[i].selector, cases[i].rows, &out, &status);
		if (cases[i].want == NULL)
			assert_true(span_eq(buf_view(&out), SPAN("A: \xc3\xa9\n\n\0\xffx\n")));
		else if (!span_eqs(buf_view(&out), cases[i].want))
			fail_msg("case %zu:\n got  %s\n want %s", i, out.ptr, cases[i].want);
		assert_int_equal(status, cases[i].status);
	}
	buf_clear(&out);
}

/* -- the manual -------------------------------------------------------------- */

static void
manual(void **state)
{
	struct buf text = BUF_INIT(0), want = BUF_INIT(0);
	FILE *f = fopen("docs/mtactl.1", "r");
	char *room;
	size_t n;

	(void)state;
	if (f == NULL)
		fail_msg("docs/mtactl.1 is not there; run this from the top of the tree");
	while ((room = buf_room(&text, 4096)) != NULL && (n = fread(room, 1, 4096, f)) > 0)
		buf_added(&text, n);
	fclose(f);
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		const struct command_row *row = command_row((enum command)i);
		struct grammar g = { .left = span_str(row->grammar) };
		buf_reset(&want);
		buf_printf(&want, "\n.It Cm %s", row->name);
		char *at = strstr(text.ptr, want.ptr);
		if (at == NULL)
			fail_msg("%s is not in the manual", row->name);
		struct span line = span_head(span_str(at + 1), span_find(span_str(at + 1), '\n'));
		char *copy = span_dup(line);
		while (grammar_next(&g)) {
			buf_reset(&want);
			buf_printf(&want, g.option.len > 0 ? "Fl -%.*s" : "Ar %.*s", SPAN_ARG(g.option.len > 0 ? g.option : g.word));
			if (strstr(copy, want.ptr) == NULL)
				fail_msg("%s: the manual lacks %s", row->name, want.ptr);
		}
		free(copy);
	}
	buf_clear(&text);
	buf_clear(&want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(safe), cmocka_unit_test(numbers), cmocka_unit_test(shows), cmocka_unit_test(manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
