#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "mail/date.h"
#include "receive/state.h"
#include "spool/record.h"
#include "spool/message.h"
#include "spool/segment.h"

#define NONCE		0x1234567890abcdef
#define SEGMENT_SIZE	((uint64_t)8 << 20)
#define NOON		(1795348800 * SECOND)	/* Sun, 22 Nov 2026 12:00:00 UTC */

static char dir[] = "/tmp/intake_test.XXXXXX";
static struct receive *rx;
static int segment_fd;
static struct { bool called; char reply[200]; } done;

/* The queue role's end, in this process. */
static struct {
	struct ipc	*ipc;
	bool		 acknowledge;
	unsigned	 submits, held, listed, spills_used, spills_unused;
	struct loc	 loc;
	uint64_t	 last;
} queue = { .acknowledge = true };

static void
on_submit(void *arg, struct ipc *ipc, const struct ipc_submit *m, int fd)
{
	(void)arg;
	(void)fd;
	queue.submits++;
	queue.loc = loc_make(m->segment, m->offset, m->length);
	queue.last = m->sequence;
	if (queue.acknowledge)
		ipc_send_submit_ack(ipc, &(struct ipc_submit_ack){ .sequence = m->sequence }, -1);
}

static void
on_held(void *arg, struct ipc *ipc, const struct ipc_segment_held *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)fd;
	queue.held += m->segment;
}

static void
on_listed(void *arg, struct ipc *ipc, const struct ipc_listed *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)fd;
	(void)m;
	queue.listed++;
	loop_stop(0);
}

static void
on_spill_used(void *arg, struct ipc *ipc, const struct ipc_spill_used *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)fd;
	if (m->used)
		queue.spills_used++;
	else
		queue.spills_unused++;
}

static void
on_ack(void *arg, struct ipc *ipc, const struct ipc_submit_ack *m, int fd)
{
	(void)arg;
	(void)ipc;
	(void)fd;
	link_on_submit_ack(&rx->link, m);
	loop_stop(0);
}

static void
on_closed(void *arg, struct ipc *ipc)
{
	(void)arg;
	if (ipc == queue.ipc)
		queue.ipc = NULL;
	if (ipc == rx->link.ipc)
		link_closed(&rx->link, ipc);
	else
		ipc_free(ipc);
}

/* A queue role that has just started. */
static void
connect_queue(void)
{
	static const struct ipc_handlers theirs = { .submit = on_submit, .segment_held = on_held, .listed = on_listed,
	    .spill_used = on_spill_used, .closed = on_closed };
	static const struct ipc_handlers ours = { .submit_ack = on_ack, .closed = on_closed };
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	queue.submits = queue.held = queue.listed = 0;
	queue.ipc = ipc_new(fd[0], ROLE_QUEUE, ROLE_RECEIVE, 0, 1, &theirs, NULL);
	link_peer(&rx->link, ipc_new(fd[1], ROLE_RECEIVE, ROLE_QUEUE, 0, 1, &ours, NULL));
	assert_int_equal(loop_run(), 0);
	assert_int_equal(queue.listed, 1);
}

static void
on_woke(void *arg)
{
	intake_wake(arg);
}

static void
on_stop_check(void *arg)
{
	(void)arg;
}

static struct generation *
load(const char *settings)
{
	struct conf_problems problems = { 0 };
	struct buf frozen = BUF_INIT(0);
	struct err err = { 0 };
	char path[200];

	snprintf(path, sizeof path, "%s/main.cf", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(settings, f);
	fclose(f);
	struct conf *conf = conf_load(dir, NULL, 0, &problems);
	assert_non_null(conf);
	conf_freeze(conf, &frozen);
	conf_unref(conf);
	conf_problems_clear(&problems);
	struct generation *g = generation_new(buf_view(&frozen), &rx->users, NULL, &rx->scratch, &err);
	assert_string_equal(err.text, "");
	assert_non_null(g);
	buf_clear(&frozen);
	return g;
}

static void
grant(void)
{
	char path[200];

	snprintf(path, sizeof path, "%s/segment", dir);
	segment_fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(ftruncate(segment_fd, SEGMENT_SIZE), 0);
	struct segment_header h = { .number = 1, .nonce = NONCE, .size = SEGMENT_SIZE };
	assert_true(segment_header_write(segment_fd, &h, NULL));
	link_on_segment_grant(&rx->link, &(struct ipc_segment_grant){ .segment = 1, .nonce = NONCE,
	    .size = SEGMENT_SIZE }, dup(segment_fd));
}

static int
setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	date_init();
	clock_virtual(NOON);
	loop_init();
	assert_non_null(mkdtemp(dir));
	MEM_NEW(rx);
	rx->now = load("myhostname = mx.test\nmydomain = test\nmydestination = test\nmtad_spill_size = 65536\n"
	    "hopcount_limit = 5\nheader_size_limit = 200\n");
	rx->qids.writer = qid_writer(0, 1);
	rx->wake = (struct loop_task){ .fn = on_woke, .arg = rx };
	rx->stop_check = (struct loop_task){ .fn = on_stop_check };
	link_init(&rx->link, on_woke, rx);
	link_start(&rx->link, 0);
	intake_pool_init(&rx->pool);
	connect_queue();
	grant();
	return 0;
}

static int
teardown(void **state)
{
	char path[200];

	(void)state;
	spool_writer_free(rx->link.writer);
	ipc_free(rx->link.ipc);
	ipc_free(queue.ipc);
	generation_unref(rx->now);
	close(segment_fd);
	snprintf(path, sizeof path, "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
	return 0;
}

static void
on_done(void *arg, struct intake *in, const char *reply)
{
	(void)arg;
	(void)in;
	done.called = true;
	snprintf(done.reply, sizeof done.reply, "%s", reply == NULL ? "" : reply);
	loop_stop(0);
}

struct given {
	bool		 local;		/* submitted by uid 1000 */
	bool		 rewrite;
	const char	*sender;
	const char	*recipients;	/* words */
};

static struct intake *
begin(const struct given *g)
{
	struct intake_source src = { .uid = g->local ? 1000 : -1, .rewrite_local = g->rewrite,
	    .flags = g->local ? ENVELOPE_LOCAL : 0 };
	struct span list = span_str(g->recipients), each;

	if (!g->local) {
		src.client_name = SPAN("client.test");
		src.client_addr = SPAN("192.0.2.1");
		src.helo = SPAN("me");
		src.protocol = SPAN("ESMTP");
	}
	struct intake *in = intake_new(rx, &rx->now->submission, &src);
	intake_sender(in, span_str(g->sender));
	while (span_word(&list, " ", &each))
		intake_recipient(in, each, NOTIFY_DEFAULT, SPAN_NONE);
	return in;
}

static void
put(struct intake *in, const char *text, size_t len)
{
	memcpy(intake_room(in, len), text, len);
	intake_added(in, len);
}

static void
puts_in(struct intake *in, const char *text)
{
	put(in, text, strlen(text));
}

static void
finish(struct intake *in)
{
	done.called = false;
	intake_finish(in, on_done, NULL);
	assert_false(done.called);
	assert_int_equal(loop_run(), 0);
	assert_true(done.called);
}

/* -- header blocks -- */

#define FROM_CLIENT	"Received: from me (client.test [192.0.2.1])\n\tby mx.test (mtad) with ESMTP id ID\n" \
			"\tfor <c@d>; Sun, 22 Nov 2026 12:00:00 +0000 (UTC)\n"
#define FROM_LOCAL	"Received: by mx.test (mtad, from userid 1000)\n\tid ID; Sun, 22 Nov 2026 12:00:00 +0000 (UTC)\n"
#define DATE		"Sun, 22 Nov 2026 12:00:00 +0000 (UTC)\n"

static const struct given remote = { .sender = "a@b", .recipients = "c@d" };
static const struct given rewritten = { .rewrite = true, .sender = "a@b", .recipients = "c@d" };
static const struct given by_user = { .local = true, .rewrite = true, .sender = "user", .recipients = "c" };
static const struct given by_nobody = { .rewrite = true, .sender = "", .recipients = "c@d" };

static const struct {
	const struct given *given;
	const char	*content;
	const char	*out;		/* header|body; "ID" is the queue ID */
} rows[] = {
	{ &remote, "Subject: x\n\nbody\n", FROM_CLIENT "Subject: x\n\n|body\n" },
	{ &remote, "", FROM_CLIENT "\n|" },
	{ &remote, "\n", FROM_CLIENT "\n|" },
	{ &remote, "Subject: x\n", FROM_CLIENT "Subject: x\n\n|" },
	{ &remote, "no header\nSubject: x\n", FROM_CLIENT "\n|no header\nSubject: x\n" },
	{ &remote, "Subject: x\nno header\n", FROM_CLIENT "Subject: x\n\n|no header\n" },
	{ &remote, "\n\nbody\n", FROM_CLIENT "\n|\nbody\n" },
	/* What is dropped, wherever it stands, with its continuation lines. */
	{ &remote, "BCC: x,\n y\nTo: z\nReturn-Path: <q>\ncontent-length: 3\nX: 1\nresent-bcc: k\n\nb\n",
	  FROM_CLIENT "To: z\nX: 1\n\n|b\n" },
	/* What is missing. */
	{ &rewritten, "Subject: x\n\n", FROM_CLIENT "Subject: x\nMessage-Id: <20261122120000.ID@mx.test>\nDate: " DATE "From: a@b\n\n|" },
	{ &rewritten, "FROM: x\nDATE: y\nMESSAGE-ID: z\n\n", FROM_CLIENT "FROM: x@mx.test\nDATE: y\nMESSAGE-ID: z\n\n|" },
	{ &rewritten, "From: x@y\nDate: y\nMessage-ID: z\nResent-To: q\n\n", FROM_CLIENT "From: x@y\nDate: y\nMessage-ID: z\nResent-To: q@mx.test\n"
	  "Resent-Message-Id: <20261122120000.ID@mx.test>\nResent-Date: " DATE "Resent-From: a@b\n\n|" },
	{ &by_user, "Date: y\nMessage-ID: z\n\n", FROM_LOCAL "Date: y\nMessage-ID: z\nFrom: user@mx.test\n\n|" },
	{ &by_nobody, "Date: y\nMessage-ID: z\n\n", FROM_CLIENT "Date: y\nMessage-ID: z\n"
	  "From: MAILER-DAEMON@mx.test (Mail Delivery System)\n\n|" },
	/* Addresses are completed where they stand, and nothing else is touched. */
	{ &rewritten, "From: \"A, B\" <x> (c)\nTo: g: a,\n\tb@c.test ,<d>;\nCc: \"q r\"\nSubject: a, b\nDate: y\nMessage-ID: z\n\n",
	  FROM_CLIENT "From: \"A, B\" <x@mx.test> (c)\nTo: g: a@mx.test,\n\tb@c.test ,<d@mx.test>;\nCc: \"q r\"@mx.test\nSubject: a, b\n"
	  "Date: y\nMessage-ID: z\n\n|" },
	{ &remote, "From: x\nTo: y\n\n", FROM_CLIENT "From: x\nTo: y\n\n|" },
	/* Three hops, and ours; one more is too many. */
	{ &remote, "Received: 1\nReceived: 2\nReceived: 3\n\n", FROM_CLIENT "Received: 1\nReceived: 2\nReceived: 3\n\n|" },
	{ &remote, "Received: 1\nReceived: 2\nReceived: 3\nReceived: 4\n\n", "554 5.4.0 Error: too many hops" },
};

static void
put_without_id(struct buf *out, struct span text, const char *id)
{
	while (text.len > 0) {
		const char *at = memmem(text.ptr, text.len, id, strlen(id));
		size_t n = at == NULL ? text.len : (size_t)(at - text.ptr);
		buf_put(out, text.ptr, n);
		if (at != NULL) {
			buf_str(out, "ID");
			n += strlen(id);
		}
		text = span_skip(text, n);
	}
}


static void
too_late(void *arg)
{
	(void)arg;
	loop_stop(1);
}

/* Until the queue role's answer has come. */
static void
acknowledged(void)
{
	struct loop_timer patience;

	loop_timer_init(&patience, too_late, NULL);
	loop_timer_set(&patience, 20 * SECOND);
	while (rx->link.unacked > 0)
		assert_int_equal(loop_run(), 0);
	loop_timer_stop(&patience);
}

static void
read_back(struct message *m)
{
	struct err err = { 0 };

	*m = (struct message){ .record = BUF_INIT(0) };
	if (!message_read(segment_fd, NONCE, queue.loc, m, &err))
		fail_msg("%s", err.text);
}

static void
headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct intake *in = begin(rows[i].given);
		struct buf out = BUF_INIT(0);
		struct message m;
		char id[QID_TEXT];

		puts_in(in, rows[i].content);
		qid_text(in->envelope.id, id);
		finish(in);
		if (done.reply[0] == '\0') {
			acknowledged();
			read_back(&m);
			put_without_id(&out, m.header, id);
			buf_char(&out, '|');
			buf_span(&out, m.body);
			message_clear(&m);
		} else {
			buf_str(&out, done.reply);
		}
		assert_string_equal(out.ptr, rows[i].out);
		buf_clear(&out);
	}
}

static void
envelope_and_size(void **state)
{
	static const struct given g = { .local = true, .rewrite = true, .sender = "me", .recipients = "c a@b d@e" };
	struct intake *in = begin(&g);
	struct recipient r;
	struct message m;

	(void)state;
	puts_in(in, "Subject: a\n b\nMessage-ID: <x>\n\n\xc3\xa4\n");
	finish(in);
	acknowledged();
	read_back(&m);
	assert_true(span_eqs(m.envelope.sender, "me@mx.test"));
	assert_true(span_eqs(m.envelope.subject, "a b"));
	assert_true(span_eqs(m.envelope.message_id, "<x>"));
	assert_int_equal(m.envelope.flags, ENVELOPE_LOCAL | ENVELOPE_8BIT | ENVELOPE_REWRITE);
	assert_int_equal(m.envelope.size, m.header.len + m.body.len);
	assert_int_equal(m.envelope.recipient_count, 3);
	struct unpack u = { .left = m.envelope.recipients };
	assert_true(recipient_next(&u, &r));
	assert_true(span_eqs(r.address, "c@mx.test"));
	message_clear(&m);
}

/* A header over header_size_limit loses whole lines, the others none. */
static void
long_header(void **state)
{
	struct intake *in = begin(&remote);
	struct message m;

	(void)state;
	puts_in(in, "X: a\n");
	for (int i = 0; i < 100; i++)
		puts_in(in, " bbbbbbbb\n");
	puts_in(in, "Y: c\n\nd\n");
	finish(in);
	acknowledged();
	read_back(&m);
	assert_true(m.header.len < 500);
	assert_true(span_ends(m.header, "\nY: c\n\n"));
	message_clear(&m);
}

/* Past mtad_spill_size the body is in the file that was granted; without one no more is read until it comes. */
static void
spill(void **state)
{
	static char line[1001];
	struct intake *in = begin(&remote);
	struct message m;
	char path[200];

	(void)state;
	memset(line, 'x', sizeof line - 2);
	line[999] = '\n';
	puts_in(in, "Subject: x\n\n");
	int lines = 0;
	while (!intake_blocked(in)) {
		put(in, line, 1000);
		assert_true(++lines < 1000);
	}
	assert_false(intake_unblock(in));
	snprintf(path, sizeof path, "%s/spill", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	link_on_spill_grant(&rx->link, &(struct ipc_spill_grant){ .spill = 7 }, dup(fd));
	assert_true(intake_unblock(in));
	for (int i = 0; i < 1000; i++, lines++)
		put(in, line, 1000);
	finish(in);
	assert_string_equal(done.reply, "");
	acknowledged();
	read_back(&m);
	assert_int_equal(m.envelope.spill, 7);
	assert_int_equal(m.body.len, 0);
	assert_int_equal(m.spill_length, lines * 1000);
	assert_int_equal(lseek(fd, 0, SEEK_END), lines * 1000);
	assert_int_equal(queue.spills_used, 1);
	assert_int_equal(rx->pool.memory, 0);
	message_clear(&m);
	close(fd);
}

/* Until it is refused: how many of 1000 bytes. */
static unsigned
header_lines(struct intake *in)
{
	char line[1000];
	unsigned n = 0;

	memset(line, 'x', sizeof line);
	memcpy(line, "X: ", 3);
	line[999] = '\n';
	for (; n < 10000 && in->fault == NULL; n++) {
		put(in, line, 1000);
		assert_false(intake_blocked(in));
	}
	return n;
}

/* A header without an end is refused past 4 MiB, and nothing of it is kept then; nor is it ever waited for. */
static void
endless_header(void **state)
{
	struct intake *in = begin(&remote);

	(void)state;
	assert_in_range(header_lines(in), 4194, 4196);
	assert_int_equal(rx->pool.memory, 0);
	assert_true(in->content.cap < 10000);
	puts_in(in, "X: y\n");
	assert_true(in->content.cap < 10000);
	finish(in);
	assert_string_equal(done.reply, "552 5.3.4 Error: message header too large");
	/* Where the memory for content is used up by others, it is not let grow beyond a piece. */
	in = begin(&remote);
	rx->pool.memory += in->generation->memory_limit;
	assert_in_range(header_lines(in), 65, 67);
	rx->pool.memory -= in->generation->memory_limit;
	assert_int_equal(rx->pool.memory, 0);
	finish(in);
	assert_string_equal(done.reply, "452 4.3.1 Insufficient system storage");
}

/* A queue role that dies before it acknowledged hears of the message again from its successor's start. */
static void
queue_restarts(void **state)
{
	struct intake *in = begin(&remote);

	(void)state;
	queue.acknowledge = false;
	puts_in(in, "Subject: x\n\n");
	finish(in);
	assert_int_equal(rx->link.unacked, 1);
	ipc_free(queue.ipc);
	queue.ipc = NULL;
	queue.acknowledge = true;
	connect_queue();
	acknowledged();
	assert_int_equal(queue.submits, 1);
	assert_int_equal(queue.held, 1);
	assert_int_equal(queue.last, rx->link.sequence);
}

/* What is given up leaves nothing, and what is taken by nobody any more is kept all the same. */
static void
given_up(void **state)
{
	struct intake *in = begin(&remote);

	(void)state;
	puts_in(in, "x");
	intake_drop(in);
	assert_int_equal(rx->pool.open, 0);
	in = begin(&remote);
	puts_in(in, "x\n");
	uint64_t before = rx->link.sequence;
	done.called = false;
	intake_finish(in, on_done, NULL);
	intake_orphan(in);
	assert_int_equal(loop_run(), 0);
	assert_false(done.called);
	assert_int_equal(rx->link.sequence, before + 1);
	acknowledged();
}

/* Those that wait are in a list of their own, whoever was in a list with them before. */
static void
waits_alone(void **state)
{
	struct intake *used[3], *in;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		used[i] = begin(&remote);
	for (size_t i = 0; i < 3; i++)
		intake_drop(used[i]);
	in = begin(&remote);
	puts_in(in, "x\n");
	rx->link.lagging = true;	/* in_flow_delay */
	done.called = false;
	intake_finish(in, on_done, NULL);
	assert_ptr_equal(rx->pool.first, in);
	assert_null(in->next);
	rx->link.lagging = false;
	in->not_before = 0;
	intake_wake(rx);
	assert_null(rx->pool.first);
	assert_int_equal(loop_run(), 0);
	assert_true(done.called);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers), cmocka_unit_test(envelope_and_size), cmocka_unit_test(long_header),
		cmocka_unit_test(spill), cmocka_unit_test(endless_header), cmocka_unit_test(queue_restarts), cmocka_unit_test(given_up),
		cmocka_unit_test(waits_alone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
