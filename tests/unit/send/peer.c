#include "unit/send/peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"

struct link {
	struct loop_io	 io;
	struct peer	*peer;
	struct buf	 in;
	bool		 data;
};

static void
link_close(struct link *l)
{
	loop_io_watch(&l->io, 0);
	close(l->io.fd);
	buf_clear(&l->in);
	free(l);
}

static const char *
rule_for(struct peer *p, struct span command)
{
	for (size_t i = 0; i < 8 && p->rules[i].command != NULL; i++) {
		struct peer_rule *r = &p->rules[i];
		if (!span_casestarts(command, r->command) || r->times == UINT32_MAX)
			continue;
		if (r->times > 0 && --r->times == 0)
			r->times = UINT32_MAX;	/* used up */
		return r->reply;
	}
	return NULL;
}

/* False where the connection is closed now. */
static bool
say(struct link *l, const char *text)
{
	char line[600];

	if (strcmp(text, "-") == 0) {
		link_close(l);
		return false;
	}
	if (text[0] == '\0')
		return true;
	int n = snprintf(line, sizeof line, "%s\r\n", text);
	if (send(l->io.fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		abort();
	return true;
}

static bool
command(struct link *l, struct span line)
{
	struct peer *p = l->peer;
	const char *reply = rule_for(p, line);
	char hello[300];

	buf_span(&p->commands, line);
	buf_char(&p->commands, '\n');
	if (reply == NULL && (span_casestarts(line, "EHLO") || span_casestarts(line, "LHLO"))) {
		(void)snprintf(hello, sizeof hello, "250-peer.test\r\n%s250 PIPELINING",
		    p->keywords == NULL ? "" : p->keywords);
		reply = hello;
	} else if (reply == NULL && span_casestarts(line, "DATA")) {
		l->data = true;
		buf_reset(&p->content);
		reply = "354 go";
	}
	return say(l, reply == NULL ? "250 2.0.0 Ok" : reply);
}

static bool
take_line(struct link *l, struct span line)
{
	struct peer *p = l->peer;

	if (!l->data)
		return command(l, line);
	if (!span_eqs(line, ".")) {
		buf_span(&p->content, line);
		buf_char(&p->content, '\n');
		return true;
	}
	l->data = false;
	p->messages++;
	const char *reply = rule_for(p, SPAN("."));
	if (!say(l, reply == NULL ? "250 2.0.0 Ok: queued as TEST" : reply))
		return false;
	return !p->close_after || say(l, "-");
}

static void
on_bytes(void *arg, short what)
{
	struct link *l = arg;
	char bytes[65536];
	ssize_t n = read(l->io.fd, bytes, sizeof bytes);

	(void)what;
	if (n <= 0) {
		link_close(l);
		return;
	}
	buf_put(&l->in, bytes, (size_t)n);
	for (size_t end; (end = span_find(buf_view(&l->in), '\n')) < l->in.len;) {
		char line[2048];
		size_t len = end > 0 && l->in.ptr[end - 1] == '\r' ? end - 1 : end;
		if (len >= sizeof line)
			abort();
		memcpy(line, l->in.ptr, len);
		buf_drop(&l->in, end + 1);
		if (!take_line(l, span_of(line, len)))
			return;
	}
}

static void
on_connection(void *arg, short what)
{
	struct peer *p = arg;
	struct link *l;
	int fd = accept4(p->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	p->connections++;
	MEM_NEW(l);
	l->peer = p;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	loop_io_init(&l->io, fd, on_bytes, l);
	loop_io_watch(&l->io, EV_READ);
	const char *reply = rule_for(p, SPAN("connect"));
	say(l, reply == NULL ? "220 peer.test ESMTP" : reply);
}

void
peer_start(struct peer *p, const char *addr, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	memset(p, 0, sizeof *p);
	inet_pton(AF_INET, addr, &in.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, 50) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	p->port = ntohs(in.sin_port);
	loop_io_init(&p->listen, fd, on_connection, p);
	loop_io_watch(&p->listen, EV_READ);
}

void
peer_stop(struct peer *p)
{
	loop_io_watch(&p->listen, 0);
	close(p->listen.fd);
	buf_clear(&p->commands);
	buf_clear(&p->content);
}

void
peer_forget(struct peer *p)
{
	buf_reset(&p->commands);
	buf_reset(&p->content);
	memset(p->rules, 0, sizeof p->rules);
	p->connections = p->messages = 0;
	p->close_after = false;
	p->keywords = NULL;
}
