#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "local/local.h"
#include "unit/local/sample.h"

/* The queue role's end of the channel, and what came over it. */
static struct {
	struct ipc	*ipc;
	unsigned	 results, listed, held;
	uint64_t	 lease;
	unsigned	 count;
	uint8_t		 status[4];
	char		 dsn[4][12];
	unsigned	 wanted;	/* results to wait for */
} queue;
static char logged[4096];

static void
on_result(void *arg, struct ipc *c, const struct ipc_result *m, int fd)
{
	struct unpack u = { .left = m->outcomes };
	struct outcome o;
	(void)arg, (void)c, (void)fd;
	queue.count = 0;
	while (queue.count < 4 && outcome_next(&u, &o)) {
		queue.status[queue.count] = o.status;
		snprintf(queue.dsn[queue.count++], 12, "%.*s", SPAN_ARG(o.dsn));
	}
	queue.lease = m->lease;
	if (++queue.results == queue.wanted)
		loop_stop(0);
}

static void
on_listed(void *arg, struct ipc *c, const struct ipc_listed *m, int fd)
{
	(void)arg, (void)c, (void)m, (void)fd;
	queue.listed++;
}

static void
on_held(void *arg, struct ipc *c, const struct ipc_lease_held *m, int fd)
{
	(void)arg, (void)c, (void)m, (void)fd;
	queue.held++;
}

static void
on_closed(void *arg, struct ipc *c)
{
	(void)arg;
	ipc_free(c);
	if (queue.ipc == c)
		queue.ipc = NULL;
}

static const struct ipc_handlers queue_handlers = {
	.result = on_result, .listed = on_listed, .lease_held = on_held, .closed = on_closed,
};

static void
watch(enum log_level level, const char *program, const char *text)
{
	(void)level, (void)program;
	snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", text);
}

static void
too_late(void *arg)
{
	(void)arg;
	loop_stop(1);
}

static int
run_until(unsigned results)
{
	struct loop_timer t = { 0 };
	queue.wanted = results;
	loop_timer_init(&t, too_late, NULL);
	loop_timer_set(&t, 10 * SECOND);
	int status = loop_run();
	loop_timer_stop(&t);
	return status;
}

/* A queue role is there: both ends of a new channel. */
static void
connect_queue(const struct role_spec *spec)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	queue.ipc = ipc_new(ends[0], ROLE_QUEUE, ROLE_LOCAL, 0, 1, &queue_handlers, NULL);
	spec->peer(spec->state, ipc_new(ends[1], ROLE_LOCAL, ROLE_QUEUE, 0, 1, spec->handlers, spec->state));
}

static void
deliver(uint64_t lease, struct loc loc, const char *const people[])
{
	struct buf recipients = BUF_INIT(0);
	for (uint32_t i = 0; people[i] != NULL; i++)
		recipient_pack(&recipients, &(struct recipient){ .number = i, .address = span_str(people[i]) });
	struct ipc_deliver m = { .lease = lease, .id_usec = 1000000, .id_writer = 1, .segment = loc.segment,
		.offset = (uint64_t)loc.block * SPOOL_BLOCK, .length = loc.length, .transport = SPAN("local"),
		.nexthop = SPAN("example.org"), .sender = SPAN("a@b"), .arrival = clock_wall(), .active = clock_wall(),
		.attempt = 1, .recipients = buf_view(&recipients) };
	ipc_send_deliver(queue.ipc, &m, -1);
	buf_clear(&recipients);
}

static void
lease(void **state)
{
	(void)state;
	char dir[64], setting[128], good[300], wanted[400];
	int segment = memfd_create("segment", 0), spill;
	const struct role_spec *spec = local_role();
	struct err err;
	sample_dir(dir);
	snprintf(setting, sizeof setting, "mail_spool_directory=%s/", dir);
	const char *const settings[] = { setting, NULL };
	struct conf *conf = sample_conf(settings);
	struct buf frozen = BUF_INIT(0);
	conf_freeze(conf, &frozen);
	assert_true(spec->configure(spec->state, buf_view(&frozen), &err));
	assert_true(spec->start(spec->state, &err));
	log_watch = watch;
	connect_queue(spec);
	struct loc loc = sample_message(segment, "From: a@b\n\n", SPAN("hi\n"), false, &spill);
	ipc_send_segment_open(queue.ipc, &(struct ipc_segment_open){ .segment = 1, .nonce = SAMPLE_NONCE }, segment);
	snprintf(good, sizeof good, "%s@example.org", sample_user());
	deliver(7, loc, (const char *[]){ good, "no-such-user@example.org", NULL });
	assert_int_equal(run_until(1), 0);
	assert_int_equal(queue.listed, 1);
	assert_int_equal(queue.lease, 7);
	assert_int_equal(queue.count, 2);
	assert_int_equal(queue.status[0], OUTCOME_SENT);
	assert_int_equal(queue.status[1], OUTCOME_BOUNCED);
	assert_string_equal(queue.dsn[1], "5.1.1");
	snprintf(wanted, sizeof wanted, "0000010000z1: to=<%s>, relay=local, delay=0", good);
	assert_non_null(strstr(logged, wanted));
	assert_non_null(strstr(logged, "dsn=2.0.0, status=sent (delivered to maildir)\n"));
	assert_non_null(strstr(logged, "dsn=5.1.1, status=bounced (unknown user: \"no-such-user\")\n"));

	/* Not acknowledged: a new queue role hears it again; then a segment that nobody opened. */
	ipc_free(queue.ipc);
	connect_queue(spec);
	assert_int_equal(run_until(2), 0);
	assert_int_equal(queue.listed, 2);
	assert_int_equal(queue.held, 0);
	assert_int_equal(queue.lease, 7);
	ipc_send_result_ack(queue.ipc, &(struct ipc_result_ack){ .lease = 7 }, -1);
	loc.segment = 99;
	deliver(8, loc, (const char *[]){ good, NULL });
	assert_int_equal(run_until(3), 0);
	assert_int_equal(queue.lease, 8);
	assert_int_equal(queue.status[0], OUTCOME_DEFERRED);
	ipc_send_result_ack(queue.ipc, &(struct ipc_result_ack){ .lease = 8 }, -1);
	spec->stop(spec->state, SECOND);	/* ends as soon as nothing is kept any more */
	assert_int_equal(run_until(99), 0);
	ipc_free(queue.ipc);
	conf_unref(conf);
	buf_clear(&frozen);
	close(segment);
	sample_clean(dir);
}

int
main(void)
{
	loop_init();
	const struct CMUnitTest tests[] = { cmocka_unit_test(lease) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
