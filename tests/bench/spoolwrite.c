/*
 * How fast the writer alone is: SESSIONS sessions, each of which appends a message when its last one is durable.
 * spoolwrite DIRECTORY [MESSAGES [SESSIONS [BYTES]]]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/num.h"
#include "spool/message.h"
#include "spool/store.h"
#include "spool/writer.h"

struct bench {
	struct store	*st;
	struct spool_writer *w;
	uint64_t	 messages, sessions, bytes;
	uint64_t	 sent, done;
	unsigned	 wants;
	struct buf	 head, rcpt, body;
	struct loop_task more;
	uint64_t	 idle;
};

static void
grant(struct bench *b)
{
	struct segment_grant g = { SEGMENT_MAIL, 0, 1 };
	struct store_segment s;
	int fd;

	while (b->wants > 0 && store_grant(b->st, &g, &s, &fd)) {
		b->wants--;
		spool_writer_grant(b->w, s.number, s.nonce, s.size, fd);
	}
}

static void
on_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct bench *b = arg;

	store_seal(b->st, segment, end);
	store_release(b->st, segment);
	b->wants++;
	grant(b);
}

static void
on_ready(void *arg)
{
	grant(arg);
}

static void
on_room(void *arg)
{
	loop_defer(&((struct bench *)arg)->more);
}

static void
on_done(void *arg, bool ok, struct loc loc)
{
	struct bench *b = arg;

	(void)loc;
	if (!ok)
		fatal("a batch failed");
	b->done++;
	b->idle++;
	if (b->done == b->messages)
		loop_stop(0);
	loop_defer(&b->more);
}

static void
send_more(void *arg)
{
	struct bench *b = arg;
	struct iovec iov[MESSAGE_IOV];

	while (b->idle > 0 && b->sent < b->messages) {
		struct envelope e = {
			.id = { b->sent + 1, 1 }, .sender = SPAN("sender@example.org"), .client_name = SPAN("localhost"),
			.client_addr = SPAN("127.0.0.1"), .helo = SPAN("localhost"), .protocol = SPAN("ESMTP"),
			.recipient_count = 1, .recipients = buf_view(&b->rcpt),
		};
		buf_reset(&b->head);
		int n = message_layout(&b->head, &e, SPAN("Subject: x\n\n"), buf_view(&b->body), 0, iov);
		if (!spool_append(b->w, RECORD_MESSAGE, iov, n, -1, on_done, b))
			break;
		b->idle--;
		b->sent++;
	}
}

int
main(int argc, char **argv)
{
	static const struct store_config config = { .segment_size = (uint64_t)64 << 20, .reserve = 3 };
	static const struct store_ops store_ops = { on_ready, NULL };
	static const struct spool_writer_ops writer_ops = { on_segment_done, on_room, NULL };
	static struct bench b = { .messages = 200000, .sessions = 50, .bytes = 4096, .wants = 2 };
	uint64_t *const number[] = { &b.messages, &b.sessions, &b.bytes };
	struct rusage before, after;
	struct err err;

	for (int i = 2; i < argc && i < 5; i++) {
		if (!num_u64(span_str(argv[i]), number[i - 2]))
			fatal_exit(64, "usage: spoolwrite DIRECTORY [MESSAGES [SESSIONS [BYTES]]]");
	}
	int dir = argc < 2 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		fatal_exit(64, "usage: spoolwrite DIRECTORY [MESSAGES [SESSIONS [BYTES]]]");
	loop_init();
	recipient_pack(&b.rcpt, &(struct recipient){ .address = SPAN("user@example.com") });
	memset(buf_room(&b.body, b.bytes), 'x', b.bytes);
	buf_added(&b.body, b.bytes);
	b.st = store_open(dir, STORE_OWN, &config, &err);
	if (b.st == NULL)
		fatal("%s", err.text);
	store_start(b.st, &store_ops, &b);
	while (store_count(b.st, SEGMENT_FREE) < 5)
		(void)event_base_loop(loop_base(), EVLOOP_ONCE);
	b.w = spool_writer_new(&writer_ops, &b, 0);
	grant(&b);
	b.more = (struct loop_task){ .fn = send_more, .arg = &b };
	b.idle = b.sessions;
	loop_defer(&b.more);
	getrusage(RUSAGE_SELF, &before);
	int64_t start = clock_mono();
	(void)loop_run();
	int64_t took = clock_mono() - start;
	getrusage(RUSAGE_SELF, &after);
	double user = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1e6 +
	    (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec);
	double sys = (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1e6 +
	    (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec);
	printf("%.0f messages a second, CPU a message %.2f us user, %.2f us system\n",
	    (double)b.messages * 1e6 / (double)took, user / (double)b.messages, sys / (double)b.messages);
	spool_writer_free(b.w);
	store_close(b.st);
	return 0;
}
