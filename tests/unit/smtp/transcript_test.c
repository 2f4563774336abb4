#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pack.h"
#include "base/watch.h"
#include "smtp/transcript.h"

static struct conf *conf;
static char seen[8000];		/* what was logged, a line each */

static void
on_line(enum log_level level, const char *program, const char *text)
{
	(void)level;
	(void)program;
	snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s\n", text);
}

static int
set_up(void **state)
{
	struct conf_problems problems = { .count = 0 };

	(void)state;
	loop_init();
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "host", "mtad");
	conf = conf_parse("/nonexistent", SPAN(""), SPAN(""), &problems);
	conf_problems_clear(&problems);
	return conf == NULL;
}

static int
tear_down(void **state)
{
	(void)state;
	conf_unref(conf);
	return 0;
}

/* "<" is the peer, ">" mtad, "#" a note; the same, shown. */
static void
credentials(void **state)
{
	static const struct { bool out; const char *said, *shown; } cases[] = {
		{ false, "> 220 x\n< EHLO y\n> 250 x\n", "> P: 220 x\n< P: EHLO y\n> P: 250 x\n" },
		{ false, "< AUTH PLAIN AHVzZXIAcGFzcw==\n> 235 ok\n", "< P: AUTH PLAIN [hidden]\n> P: 235 ok\n" },
		{ false, "< auth  plain\tAHVzZXIAcGFzcw== \n", "< P: auth  plain [hidden]\n" },
		{ false, "< AUTH PLAIN\n> 334 \n< AHVzZXIAcGFzcw==\n> 535 no\n< EHLO z\n",
		  "< P: AUTH PLAIN\n> P: 334 \n< P: [hidden]\n> P: 535 no\n< P: EHLO z\n" },
		{ false, "< AUTH LOGIN\n> 334 VXNlcm5hbWU6\n< dXNlcg==\n> 334 UGFzc3dvcmQ6\n< cGFzcw==\n> 235 ok\n< MAIL FROM:<a>\n",
		  "< P: AUTH LOGIN\n> P: 334 [hidden]\n< P: [hidden]\n> P: 334 [hidden]\n< P: [hidden]\n> P: 235 ok\n< P: MAIL FROM:<a>\n" },
		/* It gives up. */
		{ false, "< AUTH LOGIN\n> 334 x\n< *\n> 501 no\n", "< P: AUTH LOGIN\n> P: 334 [hidden]\n< P: *\n> P: 501 no\n" },
		/* Refused, and sent all the same; up to the next command. */
		{ false, "< AUTH LOGIN\n> 503 no\n< dXNlcg==\n> 500 what\n< cGFzcw==\n< QUIT\n< odd\n",
		  "< P: AUTH LOGIN\n> P: 503 no\n< P: [hidden]\n> P: 500 what\n< P: [hidden]\n< P: QUIT\n< P: odd\n" },
		/* What is no mechanism may be the secret. */
		{ false, "< AUTH hunter2\n", "< P: AUTH [hidden]\n" },
		{ false, "< AUTH SCRAM-SHA-256 biwsbj11c2Vy\n", "< P: AUTH SCRAM-SHA-256 [hidden]\n" },
		{ false, "< GET / HTTP/1.0\n", "< P: GET / HTTP/1.0\n" },
		/* Going out, mtad is the one with the secret. */
		{ true, "< 250-AUTH PLAIN LOGIN\n> AUTH PLAIN c2VjcmV0\n< 235 ok\n",
		  "< P: 250-AUTH PLAIN LOGIN\n> P: AUTH PLAIN [hidden]\n< P: 235 ok\n" },
		{ true, "> AUTH CRAM-MD5\n< 334 PDEyMz4=\n> c2VjcmV0\n< 235 ok\n> MAIL FROM:<>\n",
		  "> P: AUTH CRAM-MD5\n< P: 334 [hidden]\n> P: [hidden]\n< P: 235 ok\n> P: MAIL FROM:<>\n" },
		{ true, "< 334 c2VjcmV0\n# a note\n", "< P: 334 [hidden]\nP: a note\n" },
	};

	(void)state;
	log_watch = on_line;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct transcripts all = { .version = 1 };
		struct transcript t;
		struct span left = span_str(cases[i].said), line;
		transcript_begin(&all, &t, cases[i].out);
		t.debug = 2;
		t.version = 1;
		seen[0] = '\0';
		while (left.len > 0 && span_cut(&left, '\n', &line))
			transcript_say(&all, &t, "smtpd", "P", *line.ptr == '<' ? SAID_BY_PEER : *line.ptr == '>' ?
			    SAID_BY_MTAD : SAID_NOTE, span_skip(line, 2));
		if (strcmp(seen, cases[i].shown) != 0)
			fail_msg("case %zu: got\n%swant\n%s", i, seen, cases[i].shown);
	}
	log_watch = NULL;
}

static void
public_words(void **state)
{
	static const struct { const char *words, *want; } cases[] = {
		{ "MAIL FROM:<a>\r\nRCPT TO:<b>\r\n", "MAIL FROM:<a>\r\nRCPT TO:<b>\r\n" },
		{ "AUTH PLAIN c2VjcmV0\r\nMAIL", "AUTH PLAIN" },
		{ "EHLO x\r\nAUTH c2VjcmV0\r\n", "EHLO x\r\nAUTH" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_true(span_eqs(transcript_public(span_str(cases[i].words)), cases[i].want));
}

static void
patterns(void **state)
{
	static const struct { const char *pattern; bool good; } cases[] = {
		{ "192.0.2.7", true }, { "192.0.2.0/24", true }, { "mx.example.com", true }, { ".example.com", true },
		{ "[2001:db8::1]", true }, { "2001:db8::1", true }, { "[2001:db8::]/32", true }, { "", false },
		{ "/etc/passwd", false }, { "hash:/etc/x", false }, { "!x.test", false }, { "a b", false }, { "a,b", false },
		{ "unix:passwd.byname", false }, { "192.0.2.1/24", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err err = { .kind = ERR_NONE };
		struct match_list *l = transcript_pattern(conf, span_str(cases[i].pattern), &err);
		if ((l != NULL) != cases[i].good)
			fail_msg("%s: %s", cases[i].pattern, err.text);
		assert_true(l != NULL || err.text[0] != '\0');
		match_list_free(l);
	}
}

static void
pack_tracer(struct buf *b, uint8_t bit, const char *pattern)
{
	pack_u8(b, bit);
	pack_span(b, span_str(pattern));
}

static void
matching(void **state)
{
	struct transcripts all = { .version = 1 };
	struct buf tracers = BUF_INIT(0), peers = BUF_INIT(0);
	struct transcript t;
	struct transcript_peer who = { .name = SPAN("mx.good.test"), .addr = SPAN("127.0.0.2"), .nexthop = SPAN("[good.test]:25"),
		.level = 3 };

	(void)state;
	transcript_begin(&all, &t, true);
	assert_true(transcript_stale(&all, &t));
	transcript_match(&all, &t, &who);
	assert_false(transcript_on(&t));
	assert_false(transcript_stale(&all, &t));

	pack_tracer(&tracers, 0, "mx.other.test");
	pack_tracer(&tracers, 1, "127.0.0.0/8");
	pack_tracer(&tracers, 5, "out-0-1");
	pack_tracer(&tracers, 7, "good.test");
	pack_tracer(&tracers, 63, "");
	transcripts_watch(&all, conf, &(struct ipc_watch){ .serial = 9, .tracers = buf_view(&tracers) });
	assert_true(transcript_stale(&all, &t));
	transcript_match(&all, &t, &who);
	assert_true(t.tracers == ((uint64_t)1 << 63 | 0x80 | 0x20 | 2));
	/* Shown from its middle on: what is no command may be a secret. */
	assert_true(t.secrets);

	pack_span(&peers, SPAN("good.test"));
	pack_u8(&peers, 4);
	pack_span(&peers, SPAN("127.0.0.2"));
	pack_u8(&peers, 1);
	transcripts_peers(&all, conf, &(struct ipc_debug_peers){ .peers = buf_view(&peers) });
	transcript_match(&all, &t, &who);
	assert_int_equal(t.debug, 4);
	who.list = match_list_new(conf, "debug_peer_list", ".good.test 127.0.0.2", MATCH_CLIENT, NULL);
	who.level = 7;
	transcript_match(&all, &t, &who);
	assert_int_equal(t.debug, 7);
	match_list_free(who.list == NULL ? NULL : (struct match_list *)(uintptr_t)who.list);
	who.list = NULL;
	transcripts_forget(&all);
	transcript_match(&all, &t, &who);
	assert_false(transcript_on(&t));
	/* Bytes that are no list harm nothing. */
	transcripts_watch(&all, conf, &(struct ipc_watch){ .tracers = SPAN("\x01\xff\xff\xff\xff") });
	transcripts_peers(&all, conf, &(struct ipc_debug_peers){ .peers = SPAN("\xff\xff") });
	transcripts_forget(&all);
	buf_clear(&tracers);
	buf_clear(&peers);
}

/* -- traces ------------------------------------------------------------------- */

static unsigned lines;
static uint32_t lost;
static char last[200];

static void
on_trace_line(void *arg, struct ipc *c, const struct ipc_trace_line *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	lines++;
	lost += m->lost;
	snprintf(last, sizeof last, "%u %llu %u %.*s %.*s %.*s", m->serial, (unsigned long long)m->tracers, m->from,
	    SPAN_ARG(m->session), SPAN_ARG(m->peer), SPAN_ARG(m->text));
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
}

static void
end_round(void *arg)
{
	(void)arg;
	loop_stop(0);
}

static void
run(void)
{
	static struct loop_timer timer;

	loop_timer_init(&timer, end_round, NULL);
	loop_timer_set(&timer, 30000);
	loop_run();
}

static void
traces(void **state)
{
	static const struct ipc_handlers handlers = { .trace_line = on_trace_line, .closed = on_closed };
	struct transcripts all = { .version = 1, .serial = 3 };
	struct transcript t;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct ipc *role = ipc_new(ends[0], ROLE_RECEIVE, ROLE_CONTROL, 0, 0, &handlers, NULL);
	struct ipc *control = ipc_new(ends[1], ROLE_CONTROL, ROLE_RECEIVE, 0, 0, &handlers, NULL);
	watch_control(role);
	transcript_begin(&all, &t, false);
	t.tracers = 6;
	transcript_say(&all, &t, "smtpd", "c[1]", SAID_BY_PEER, SPAN("EHLO x"));
	run();
	assert_int_equal(lines, 1);
	assert_string_equal(last, "3 6 0 in-0-1 c[1] EHLO x");
	/* Nobody reads: it is dropped and counted, and never more memory. */
	for (int i = 0; i < 20000; i++)
		transcript_say(&all, &t, "smtpd", "c[1]", SAID_BY_MTAD, SPAN("250-this is a line of some length, to fill the channel"));
	assert_true(all.lost > 10000);
	assert_true(ipc_unsent(role) < 300000);
	run();
	transcript_say(&all, &t, "smtpd", "c[1]", SAID_NOTE, SPAN("later"));
	run();
	assert_int_equal(lines + lost, 20002);
	watch_closed(role);
	transcript_say(&all, &t, "smtpd", "c[1]", SAID_NOTE, SPAN("nobody is there"));
	ipc_free(role);
	ipc_free(control);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(credentials), cmocka_unit_test(public_words),
		cmocka_unit_test(patterns), cmocka_unit_test(matching), cmocka_unit_test(traces) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
