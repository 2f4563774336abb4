#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "send/core.h"
#include "send/send.h"
#include "unit/send/peer.h"
#include "unit/send/sample.h"

static const char zone[] =
    "good.test. MX 10 here.test.\n"
    "here.test. A 127.0.0.1\n"
    "second.test. MX 10 dead.test.\nsecond.test. MX 20 here.test.\n"
    "dead.test. A 127.9.9.9\n"		/* nobody listens there */
    "null.test. MX 0 .\n"
    "addr.test. A 127.0.0.1\n"
    "nowhere.test. MX 10 missing.test.\n"
    "both.test. MX 10 here.test.\nboth.test. MX 10 there.test.\n"
    "there.test. A 127.0.0.2\n";

static struct {
	const struct role_spec *spec;
	struct send	*send;
	struct ipc	*to_send, *to_queue;
	struct peer	 peer;
	struct loop_timer limit;
	int		 segment;
	uint64_t	 last_lease;
	/* What the queue role got. */
	unsigned	 results, held, listed, wanted;
	bool		 no_ack;
	uint8_t		 scope;
	char		 outcomes[1000];
	char		 diagnostic[300], mta[100], relay[100];
} t;

static void
on_result(void *arg, struct ipc *c, const struct ipc_result *m, int fd)
{
	static const char *const names[] = { "sent", "relayed", "expanded", "deferred", "bounced" };
	struct unpack u = { .left = m->outcomes };
	struct outcome o;
	size_t used = 0;

	(void)arg;
	(void)fd;
	t.scope = m->scope;
	t.outcomes[0] = '\0';
	assert_int_equal(m->last, 1);
	while (outcome_next(&u, &o)) {
		used += (size_t)snprintf(t.outcomes + used, sizeof t.outcomes - used, "%s%u %s %.*s %.*s",
		    used == 0 ? "" : "; ", o.number, names[o.status], SPAN_ARG(o.dsn), SPAN_ARG(o.text));
		(void)snprintf(t.diagnostic, sizeof t.diagnostic, "%.*s", SPAN_ARG(o.diagnostic));
		(void)snprintf(t.mta, sizeof t.mta, "%.*s", SPAN_ARG(o.mta));
		(void)snprintf(t.relay, sizeof t.relay, "%.*s", SPAN_ARG(o.relay));
	}
	assert_true(unpack_end(&u));
	if (!t.no_ack)
		ipc_send_result_ack(c, &(struct ipc_result_ack){ .lease = m->lease }, -1);
	if (++t.results == t.wanted)
		loop_stop(0);
}

static void
on_held(void *arg, struct ipc *c, const struct ipc_lease_held *m, int fd)
{
	(void)arg;
	(void)c;
	(void)m;
	(void)fd;
	t.held++;
}

static void
on_listed(void *arg, struct ipc *c, const struct ipc_listed *m, int fd)
{
	(void)arg;
	(void)c;
	(void)m;
	(void)fd;
	t.listed++;
	loop_stop(0);
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
}

static const struct ipc_handlers queue_handlers = {
	.result = on_result, .lease_held = on_held, .listed = on_listed, .closed = on_closed,
};

static void
too_long(void *arg)
{
	(void)arg;
	loop_stop(1);
}

static void
run(unsigned results)
{
	t.wanted = t.results + results;
	loop_timer_set(&t.limit, 10 * SECOND);
	if (loop_run() != 0)
		fail_msg("nothing happened for 10 s");
	loop_timer_stop(&t.limit);
}

static void
connect_roles(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	t.to_queue = ipc_new(fds[0], ROLE_SEND, ROLE_QUEUE, 0, 1, t.spec->handlers, t.spec->state);
	t.to_send = ipc_new(fds[1], ROLE_QUEUE, ROLE_SEND, 0, 1, &queue_handlers, NULL);
	t.spec->peer(t.spec->state, t.to_queue);
	run(0);
	assert_int_equal(t.listed, 1);
	t.listed = 0;
}

static void
load(const char *const *settings)
{
	struct conf_override over[16];
	char port[16];
	size_t n = 0;

	(void)snprintf(port, sizeof port, "%u", t.peer.port);
	over[n++] = (struct conf_override){ "myhostname", "me.test" };
	over[n++] = (struct conf_override){ "smtp_tcp_port", port };
	over[n++] = (struct conf_override){ "inet_protocols", "ipv4" };
	for (; settings != NULL && *settings != NULL; settings += 2)
		over[n++] = (struct conf_override){ settings[0], settings[1] };
	struct conf_problems problems = { 0 };
	struct conf *conf = conf_load("/nonexistent", over, n, &problems);
	struct buf frozen = BUF_INIT(0);
	struct err err;

	assert_non_null(conf);
	conf_freeze(conf, &frozen);
	if (!t.spec->configure(t.spec->state, buf_view(&frozen), &err))
		fail_msg("%s", err.text);
	buf_clear(&frozen);
	conf_unref(conf);
	conf_problems_clear(&problems);
	if (t.to_queue != NULL)
		t.spec->switched(t.spec->state);
}

static int
set_up(void **state)
{
	struct err err;
	int fd = sample_file(zone);

	(void)state;
	loop_init();
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "test", "mtad");
	loop_timer_init(&t.limit, too_long, NULL);
	peer_start(&t.peer, "127.0.0.1", 0);
	t.spec = send_role();
	t.send = t.spec->state;
	load(NULL);
	if (!t.spec->prepare(t.spec->state, &err))
		fail_msg("%s", err.text);
	dns_free(t.send->dns);
	t.send->dns = dns_new(&(struct dns_config){ .servers = "", .resolv_conf = -1, .zone = fd, .hosts = -1,
	    .anchor = -1, .timeout = 5 * SECOND }, &err);
	assert_non_null(t.send->dns);
	close(fd);
	connect_roles();
	t.segment = memfd_create("segment", 0);
	ipc_send_segment_open(t.to_send, &(struct ipc_segment_open){ .segment = SEGMENT, .nonce = NONCE }, t.segment);
	return 0;
}

static int
clean_up(void **state)
{
	(void)state;
	peer_stop(&t.peer);
	conn_close_idle(t.send);
	settings_forget(&t.send->settings);
	dns_free(t.send->dns);
	close(t.segment);
	return 0;
}

static uint32_t message_length;

static const char *transport = "smtp";

static void
lease(const char *nexthop, const char *rcpts, int spill)
{
	struct span list = span_str(rcpts), word;
	struct buf packed = BUF_INIT(0);
	struct recipient r = { .number = 0 };

	while (span_word(&list, " ", &word)) {
		r.address = word;
		recipient_pack(&packed, &r);
		r.number++;
	}
	int64_t now = clock_wall();
	struct ipc_deliver m = { .lease = ++t.last_lease, .id_usec = 1000000, .id_writer = 1, .segment = SEGMENT,
		.offset = PLACE, .length = message_length, .transport = span_str(transport), .nexthop = span_str(nexthop),
		.sender = SPAN("a@x.test"), .arrival = now, .active = now, .recipients = buf_view(&packed) };
	ipc_send_deliver(t.to_send, &m, spill);
	buf_clear(&packed);
}

static const char *
direct(void)
{
	static char nexthop[40];

	(void)snprintf(nexthop, sizeof nexthop, "[127.0.0.1]:%u", t.peer.port);
	return nexthop;
}

/* Each test starts without idle connections. */
static int
afresh(void **state)
{
	(void)state;
	conn_close_idle(t.send);
	peer_forget(&t.peer);
	t.send->connects = t.send->reuses = 0;
	message_length = sample_message(t.segment, "Subject: x\n\n", "hello\n.\n", 0, NULL);
	return 0;
}

static void
expect(const char *outcomes, enum outcome_scope scope)
{
	assert_string_equal(t.outcomes, outcomes);
	assert_int_equal(t.scope, scope);
}

#define OK		"2.0.0 250 2.0.0 Ok: queued as TEST"
#define PEER		"host 127.0.0.1[127.0.0.1] "

static void
one_and_reuse(void **state)
{
	(void)state;
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	assert_string_equal(t.peer.content.ptr, "Subject: x\n\nhello\n..\n");
	for (int i = 0; i < 5; i++) {
		lease(direct(), "b@good.test", -1);
		run(1);
	}
	lease(direct(), "b@good.test", -1);
	lease(direct(), "b@good.test", -1);
	run(2);
	assert_int_equal(t.peer.messages, 8);
	assert_int_equal(t.send->reuses, 6);
	assert_int_equal(t.peer.connections, 2);
}

static void
refused(void **state)
{
	(void)state;
	t.peer.keywords = "250-DSN\r\n";
	t.peer.rules[0] = (struct peer_rule){ "RCPT TO:<bad", "550 5.1.1 unknown", 0 };
	lease(direct(), "b@good.test bad@good.test", -1);
	run(1);
	expect("0 sent " OK "; 1 bounced 5.1.1 " PEER "said: 550 5.1.1 unknown (in reply to RCPT TO command)",
	    SCOPE_RECIPIENT);
	assert_string_equal(t.diagnostic, "smtp; 550 5.1.1 unknown");
	assert_string_equal(t.mta, "127.0.0.1");
	t.peer.rules[0] = (struct peer_rule){ "MAIL", "451 4.7.1 greylisted", 0 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.7.1 " PEER "said: 451 4.7.1 greylisted (in reply to MAIL FROM command)", SCOPE_MESSAGE);
	assert_int_equal(t.peer.connections, 1);
}

static void
dead(void **state)
{
	(void)state;
	lease("[127.9.9.9]:9", "b@good.test", -1);
	run(1);
	expect("0 deferred 4.4.1 connect to 127.9.9.9[127.9.9.9]:9: Connection refused", SCOPE_DESTINATION);
	assert_string_equal(t.relay, "none");
	t.peer.rules[0] = (struct peer_rule){ "connect", "554 5.3.2 not now", 0 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.3.2 " PEER "refused to talk to me: 554 5.3.2 not now", SCOPE_DESTINATION);
	t.peer.rules[0] = (struct peer_rule){ "connect", "-", 0 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.4.2 lost connection with 127.0.0.1[127.0.0.1] while receiving the initial server greeting",
	    SCOPE_DESTINATION);
}

/* A server that closed an idle connection, and one that says 421 on it. */
static void
stale(void **state)
{
	(void)state;
	t.peer.close_after = true;
	lease(direct(), "b@good.test", -1);
	run(1);
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	t.peer.close_after = false;
	lease(direct(), "b@good.test", -1);
	run(1);
	t.peer.rules[0] = (struct peer_rule){ "MAIL", "421 4.4.2 idle too long", 1 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
}

static void
exchangers(void **state)
{
	(void)state;
	lease("good.test", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	lease("addr.test", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	lease("second.test", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	lease("null.test", "b@good.test", -1);
	run(1);
	expect("0 bounced 5.1.10 Domain null.test does not accept mail (nullMX)", SCOPE_DESTINATION);
	lease("missing.test", "b@good.test", -1);
	run(1);
	expect("0 bounced 5.4.4 Host or domain name not found. Name service error for name=missing.test type=A: Host not found",
	    SCOPE_DESTINATION);
	lease("nowhere.test", "b@good.test", -1);
	run(1);
	expect("0 bounced 5.4.4 Host or domain name not found. Name service error for name=missing.test type=A: Host not found",
	    SCOPE_DESTINATION);
	lease("missing.test, addr.test", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
}

/* A recipient that one exchanger defers is taken by the next. */
static void
second_try(void **state)
{
	static struct peer other;	/* its connections may outlive the test */

	(void)state;
	peer_start(&other, "127.0.0.2", t.peer.port);
	t.peer.rules[0] = (struct peer_rule){ "RCPT TO:<grey", "450 4.2.0 later", 0 };
	other.rules[0] = (struct peer_rule){ "RCPT TO:<none", "450 4.2.0 later", 0 };
	for (int i = 0; i < 10; i++) {	/* in either order */
		lease("both.test", "b@good.test grey@good.test", -1);
		run(1);
		expect(strstr(t.outcomes, "1 relayed") > strstr(t.outcomes, "0 relayed") ?
		    "0 relayed " OK "; 1 relayed " OK : "1 relayed " OK "; 0 relayed " OK, SCOPE_RECIPIENT);
		conn_close_idle(t.send);
	}
	peer_stop(&other);
}

static void
fallback(void **state)
{
	const char *settings[] = { "smtp_fallback_relay", direct(), NULL };

	(void)state;
	load(settings);
	lease("[127.9.9.9]:9", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	lease("missing.test", "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	load(NULL);
}

static void
damaged(void **state)
{
	(void)state;
	assert_int_equal(pwrite(t.segment, "damage", 6, PLACE + 100), 6);
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.3.0 message file damaged", SCOPE_MESSAGE);
	message_length = sample_message(t.segment, "Subject: x\n\n", "hello\n", 0, NULL);
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	assert_int_equal(t.peer.connections, 1);
}

static void
conversion(void **state)
{
	static const char header[] = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
	    "Content-Transfer-Encoding: 8bit\n\n";

	(void)state;
	message_length = sample_message(t.segment, header, "gr\xc3\xbc\xc3\x9f\n", ENVELOPE_8BIT, NULL);
	lease(direct(), "b@good.test", -1);
	run(1);
	assert_non_null(strstr(t.peer.content.ptr, "quoted-printable"));
	assert_non_null(strstr(t.peer.content.ptr, "gr=C3=BC=C3=9F\n"));
	assert_null(strstr(t.peer.commands.ptr, "BODY="));

	conn_close_idle(t.send);
	t.peer.keywords = "250-8BITMIME\r\n";
	lease(direct(), "b@good.test", -1);
	run(1);
	assert_non_null(strstr(t.peer.content.ptr, "gr\xc3\xbc\xc3\x9f\n"));
	assert_non_null(strstr(t.peer.commands.ptr, "BODY=8BITMIME"));
}

static void
spilled(void **state)
{
	size_t size = 3 << 20;
	char *body = mem_new(size + 1);

	(void)state;
	memset(body, 'y', size);
	for (size_t i = 69; i < size; i += 70)
		body[i] = '\n';
	body[size - 1] = '\n';
	int fd = sample_file(body);
	message_length = sample_message(t.segment, "Subject: big\n\n", "", 0, body);
	lease(direct(), "b@good.test", fd);
	run(1);
	expect("0 relayed " OK, SCOPE_RECIPIENT);
	assert_int_equal(t.peer.content.len, size + 14);
	assert_memory_equal(t.peer.content.ptr + 14, body, size);

	assert_int_equal(ftruncate(fd, 1000), 0);
	lease(direct(), "b@good.test", fd);
	run(1);
	expect("0 deferred 4.3.0 local data error while talking to 127.0.0.1[127.0.0.1]", SCOPE_MESSAGE);
	close(fd);
	free(body);
}

/* A new queue role is told what is going on and what was not acknowledged. */
static void
new_queue(void **state)
{
	(void)state;
	t.no_ack = true;
	lease(direct(), "b@good.test", -1);
	run(1);
	t.peer.rules[0] = (struct peer_rule){ "DATA", "", 0 };
	lease(direct(), "slow@good.test", -1);
	while (t.peer.commands.len == 0 || strstr(t.peer.commands.ptr, "slow") == NULL)
		event_base_loop(loop_base(), EVLOOP_ONCE), ipc_flush(t.to_send);
	ipc_free(t.to_send);
	ipc_free(t.to_queue);
	t.send->queue = NULL;
	unsigned before = t.results;
	t.no_ack = false;
	connect_roles();
	assert_int_equal(t.results, before + 1);
	assert_int_equal(t.held, 1);
	/* What the lease that goes on comes to is told on the new channel. */
	t.spec->stop(t.spec->state, 400000);
	run(1);
	expect("0 deferred 4.3.2 delivery was interrupted: mail system is stopping", SCOPE_RECIPIENT);
	t.send->stopping = false;
}

static void
few_connections(void **state)
{
	size_t max = t.send->conn_max;

	(void)state;
	t.send->conn_max = 2;
	for (int i = 0; i < 20; i++)
		lease(direct(), "b@good.test", -1);
	run(20);
	assert_int_equal(t.peer.messages, 20);
	assert_true(t.peer.connections <= 4);
	t.send->conn_max = max;
}

/* LMTP by way of the master: what it answers is given here by hand. */
static void
unix_lmtp(void **state)
{
	uint64_t asked = t.send->unix_request;

	(void)state;
	transport = "lmtp";
	t.peer.rules[0] = (struct peer_rule){ "RCPT TO:<no", "550 5.1.1 no", 0 };
	lease("unix:private/lmtp", "b@good.test no@good.test", -1);
	while (t.send->unix_request == asked)
		event_base_loop(loop_base(), EVLOOP_ONCE), ipc_flush(t.to_send);
	conn_unix_answer(t.send, asked + 1, sample_connect(t.peer.port), SPAN_NONE);
	run(1);
	expect("0 relayed " OK "; 1 bounced 5.1.1 host me.test[private/lmtp] said: 550 5.1.1 no (in reply to RCPT TO command)",
	    SCOPE_RECIPIENT);
	assert_non_null(strstr(t.peer.commands.ptr, "LHLO me.test\n"));
	assert_string_equal(t.relay, "me.test[private/lmtp]");

	conn_close_idle(t.send);
	lease("unix:private/lmtp", "b@good.test", -1);
	while (t.send->unix_request == asked + 1)
		event_base_loop(loop_base(), EVLOOP_ONCE), ipc_flush(t.to_send);
	conn_unix_answer(t.send, asked + 2, -1, SPAN("No such file or directory"));
	run(1);
	expect("0 deferred 4.4.1 connect to me.test[private/lmtp]: No such file or directory", SCOPE_DESTINATION);
	transport = "nothing";
	lease("good.test", "b@good.test", -1);
	run(1);
	expect("0 deferred 4.3.0 mail transport unavailable", SCOPE_DESTINATION);
	transport = "smtp";
}

static void
silence(void **state)
{
	static const char *const settings[] = { "smtp_mail_timeout", "1s", "smtp_data_done_timeout", "1s", NULL };

	(void)state;
	load(settings);
	t.peer.rules[0] = (struct peer_rule){ "MAIL", "", 1 };
	t.peer.rules[1] = (struct peer_rule){ "RCPT", "", 1 };
	t.peer.rules[2] = (struct peer_rule){ "DATA", "", 1 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.4.2 conversation with 127.0.0.1[127.0.0.1] timed out while sending MAIL FROM", SCOPE_MESSAGE);
	t.peer.rules[0] = (struct peer_rule){ ".", "", 1 };
	lease(direct(), "b@good.test", -1);
	run(1);
	expect("0 deferred 4.4.2 conversation with 127.0.0.1[127.0.0.1] timed out while sending end of data"
	    " -- message may be sent more than once", SCOPE_MESSAGE);
	load(NULL);
}

int
main(void)
{
#define TEST(f)		cmocka_unit_test_setup(f, afresh)
	const struct CMUnitTest tests[] = {
		TEST(one_and_reuse), TEST(refused), TEST(dead), TEST(stale), TEST(exchangers), TEST(second_try),
		TEST(fallback), TEST(damaged), TEST(conversion), TEST(spilled), TEST(few_connections), TEST(unix_lmtp), TEST(silence), TEST(new_queue),
	};
	return cmocka_run_group_tests(tests, set_up, clean_up);
}
