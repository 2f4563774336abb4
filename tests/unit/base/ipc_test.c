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
#include "base/ipc_table.h"
#include "base/loop.h"
#include "base/num.h"
#include "base/log.h"

/* Both ends in one process. The loop runs until `expected` handlers ran, a channel closed, or a second is over. */
static struct ipc *left, *right;
static int raw;			/* the left end, where a test speaks bytes */
static int handled, expected, closed, credited;
static struct loop_timer patience;

static void
count(void)
{
	if (++handled == expected)
		loop_stop(0);
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	closed++;
	ipc_free(c);
	if (c == left)
		left = NULL;
	if (c == right)
		right = NULL;
	loop_stop(1);
}

static void
out_of_patience(void *arg)
{
	(void)arg;
	loop_stop(2);
}

static int
run(int until)
{
	handled = 0;
	expected = until;
	loop_timer_set(&patience, SECOND);
	int status = loop_run();
	loop_timer_stop(&patience);
	return status;
}

static void
open_pair(enum role a, enum role b, const struct ipc_handlers *ha, const struct ipc_handlers *hb)
{
	int fds[2];

	handled = closed = credited = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
	raw = fds[0];
	left = ha == NULL ? NULL : ipc_new(fds[0], a, b, 3, 9, ha, NULL);
	right = ipc_new(fds[1], b, a, 4, 8, hb, NULL);
}

static void
close_pair(void)
{
	ipc_free(left);
	ipc_free(right);
	left = right = NULL;
}

static size_t
open_files(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* -- every message goes over as it is ------------------------------------------------------- */

#define FILL_u8(i)	(ipc_u8)(200 + (i))
#define FILL_u16(i)	(ipc_u16)(60000 + (i))
#define FILL_u32(i)	(ipc_u32)(4000000000u + (i))
#define FILL_u64(i)	(ipc_u64)(0x8000000000000000u + (i))
#define FILL_i64(i)	-(ipc_i64)(1000 + (i))
#define FILL_span(i)	span_of("0123456789\0abcdefghij", 1 + (i))
#define SAME_u8(a, b)	assert_true((a) == (b))
#define SAME_u16	SAME_u8
#define SAME_u32	SAME_u8
#define SAME_u64	SAME_u8
#define SAME_i64	SAME_u8
#define SAME_span(a, b)	assert_true(span_eq(a, b))

#define IPC_BEGIN(name, from, to, flags)						\
static struct ipc_##name							\
make_##name(void)								\
{										\
	struct ipc_##name m;							\
	unsigned i = 0;
#define IPC_FIELD(type, field)	m.field = FILL_##type(i); i++;
#define IPC_END(name)	(void)i; return m; }
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

#define IPC_BEGIN(name, from, to, flags)						\
static void									\
on_##name(void *arg, struct ipc *c, const struct ipc_##name *m, int fd)		\
{										\
	struct ipc_##name want = make_##name();					\
	(void)arg;								\
	assert_ptr_equal(c, right);						\
	assert_int_equal(fd >= 0, ((flags) & (IPC_FD | IPC_FD_MAYBE)) != 0);	\
	if (fd >= 0)								\
		assert_int_equal(close(fd), 0);
#define IPC_FIELD(type, field)	SAME_##type(m->field, want.field);
#define IPC_END(name)	count(); }
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END

static const struct ipc_handlers silent = { .closed = on_closed };
static const struct ipc_handlers every = {
#define IPC_BEGIN(name, from, to, flags)	.name = on_##name,
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	.closed = on_closed,
};

/* A sender and a receiver that are not the same. */
static void
choose_roles(unsigned from, unsigned to, enum role *a, enum role *b)
{
	for (*a = 0; *a < ROLE_COUNT; (*a)++)
		for (*b = 0; *b < ROLE_COUNT; (*b)++)
			if (*a != *b && (from & 1u << *a) != 0 && (to & 1u << *b) != 0)
				return;
	fail();
}

static void
test_every_message(void **state)
{
	(void)state;
	size_t before = open_files();
#define IPC_BEGIN(name, from, to, flags) {						\
	struct ipc_##name m = make_##name();						\
	enum role a, b;									\
	choose_roles(from, to, &a, &b);							\
	open_pair(a, b, &silent, &every);						\
	ipc_send_##name(left, &m, (flags) & (IPC_FD | IPC_FD_MAYBE) ? 0 : -1);		\
	assert_int_equal(run(1), 0);							\
	if ((flags) & IPC_FD_MAYBE)							\
		assert_true(ipc_unsent(left) == 0);					\
	close_pair();									\
	}
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	assert_int_equal(open_files(), before);
}

static void
test_identity(void **state)
{
	enum role r;

	(void)state;
	open_pair(ROLE_RECEIVE, ROLE_QUEUE, &silent, &silent);
	assert_int_equal(ipc_peer(left), ROLE_QUEUE);
	assert_int_equal(ipc_slot(left), 3);
	assert_int_equal(ipc_epoch(left), 9);
	close_pair();
	for (enum role i = 0; i < ROLE_COUNT; i++)
		assert_true(role_parse(span_str(role_name(i)), &r) && r == i);
	assert_false(role_parse(SPAN("nobody"), &r));
	ipc_free(NULL);
	ipc_flush(NULL);
	ipc_send_listed(NULL, &(struct ipc_listed){ 1 }, -1);
}

/* -- descriptors keep their messages ------------------------------------------------------------ */

#define FDS	500

static uint64_t next_spill;

static void
on_numbered_fd(void *arg, struct ipc *c, const struct ipc_notice_make *m, int fd)
{
	char text[32];

	(void)arg;
	(void)c;
	assert_true(m->notice == next_spill);
	assert_int_equal(fd >= 0, m->notice % 3 != 0);
	if (fd >= 0) {
		ssize_t n = pread(fd, text, sizeof text - 1, 0);
		assert_true(n > 0);
		text[n] = '\0';
		assert_int_equal(strtoul(text, NULL, 10), m->notice);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
	next_spill++;
	count();
}

static void
send_numbered(uint64_t i, struct span body)
{
	char text[32];
	int fd = -1;

	if (i % 3 != 0) {
		int n = snprintf(text, sizeof text, "%llu", (unsigned long long)i);
		fd = memfd_create("numbered", MFD_CLOEXEC);
		assert_int_equal(write(fd, text, (size_t)n), n);
	}
	ipc_send_notice_make(left, &(struct ipc_notice_make){ .notice = i, .outcomes = body }, fd);
	if (fd >= 0)
		close(fd);
}

static void
test_descriptors(void **state)
{
	static const struct ipc_handlers h = { .notice_make = on_numbered_fd, .closed = on_closed };
	static char big[100000];

	(void)state;
	size_t before = open_files();
	/* Small bodies: many a write. Big ones: many writes a message. */
	for (size_t size = 0; size <= sizeof big; size += sizeof big) {
		open_pair(ROLE_QUEUE, ROLE_RECEIVE, &silent, &h);
		next_spill = 0;
		for (uint64_t i = 0; i < FDS; i++)
			send_numbered(i, span_of(big, i % 7 == 0 ? size : 0));
		assert_int_equal(run(FDS), 0);
		assert_int_equal(ipc_unsent(left), 0);
		close_pair();
		assert_int_equal(open_files(), before);
	}
}

/* -- credits ---------------------------------------------------------------------------------------- */

static void
on_submit_counted(void *arg, struct ipc *c, const struct ipc_submit *m, int fd)
{
	(void)arg;
	(void)c;
	(void)fd;
	assert_int_equal(m->sequence, (unsigned)handled + 1);
	count();
}

static void
on_credits_back(void *arg, struct ipc *c)
{
	(void)arg;
	assert_false(ipc_blocked(c));
	credited++;
}

static void
test_credits(void **state)
{
	static const struct ipc_handlers sender = { .closed = on_closed, .credit = on_credits_back };
	static const struct ipc_handlers h = { .submit = on_submit_counted, .closed = on_closed };
	uint64_t sequence = 0;

	(void)state;
	open_pair(ROLE_RECEIVE, ROLE_QUEUE, &sender, &h);
	while (!ipc_blocked(left))
		ipc_send_submit(left, &(struct ipc_submit){ .sequence = ++sequence }, -1);
	assert_int_equal(sequence, 4096);
	/* Sending on is allowed and nothing is lost. */
	for (int i = 0; i < 1000; i++)
		ipc_send_submit(left, &(struct ipc_submit){ .sequence = ++sequence }, -1);
	assert_int_equal(run((int)sequence), 0);
	(void)run(-1);
	assert_int_equal(credited, 1);
	assert_false(ipc_blocked(left));
	ipc_send_listed(left, &(struct ipc_listed){ 1 }, -1);
	assert_int_equal(closed, 0);
	close_pair();
}

/* -- ends ------------------------------------------------------------------------------------------------ */

static void
on_progress_free(void *arg, struct ipc *c, const struct ipc_progress *m, int fd)
{
	(void)arg;
	(void)fd;
	ipc_free(c);
	right = NULL;
	assert_true(span_eqs(m->peer, "mx.example.com"));	/* still readable until the handler returns */
	count();
}

static void
test_free_in_handler(void **state)
{
	static const struct ipc_handlers h = { .progress = on_progress_free };

	(void)state;
	open_pair(ROLE_SEND, ROLE_QUEUE, &silent, &h);
	for (int i = 0; i < 3; i++)
		ipc_send_progress(left, &(struct ipc_progress){ .peer = SPAN("mx.example.com") }, -1);
	assert_int_equal(run(1), 0);
	assert_int_equal(run(-1), 1);
	assert_int_equal(closed, 1);
	assert_int_equal(handled, 0);
	close_pair();
}

/* What a process said before it died is heard, and only then its end. */
static void
test_last_words(void **state)
{
	static const struct ipc_handlers h = { .submit = on_submit_counted, .closed = on_closed };

	(void)state;
	open_pair(ROLE_RECEIVE, ROLE_QUEUE, &silent, &h);
	for (uint64_t i = 1; i <= 50; i++)
		ipc_send_submit(left, &(struct ipc_submit){ .sequence = i, .envelope = SPAN("e") }, -1);
	ipc_flush(left);
	ipc_free(left);
	left = NULL;
	ipc_send_submit_ack(right, &(struct ipc_submit_ack){ 1 }, -1);
	ipc_flush(right);
	assert_int_equal(run(-1), 1);
	assert_int_equal(handled, 50);
	assert_int_equal(closed, 1);
	close_pair();
}

/* -- hostile bytes ------------------------------------------------------------------------------------------ */

static void
put_frame(unsigned char *p, uint32_t len, unsigned type, unsigned flags)
{
	num_put32(p, len);
	num_put16(p + 4, (uint16_t)type);
	num_put16(p + 6, (uint16_t)flags);
}

static unsigned
type_of(const char *name)
{
	static const char *const names[] = {
#define IPC_BEGIN(name, from, to, flags)	#name,
#define IPC_FIELD(type, field)
#define IPC_END(name)
#include "base/ipc.def"
#undef IPC_BEGIN
#undef IPC_FIELD
#undef IPC_END
	};

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	fail();
	return 0;
}

static void
test_faults(void **state)
{
	const struct {
		const char *what;
		unsigned type;
		uint32_t len;
		unsigned flags;
		bool fault;
	} rows[] = {
		{ "as it should be", type_of("listed"), 4, 0, false },
		{ "too short", type_of("listed"), 3, 0, true },
		{ "too long", type_of("listed"), 5, 0, true },
		{ "nothing", type_of("listed"), 0, 0, true },
		{ "a descriptor that did not come", type_of("listed"), 4, 1, true },
		{ "a type that is none", 9999, 4, 0, true },
		{ "of a role that may not send it", type_of("submit_ack"), 8, 0, true },
		{ "to a role that may not get it", type_of("lookup"), 16, 0, true },
		{ "credits never taken", IPC_TYPE_CREDIT, 4, 0, true },
		{ "half a credit", IPC_TYPE_CREDIT, 2, 0, true },
		{ "a frame over the maximum", type_of("listed"), 17 << 20, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned char bytes[64] = { 0 };
		open_pair(ROLE_RECEIVE, ROLE_QUEUE, NULL, &every);
		put_frame(bytes, rows[i].len, rows[i].type, rows[i].flags);
		if (rows[i].type == IPC_TYPE_CREDIT)
			bytes[8] = 1;
		else
			num_put32(bytes + 8, 4000000000u);	/* what on_listed wants */
		ssize_t n = rows[i].len > 20 ? 8 : (ssize_t)rows[i].len + 8;
		assert_int_equal(write(raw, bytes, (size_t)n), n);
		print_message("%s\n", rows[i].what);
		assert_int_equal(run(1), rows[i].fault ? 1 : 0);
		close(raw);
		close_pair();
	}
}

/* Descriptors without messages must not pile up. */
static void
test_descriptor_flood(void **state)
{
	union {
		struct cmsghdr	 head;
		char		 bytes[CMSG_SPACE(sizeof(int) * 50)];
	} control = { .bytes = { 0 } };
	unsigned char frame[8];

	(void)state;
	size_t before = open_files();
	open_pair(ROLE_QUEUE, ROLE_RECEIVE, NULL, &every);
	put_frame(frame, 1000, 0, 0);
	struct iovec iov = { frame, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control };
	struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * 50);
	memset(CMSG_DATA(h), 0, sizeof(int) * 50);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sendmsg(raw, &msg, 0), 1);
	assert_int_equal(run(-1), 1);
	close(raw);
	close_pair();
	assert_int_equal(open_files(), before);
}

static void
test_noise(void **state)
{
	(void)state;
	clock_seed(5);
	for (int round = 0; round < 300; round++) {
		unsigned char bytes[256];
		open_pair(ROLE_RECEIVE, ROLE_QUEUE, NULL, &silent);
		clock_random_bytes(bytes, sizeof bytes);
		put_frame(bytes, bytes[0] % 64, bytes[4] % 50, 0);
		assert_int_equal(write(raw, bytes, sizeof bytes), sizeof bytes);
		close(raw);
		assert_int_equal(run(-1), 1);
		close_pair();
	}
}

static int
set_up(void **state)
{
	(void)state;
	loop_init();
	loop_timer_init(&patience, out_of_patience, NULL);
	log_open(LOG_SINK_FILE, open("/dev/null", O_WRONLY | O_CLOEXEC), "", "mtad");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message), cmocka_unit_test(test_identity), cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_credits), cmocka_unit_test(test_free_in_handler), cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_faults), cmocka_unit_test(test_descriptor_flood), cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
