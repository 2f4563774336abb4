/*
 * The scripted remote hosts of the demo, on mtad's own server grammar: one process that plays several mail servers.
 *
 *   peer PORT ADDRESS=ROLE ...
 *
 * Roles: healthy takes everything; greylist answers RCPT 450 to each recipient for the first two seconds after it was
 * first seen; refuse answers RCPT 550; full answers RCPT 452. An address that is not named is a dead host.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "smtp/server.h"

#define GREYLIST_TIME	(2 * SECOND)
#define CONTENT_MAX	((size_t)64 << 20)
#define INPUT_MAX	((size_t)1 << 20)

enum play { HEALTHY, GREYLIST, REFUSE, FULL };
static const char *const play_name[] = { "healthy", "greylist", "refuse", "full" };

struct host {
	struct loop_io	 io;
	enum play	 play;
	char		 address[INET_ADDRSTRLEN];
	int		 fd;
};

struct session {
	struct loop_io	 io;
	struct host	*host;
	struct smtp_server *smtp;
	struct buf	 in, out, content;
	int		 fd;
};

/* A recipient that the greylist has seen. */
struct seen {
	char		*address;
	int64_t		 since;
};

static struct span
seen_key(const void *item)
{
	return span_str(((const struct seen *)item)->address);
}

static struct map seen = { .key = seen_key };
static struct buf scratch = { .max = 1 << 16 };
static struct smtp_server_config config = {
	.hostname = "peer.demo.test", .banner = "peer.demo.test ESMTP demo", .noop_commands = "", .forbidden_commands = "",
	.smtputf8 = true, .message_size_limit = 50000000, .recipient_limit = 1000, .line_length_limit = 2048,
	.soft_error_limit = 100, .hard_error_limit = 100, .scratch = &scratch,
};
static const struct smtp_server_options options = { .bare_lf = SMTP_BARE_LF_NORMALIZE };

static void
on_yes(void *arg)
{
	smtp_server_answer(((struct session *)arg)->smtp, NULL);
}

static void
on_helo(void *arg, enum smtp_verb verb, struct span name)
{
	(void)verb;
	(void)name;
	on_yes(arg);
}

static void
on_mail(void *arg, const struct smtp_mail *mail)
{
	(void)mail;
	on_yes(arg);
}

static bool
is_new(struct span address)
{
	struct seen *known = map_get(&seen, address);

	if (known == NULL) {
		MEM_NEW(known);
		known->address = span_dup(address);
		known->since = clock_mono();
		map_add(&seen, known);
	}
	return clock_mono() - known->since < GREYLIST_TIME;
}

static void
on_rcpt(void *arg, const struct smtp_rcpt *rcpt)
{
	struct session *s = arg;
	const char *reply = NULL;

	if (s->host->play == REFUSE)
		reply = "550 5.1.1 User unknown; see https://refuse.test/policy";
	else if (s->host->play == GREYLIST && is_new(rcpt->address))
		reply = "450 4.2.0 Greylisted, come back in 2 seconds";
	else if (s->host->play == FULL)
		reply = "452 4.2.2 Mailbox full: 2048 MB of 2048 MB used";
	smtp_server_answer(s->smtp, reply);
}

static void
on_data(void *arg, bool bdat)
{
	(void)bdat;
	on_yes(arg);
}

static char *
on_room(void *arg, size_t n)
{
	return buf_room(&((struct session *)arg)->content, n);
}

static void
on_added(void *arg, size_t n)
{
	buf_added(&((struct session *)arg)->content, n);
}

static void
on_end(void *arg, const struct smtp_end *end)
{
	struct session *s = arg;

	printf("%s took a message of %llu bytes\n", s->host->address, (unsigned long long)end->bytes);
	fflush(stdout);
	buf_reset(&s->content);
	smtp_server_answer(s->smtp, "250 2.0.0 Ok: taken");
}

static void
on_vrfy(void *arg, struct span address)
{
	(void)address;
	on_yes(arg);
}

static void
on_reset(void *arg)
{
	buf_reset(&((struct session *)arg)->content);
}

static void
on_note(void *arg, enum smtp_note note, enum smtp_verb verb, struct span text)
{
	(void)arg;
	(void)note;
	(void)verb;
	(void)text;
}

static const struct smtp_server_ops ops = {
	.connect = on_yes, .helo = on_helo, .mail = on_mail, .rcpt = on_rcpt, .data = on_data, .room = on_room,
	.added = on_added, .end = on_end, .vrfy = on_vrfy, .reset = on_reset, .note = on_note,
};

static void
session_end(struct session *s)
{
	loop_io_watch(&s->io, 0);
	smtp_server_free(s->smtp);
	close(s->fd);
	buf_clear(&s->in);
	buf_clear(&s->out);
	buf_clear(&s->content);
	free(s);
}

/* Replies are short: a client that does not read them is let go. */
static bool
send_replies(struct session *s)
{
	if (s->out.len > 0 && send(s->fd, s->out.ptr, s->out.len, MSG_NOSIGNAL) != (ssize_t)s->out.len)
		return false;
	buf_reset(&s->out);
	return true;
}

static void
session_ready(void *arg, short what)
{
	struct session *s = arg;
	char *room = buf_room(&s->in, 65536);

	(void)what;
	ssize_t n = room == NULL ? -1 : read(s->fd, room, 65536);
	if (n <= 0) {
		session_end(s);
		return;
	}
	buf_added(&s->in, (size_t)n);
	for (size_t took = 1; took > 0 && s->in.len > 0;) {
		took = smtp_server_run(s->smtp, buf_view(&s->in));
		buf_drop(&s->in, took);
		if (smtp_server_waits(s->smtp) == SMTP_WAITS_DELAY)
			smtp_server_resume(s->smtp);
	}
	if (!send_replies(s) || smtp_server_waits(s->smtp) == SMTP_WAITS_CLOSE)
		session_end(s);
}

static void
accept_one(void *arg, short what)
{
	struct host *h = arg;
	struct session *s;
	int fd = accept4(h->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	MEM_NEW(s);
	s->host = h;
	s->fd = fd;
	s->in.max = INPUT_MAX;
	s->content.max = CONTENT_MAX;
	s->smtp = smtp_server_new(&config, &options, &ops, s, &s->out);
	loop_io_init(&s->io, fd, session_ready, s);
	loop_io_watch(&s->io, EV_READ);
	smtp_server_start(s->smtp);
	if (!send_replies(s))
		session_end(s);
}

static void
host_open(const char *word, uint16_t port)
{
	struct span rest = span_str(word), address;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct host *h;
	int one = 1;

	MEM_NEW(h);
	(void)span_cut(&rest, '=', &address);
	(void)snprintf(h->address, sizeof h->address, "%.*s", SPAN_ARG(address));
	size_t i = 0;
	while (i < sizeof play_name / sizeof play_name[0] && !span_eqs(rest, play_name[i]))
		i++;
	if (i == sizeof play_name / sizeof play_name[0] || inet_pton(AF_INET, h->address, &sin.sin_addr) != 1)
		fatal_exit(64, "%s: not ADDRESS=healthy|greylist|refuse|full", word);
	h->play = (enum play)i;
	h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(h->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(h->fd, (struct sockaddr *)&sin, sizeof sin) < 0 || listen(h->fd, 100) < 0)
		fatal_exit(69, "%s:%u: cannot listen there; is another demo running?", h->address, port);
	loop_io_init(&h->io, h->fd, accept_one, h);
	loop_io_watch(&h->io, EV_READ);
}

static void
end(void *arg)
{
	(void)arg;
	loop_stop(0);
}

int
main(int argc, char **argv)
{
	uint32_t port;

	if (argc < 3 || !num_u32(span_str(argv[1]), &port) || port == 0 || port > 65535)
		fatal_exit(64, "usage: peer PORT ADDRESS=ROLE ...");
	loop_init();
	for (int i = 2; i < argc; i++)
		host_open(argv[i], (uint16_t)port);
	loop_signal(SIGTERM, end, NULL);
	loop_signal(SIGINT, end, NULL);
	return loop_run();
}
