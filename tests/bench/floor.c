/*
 * The floor of a durable relay: the least that must be done for a message, and nothing else, on one thread. It takes
 * messages, appends each round's to one file of written zeros, syncs once, answers, and hands them on over connections that stay
 * open. No queue, no routing, no log. What it reaches is what a relay on this machine can be held against.
 *
 *   floor LISTENPORT SINKPORT CONNECTIONS FILE
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FILE_SIZE	((off_t)256 << 20)
#define FILE_TURN	((off_t)200 << 20)	/* begin again here */
#define ROUND		256
#define INPUT		65536

struct message {
	struct message	*next;
	size_t		 len;
	char		 data[];
};

enum state { COMMAND, CONTENT, GREETING, HELLO, IDLE, MAIL, RCPT, DATA, DOT };

struct connection {
	int		 fd;
	enum state	 state;
	bool		 outgoing;
	char		*input;
	size_t		 used, size;
	struct message	*message;
	struct connection *next;		/* in `idle` or in `waiting` */
};

static int poller, file;
static off_t place;
static struct connection *idle, *waiting;
static struct message *first, **last = &first;

static void
put(struct connection *c, const void *data, size_t len)
{
	for (const char *p = data; len > 0;) {
		ssize_t n = write(c->fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void
put_text(struct connection *c, const char *text)
{
	put(c, text, strlen(text));
}

static struct connection *
connection_new(int fd, bool outgoing)
{
	struct connection *c = calloc(1, sizeof *c);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	if (c == NULL)
		err(1, "calloc");
	c->fd = fd;
	c->outgoing = outgoing;
	c->state = outgoing ? GREETING : COMMAND;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
	return c;
}

static void
connection_free(struct connection *c)
{
	close(c->fd);
	free(c->input);
	free(c);
}

static void
hand_on(void)
{
	while (first != NULL && idle != NULL) {
		struct connection *c = idle;
		idle = c->next;
		c->message = first;
		first = first->next;
		if (first == NULL)
			last = &first;
		c->state = MAIL;
		put_text(c, "MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
	}
}

static void
reply_line(struct connection *c, const char *line)
{
	if (line[3] == '-')
		return;
	switch (c->state) {
	case GREETING:
		put_text(c, "HELO floor\r\n");
		c->state = HELLO;
		return;
	case MAIL:
	case RCPT:
		c->state++;
		return;
	case DATA:
		put(c, c->message->data, c->message->len);
		c->state = DOT;
		return;
	case DOT:
		free(c->message);
		c->message = NULL;
		break;
	default:
		break;
	}
	c->state = IDLE;
	c->next = idle;
	idle = c;
}

/* False where the session ends. */
static bool
command_line(struct connection *c, const char *line)
{
	switch (line[0]) {
	case 'E':
		put_text(c, "250-floor\r\n250 PIPELINING\r\n");
		break;
	case 'D':
		c->state = CONTENT;
		put_text(c, "354 go\r\n");
		break;
	case 'Q':
		put_text(c, "221 bye\r\n");
		return false;
	default:
		put_text(c, "250 ok\r\n");
	}
	return true;
}

static void
drop(struct connection *c, size_t n)
{
	c->used -= n;
	memmove(c->input, c->input + n, c->used);
}

static void
content(struct connection *c)
{
	char *end = memmem(c->input, c->used, "\r\n.\r\n", 5);

	if (end == NULL)
		return;
	size_t len = (size_t)(end + 5 - c->input);
	struct message *m = malloc(sizeof *m + len);
	if (m == NULL)
		err(1, "malloc");
	m->next = NULL;
	m->len = len;
	memcpy(m->data, c->input, len);
	drop(c, len);
	c->message = m;
	c->state = COMMAND;
	c->next = waiting;
	waiting = c;
}

/* False where the connection ended. */
static bool
work(struct connection *c)
{
	for (;;) {
		if (c->state == CONTENT) {
			content(c);
			return true;
		}
		char *end = memchr(c->input, '\n', c->used);
		if (end == NULL)
			return true;
		if (c->outgoing)
			reply_line(c, c->input);
		else if (!command_line(c, c->input))
			return false;
		drop(c, (size_t)(end + 1 - c->input));
	}
}

static void
ready(struct connection *c)
{
	if (c->size - c->used < INPUT) {
		c->size = c->size * 2 + INPUT;
		c->input = realloc(c->input, c->size);
		if (c->input == NULL)
			err(1, "realloc");
	}
	ssize_t n = read(c->fd, c->input + c->used, c->size - c->used);
	if (n > 0)
		c->used += (size_t)n;
	if (n <= 0 || !work(c)) {
		if (c->outgoing)
			exit(0);	/* the sink has all it wanted */
		connection_free(c);
	}
}

static void
commit(void)
{
	for (struct connection *c = waiting; c != NULL; c = c->next) {
		if (pwrite(file, c->message->data, c->message->len, place) < 0)
			err(1, "pwrite");
		place = place > FILE_TURN ? 0 : place + (off_t)c->message->len;
	}
	if (fdatasync(file) < 0)
		err(1, "fdatasync");
	for (struct connection *c = waiting; c != NULL; c = c->next) {
		put_text(c, "250 queued\r\n");
		*last = c->message;
		last = &c->message->next;
		c->message = NULL;
	}
	waiting = NULL;
}

static void
open_file(const char *path)
{
	static char zeros[1 << 20];

	file = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		err(1, "%s", path);
	for (off_t at = 0; at < FILE_SIZE; at += (off_t)sizeof zeros)
		if (pwrite(file, zeros, sizeof zeros, at) < 0)
			err(1, "%s", path);
	if (fsync(file) < 0)
		err(1, "fsync");
}

static struct sockaddr_in
loopback(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int
open_listener(const char *port)
{
	struct sockaddr_in a = loopback(port);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0)
		err(1, "port %s", port);
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
	return fd;
}

static void
accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		put_text(connection_new(fd, false), "220 floor\r\n");
}

int
main(int argc, char **argv)
{
	if (argc != 5)
		errx(64, "usage: floor LISTENPORT SINKPORT CONNECTIONS FILE");
	poller = epoll_create1(0);
	open_file(argv[4]);
	struct sockaddr_in sink = loopback(argv[2]);
	for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0; i--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&sink, sizeof sink) < 0)
			err(1, "port %s", argv[2]);
		(void)connection_new(fd, true);
	}
	int listener = open_listener(argv[1]);
	for (;;) {
		struct epoll_event ev[ROUND];
		int n = epoll_wait(poller, ev, ROUND, -1);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == NULL)
				accept_all(listener);
			else
				ready(ev[i].data.ptr);
		}
		if (waiting != NULL)
			commit();
		hand_on();
	}
}
