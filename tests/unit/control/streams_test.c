#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pack.h"
#include "control/control.h"
#include "unit/control/stage.h"

/* -- a receive role that the test plays ---------------------------------------- */

static struct {
	struct ipc	*ipc;
	struct ipc_watch watch;
	char		 tracers[200];	/* "BIT=PATTERN " */
	char		 peers[300];	/* "PATTERN/LEVEL " */
	unsigned	 watches, row_asks;
	uint64_t	 request, from;
} role;

static void
on_watch(void *arg, struct ipc *c, const struct ipc_watch *m, int fd)
{
	struct unpack u = { .left = m->tracers };

	(void)arg;
	(void)c;
	(void)fd;
	role.watches++;
	role.watch = *m;
	role.tracers[0] = '\0';
	while (unpack_more(&u)) {
		unsigned bit = unpack_u8(&u);
		struct span pattern = unpack_span(&u);
		snprintf(role.tracers + strlen(role.tracers), sizeof role.tracers - strlen(role.tracers), "%u=%.*s ", bit,
		    SPAN_ARG(pattern));
	}
}

static void
on_debug_peers(void *arg, struct ipc *c, const struct ipc_debug_peers *m, int fd)
{
	struct unpack u = { .left = m->peers };

	(void)arg;
	(void)c;
	(void)fd;
	role.peers[0] = '\0';
	while (unpack_more(&u)) {
		struct span pattern = unpack_span(&u);
		snprintf(role.peers + strlen(role.peers), sizeof role.peers - strlen(role.peers), "%.*s/%u ",
		    SPAN_ARG(pattern), unpack_u8(&u));
	}
}

static void
on_rows_ask(void *arg, struct ipc *c, const struct ipc_rows_ask *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	role.row_asks++;
	role.request = m->request;
	role.from = m->from;
}

static void
on_closed(void *arg, struct ipc *ipc)
{
	(void)arg;
	ipc_free(ipc);
	role.ipc = NULL;
}

static const struct ipc_handlers role_handlers = { .watch = on_watch, .debug_peers = on_debug_peers, .rows_ask = on_rows_ask,
	.closed = on_closed };

static void
connect_role(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	memset(&role, 0, sizeof role);
	role.ipc = ipc_new(ends[0], ROLE_RECEIVE, ROLE_CONTROL, 0, 1, &role_handlers, NULL);
	const struct role_spec *spec = control_role();
	spec->peer(spec->state, ipc_new(ends[1], ROLE_CONTROL, ROLE_RECEIVE, 0, 1, spec->handlers, spec->state));
	run();
}

static void
disconnect_role(void)
{
	ipc_free(role.ipc);
	role.ipc = NULL;
	run();
}

static void
tell_line(int level, const char *program, const char *text)
{
	ipc_send_log_line(role.ipc, &(struct ipc_log_line){ .time = 5 * SECOND + 7, .level = (uint8_t)level,
	    .program = span_str(program), .text = span_str(text) }, -1);
}

static void
trace_line(uint64_t mask, uint32_t serial, const char *text)
{
	ipc_send_trace_line(role.ipc, &(struct ipc_trace_line){ .serial = serial, .tracers = mask, .time = 5 * SECOND + 7,
	    .elapsed = 20, .from = 1, .session = SPAN("in-0-4"), .peer = SPAN("a[1]"), .text = span_str(text) }, -1);
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Hears until nothing more comes. */
static void
hear_all(int fd, struct buf *all)
{
	struct buf b = BUF_INIT(0);

	buf_reset(all);
	buf_str(all, "");
	do {
		run();
		hear(fd, &b);
		buf_span(all, buf_view(&b));
	} while (b.len > 0);
	buf_clear(&b);
}

/* -- trace ------------------------------------------------------------------------- */

static void
trace(void **state)
{
	struct buf b = BUF_INIT(0);

	(void)state;
	connect_role();
	int fd = join();
	say(fd, "{\"id\":1,\"cmd\":\"trace\",\"args\":{\"peer\":\"192.0.2.0/24\"}}\n{\"id\":2,\"cmd\":\"trace\",\"args\":{\"count\":2}}\n");
	hear(fd, &b);
	assert_true(strcmp(role.tracers, "1= 0=192.0.2.0/24 ") == 0 || strcmp(role.tracers, "0=192.0.2.0/24 1= ") == 0);
	assert_int_equal(role.watch.lines, 0);
	trace_line(1, role.watch.serial, "one");
	trace_line(2, role.watch.serial, "t\xe2\x80\xaewo");
	trace_line(4, role.watch.serial, "nobody's");
	trace_line(3, role.watch.serial - 1, "made before they began");
	run();
	assert_string_equal(hear(fd, &b),
	    "{\"id\":1,\"row\":{\"time\":5.000007,\"session\":\"in-0-4\",\"direction\":\"in\",\"peer\":\"a[1]\",\"from\":\"mtad\","
	    "\"text\":\"one\",\"elapsed\":0.000020}}\n"
	    "{\"id\":2,\"row\":{\"time\":5.000007,\"session\":\"in-0-4\",\"direction\":\"in\",\"peer\":\"a[1]\",\"from\":\"mtad\","
	    "\"text\":\"t\\u202ewo\",\"elapsed\":0.000020}}\n");
	trace_line(3, role.watch.serial, "both");
	run();
	hear(fd, &b);
	assert_int_equal(count(b.ptr, "both"), 2);
	assert_non_null(strstr(b.ptr, "{\"id\":2,\"done\":true,\"status\":0}\n"));
	assert_string_equal(role.tracers, "0=192.0.2.0/24 ");
	say(fd, "{\"id\":3,\"cmd\":\"cancel\",\"args\":{\"of\":1}}\n{\"id\":4,\"cmd\":\"cancel\",\"args\":{\"of\":1}}\n{\"id\":5,\"cmd\":\"cancel\"}\n");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "{\"id\":1,\"done\":true,\"status\":0}\n{\"id\":3,\"done\":true,\"status\":0}\n{\"id\":4,\"done\":true,\"status\":1,"));
	assert_non_null(strstr(b.ptr, "{\"id\":5,\"done\":true,\"status\":64,"));
	assert_string_equal(role.tracers, "");
	trace_line(1, role.watch.serial, "to nobody");
	run();
	assert_string_equal(hear(fd, &b), "");
	close(fd);
	disconnect_role();
	buf_clear(&b);
}

static void
bounds(void **state)
{
	struct buf b = BUF_INIT(0);
	char line[100];

	(void)state;
	connect_role();
	int fd = join();
	say(fd, "{\"id\":1,\"cmd\":\"trace\",\"args\":{\"peer\":\"/etc/passwd\"}}\n");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "\"status\":64"));
	for (int i = 0; i < 9; i++) {
		snprintf(line, sizeof line, "{\"id\":%d,\"cmd\":\"trace\"}\n", i);
		say(fd, line);
	}
	hear(fd, &b);
	assert_string_equal(b.ptr, "{\"id\":8,\"done\":true,\"status\":75,\"error\":\"this connection has 8 traces and logs under way already\"}\n");
	/* No more requests can come: they end. */
	shutdown(fd, SHUT_WR);
	run();
	hear(fd, &b);
	assert_int_equal(count(b.ptr, "\"done\":true,\"status\":0"), 8);
	assert_string_equal(role.tracers, "");
	close(fd);
	/* One that goes without a word ends its streams, too. */
	fd = join();
	say(fd, "{\"id\":1,\"cmd\":\"log\",\"args\":{\"follow\":true}}\n");
	assert_int_equal(role.watch.lines, 1);
	close(fd);
	run();
	assert_int_equal(role.watch.lines, 0);
	disconnect_role();
	buf_clear(&b);
}

/* Others hear all; it hears how much it missed; and memory does not grow. */
static void
slow_reader(void **state)
{
	struct buf b = BUF_INIT(0), quick = BUF_INIT(0);
	unsigned heard = 0;
	unsigned long long lost = 0;

	(void)state;
	connect_role();
	int slow = join(), other = join();
	say(slow, "{\"id\":1,\"cmd\":\"trace\"}\n");
	say(other, "{\"id\":1,\"cmd\":\"trace\"}\n");
	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < 400; k++)
			trace_line(3, role.watch.serial, "0123456789012345678901234567890123456789");
		run();
		hear(other, &quick);
		heard += count(quick.ptr, "\"text\"");
	}
	assert_int_equal(heard, 20000 + (hear(other, &quick), count(quick.ptr, "\"text\"")));
	for (struct client *c = ctl->clients; c != NULL; c = c->next)
		assert_true(c->out.cap < 2 * OUT_HIGH);
	hear_all(slow, &b);
	heard = count(b.ptr, "\"text\"");
	assert_true(heard < 20000);
	for (const char *at = b.ptr; (at = strstr(at, "{\"lost\":")) != NULL; at++) {
		unsigned long long n = 0;
		assert_int_equal(sscanf(at, "{\"lost\":%llu}", &n), 1);
		lost += n;
	}
	assert_int_equal(heard + lost, 2 + 20000 - 2);
	close(slow);
	close(other);
	disconnect_role();
	buf_clear(&b);
	buf_clear(&quick);
}

/* -- log ---------------------------------------------------------------------------- */

static void
kept(void **state)
{
	struct buf b = BUF_INIT(0);
	char text[60];

	(void)state;
	connect_role();
	logs_clear(ctl);
	int fd = join();
	say(fd, "{\"id\":1,\"cmd\":\"log\"}\n");
	assert_non_null(strstr(hear(fd, &b), "\n{\"id\":1,\"done\":true,\"status\":0}\n"));
	tell_line(LOG_LEVEL_INFO, "smtpd", "nobody keeps this");
	for (int i = 0; i < 600; i++) {
		snprintf(text, sizeof text, i % 2 ? "4SVLCh0000z3m: line %d" : "line %d", i);
		tell_line(i % 2 ? LOG_LEVEL_WARNING : 77, "smtpd", text);
	}
	run();
	say(fd, "{\"id\":2,\"cmd\":\"log\"}\n");
	hear_all(fd, &b);
	assert_int_equal(count(b.ptr, "\"row\""), 500);
	assert_null(strstr(b.ptr, "line 99\""));
	assert_non_null(strstr(b.ptr, "{\"id\":2,\"row\":{\"time\":5.000007,\"severity\":\"panic\",\"program\":\"smtpd\",\"role\":\"receive\",\"slot\":0,"
	    "\"text\":\"line 598\"}}\n{\"id\":2,\"row\":{\"time\":5.000007,\"severity\":\"warning\",\"program\":\"smtpd\",\"role\":\"receive\",\"slot\":0,"
	    "\"queue_id\":\"4SVLCh0000z3m\",\"text\":\"4SVLCh0000z3m: line 599\"}}\n{\"id\":2,\"done\":true,\"status\":0}\n"));
	say(fd, "{\"id\":3,\"cmd\":\"log\",\"args\":{\"selector\":\"severity = warning and text ~ 'line 5'\",\"limit\":2}}\n");
	hear(fd, &b);
	assert_int_equal(count(b.ptr, "\"row\""), 2);
	assert_non_null(strstr(b.ptr, "line 597"));
	assert_non_null(strstr(b.ptr, "line 599"));
	say(fd, "{\"id\":4,\"cmd\":\"log\",\"args\":{\"selector\":\"program = nonsense\"}}\n");
	assert_string_equal(hear(fd, &b), "{\"id\":4,\"done\":true,\"status\":1}\n");
	say(fd, "{\"id\":5,\"cmd\":\"log\",\"args\":{\"selector\":\"age > 2h\"}}\n");
	assert_non_null(strstr(hear(fd, &b), "there is no field"));
	close(fd);
	logs_clear(ctl);
	disconnect_role();
	buf_clear(&b);
}

/* Lines of three messages, and what each selector lets through. */
static void
selected(void **state)
{
	static const char *const lines[] = {
		"connect from one.test[192.0.2.1]",						/* 0 */
		"4SVLCh0000z3m: client=one.test[192.0.2.1]",
		"4SVLCh0000z3m: message-id=<x@y>",
		"4SVLCh0000z3m: from=<ann@a.test>, size=3, nrcpt=2 (queue active)",
		"4SVLCh0001z3m: from=<>, size=3, nrcpt=1 (queue active)",
		"4SVLCh0000z3m: to=<bob@b.test>, relay=none, dsn=4.0.0, status=deferred (x)",	/* 5 */
		"4SVLCh0001z3m: to=<eve@c.test>, orig_to=<bob@b.test>, relay=none, status=sent (250 ok)",
		"4SVLCh0000z3m: to=<carl@c.test>, relay=none, dsn=2.0.0, status=sent (x)",
		"4SVLCh0001z3m: removed",
		"4SVLCh0000z3m: removed",
		"NOQUEUE: reject: RCPT from two.test[192.0.2.2]: 550 x; from=<ann@a.test> to=<z@z.test> proto=SMTP", /* 10 */
		"< one.test[192.0.2.1]: EHLO x",
		"4SVLCh0000z3m: to=<\xe2\x80\xae>",
	};
	static const struct { const char *selector, *want; } cases[] = {
		{ "4SVLCh0001z3m", "4 6 8 " },
		{ "sender = ann@a.test", "3 5 7 9 10 12 " },
		{ "sender = '' and id = 4SVLCh0001z3m", "4 6 8 " },
		{ "rcpt = bob@b.test", "5 7 9 12 " },
		{ "rcpt.domain = c.test", "6 7 8 9 12 " },
		{ "ann@a.test and not text ~ removed", "3 5 7 10 12 " },
		{ "client ~ 192\\\\.0\\\\.2\\\\.1", "0 1 2 3 5 7 9 11 12 " },
		{ "client = 'two.test[192.0.2.2]'", "10 " },
		{ "program = smtpd and role = receive and severity = info and reason ~ removed", "8 9 " },
	};
	struct buf b = BUF_INIT(0), want = BUF_INIT(0);
	char line[300];

	(void)state;
	connect_role();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = join();
		hear(fd, &b);
		snprintf(line, sizeof line, "{\"id\":1,\"cmd\":\"log\",\"args\":{\"follow\":true,\"selector\":\"%s\"}}\n", cases[i].selector);
		say(fd, line);
		for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++)
			tell_line(LOG_LEVEL_INFO, "smtpd", lines[k]);
		run();
		hear(fd, &b);
		buf_reset(&want);
		buf_str(&want, "");
		for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++) {
			snprintf(line, sizeof line, "\"%.40s", lines[k]);
			const char *text = k == 12 ? "to=<\\u202e>" : line;
			if (strstr(b.ptr, text) != NULL)
				buf_printf(&want, "%zu ", k);
		}
		if (strcmp(want.ptr, cases[i].want) != 0)
			fail_msg("%s: got %s, want %s\n%s", cases[i].selector, want.ptr, cases[i].want, b.ptr);
		close(fd);
		run();
	}
	assert_null(ctl->mail);
	disconnect_role();
	buf_clear(&b);
	buf_clear(&want);
}

/* What is remembered of messages is bounded. */
static void
many_messages(void **state)
{
	struct mail_known *known = mail_known_new();
	char text[100];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		for (unsigned r = 0; r < 20; r++) {
			snprintf(text, sizeof text, "4SVLCh%04uz3m: to=<user%u@x.test>, relay", i, r);
			mail_known_learn(known, &(struct log_entry){ .text = span_str(text) });
		}
	}
	struct selector *sel = selector_new_in(SELECTOR_LOG, SPAN("rcpt = user19@x.test"), NULL);
	assert_non_null(sel);
	assert_true(log_matches(sel, known, &(struct log_entry){ .text = SPAN("4SVLCh4999z3m: removed") }));
	assert_false(log_matches(sel, known, &(struct log_entry){ .text = SPAN("4SVLCh0001z3m: removed") }));
	assert_false(log_matches(sel, known, &(struct log_entry){ .text = SPAN("") }));
	assert_true(log_matches(sel, NULL, &(struct log_entry){ .text = SPAN("x to=<user19@x.test>") }));
	selector_free(sel);
	mail_known_free(known);
}

/* -- debug peers ---------------------------------------------------------------------- */

static void
debug_peers(void **state)
{
	struct buf b = BUF_INIT(0);
	char line[200];

	(void)state;
	connect_role();
	int fd = join();
	say(fd, "{\"id\":1,\"cmd\":\"debug peer add\",\"args\":{\"peer\":\"mx.a.test\",\"level\":3}}\n");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "{\"id\":1,\"row\":{\"peer\":\"mx.a.test\",\"level\":3,\"who\":\""));
	assert_non_null(strstr(b.ptr, "\"source\":\"operator\"}}\n{\"id\":1,\"done\":true,\"status\":0}\n"));
	assert_string_equal(role.peers, "mx.a.test/3 ");
	say(fd, "{\"id\":2,\"cmd\":\"debug peer add\",\"args\":{\"peer\":\"192.0.2.7\",\"for\":\"1s\"}}\n");
	assert_string_equal(role.peers, "mx.a.test/3 192.0.2.7/2 ");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "\"until\":"));
	/* Again: the newer counts. */
	say(fd, "{\"id\":3,\"cmd\":\"debug peer add\",\"args\":{\"peer\":\"MX.a.test\",\"level\":1}}\n");
	assert_string_equal(role.peers, "mx.a.test/1 192.0.2.7/2 ");
	/* A role that comes later knows them. */
	disconnect_role();
	connect_role();
	assert_string_equal(role.peers, "mx.a.test/1 192.0.2.7/2 ");
	for (int i = 0; i < 100 && ctl->rule_count == 2; i++)
		run();
	run();
	assert_string_equal(role.peers, "mx.a.test/1 ");
	say(fd, "{\"id\":4,\"cmd\":\"debug peer del\",\"args\":{\"peer\":\"mx.a.test\"}}\n{\"id\":5,\"cmd\":\"debug peer del\",\"args\":{\"peer\":\"mx.a.test\"}}\n");
	assert_string_equal(role.peers, "");
	say(fd, "{\"id\":6,\"cmd\":\"debug peer ls\"}\n");
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "{\"id\":5,\"done\":true,\"status\":1,"));
	assert_non_null(strstr(b.ptr, "{\"id\":6,\"done\":true,\"status\":0}\n"));
	static const char *const wrong[] = { "{\"peer\":\"/etc/passwd\"}", "{\"peer\":\"hash:/x\"}", "{\"peer\":\"x\",\"level\":0}",
		"{\"peer\":\"x\",\"level\":10}", "{\"peer\":\"x\",\"for\":\"9999d\"}", "{\"peer\":\"x\",\"for\":\"soon\"}", "{\"peer\":\"a b\"}", "{}" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line, "{\"id\":7,\"cmd\":\"debug peer add\",\"args\":%s}\n", wrong[i]);
		say(fd, line);
		if (strstr(hear(fd, &b), "\"status\":64") == NULL)
			fail_msg("%s: %s", wrong[i], b.ptr);
	}
	for (int i = 0; i < 65; i++) {
		snprintf(line, sizeof line, "{\"id\":8,\"cmd\":\"debug peer add\",\"args\":{\"peer\":\"h%d\"}}\n", i);
		say(fd, line);
	}
	hear(fd, &b);
	assert_non_null(strstr(b.ptr, "\"status\":75"));
	assert_int_equal(ctl->rule_count, 64);
	peers_clear(ctl);
	close(fd);
	disconnect_role();
	buf_clear(&b);
}

/* -- session ls ------------------------------------------------------------------------ */

static void
answer_rows(uint64_t request, uint64_t next, const char *rows)
{
	ipc_send_rows(role.ipc, &(struct ipc_rows){ .request = request, .next = next, .rows = span_str(rows) }, -1);
	run();
}

static void
sessions(void **state)
{
	struct buf b = BUF_INIT(0), big = BUF_INIT(0);

	(void)state;
	connect_role();
	int fd = join();
	hear(fd, &b);
	say(fd, "{\"id\":1,\"cmd\":\"session ls\"}\n");
	assert_int_equal(role.row_asks, 1);
	assert_int_equal(role.from, 0);
	answer_rows(role.request + 9, 0, "{\"not\":\"asked for\"}\n");
	answer_rows(role.request, 17, "{\"a\":1}\nno row\n\n{\"a\":2}\n");
	assert_int_equal(role.row_asks, 2);
	assert_int_equal(role.from, 17);
	answer_rows(role.request, 0, "{\"a\":3}");
	assert_string_equal(hear(fd, &b), "{\"id\":1,\"row\":{\"a\":1}}\n{\"id\":1,\"row\":{\"a\":2}}\n{\"id\":1,\"row\":{\"a\":3}}\n"
	    "{\"id\":1,\"done\":true,\"status\":0}\n");
	answer_rows(role.request, 0, "{\"too\":\"late\"}\n");
	/* A client that does not read: the role is asked no more. */
	while (big.len < 100000)
		buf_str(&big, "{\"x\":\"0123456789012345678901234567890123456789\"}\n");
	say(fd, "{\"id\":2,\"cmd\":\"session ls\"}\n");
	unsigned before = role.row_asks, slices = 0;
	for (; slices < 100 && role.row_asks == before + slices; slices++)
		answer_rows(role.request, slices + 1, big.ptr);
	assert_in_range(slices, 5, 30);
	for (int i = 0; i < 70; i++)	/* longer than its patience with a role */
		run();
	hear_all(fd, &b);
	assert_int_equal(role.row_asks, before + slices);
	assert_null(strstr(b.ptr, "error"));
	answer_rows(role.request, 0, "{\"last\":1}\n");
	assert_non_null(strstr(hear(fd, &b), "{\"id\":2,\"row\":{\"last\":1}}\n{\"id\":2,\"done\":true,\"status\":0}\n"));
	/* It says nothing; it ends. */
	say(fd, "{\"id\":3,\"cmd\":\"session ls\"}\n");
	for (int i = 0; i < 60; i++)
		run();
	assert_string_equal(hear(fd, &b), "{\"id\":3,\"row\":{\"role\":\"receive\",\"slot\":0,\"error\":\"no answer within a second\"}}\n"
	    "{\"id\":3,\"done\":true,\"status\":75,\"error\":\"not every role has answered\"}\n");
	say(fd, "{\"id\":4,\"cmd\":\"session ls\"}\n");
	disconnect_role();
	assert_non_null(strstr(hear(fd, &b), "ended meanwhile"));
	say(fd, "{\"id\":5,\"cmd\":\"session ls\"}\n");
	assert_string_equal(hear(fd, &b), "{\"id\":5,\"done\":true,\"status\":0}\n");
	close(fd);
	buf_clear(&b);
	buf_clear(&big);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace), cmocka_unit_test(bounds), cmocka_unit_test(slow_reader), cmocka_unit_test(kept),
		cmocka_unit_test(selected), cmocka_unit_test(many_messages), cmocka_unit_test(debug_peers), cmocka_unit_test(sessions),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
