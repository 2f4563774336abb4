/*
 * Fills a spool with deferred messages, without a daemon: spoolgen QUEUE_DIRECTORY COUNT [BYTES [ROUNDS]]
 * For measuring the memory and the restart of a large queue, and the listing of it. In the first round the messages are tried in the order
 * in which they came, in each further one in another order, as in a queue that is some hours old: their newest journal records lie anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/num.h"
#include "spool/event.h"
#include "spool/message.h"
#include "spool/store.h"
#include "spool/writer.h"

#define NEXTHOPS	1000
#define A_TICK		2000
#define STRIDE		7368787u	/* a prime: steps of it visit every message once */
#define PENDING_MAX	((size_t)16 << 20)

enum { MAIL, JOURNAL, WRITERS };

struct gen;
struct told {			/* a message's newest journal record */
	struct gen	*g;
	struct loc	 at;
};

struct gen {
	struct store	*st;
	struct writer {
		struct gen	*g;
		struct spool_writer *w;
		struct segment_grant grant;
		unsigned	 wants, held;
	} writer[WRITERS];
	struct loop_timer tick;
	uint64_t	 count, made, rounds;	/* messages: of them, put */
	uint64_t	 round, told;		/* events of this round */
	uint64_t	 events;		/* in all */
	struct told	*last;			/* by message */
	uint64_t	 done;			/* callbacks */
	int64_t		 now;
	bool		 ending;
	struct buf	 head, rcpt, outcome, body;
};

static void
grant(struct writer *w)
{
	struct store_segment s;
	int fd;

	while (w->wants > 0 && !w->g->ending && store_grant(w->g->st, &w->grant, &s, &fd)) {
		w->wants--;
		w->held++;
		spool_writer_grant(w->w, s.number, s.nonce, s.size, fd);
	}
}

static void
on_segment_done(void *arg, uint32_t segment, uint64_t end)
{
	struct writer *w = arg;

	store_seal(w->g->st, segment, end);
	w->held--;
	w->wants++;
	grant(w);
	if (w->g->ending && w->g->writer[MAIL].held + w->g->writer[JOURNAL].held == 0)
		loop_stop(0);
}

static void
on_room(void *arg)
{
	(void)arg;
}

static void
on_failed(void *arg, uint32_t segment, const char *text)
{
	(void)arg;
	fatal("segment %08x: %s", segment, text);
}

static void
on_ready(void *arg)
{
	struct gen *g = arg;

	grant(&g->writer[MAIL]);
	grant(&g->writer[JOURNAL]);
}

static void
on_store_failed(void *arg, const char *text)
{
	(void)arg;
	fatal("%s", text);
}

static void
on_done(void *arg, bool ok, struct loc loc)
{
	struct gen *g = arg;

	(void)loc;
	if (!ok)
		fatal("a batch was not written");
	g->done++;
}

static void
on_told(void *arg, bool ok, struct loc loc)
{
	struct told *t = arg;

	t->at = loc;
	on_done(t->g, ok, loc);
}

static struct qid
id_of(const struct gen *g, uint64_t n)
{
	return (struct qid){ (uint64_t)g->now - (g->count - n) * 10, qid_writer(0, 1) };
}

static bool
put_message(struct gen *g, uint64_t n)
{
	struct iovec iov[MESSAGE_IOV];
	char sender[64], rcpt[80], header[320], message_id[64];
	struct qid id = id_of(g, n);

	(void)snprintf(sender, sizeof sender, "sender%llu@example.org", (unsigned long long)n % 5000);
	(void)snprintf(rcpt, sizeof rcpt, "user%llu@dest%llu.example", (unsigned long long)n, (unsigned long long)n % NEXTHOPS);
	(void)snprintf(message_id, sizeof message_id, "<%llu@example.org>", (unsigned long long)n);
	(void)snprintf(header, sizeof header, "From: %s\nTo: %s\nMessage-ID: %s\nSubject: deferred message %llu\n\n", sender,
	    rcpt, message_id, (unsigned long long)n);
	buf_reset(&g->rcpt);
	recipient_pack(&g->rcpt, &(struct recipient){ .number = 0, .address = span_str(rcpt) });
	struct envelope e = {
		.id = id, .arrival = (int64_t)id.usec, .size = strlen(header) + g->body.len, .sender = span_str(sender),
		.service = SPAN("smtp"), .client_name = SPAN("localhost"), .client_addr = SPAN("127.0.0.1"),
		.helo = SPAN("localhost"), .protocol = SPAN("ESMTP"), .message_id = span_str(message_id),
		.recipient_count = 1, .recipients = buf_view(&g->rcpt),
	};
	buf_reset(&g->head);
	int parts = message_layout(&g->head, &e, span_str(header), buf_view(&g->body), 0, iov);
	return spool_append(g->writer[MAIL].w, RECORD_MESSAGE, iov, parts, -1, on_done, g);
}

/* What remotes say: some have a part that differs each time. */
static void
reason_of(uint64_t n, char *text, size_t size)
{
	static const char *const same[] = {
		"connect to mail.example[192.0.2.1]:25: Connection refused",
		"host mx.example[192.0.2.2] said: 452 4.2.2 The email account that you tried to reach is over quota (in reply to RCPT TO command)",
		"Host or domain name not found. Name service error for name=mx.example type=AAAA: Host not found, try again",
	};
	unsigned long long x = n * STRIDE;

	switch (n % 8) {
	case 0:
		(void)snprintf(text, size, "host mx%llu.example[198.51.100.%llu] said: 421 4.7.0 Try again later, closing connection. "
		    "x%llx-v%llx (in reply to MAIL FROM command)", x % 50, x % 250, x * STRIDE, x);
		return;
	case 1:
		(void)snprintf(text, size, "host mx.example[192.0.2.3] said: 450 4.2.0 <user%llu@dest%llu.example>: Recipient address rejected: "
		    "Greylisted, see https://example/%llx (in reply to RCPT TO command)", (unsigned long long)n, x % NEXTHOPS, x);
		return;
	case 2:
		(void)snprintf(text, size, "connect to mx%llu.example[203.0.113.%llu]:25: Connection timed out", x % 200, x % 250);
		return;
	default:
		(void)snprintf(text, size, "%s", same[n % 3]);
	}
}

static bool
put_event(struct gen *g, uint64_t n)
{
	struct told *t = &g->last[n];
	char nexthop[64], reason[300];

	(void)snprintf(nexthop, sizeof nexthop, "dest%llu.example", (unsigned long long)n % NEXTHOPS);
	reason_of(n, reason, sizeof reason);
	buf_reset(&g->outcome);
	outcome_pack(&g->outcome, &(struct outcome){ .number = 0, .status = OUTCOME_DEFERRED, .dsn = SPAN("4.4.1"),
	    .text = span_str(reason), .relay = SPAN("none") });
	struct spool_event e = {
		.kind = EVENT_OUTCOMES, .time = g->now, .number = ++g->events, .next = g->now + DAY, .attempt = (uint32_t)g->round + 1,
		.scope = SCOPE_DESTINATION, .transport = SPAN("smtp"), .nexthop = span_str(nexthop),
		.outcomes = buf_view(&g->outcome),
	};
	buf_reset(&g->head);
	event_record_begin(&g->head, id_of(g, n), t->at);
	event_pack(&g->head, &e);
	struct iovec iov = { g->head.ptr, g->head.len };
	t->g = g;
	return spool_append(g->writer[JOURNAL].w, RECORD_EVENT, &iov, 1, -1, on_told, t);
}

/* The next round needs to know where all records of this one are. */
static void
put_events(struct gen *g)
{
	while (g->told < g->made && spool_writer_pending(g->writer[JOURNAL].w) <= PENDING_MAX) {
		uint64_t n = g->round == 0 ? g->told : (g->told * STRIDE + g->round) % g->count;
		if (!put_event(g, n))
			return;
		g->told++;
	}
	if (g->told < g->count || g->round + 1 == g->rounds || g->done < g->count + g->events)
		return;
	g->told = 0;
	g->round++;
}

static void
on_tick(void *arg)
{
	struct gen *g = arg;

	for (int i = 0; i < A_TICK && g->made < g->count; i++) {
		if (spool_writer_pending(g->writer[MAIL].w) > PENDING_MAX || !put_message(g, g->made))
			break;
		g->made++;
	}
	put_events(g);
	if (g->done == (1 + g->rounds) * g->count && !g->ending) {
		g->ending = true;
		for (int i = 0; i < WRITERS; i++) {
			while (spool_writer_segments(g->writer[i].w) > 0)
				spool_writer_end(g->writer[i].w);
		}
	}
	loop_timer_set(&g->tick, 0);
}

static int
open_spool(const char *queue)
{
	if (mkdir(queue, 0755) < 0 && errno != EEXIST)
		fatal("%s: %s", queue, strerror(errno));
	int dir = open(queue, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || (mkdirat(dir, "spool", 0700) < 0 && errno != EEXIST))
		fatal("%s: %s", queue, strerror(errno));
	int spool = openat(dir, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool < 0)
		fatal("%s/spool: %s", queue, strerror(errno));
	close(dir);
	return spool;
}

int
main(int argc, char **argv)
{
	static const struct store_config config = { .segment_size = (uint64_t)64 << 20, .reserve = 2 };
	static const struct store_ops store_ops = { on_ready, on_store_failed };
	static const struct spool_writer_ops writer_ops = { on_segment_done, on_room, on_failed };
	static struct gen g;
	uint64_t bytes = 300;
	struct err err;

	g.rounds = 1;
	if (argc < 3 || !num_u64(span_str(argv[2]), &g.count) || (argc > 3 && !num_u64(span_str(argv[3]), &bytes)) ||
	    (argc > 4 && !num_u64(span_str(argv[4]), &g.rounds)) || g.rounds == 0)
		fatal_exit(64, "usage: spoolgen QUEUE_DIRECTORY COUNT [BYTES [ROUNDS]]");
	g.last = mem_new((g.count + 1) * sizeof *g.last);
	loop_init();
	g.now = clock_wall();
	while (g.body.len < bytes)
		buf_str(&g.body, "A line of the message's body, as long as such lines often are.\n");
	g.st = store_open(open_spool(argv[1]), STORE_OWN, &config, &err);
	if (g.st == NULL)
		fatal("%s", err.text);
	store_start(g.st, &store_ops, &g);
	for (uint32_t i = 0; i < WRITERS; i++) {
		struct writer *w = &g.writer[i];
		w->g = &g;
		w->grant = (struct segment_grant){ i == MAIL ? SEGMENT_MAIL : SEGMENT_JOURNAL, i, 1 };
		w->wants = 2;
		w->w = spool_writer_new(&writer_ops, w, i == MAIL ? 0 : SECOND);
		grant(w);
	}
	loop_timer_init(&g.tick, on_tick, &g);
	loop_timer_set(&g.tick, 0);
	(void)loop_run();
	loop_timer_stop(&g.tick);
	for (int i = 0; i < WRITERS; i++)
		spool_writer_free(g.writer[i].w);
	store_close(g.st);
	free(g.last);
	printf("%llu messages in %.1f s\n", (unsigned long long)g.count, (double)(clock_wall() - g.now) / 1e6);
	return 0;
}
